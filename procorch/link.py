"""Many two-way streams over one connection that carries messages: how masters reach a node that dials out.

Both sides are alike but for the numbers of the streams they open (odd for the one that dialled, even for the other).
A message is one frame: a byte that says what it is, four bytes with the stream's number (big endian), the payload.

    open   a JSON header: begins a stream                  data    bytes
    head   a JSON answer to the header, before any data    end     no more data from this side (half-close)
    reset  text: the stream is over in both directions     window  four bytes: how many more bytes may be sent
    ping, pong   any bytes, stream 0

Each direction of each stream has a window of 256 KiB: a reader that is slow, or has stopped, holds up its own stream
and nothing else. The design is that of HTTP/2 (RFC 9113, "Streams and Multiplexing" and "Flow Control"), without
what HTTP needs beyond it. There is no socket in here: `send` carries messages out, `feed` takes those that came.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import struct
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable
from functools import partial
from typing import Any

import orjson

from procorch.link_stream import FRAME, WINDOW, LinkClosed, ProtocolError, Stream, StreamReset, Type, decoded

__all__ = ["WINDOW", "Accept", "Link", "LinkClosed", "ProtocolError", "Stream", "StreamReset"]

logger = logging.getLogger(__name__)

MOST_ACCEPTED = 1024  # streams opened by the other side at one time
MOST_REPLIES = 16 * 1024  # messages that wait to be sent by themselves
PING_SECONDS = 10.0
DEAD_SECONDS = 30.0

Accept = Callable[[dict[str, Any], Stream], Awaitable[None]]
"""Serves one stream that the other side opened; it is ended when this returns, cancelled when it is reset."""


class Link:
    """One side of the connection.

    send: carries one message out; waiting in it is the back-pressure of the connection as a whole.
    accept: None refuses streams from the other side.
    first_id: 1 for the side that dialled, 2 for the other.
    ping_seconds, dead_seconds: after how long without a message to ask, and to give up.
    """

    def __init__(
        self,
        send: Callable[[bytes], Awaitable[None]],
        *,
        accept: Accept | None,
        first_id: int,
        ping_seconds: float = PING_SECONDS,
        dead_seconds: float = DEAD_SECONDS,
    ) -> None:
        self._send = send
        self._accept = accept
        self._next = first_id
        self._last_accepted = 0
        self._ping_seconds = ping_seconds
        self._dead_seconds = dead_seconds
        self._streams: dict[int, Stream] = {}
        self._serving: dict[int, asyncio.Task[None]] = {}
        self._accepted: deque[Stream] = deque()
        self._replies: deque[bytes] = deque()
        self._work = asyncio.Event()
        self._turn = asyncio.Lock()  # messages go out one at a time, in the order in which they were written
        self._heard = 0.0
        self._closed: str | None = None

    async def open(self, header: dict[str, Any]) -> Stream:
        """A new stream to the other side. Raises LinkClosed."""
        if self._closed is not None:
            raise LinkClosed(self._closed)
        number, self._next = self._next, self._next + 2
        stream = self._streams[number] = Stream(self, number, header)
        try:
            await self.write(FRAME.pack(Type.OPEN, number) + orjson.dumps(header))  # the lock keeps their order
        except BaseException:
            self._streams.pop(number, None)
            raise
        return stream

    async def feed(self, message: bytes) -> None:
        """One message that came. Never waits for a stream's reader. Raises ProtocolError, which closes the link."""
        try:
            self._dispatch(message)
        except (ProtocolError, struct.error) as error:
            self.close(str(error))
            raise error if isinstance(error, ProtocolError) else ProtocolError(f"bad frame: {error}") from error

    async def run(self, messages: AsyncIterator[bytes] | None = None) -> None:
        """Serves accepted streams and keeps the connection alive, until it is closed or the other side is silent.

        messages: fed as they come; their end closes the link. Without them the caller calls `feed`.
        """
        self._heard = asyncio.get_running_loop().time()
        try:
            async with asyncio.TaskGroup() as tasks:
                background = [tasks.create_task(self._keep_alive(), name="link:ping")]
                if messages is not None:
                    background.append(tasks.create_task(self._feed_all(messages), name="link:feed"))
                try:
                    await self._serve(tasks)
                finally:
                    for task in (*background, *self._serving.values()):
                        task.cancel()
        finally:
            self.close("the link has ended")

    def close(self, reason: str = "closed") -> None:
        """Every stream fails with LinkClosed, and `run` returns. The connection itself is the caller's."""
        if self._closed is None:
            self._closed = reason
            for stream in self._streams.values():
                stream.fail(reason)
            self._streams.clear()
            self._work.set()

    @property
    def closed(self) -> str | None:
        """Why it is closed; None while it is not."""
        return self._closed

    async def _feed_all(self, messages: AsyncIterator[bytes]) -> None:
        try:
            async for message in messages:
                await self.feed(message)
            self.close("the other side closed the connection")
        except (OSError, ProtocolError) as error:
            self.close(str(error) or type(error).__name__)

    async def _serve(self, tasks: asyncio.TaskGroup) -> None:
        while self._closed is None:
            while self._replies:
                await self.write(self._replies.popleft())
            while self._accepted:
                stream = self._accepted.popleft()
                if not stream.over:
                    task = tasks.create_task(self._serve_one(stream), name=f"link:stream:{stream.number}")
                    self._serving[stream.number] = task
                    task.add_done_callback(partial(self._served, stream.number))
            self._work.clear()
            if not self._replies and self._closed is None:
                await self._work.wait()

    def _served(self, number: int, task: asyncio.Task[None]) -> None:
        # Not a `finally` in the task: a task that is cancelled before its first step runs none of its code.
        self._serving.pop(number, None)

    async def _serve_one(self, stream: Stream) -> None:
        assert self._accept is not None
        try:
            await self._accept(stream.header, stream)
            await stream.end()
            if not stream.over:
                stream.discard()
        except (LinkClosed, StreamReset):
            pass
        except Exception as error:  # one stream's failure must not end the others
            logger.exception("stream failed", extra={"header": stream.header})
            with contextlib.suppress(LinkClosed):
                await stream.reset(f"{type(error).__name__}: {error}")

    async def _keep_alive(self) -> None:
        loop = asyncio.get_running_loop()
        while self._closed is None:
            await asyncio.sleep(self._ping_seconds)
            silent = loop.time() - self._heard
            if silent >= self._dead_seconds:
                self.close(f"nothing heard for {silent:.0f} s")
            elif silent >= self._ping_seconds * 0.9:
                self.reply(FRAME.pack(Type.PING, 0))

    def _dispatch(self, message: bytes) -> None:
        if self._closed is not None:
            return
        self._heard = asyncio.get_running_loop().time()
        type_, number = FRAME.unpack_from(message)
        payload = memoryview(message)[FRAME.size :]
        if type_ == Type.PING:
            self.reply(FRAME.pack(Type.PONG, 0) + payload)
        elif type_ == Type.OPEN:
            self._opened(number, decoded(payload))
        elif type_ in (Type.HEAD, Type.DATA, Type.END, Type.RESET, Type.WINDOW):
            # What is on its way to a stream that was reset here arrives after its end, and is nobody's.
            if (stream := self._streams.get(number)) is not None:
                if type_ == Type.RESET:
                    self._was_reset(stream, bytes(payload).decode(errors="replace"))
                else:
                    stream.receive(type_, payload)
                    if stream.over:
                        self.forget(number)
        elif type_ != Type.PONG:
            raise ProtocolError(f"unknown frame type {type_}")

    def _opened(self, number: int, header: dict[str, Any]) -> None:
        if number % 2 == self._next % 2 or number <= self._last_accepted:
            raise ProtocolError(f"stream number {number} is not the other side's next")
        self._last_accepted = number
        if self._accept is None or len(self._serving) + len(self._accepted) >= MOST_ACCEPTED:
            refusal = b"streams are not accepted here" if self._accept is None else b"too many streams"
            self.reply(FRAME.pack(Type.RESET, number) + refusal)
            return
        stream = self._streams[number] = Stream(self, number, header)
        self._accepted.append(stream)
        self._work.set()

    def _was_reset(self, stream: Stream, reason: str) -> None:
        stream.fail(reason or "reset by the other side")
        self.forget(stream.number)
        if (task := self._serving.get(stream.number)) is not None:
            task.cancel()

    def forget(self, number: int) -> None:
        """The stream of this number is over."""
        self._streams.pop(number, None)

    def reply(self, message: bytes) -> None:
        """Sent by `run`: `feed` must not wait, or two full connections would wait for each other."""
        if len(self._replies) >= MOST_REPLIES:
            self.close("the other side asks and does not read")
            return
        self._replies.append(message)
        self._work.set()

    async def write(self, message: bytes) -> None:
        """One message after the other. Raises LinkClosed."""
        async with self._turn:
            await self._send_now(message)

    async def _send_now(self, message: bytes) -> None:
        if self._closed is not None:
            raise LinkClosed(self._closed)
        try:
            await self._send(message)
        except OSError as error:
            self.close(str(error) or type(error).__name__)
            raise LinkClosed(str(error)) from error
