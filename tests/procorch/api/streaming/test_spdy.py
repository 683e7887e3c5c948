"""SPDY's framing: streams, half-closes, pings, header compression over several frames, and what no client may send."""

from __future__ import annotations

import asyncio
import struct
import zlib

import pytest

from procorch.api.streaming.spdy import DICTIONARY, Spdy, SpdyError

from .spdy_client import SpdyClient


class Pair:
    """A client and a server, back to back."""

    def __init__(self) -> None:
        self.client = SpdyClient()
        self.opened = asyncio.Queue()
        self.spdy = Spdy(self._send, self.opened.put_nowait)

    async def _send(self, data: bytes) -> None:
        self.client.feed(data)

    async def flush(self, piece: int = 1 << 30) -> None:
        out = self.client.take()
        for start in range(0, len(out), piece):
            await self.spdy.feed(out[start : start + piece])


@pytest.fixture
def pair():
    return Pair()


def test_the_dictionary_is_the_specifications():
    assert len(DICTIONARY) == 1423
    assert zlib.adler32(DICTIONARY) == 0xE3C6A7C2  # as zlib asks for it: the FDICT of every client's first block


@pytest.mark.parametrize("piece", [1, 9, 1 << 30])
async def test_a_stream_both_ways(pair, piece):
    number = pair.client.open(streamtype="stdin", port="80")
    pair.client.send(number, b"hello ")
    pair.client.send(number, b"you", fin=True)
    await pair.flush(piece)
    stream = pair.opened.get_nowait()
    await stream.reply()

    assert stream.headers == {"streamtype": "stdin", "port": "80"}
    assert [await stream.read() for _ in range(3)] == [b"hello ", b"you", b""]
    await stream.write(b"x" * 100_000)
    await stream.end()
    await stream.end()
    assert pair.client.replied == {number}
    assert pair.client.data[number] == b"x" * 100_000
    assert pair.client.ended == {number}


async def test_headers_are_compressed_over_many_streams(pair):
    for number in range(50):
        pair.client.open(streamtype="data", requestid=str(number))
    await pair.flush()

    streams = [pair.opened.get_nowait() for _ in range(50)]
    for stream in streams:
        await stream.reply()
    assert [one.headers["requestid"] for one in streams] == [str(number) for number in range(50)]
    assert len(pair.client.replied) == 50


async def test_pings_of_the_client_come_back(pair):
    pair.client.ping(7)
    await pair.flush()
    assert pair.client.pongs == [7]


async def test_a_reset_breaks_the_stream_alone(pair):
    first, second = pair.client.open(streamtype="a"), pair.client.open(streamtype="b")
    await pair.flush()
    one, two = pair.opened.get_nowait(), pair.opened.get_nowait()
    pair.client.control(3, struct.pack(">II", first, 5))
    pair.client.send(second, b"on", fin=False)
    await pair.flush()

    with pytest.raises(SpdyError):
        await one.read()
    with pytest.raises(SpdyError):
        await one.write(b"x")
    assert await two.read() == b"on"


async def test_the_end_of_the_connection_breaks_every_stream(pair):
    pair.client.open(streamtype="a")
    await pair.flush()
    stream = pair.opened.get_nowait()

    async def read() -> None:
        with pytest.raises(SpdyError):
            await stream.read()

    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(read())
        await asyncio.sleep(0)
        pair.spdy.close()
    assert stream.broken.is_set()


async def test_a_stream_that_is_not_read_holds_up_the_connection(pair):
    number = pair.client.open(streamtype="stdin")
    await pair.flush()
    stream = pair.opened.get_nowait()
    for _ in range(5):
        pair.client.send(number, b"x" * 100_000)
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        feeding = tasks.create_task(pair.flush())
        await asyncio.sleep(0.01)
        assert not feeding.done()
        for _ in range(3):
            await stream.read()


@pytest.mark.parametrize(
    ("frame", "why"),
    [
        (struct.pack(">HHI", 0x8002, 1, 0), "version 2 of SPDY"),
        (struct.pack(">HHI", 0x8003, 1, 2 << 20), "a frame of 2097152 bytes"),
        (struct.pack(">HHI", 0x8003, 1, 2) + b"xx", "too short"),
        (struct.pack(">HHI", 0x8003, 1, 14) + struct.pack(">IIH", 1, 0, 0) + b"junk", "headers"),
        (struct.pack(">HHI", 0x8003, 6, 1) + b"x", "too short"),
    ],
)
async def test_what_no_client_may_send(pair, frame, why):
    with pytest.raises(SpdyError, match=why):
        await pair.spdy.feed(frame)


@pytest.mark.parametrize("numbers", [(2,), (3, 3), (5, 1)])
async def test_streams_are_numbered_upward_and_odd(pair, numbers):
    with pytest.raises(SpdyError, match="is not the client's next"):
        for number in numbers:
            pair.client._next = number
            pair.client.open(streamtype="a")
            await pair.flush()


async def test_headers_are_bounded(pair):
    pair.client.open(streamtype="x" * 200_000)
    with pytest.raises(SpdyError, match="headers of more than 65536 bytes"):
        await pair.flush()


async def test_more_streams_than_are_allowed_are_refused(pair):
    for _ in range(1001):
        pair.client.open(streamtype="a")
    await pair.flush()
    assert pair.client.reset == {2001}
