"""HTTP/1.1 with a server behind a node, over one stream of the node's link; TLS inside it where that is asked for."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from typing import Protocol

import h11

from procorch.link import Stream

ANSWER_SECONDS = 300.0  # for the head of an answer
_TLS_RECORD = 16 << 10


class Bytes(Protocol):
    """A connection's bytes. `read` gives b"" at the end; both raise ConnectionError."""

    async def read(self) -> bytes: ...

    async def write(self, data: bytes) -> None: ...


class Encrypted:
    """TLS over other bytes. Whose certificate it is nobody asks: Kubernetes' proxy does not either."""

    def __init__(self, below: Bytes) -> None:
        context = ssl.create_default_context()
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
        self._below = below
        self._came, self._going = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._came, self._going, server_side=False)

    async def handshake(self) -> None:
        """Raises ConnectionError."""
        while True:
            try:
                self._tls.do_handshake()
                await self._flush()
                return
            except ssl.SSLWantReadError:
                await self._flush()
                await self._more()
            except ssl.SSLError as error:
                raise ConnectionError(f"TLS: {error}") from error

    async def read(self) -> bytes:
        while True:
            try:
                return self._tls.read(_TLS_RECORD)
            except ssl.SSLWantReadError:
                await self._flush()
                await self._more()
            except ssl.SSLZeroReturnError:
                return b""
            except ssl.SSLError as error:
                raise ConnectionError(f"TLS: {error}") from error

    async def write(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self._tls.write(view[:_TLS_RECORD]) :]
            await self._flush()

    async def _more(self) -> None:
        if data := await self._below.read():
            self._came.write(data)
        else:
            self._came.write_eof()

    async def _flush(self) -> None:
        if data := self._going.read():
            await self._below.write(data)


async def connected(stream: Stream, scheme: str) -> Bytes:
    """The stream, or TLS over it. Raises ConnectionError."""
    if scheme != "https":
        return stream
    encrypted = Encrypted(stream)
    await encrypted.handshake()
    return encrypted


class Exchange:
    """One request and its answer. Raises ConnectionError where the server breaks off or speaks no HTTP."""

    def __init__(self, connection: Bytes) -> None:
        self._connection = connection
        self._http = h11.Connection(our_role=h11.CLIENT, max_incomplete_event_size=256 << 10)

    async def ask(
        self, method: str, target: str, headers: list[tuple[str, str]], body: AsyncIterator[bytes] | None
    ) -> h11.Response | h11.InformationalResponse:
        """The head of the answer; an informational one only where the protocol is switched.

        The body is sent beside the waiting: a server may answer before it has all of it.
        """
        request = h11.Request(method=method, target=target, headers=headers)
        await self._send(request)
        if body is None:
            await self._send(h11.EndOfMessage())
            return await self._head()
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(self._send_body(body), name="proxy:body")
            head = await self._head()
            sending.cancel()
        return head

    async def pieces(self) -> AsyncIterator[bytes]:
        """The answer's body."""
        while not isinstance(event := await self._next(), h11.EndOfMessage | h11.PAUSED):
            if isinstance(event, h11.Data):
                yield bytes(event.data)
            elif isinstance(event, h11.ConnectionClosed):
                return

    @property
    def rest(self) -> bytes:
        """What came behind the head where the protocol is switched."""
        return bytes(self._http.trailing_data[0])

    async def _send_body(self, body: AsyncIterator[bytes]) -> None:
        try:
            async for piece in body:
                await self._send(h11.Data(data=piece))
            await self._send(h11.EndOfMessage())
        except (ConnectionError, h11.LocalProtocolError):
            pass  # it reads no more: what it answers is what counts

    async def _send(self, event: h11.Event) -> None:
        if data := self._http.send(event):
            await self._connection.write(data)

    async def _head(self) -> h11.Response | h11.InformationalResponse:
        async with asyncio.timeout(ANSWER_SECONDS):
            while True:
                event = await self._next()
                if isinstance(event, h11.Response):
                    return event
                if isinstance(event, h11.InformationalResponse) and event.status_code == 101:
                    return event

    async def _next(self) -> object:
        while True:
            try:
                event = self._http.next_event()
                if event is not h11.NEED_DATA:
                    return event
                data = await self._connection.read()
                if not data and self._http.their_state is h11.SEND_RESPONSE and not self._http.trailing_data[0]:
                    raise ConnectionError("the server closed the connection without an answer")
                self._http.receive_data(data)
            except h11.RemoteProtocolError as error:
                raise ConnectionError(f"the server's answer is not HTTP/1.1: {error}") from error
