"""exec and attach: the client's end of a command's streams joined to the node's."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from typing import Any, Protocol

from procorch.api.streaming.spdy import SpdyStream
from procorch.link import LinkClosed, Stream, StreamReset
from procorch.objects import ApiError
from procorch.remotecommand import (
    CLOSE,
    ERROR,
    RESIZE,
    STDERR,
    STDIN,
    STDOUT,
    Frames,
    Wanted,
    failed,
    in_words,
)

V1, V2, V3, V4 = "channel.k8s.io", "v2.channel.k8s.io", "v3.channel.k8s.io", "v4.channel.k8s.io"
PROTOCOLS = (V4, V3, V2, V1)
"""Versions of a command's streams on SPDY, the best first; the first that a client names wins."""


class Remote(Protocol):
    """A client's end of a command's streams."""

    async def receive(self, take: Callable[[int, bytes], Awaitable[None]]) -> None:
        """Hands over what the client sends, by channel, until it has gone."""
        ...

    async def write(self, channel: int, data: bytes) -> None:
        """Raises ConnectionError where the client has gone."""
        ...

    async def finish(self, status: bytes) -> None:
        """How it ended, as the node told it."""
        ...


async def join(remote: Remote, stream: Stream) -> None:
    """Until the command has ended or the client has gone, which ends the command."""
    frames = Frames(stream)

    async def take(channel: int, data: bytes) -> None:
        if channel in (STDIN, RESIZE, CLOSE):
            await frames.write(channel, data)

    async with stream:
        await until_one_ends(remote.receive(take), _outward(remote, frames))


async def _outward(remote: Remote, frames: Frames) -> None:
    """Returns when the client has been told how it ended."""
    try:
        while (frame := await frames.read()) is not None:
            channel, data = frame
            if channel == ERROR:
                await remote.finish(data)
                return
            await remote.write(channel, data)
        why = "the node ended the stream before the command"
    except (LinkClosed, StreamReset) as error:
        why = f"the node's connection is lost: {error}"
    await remote.finish(failed(why))


async def until_one_ends(*works: Coroutine[Any, Any, None]) -> None:
    """Does all at once until the first has ended, and cancels the others. A connection that is over ends its work."""

    async def one(work: Coroutine[Any, Any, None]) -> None:
        with contextlib.suppress(ConnectionError):
            await work

    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(one(work), name="streams") for work in works]
        await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
        for task in running:
            task.cancel()


class SpdyRemote:
    """A command's streams, each a stream of SPDY that the client opened and named by `streamtype`."""

    def __init__(self, streams: dict[int, SpdyStream], protocol: str) -> None:
        self._streams = streams
        self._protocol = protocol

    async def receive(self, take: Callable[[int, bytes], Awaitable[None]]) -> None:
        async def read(channel: int, stream: SpdyStream) -> None:
            with contextlib.suppress(ConnectionError):
                while data := await stream.read():
                    await take(channel, data)
                if channel == STDIN:
                    await take(CLOSE, bytes([STDIN]))

        async with asyncio.TaskGroup() as tasks:
            readers = [
                tasks.create_task(read(channel, self._streams[channel]), name=f"spdy:{channel}")
                for channel in (STDIN, RESIZE)
                if channel in self._streams
            ]
            await self._streams[ERROR].broken.wait()
            for task in readers:
                task.cancel()

    async def write(self, channel: int, data: bytes) -> None:
        if (stream := self._streams.get(channel)) is not None:
            await stream.write(data)

    async def finish(self, status: bytes) -> None:
        told = status if self._protocol == V4 else in_words(status).encode()
        if told:
            await self._streams[ERROR].write(told)
        for stream in self._streams.values():
            await stream.end()


_NAMES = {"stdin": STDIN, "stdout": STDOUT, "stderr": STDERR, "error": ERROR, "resize": RESIZE}


async def gather_streams(
    opened: asyncio.Queue[SpdyStream], wanted: Wanted, protocol: str, seconds: float
) -> dict[int, SpdyStream]:
    """The streams that the client opens for what it asked for. Raises ApiError if one does not come in time."""
    expected = {ERROR}
    for channel, asked in ((STDIN, wanted.stdin), (STDOUT, wanted.stdout), (STDERR, wanted.stderr)):
        if asked:
            expected.add(channel)
    if wanted.tty and protocol in (V4, V3):
        expected.add(RESIZE)
    found: dict[int, SpdyStream] = {}
    try:
        async with asyncio.timeout(seconds):
            while expected - set(found):
                stream = await opened.get()
                if (name := stream.headers.get("streamtype", "")) in _NAMES:
                    found[_NAMES[name]] = stream
                await stream.reply()
    except TimeoutError:
        raise ApiError("timed out waiting for client to create streams", 500, "InternalError") from None
    return found


def chosen(offered: Sequence[str], known: Sequence[str]) -> str | None:
    """The first of the client's protocols that is known; None where it offers others only."""
    return next((one for one in offered if one in known), None)
