"""A connection's bytes, once HTTP is done with it."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

_UNREAD = 1 << 20  # bytes of an upgraded connection that may wait before it is read no more


class Raw(asyncio.Protocol):
    """before: HTTP's protocol, which is told of the end.

    Iterated, it gives what came, until the client has no more.
    """

    def __init__(self, before: asyncio.BaseProtocol, transport: asyncio.Transport) -> None:
        self._before = before
        self._transport = transport
        self._came = bytearray()
        self._news = asyncio.Event()
        self._ended = False
        self._room = asyncio.Event()
        self._room.set()

    @classmethod
    async def take_over(cls, http: web.BaseRequest, answered: web.StreamResponse) -> Raw:
        """Sends the answer's head, with status 101, and gives what follows. Raises ConnectionError."""
        transport = http.transport
        if transport is None:
            raise ConnectionResetError("the client has gone")
        answered.force_close()
        writer = await answered.prepare(http)
        if writer is not None:
            writer.send_headers()  # aiohttp keeps them back for a body
        raw = cls(http.protocol, transport)
        transport.set_protocol(raw)
        return raw

    def data_received(self, data: bytes) -> None:
        self._came += data
        self._news.set()
        if len(self._came) > _UNREAD:
            with contextlib.suppress(RuntimeError):
                self._transport.pause_reading()

    def eof_received(self) -> bool:
        self._ended = True
        self._news.set()
        return self._transport.get_extra_info("sslcontext") is None  # we close when we have said everything

    def pause_writing(self) -> None:
        self._room.clear()

    def resume_writing(self) -> None:
        self._room.set()

    def connection_lost(self, exc: Exception | None) -> None:
        self._ended = True
        self._news.set()
        self._room.set()
        self._before.connection_lost(exc)

    def __aiter__(self) -> Raw:
        return self

    async def __anext__(self) -> bytes:
        while not self._came:
            if self._ended:
                raise StopAsyncIteration
            self._news.clear()
            await self._news.wait()
        data, self._came = bytes(self._came), bytearray()
        with contextlib.suppress(RuntimeError):
            self._transport.resume_reading()
        return data

    async def write(self, data: bytes) -> None:
        """Waits while the client does not read. Raises ConnectionError."""
        await self._room.wait()
        if self._transport.is_closing():
            raise ConnectionResetError("the client has gone")
        self._transport.write(data)

    async def drain(self, seconds: float = 5.0) -> None:
        """What was written has a while to leave before the connection is closed."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._room.wait()
