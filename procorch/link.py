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
from enum import IntEnum
from functools import partial
from types import TracebackType
from typing import Any

import orjson

logger = logging.getLogger(__name__)

WINDOW = 256 * 1024
CHUNK = 32 * 1024  # a long write is cut, so that other streams get their turn
MOST_ACCEPTED = 1024  # streams opened by the other side at one time
MOST_REPLIES = 16 * 1024  # messages that wait to be sent by themselves
PING_SECONDS = 10.0
DEAD_SECONDS = 30.0

_FRAME = struct.Struct(">BI")
_COUNT = struct.Struct(">I")


class _Type(IntEnum):
    OPEN = 1
    HEAD = 2
    DATA = 3
    END = 4
    RESET = 5
    WINDOW = 6
    PING = 7
    PONG = 8


class LinkClosed(ConnectionError):
    """The connection under the streams is gone."""


class StreamReset(ConnectionError):
    """One stream is over, by the other side or by this one; the text says why."""


class ProtocolError(LinkClosed):
    """The other side sent what it must not: the connection is of no use any more."""


class Stream:
    """One two-way stream. header: what the opener said it is about.

    As an async context manager it is reset on leaving unless both directions have ended.
    """

    def __init__(self, link: Link, number: int, header: dict[str, Any]) -> None:
        self.header = header
        self._link = link
        self._number = number
        self._chunks: deque[bytes] = deque()
        self._buffered = 0
        self._read = 0  # bytes handed to the reader and not yet given back as window
        self._credit = WINDOW  # bytes that we may send
        self._head: dict[str, Any] | None = None
        self._ended_here = False
        self._ended_there = False
        self._discarding = False
        self._reason: str | None = None  # set once the stream is reset
        self._arrived = asyncio.Event()
        self._sendable = asyncio.Event()
        self._sendable.set()

    async def respond(self, head: dict[str, Any]) -> None:
        """The answer to the header; before the first write, once."""
        self._check()
        await self._send(_Type.HEAD, orjson.dumps(head))

    async def response(self) -> dict[str, Any]:
        """What the other side responded. Raises StreamReset, or LinkClosed where it ended without a response."""
        while self._head is None:
            self._check()
            if self._ended_there or self._chunks:
                raise LinkClosed("the stream has no response")
            await self._wait(self._arrived)
        return self._head

    async def read(self) -> bytes:
        """The next bytes; b"" when the other side has ended. Raises StreamReset."""
        while not self._chunks:
            self._check()
            if self._ended_there:
                return b""
            await self._wait(self._arrived)
        chunk = self._chunks.popleft()
        self._buffered -= len(chunk)
        self._read += len(chunk)
        if self._read >= WINDOW // 2 and not self._ended_there and self._reason is None:
            given, self._read = self._read, 0
            # Queued, not awaited: a read that is cancelled must not lose the bytes it has taken.
            self._link._reply(_FRAME.pack(_Type.WINDOW, self._number) + _COUNT.pack(given))
        return chunk

    async def write(self, data: bytes) -> None:
        """Returns when all of it is on its way; waits while the other side does not read. Raises StreamReset."""
        view = memoryview(data)
        while True:
            self._check()
            if self._ended_here:
                raise StreamReset("written to after its end")
            if not view:
                return
            size = min(len(view), CHUNK, self._credit)
            if size == 0:
                self._sendable.clear()
                await self._wait(self._sendable)
                continue
            self._credit -= size
            await self._send(_Type.DATA, view[:size])
            view = view[size:]

    async def end(self) -> None:
        """No more data from here; reading goes on. Does nothing the second time, or after a reset."""
        if self._ended_here or self._reason is not None:
            return
        self._ended_here = True
        await self._send(_Type.END)
        self._link._forget_if_over(self)

    async def reset(self, reason: str = "") -> None:
        """Over in both directions, at once. Does nothing where it is over already."""
        if self._reason is None and not self.over:
            self._fail(reason or "reset")
            self._link._streams.pop(self._number, None)
            await self._send(_Type.RESET, reason.encode())

    @property
    def over(self) -> bool:
        """Reset, or both sides have ended."""
        return self._reason is not None or (self._ended_here and self._ended_there)

    async def __aenter__(self) -> Stream:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if not self.over:
            with contextlib.suppress(LinkClosed):
                await self.reset("cancelled")

    async def _send(self, type_: _Type, payload: bytes | memoryview = b"") -> None:
        await self._link._write(_FRAME.pack(type_, self._number) + payload)

    async def _wait(self, event: asyncio.Event) -> None:
        await event.wait()
        if event is self._arrived:
            event.clear()

    def _check(self) -> None:
        if self._reason is not None:
            if self._link._closed is not None:
                raise LinkClosed(self._link._closed)
            raise StreamReset(self._reason)

    def _fail(self, reason: str) -> None:
        self._reason = reason
        self._chunks.clear()
        self._arrived.set()
        self._sendable.set()

    def _receive(self, type_: int, payload: memoryview) -> None:
        """One frame of this stream. Raises ProtocolError."""
        if type_ == _Type.WINDOW:
            self._credit += _COUNT.unpack(payload)[0]
            if self._credit > WINDOW:
                raise ProtocolError("more window than there is")
            self._sendable.set()
            return
        if self._ended_there:
            raise ProtocolError("a frame after the end of its stream")
        if type_ == _Type.DATA:
            self._take(bytes(payload))
        elif type_ == _Type.END:
            self._ended_there = True
        elif type_ == _Type.HEAD:
            if self._head is not None:
                raise ProtocolError("two responses to one stream")
            self._head = _json(payload)
        self._arrived.set()

    def _take(self, data: bytes) -> None:
        if self._buffered + self._read + len(data) > WINDOW:
            raise ProtocolError("data beyond the window")
        if self._discarding:
            self._link._reply(_FRAME.pack(_Type.WINDOW, self._number) + _COUNT.pack(len(data)))
        elif data:
            self._chunks.append(data)
            self._buffered += len(data)

    def _discard(self) -> None:
        """Nobody reads here any more: what comes is dropped, so that the other side can finish."""
        self._discarding = True
        dropped, self._buffered, self._read = self._buffered + self._read, 0, 0
        self._chunks.clear()
        if dropped:
            self._link._reply(_FRAME.pack(_Type.WINDOW, self._number) + _COUNT.pack(dropped))


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
            await self._write(_FRAME.pack(_Type.OPEN, number) + orjson.dumps(header))  # the lock keeps their order
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
                stream._fail(reason)
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
                await self._write(self._replies.popleft())
            while self._accepted:
                stream = self._accepted.popleft()
                if not stream.over:
                    task = tasks.create_task(self._serve_one(stream), name=f"link:stream:{stream._number}")
                    self._serving[stream._number] = task
                    task.add_done_callback(partial(self._served, stream._number))
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
                stream._discard()
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
                self._reply(_FRAME.pack(_Type.PING, 0))

    def _dispatch(self, message: bytes) -> None:
        if self._closed is not None:
            return
        self._heard = asyncio.get_running_loop().time()
        type_, number = _FRAME.unpack_from(message)
        payload = memoryview(message)[_FRAME.size :]
        if type_ == _Type.PING:
            self._reply(_FRAME.pack(_Type.PONG, 0) + payload)
        elif type_ == _Type.OPEN:
            self._opened(number, _json(payload))
        elif type_ in (_Type.HEAD, _Type.DATA, _Type.END, _Type.RESET, _Type.WINDOW):
            # What is on its way to a stream that was reset here arrives after its end, and is nobody's.
            if (stream := self._streams.get(number)) is not None:
                if type_ == _Type.RESET:
                    self._was_reset(stream, bytes(payload).decode(errors="replace"))
                else:
                    stream._receive(type_, payload)
                    self._forget_if_over(stream)
        elif type_ != _Type.PONG:
            raise ProtocolError(f"unknown frame type {type_}")

    def _opened(self, number: int, header: dict[str, Any]) -> None:
        if number % 2 == self._next % 2 or number <= self._last_accepted:
            raise ProtocolError(f"stream number {number} is not the other side's next")
        self._last_accepted = number
        if self._accept is None or len(self._serving) + len(self._accepted) >= MOST_ACCEPTED:
            refusal = b"streams are not accepted here" if self._accept is None else b"too many streams"
            self._reply(_FRAME.pack(_Type.RESET, number) + refusal)
            return
        stream = self._streams[number] = Stream(self, number, header)
        self._accepted.append(stream)
        self._work.set()

    def _was_reset(self, stream: Stream, reason: str) -> None:
        stream._fail(reason or "reset by the other side")
        self._streams.pop(stream._number, None)
        if (task := self._serving.get(stream._number)) is not None:
            task.cancel()

    def _forget_if_over(self, stream: Stream) -> None:
        if stream.over:
            self._streams.pop(stream._number, None)

    def _reply(self, message: bytes) -> None:
        """Sent by `run`: `feed` must not wait, or two full connections would wait for each other."""
        if len(self._replies) >= MOST_REPLIES:
            self.close("the other side asks and does not read")
            return
        self._replies.append(message)
        self._work.set()

    async def _write(self, message: bytes) -> None:
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


def _json(payload: memoryview) -> dict[str, Any]:
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"bad header: {error}") from error
    if not isinstance(value, dict):
        raise ProtocolError("a header must be a JSON object")
    return value
