"""How a request reaches the API: what a transport is, and the one over HTTP.

The other transport, `procorch.api.local.LocalTransport`, calls the API in the same process without a socket.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, NamedTuple, Protocol

import aiohttp
from yarl import URL

_NOTHING: Mapping[str, str] = {}
CONNECTIONS = 16
"""For calls, at most: three hundred tasks that ask at once would each pay for a TLS handshake of their own."""


class Answer(NamedTuple):
    """A whole answer. headers: names in lower case; a header that came twice is joined with a comma."""

    status: int
    headers: Mapping[str, str]
    body: bytes


class StreamAnswer(NamedTuple):
    """An answer whose body is still coming. chunks: pieces as they arrive, cut anywhere."""

    status: int
    headers: Mapping[str, str]
    chunks: AsyncIterator[bytes]


class Unreachable(ConnectionError):
    """No answer: nobody listens, the connection broke, or time ran out.

    received: whether the request may have reached somebody; then whether a write was done is unknown.
    """

    def __init__(self, message: str, *, received: bool = True) -> None:
        super().__init__(message)
        self.received = received


class Transport(Protocol):
    """Carries requests to one API. `path` is already percent-encoded; `query` is not."""

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes = b"",
    ) -> Answer:
        """The whole answer, whatever its status. Raises Unreachable."""
        ...

    def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes = b"",
    ) -> AbstractAsyncContextManager[StreamAnswer]:
        """The answer while it comes: for watches and logs. Leaving the context ends it. Raises Unreachable."""
        ...

    async def close(self) -> None: ...


class HttpTransport:
    """HTTP/1.1 with connections kept alive, to one server.

    ssl_context: carries the client certificate and the CA; None for plain http.
    token: sent as a bearer token.
    timeout: seconds for a whole answer; a stream may last for ever, a dead peer is found by TCP keep-alive.
    server_hostname: the name that the server's certificate must carry, where it is not the URL's.
    """

    def __init__(
        self,
        server_url: str,
        ssl_context: ssl.SSLContext | None = None,
        token: str | None = None,
        *,
        timeout: float = 60,
        server_hostname: str | None = None,
    ) -> None:
        self.server_url = server_url.rstrip("/")
        self._ssl = ssl_context
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}
        self._timeout = aiohttp.ClientTimeout(total=timeout, sock_connect=10)
        self._stream_timeout = aiohttp.ClientTimeout(total=None, sock_connect=10, sock_read=None)
        self._server_hostname = server_hostname
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # of calls, and of streams, which keep theirs for long
        self._waiting: set[asyncio.Timeout] = set()  # for an answer, or for a stream to begin
        self._streams: set[aiohttp.ClientResponse] = set()

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes = b"",
    ) -> Answer:
        async with self._until_closed(), self._request(method, path, query, headers, body, self._timeout) as response:
            return Answer(response.status, _lower(response.headers), await response.read())

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes = b"",
    ) -> AsyncIterator[StreamAnswer]:
        async with self._until_closed():
            response = await self._request(method, path, query, headers, body, self._stream_timeout)
        self._streams.add(response)
        try:
            yield StreamAnswer(response.status, _lower(response.headers), self._chunks(response))
        finally:
            self._streams.discard(response)
            response.close()  # not release(): the rest of an endless body must not be waited for

    async def close(self) -> None:
        """Ends what is under way, too: whoever waits for an answer or reads a stream gets Unreachable.

        By ourselves, before the sessions: aiohttp closes the connections and leaves a reader that waits at one waiting
        for ever, and it cancels who waits for a free connection, which looks like the end of that task.
        """
        now = asyncio.get_running_loop().time()
        waiting, self._waiting = self._waiting, set()
        sessions, self._sessions = self._sessions, {}
        for one in waiting:
            one.reschedule(now)
        for response in tuple(self._streams):
            response.close()
        for session in sessions.values():
            await session.close()

    @asynccontextmanager
    async def _until_closed(self) -> AsyncIterator[None]:
        """What waits within is ended by `close`. Raises Unreachable for that, and for every error of the network."""
        scope = asyncio.timeout(None)
        try:
            async with scope:
                self._waiting.add(scope)
                try:
                    yield
                finally:
                    self._waiting.discard(scope)
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            if scope.expired():
                raise Unreachable(f"{self.server_url}: given up while an answer was awaited") from error
            raise self._unreachable(error) from error

    async def _chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        try:
            async for chunk in response.content.iter_any():
                yield chunk
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            raise self._unreachable(error) from error

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes,
        timeout: aiohttp.ClientTimeout,
    ) -> Any:
        lasting = timeout is self._stream_timeout
        session = self._sessions.get(lasting)
        if session is None:
            session = self._sessions[lasting] = self._new_session(0 if lasting else CONNECTIONS)
        url = URL(self.server_url + path, encoded=True)
        return session.request(
            method,
            url.update_query(query) if query else url,
            headers=headers,
            data=body or None,
            timeout=timeout,
            allow_redirects=False,
            server_hostname=self._server_hostname,
        )

    def _new_session(self, limit: int) -> aiohttp.ClientSession:
        secure = self._ssl if self._ssl is not None else True
        connector = aiohttp.TCPConnector(limit=limit, ssl=secure, socket_factory=_socket, ttl_dns_cache=60)
        return aiohttp.ClientSession(connector=connector, headers=self._headers, auto_decompress=True)

    def _unreachable(self, error: BaseException) -> Unreachable:
        received = not isinstance(error, aiohttp.ClientConnectorError | aiohttp.ConnectionTimeoutError)
        return Unreachable(f"{self.server_url}: {str(error) or type(error).__name__}", received=received)


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    result: dict[str, str] = {}
    for name, value in headers.items():
        name = name.lower()
        result[name] = f"{result[name]}, {value}" if name in result else value
    return result


def _socket(address: Any) -> socket.socket:
    """A socket that finds out within 30 s that its peer is gone (a powered-off host sends no FIN)."""
    family, kind, proto, _, _ = address
    sock = socket.socket(family, kind, proto)
    sock.setblocking(False)
    if family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if hasattr(socket, "TCP_KEEPIDLE"):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 15)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 5)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 30_000)
    return sock
