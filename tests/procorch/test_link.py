"""The link's promises, without sockets: two sides joined by queues, with delays drawn by hypothesis."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procorch.link import WINDOW, Link, LinkClosed, ProtocolError, Stream, StreamReset

Handler = Callable[[dict[str, Any], Stream], Awaitable[None]]


async def refuse(header: dict[str, Any], stream: Stream) -> None:
    raise AssertionError("nobody was to open a stream")


@asynccontextmanager
async def joined(
    serve: Handler | None, *, serve_back: Handler | None = refuse, delay: Callable[[], int] = lambda: 0, **times: float
) -> AsyncIterator[tuple[Link, Link]]:
    """A dialling and an answering side; each message waits `delay()` turns of the loop on its way."""

    def wire() -> tuple[Callable[[bytes], Awaitable[None]], AsyncIterator[bytes]]:
        queue: asyncio.Queue[bytes] = asyncio.Queue(maxsize=4)

        async def messages() -> AsyncIterator[bytes]:
            while True:
                message = await queue.get()
                for _ in range(delay()):
                    await asyncio.sleep(0)
                yield message

        return queue.put, messages()

    to_answerer, at_answerer = wire()
    to_dialler, at_dialler = wire()
    dialler = Link(to_answerer, accept=serve_back, first_id=1, **times)
    answerer = Link(to_dialler, accept=serve, first_id=2, **times)
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(dialler.run(at_dialler)), tasks.create_task(answerer.run(at_answerer))]
        yield dialler, answerer
        for task in running:
            task.cancel()


async def whole(stream: Stream) -> bytes:
    parts = []
    while chunk := await stream.read():
        parts.append(chunk)
    return b"".join(parts)


async def echo(header: dict[str, Any], stream: Stream) -> None:
    await stream.respond({"status": 200, "of": header["path"]})
    while chunk := await stream.read():
        await stream.write(chunk)


@settings(max_examples=40, deadline=None)
@given(
    sizes=st.lists(st.lists(st.integers(0, 150_000), max_size=6), min_size=1, max_size=6),
    seed=st.integers(0, 2**32),
)
def test_every_stream_gets_its_own_bytes_in_order_whatever_the_delays(sizes: list[list[int]], seed: int) -> None:
    draw = random.Random(seed)

    async def one(link: Link, number: int, lengths: list[int]) -> None:
        sent = [bytes([number]) * length for length in lengths]
        async with await link.open({"path": str(number)}) as stream:

            async def write() -> None:
                for data in sent:
                    await stream.write(data)
                await stream.end()

            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(write())
                assert await stream.response() == {"status": 200, "of": str(number)}
                assert await whole(stream) == b"".join(sent)

    async def story() -> None:
        async with joined(echo, serve_back=echo, delay=lambda: draw.randrange(4)) as (dialler, answerer):
            async with asyncio.TaskGroup() as tasks:
                for number, lengths in enumerate(sizes):
                    tasks.create_task(one(draw.choice((dialler, answerer)), number, lengths))
            await settled(dialler, answerer)
            assert not dialler._streams and not answerer._streams

    asyncio.run(story())


async def settled(*links: Link) -> None:
    for _ in range(200):
        await asyncio.sleep(0)
        if not any(link._streams for link in links):
            return


@settings(max_examples=20, deadline=None)
@given(taken=st.integers(0, 3 * WINDOW), seed=st.integers(0, 2**32))
def test_a_sender_is_never_more_than_a_window_ahead_of_its_reader(taken: int, seed: int) -> None:
    draw = random.Random(seed)
    sent = 0

    async def pour(header: dict[str, Any], stream: Stream) -> None:
        nonlocal sent
        await stream.respond({})
        while True:
            await stream.write(b"x" * 10_000)
            sent += 10_000

    async def story() -> None:
        async with joined(pour, delay=lambda: draw.randrange(3)) as (dialler, _), await dialler.open({}) as stream:
            read = 0
            while read < taken:
                read += len(await stream.read())
            for _ in range(500):
                await asyncio.sleep(0)
            assert sent <= read + WINDOW

    asyncio.run(story())


async def test_a_reader_that_stops_holds_up_no_other_stream() -> None:
    async def serve(header: dict[str, Any], stream: Stream) -> None:
        await stream.respond({})
        await stream.write(b"y" * header["bytes"])

    async with joined(serve) as (dialler, _), await dialler.open({"bytes": 10 * WINDOW}) as stopped:
        await stopped.response()
        async with await dialler.open({"bytes": 5 * WINDOW}) as quick:
            assert len(await whole(quick)) == 5 * WINDOW


async def test_half_close_lets_the_other_direction_go_on() -> None:
    async def count(header: dict[str, Any], stream: Stream) -> None:
        await stream.respond({})
        await stream.write(str(len(await whole(stream))).encode())

    async with joined(count) as (dialler, _), await dialler.open({}) as stream:
        await stream.write(b"z" * (3 * WINDOW))
        await stream.end()

        assert await whole(stream) == str(3 * WINDOW).encode()
        with pytest.raises(StreamReset):
            await stream.write(b"late")


async def test_a_reset_cancels_the_handler_and_nothing_else() -> None:
    cancelled = asyncio.Event()

    async def wait(header: dict[str, Any], stream: Stream) -> None:
        if header.get("echo"):
            return await echo({"path": "/"}, stream)
        await stream.respond({})
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.set()
            raise

    async with joined(wait) as (dialler, _):
        async with await dialler.open({}) as stream:
            await stream.response()
            await stream.reset("enough")
            await asyncio.wait_for(cancelled.wait(), 5)
            with pytest.raises(StreamReset, match="enough"):
                await stream.read()

        async with await dialler.open({"echo": True}) as other:
            await other.write(b"still here")
            await other.end()
            assert await whole(other) == b"still here"


async def test_leaving_the_block_resets_a_stream_that_goes_on() -> None:
    reason: asyncio.Queue[str] = asyncio.Queue()

    async def pour(header: dict[str, Any], stream: Stream) -> None:
        try:
            while True:
                await stream.write(b"more")
        except asyncio.CancelledError:
            reason.put_nowait(str(stream._reason))
            raise

    async with joined(pour) as (dialler, answerer):
        async with await dialler.open({}) as stream:
            assert await stream.read() == b"more"
        assert await reason.get() == "cancelled"
        await settled(dialler, answerer)
        assert not answerer._streams and not answerer._serving


async def test_a_handler_that_fails_resets_its_stream_with_the_error() -> None:
    async def fail(header: dict[str, Any], stream: Stream) -> None:
        raise ValueError("no such container")

    async with joined(fail) as (dialler, _), await dialler.open({}) as stream:
        with pytest.raises(StreamReset, match="ValueError: no such container"):
            await stream.response()


async def test_a_handler_that_does_not_read_lets_the_other_side_finish() -> None:
    async def answer(header: dict[str, Any], stream: Stream) -> None:
        await stream.respond({"status": 404})

    async with joined(answer) as (dialler, answerer):
        async with await dialler.open({}) as stream:
            assert await stream.response() == {"status": 404}
            await stream.write(b"x" * (3 * WINDOW))
            await stream.end()
            assert await whole(stream) == b""
        await settled(dialler, answerer)
        assert not answerer._streams


async def test_a_side_that_accepts_nothing_resets_what_is_opened() -> None:
    async with joined(None) as (dialler, _), await dialler.open({}) as stream:
        with pytest.raises(StreamReset, match="not accepted"):
            await stream.response()


async def test_when_the_link_closes_every_stream_fails() -> None:
    async def hang(header: dict[str, Any], stream: Stream) -> None:
        await stream.read()

    async with joined(hang) as (dialler, _):
        stream = await dialler.open({})
        dialler.close("power cut")
        with pytest.raises(LinkClosed, match="power cut"):
            await stream.read()
        with pytest.raises(LinkClosed, match="power cut"):
            await dialler.open({})


async def test_a_silent_other_side_is_given_up() -> None:
    async def nowhere(message: bytes) -> None:
        return None

    link = Link(nowhere, accept=None, first_id=1, ping_seconds=0.01, dead_seconds=0.05)
    await asyncio.wait_for(link.run(), 5)
    assert link.closed is not None and link.closed.startswith("nothing heard")


async def test_pings_keep_an_idle_link_open() -> None:
    async with joined(echo, ping_seconds=0.01, dead_seconds=0.2) as (dialler, answerer):
        await asyncio.sleep(0.5)
        assert dialler.closed is None and answerer.closed is None


async def test_a_reader_that_is_cancelled_loses_no_bytes() -> None:
    async def pour(header: dict[str, Any], stream: Stream) -> None:
        await stream.respond({})
        for number in range(2000):
            await stream.write(number.to_bytes(2, "big") * 200)
            if number % 7 == 0:
                await asyncio.sleep(0)

    async with joined(pour) as (dialler, _), await dialler.open({}) as stream:
        got = bytearray()
        while True:
            reading = asyncio.get_running_loop().create_task(stream.read())
            for _ in range(3):
                await asyncio.sleep(0)
            if not reading.done():
                reading.cancel()
            try:
                chunk = await reading
            except asyncio.CancelledError:
                continue
            if not chunk:
                break
            got += chunk
        assert bytes(got) == b"".join(number.to_bytes(2, "big") * 200 for number in range(2000))


@pytest.mark.parametrize(
    "message",
    [
        pytest.param(b"", id="an empty message"),
        pytest.param(b"\x63\x00\x00\x00\x01", id="an unknown type"),
        pytest.param(b"\x01\x00\x00\x00\x01{}", id="a stream with a number of our own"),
        pytest.param(b"\x01\x00\x00\x00\x02[]", id="a header that is no object"),
        pytest.param(b"\x01\x00\x00\x00\x02{", id="a header that is no JSON"),
    ],
)
async def test_what_must_not_come_closes_the_link(message: bytes) -> None:
    async def nowhere(message: bytes) -> None:
        return None

    link = Link(nowhere, accept=echo, first_id=1)
    with pytest.raises(ProtocolError):
        await link.feed(message)
    assert link.closed is not None


@settings(max_examples=200, deadline=None)
@given(messages=st.lists(st.binary(max_size=20), max_size=20))
def test_any_bytes_either_work_or_close_the_link(messages: list[bytes]) -> None:
    async def nowhere(message: bytes) -> None:
        return None

    async def story() -> None:
        link = Link(nowhere, accept=echo, first_id=1)
        for message in messages:
            try:
                await link.feed(message)
            except ProtocolError:
                assert link.closed is not None

    asyncio.run(story())


async def test_data_beyond_the_window_closes_the_link() -> None:
    async def nowhere(message: bytes) -> None:
        return None

    link = Link(nowhere, accept=None, first_id=1)
    await link.open({})
    for _ in range(8):
        await link.feed(b"\x03\x00\x00\x00\x01" + b"x" * (WINDOW // 8))
    with pytest.raises(ProtocolError, match="window"):
        await link.feed(b"\x03\x00\x00\x00\x01x")
