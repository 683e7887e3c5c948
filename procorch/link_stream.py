"""One of a link's streams: its window, its two ends, and the frames in which it is carried (their list: link.py)."""

from __future__ import annotations

import asyncio
import contextlib
import struct
from collections import deque
from enum import IntEnum
from types import TracebackType
from typing import Any, Protocol

import orjson

WINDOW = 256 * 1024
CHUNK = 32 * 1024  # a long write is cut, so that other streams get their turn

FRAME = struct.Struct(">BI")
COUNT = struct.Struct(">I")


class Type(IntEnum):
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


class Carrier(Protocol):
    """What a stream needs of its link."""

    @property
    def closed(self) -> str | None:
        """Why the link is closed; None while it is not."""

    async def write(self, message: bytes) -> None:
        """Returns when it is on its way. Raises LinkClosed."""

    def reply(self, message: bytes) -> None:
        """Sent soon, without waiting."""

    def forget(self, number: int) -> None:
        """The stream of this number is over."""


class Stream:
    """One two-way stream. header: what the opener said it is about.

    As an async context manager it is reset on leaving unless both directions have ended.
    """

    def __init__(self, link: Carrier, number: int, header: dict[str, Any]) -> None:
        self.header = header
        self._link = link
        self.number = number
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
        await self._send(Type.HEAD, orjson.dumps(head))

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
            self._link.reply(FRAME.pack(Type.WINDOW, self.number) + COUNT.pack(given))
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
            await self._send(Type.DATA, view[:size])
            view = view[size:]

    async def end(self) -> None:
        """No more data from here; reading goes on. Does nothing the second time, or after a reset."""
        if self._ended_here or self._reason is not None:
            return
        self._ended_here = True
        await self._send(Type.END)
        if self.over:
            self._link.forget(self.number)

    async def reset(self, reason: str = "") -> None:
        """Over in both directions, at once. Does nothing where it is over already."""
        if self._reason is None and not self.over:
            self.fail(reason or "reset")
            self._link.forget(self.number)
            await self._send(Type.RESET, reason.encode())

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

    async def _send(self, type_: Type, payload: bytes | memoryview = b"") -> None:
        await self._link.write(FRAME.pack(type_, self.number) + payload)

    async def _wait(self, event: asyncio.Event) -> None:
        await event.wait()
        if event is self._arrived:
            event.clear()

    def _check(self) -> None:
        if self._reason is not None:
            if self._link.closed is not None:
                raise LinkClosed(self._link.closed)
            raise StreamReset(self._reason)

    # What its link tells it

    def fail(self, reason: str) -> None:
        """Over, without a word to the other side."""
        self._reason = reason
        self._chunks.clear()
        self._arrived.set()
        self._sendable.set()

    def receive(self, type_: int, payload: memoryview) -> None:
        """One frame of this stream. Raises ProtocolError."""
        if type_ == Type.WINDOW:
            self._credit += COUNT.unpack(payload)[0]
            if self._credit > WINDOW:
                raise ProtocolError("more window than there is")
            self._sendable.set()
            return
        if self._ended_there:
            raise ProtocolError("a frame after the end of its stream")
        if type_ == Type.DATA:
            self._take(bytes(payload))
        elif type_ == Type.END:
            self._ended_there = True
        elif type_ == Type.HEAD:
            if self._head is not None:
                raise ProtocolError("two responses to one stream")
            self._head = decoded(payload)
        self._arrived.set()

    def _take(self, data: bytes) -> None:
        if self._buffered + self._read + len(data) > WINDOW:
            raise ProtocolError("data beyond the window")
        if self._discarding:
            self._link.reply(FRAME.pack(Type.WINDOW, self.number) + COUNT.pack(len(data)))
        elif data:
            self._chunks.append(data)
            self._buffered += len(data)

    def discard(self) -> None:
        """Nobody reads here any more: what comes is dropped, so that the other side can finish."""
        self._discarding = True
        dropped, self._buffered, self._read = self._buffered + self._read, 0, 0
        self._chunks.clear()
        if dropped:
            self._link.reply(FRAME.pack(Type.WINDOW, self.number) + COUNT.pack(dropped))


def decoded(payload: memoryview) -> dict[str, Any]:
    try:
        value = orjson.loads(payload)
    except orjson.JSONDecodeError as error:
        raise ProtocolError(f"bad header: {error}") from error
    if not isinstance(value, dict):
        raise ProtocolError("a header must be a JSON object")
    return value
