"""A connection after HTTP: bytes in both directions, slow readers on either side, and its end."""

from __future__ import annotations

import asyncio

from procorch.api.streaming.raw import Raw


class Transport:
    """What a transport is told."""

    def __init__(self) -> None:
        self.written = b""
        self.reading = True
        self.closing = False

    def write(self, data: bytes) -> None:
        self.written += data

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def is_closing(self) -> bool:
        return self.closing

    def get_extra_info(self, name: str) -> None:
        return None


class Before:
    """HTTP's protocol."""

    ended = False

    def connection_lost(self, exc: Exception | None) -> None:
        self.ended = True


def made() -> tuple[Raw, Transport, Before]:
    transport, before = Transport(), Before()
    return Raw(before, transport), transport, before  # type: ignore[arg-type]


async def test_what_came_is_read_until_the_end():
    raw, _, before = made()
    raw.data_received(b"one")
    raw.data_received(b"two")
    assert await anext(raw) == b"onetwo"
    raw.data_received(b"three")
    raw.eof_received()
    assert [piece async for piece in raw] == [b"three"]
    raw.connection_lost(None)
    assert before.ended


async def test_what_nobody_reads_holds_up_the_client():
    raw, transport, _ = made()
    raw.data_received(b"x" * (2 << 20))
    assert not transport.reading
    await anext(raw)
    assert transport.reading


async def test_a_client_that_does_not_read_holds_up_the_writer():
    raw, transport, _ = made()
    raw.pause_writing()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        writing = tasks.create_task(raw.write(b"x"))
        await asyncio.sleep(0.01)
        assert not writing.done()
        raw.resume_writing()
    assert transport.written == b"x"


async def test_draining_does_not_wait_for_ever():
    raw, _, _ = made()
    raw.pause_writing()
    async with asyncio.timeout(5):
        await raw.drain(0.01)
