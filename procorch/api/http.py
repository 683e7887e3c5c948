"""The API's sockets: HTTP/1.1 over TLS on aiohttp's low-level server, without its router."""

from __future__ import annotations

import asyncio
import gzip
import logging
import socket
import ssl
from collections.abc import AsyncIterator, Mapping
from pathlib import Path

from aiohttp import HttpVersion10, HttpVersion11, WSMsgType, web

from procorch.api import connection, messages
from procorch.api.api import Api, as_api_error
from procorch.api.auth import token_among
from procorch.api.budget import Budget
from procorch.api.connection import Connection, Connections, last, plain, whole
from procorch.api.request import Request, Response, refusal
from procorch.api.streaming import Proxied
from procorch.api.streaming.proxy import forward
from procorch.api.streaming.upgrade import upgrade
from procorch.api.watch import Watch
from procorch.api.wire import watched
from procorch.objects import (
    ApiError,
    BadRequest,
    Forbidden,
    RequestEntityTooLarge,
    Timeout,
    TooManyRequests,
    UnsupportedMediaType,
)

logger = logging.getLogger(__name__)

BODY_LIMIT = 3 << 20  # bytes, as kube-apiserver's
HEAD_LIMIT = 64 << 10  # bytes of the request line, and of a header: long selectors are sent in the first
HEADS_LIMIT = 1 << 20  # bytes of all headers of a request together, as in Go's server
BODY_SECONDS = 30.0
BODIES = 256 << 20  # bytes of bodies that are being received or worked on, all clients together
ANSWERS = 512 << 20  # and of large answers that have not been read yet
SMALL = 64 << 10  # bytes up to which neither counts: a heartbeat has room at any time
SLOWEST = 100_000  # bytes of a large answer that a client must read a second, after connection.SEND_SECONDS
PIECE = 256 << 10  # bytes of a large answer that are encrypted and sent at once
GZIP_FROM = 128 << 10  # bytes; below, compressing costs more than it saves (kube-apiserver's threshold too)
LINK_MESSAGE = 1 << 20  # bytes of one message of a node's link
_CODINGS = ("gzip", "deflate", "identity")


class Listener:
    """A listening API. port: the one that was bound, also where 0 was asked for."""

    def __init__(self, server: Connections, listening: asyncio.Server, port: int) -> None:
        self._server = server
        self._listening = listening
        self.port = port

    async def close(self, grace: float = 2.0) -> None:
        """Takes no more connections, gives those that are busy `grace` seconds, ends the rest."""
        self._listening.close()
        await self._server.shutdown(grace)


async def serve(api: Api, host: str, port: int, ssl_context: ssl.SSLContext | None) -> Listener:
    """Listens. ssl_context: from `server_context`; None for plain http (tests). Raises OSError: port in use."""
    loop = asyncio.get_running_loop()
    server = Connections(_Handler(api).handle, handler_cancellation=True, keepalive_timeout=connection.IDLE_SECONDS,
                         access_log=None, lingering_time=2.0, logger=connection.protocol_logger(),
                         max_line_size=HEAD_LIMIT, max_field_size=HEAD_LIMIT)  # fmt: skip
    listening = await loop.create_server(
        server,
        sock=_listening_socket(host, port),
        ssl=ssl_context,
        backlog=1024,
        ssl_handshake_timeout=connection.HEADER_SECONDS if ssl_context is not None else None,
    )
    return Listener(server, listening, listening.sockets[0].getsockname()[1])


def server_context(certificate: Path, key: Path, ca_pem: bytes) -> ssl.SSLContext:
    """TLS in which a client may show a certificate of this CA, and is refused if it shows another's."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.load_cert_chain(certificate, key)
    context.load_verify_locations(cadata=ca_pem.decode())
    context.verify_mode = ssl.CERT_OPTIONAL
    context.set_alpn_protocols(["http/1.1"])
    context.num_tickets = 0  # making two costs a third of a handshake's CPU, and Kubernetes' clients come back to none
    return context


def _listening_socket(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    # IPPROTO_TCP by name: of a socket with protocol 0 asyncio does not see that it is TCP, and leaves out TCP_NODELAY.
    sock = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        sock.setblocking(False)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


class _Handler:
    def __init__(self, api: Api) -> None:
        self._api = api
        self._bodies = Budget(BODIES, SMALL, "large requests at a time")
        self._answers = Budget(ANSWERS, SMALL, "large answers that nobody has read yet")

    async def handle(self, http: web.BaseRequest) -> web.StreamResponse:
        arrival = _Arrival(http, self._bodies) if http.body_exists else None
        try:
            request = _request_of(http, arrival)
        except ApiError as error:
            logger.info("request refused", extra={"path": http.path[:200], "why": error.message[:300]})
            return last(refusal(error))
        try:
            return await self._answer(http, request)
        finally:
            if arrival is not None:
                arrival.close()

    async def _answer(self, http: web.BaseRequest, request: Request) -> web.StreamResponse:
        if request.path.endswith("/link") and http.headers.get("Upgrade", "").lower() == "websocket":
            return await self._link(http, request)
        response = await self._api.handle(request)
        if isinstance(response.connect, Proxied):
            return await forward(http, response.connect)
        if response.connect is not None:
            return await upgrade(http, request, response.connect)
        if request.receive is not None and response.stream is None and response.status >= 400:
            return last(response)  # the body is not waited for
        if response.stream is None:
            return await self._whole(http, response, request)
        if http.method == "HEAD":
            await _close(response.stream)
            return plain(response)
        if messages.is_wanted(request) and response.status == 200:
            try:
                return await messages.told(http, request, response, response.stream)
            finally:
                await _close(response.stream)
        if isinstance(response.stream, Watch):
            if http.version < HttpVersion11:  # which has no chunks
                response.stream.end()
                return plain(refusal(BadRequest.of("a watch needs HTTP/1.1")))
            return await watched(http, response, response.stream)
        return await _streamed(http, response, response.stream)

    async def _whole(self, http: web.BaseRequest, response: Response, request: Request) -> web.StreamResponse:
        if len(response.body) > GZIP_FROM and "gzip" in request.headers.get("accept-encoding", ""):
            response.body = await asyncio.to_thread(gzip.compress, response.body, 1)
            response.headers["Content-Encoding"] = "gzip"
            response.headers["Vary"] = "Accept-Encoding"
        if len(response.body) <= PIECE or http.method == "HEAD":
            return whole(http, response)
        try:
            held = self._answers.take(len(response.body))
        except TooManyRequests as error:
            return plain(refusal(error))
        try:
            return await _sent(http, response)
        finally:
            self._answers.give(held)

    async def _link(self, http: web.BaseRequest, request: Request) -> web.StreamResponse:
        """A node's own connection, on which requests go to it."""
        try:
            route, user = self._api.authorize(request)
            if (route.group, route.resource, route.subresource) != ("procorch.dev", "nodes", "link"):
                raise BadRequest.of("nothing can be upgraded here")
            if user.name != f"system:node:{route.name}":
                raise Forbidden.of("nodes", route.name or "", f'only node "{route.name}" itself can link')
        except Exception as error:
            return plain(refusal(as_api_error(error)))
        assert route.name is not None
        socket_ = web.WebSocketResponse(max_msg_size=LINK_MESSAGE, compress=False, autoping=True)
        await socket_.prepare(http)
        await self._api.links.serve(route.name, socket_.send_bytes, _messages(socket_))
        await socket_.close()
        return socket_


async def _messages(socket_: web.WebSocketResponse) -> AsyncIterator[bytes]:
    async for message in socket_:
        if message.type == WSMsgType.BINARY:
            yield message.data


def _request_of(http: web.BaseRequest, arrival: _Arrival | None) -> Request:
    """What the headers say; the body is received when the API asks for it. Raises ApiError."""
    if http.version < HttpVersion10:
        raise BadRequest.of("the request names no version of HTTP: HTTP/1.1 is spoken here")
    if sum(len(name) + len(value) for name, value in http.raw_headers) > HEADS_LIMIT:
        raise ApiError(f"the headers are larger than {HEADS_LIMIT} bytes", 431, "BadRequest")
    if http.headers.get("Expect", "100-continue").lower() != "100-continue":
        raise ApiError(f"this expectation cannot be met: {http.headers['Expect'][:100]}", 417, "BadRequest")
    url = http.rel_url
    query: Mapping[str, str] = url.query if url.raw_query_string else {}
    headers: dict[str, str] = {}
    for name, value in http.headers.items():
        name = name.lower()
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    if headers.get("upgrade", "").lower() == "websocket" and "sec-websocket-protocol" in headers:
        headers["sec-websocket-protocol"], token = token_among(headers["sec-websocket-protocol"])
        if token:
            headers.setdefault("authorization", f"Bearer {token}")
    user = http.protocol.user if isinstance(http.protocol, Connection) else None
    receive = None if arrival is None else arrival.receive
    return Request(http.method, url.raw_path, query, headers, b"", user, http.remote or "", receive)


class _Arrival:
    """A body on its way. budget: what all of them may hold; `close` gives back what this one took of it."""

    def __init__(self, http: web.BaseRequest, budget: Budget) -> None:
        self._http = http
        self._budget = budget
        self._taken = 0

    def close(self) -> None:
        self._budget.give(self._taken)
        self._taken = 0

    async def receive(self) -> bytes:
        """As fast as the client sends it. Raises RequestEntityTooLarge, Timeout, BadRequest and the like."""
        http = self._http
        length, coding = http.content_length, http.headers.get("Content-Encoding", "identity").lower()
        if length is not None and length > BODY_LIMIT:
            raise RequestEntityTooLarge.of(BODY_LIMIT)
        if coding not in _CODINGS:
            why = f"the body of the request is encoded as {coding[:100]}; understood are: {', '.join(_CODINGS)}"
            raise UnsupportedMediaType(why, 415, "UnsupportedMediaType")
        self._taken = self._budget.take(BODY_LIMIT if length is None or coding != "identity" else length)
        if http.headers.get("Expect") is not None and http.transport is not None:
            http.transport.write(b"HTTP/1.1 100 Continue\r\n\r\n")  # curl waits a second for it
        try:
            if http.content.is_eof():
                return self._whole()
            async with asyncio.timeout(BODY_SECONDS):
                return await self._body()
        except TimeoutError:
            said = f"the body of the request did not arrive within {BODY_SECONDS:g} s"
            raise Timeout(said, 408, "Timeout") from None
        except (web.RequestPayloadError, web.PayloadAccessError) as error:
            why = " ".join(str(error).split())[:300]
            raise BadRequest.of(f"the body of the request cannot be read: {why}") from None

    def _whole(self) -> bytes:
        """What came with its headers, as most do."""
        body = self._http.content.read_nowait()
        if len(body) > BODY_LIMIT:
            raise RequestEntityTooLarge.of(BODY_LIMIT)
        return body

    async def _body(self) -> bytes:
        parts, size = [], 0
        async for chunk in self._http.content.iter_any():
            size += len(chunk)
            if size > BODY_LIMIT:
                raise RequestEntityTooLarge.of(BODY_LIMIT)
            parts.append(chunk)
        return b"".join(parts)


async def _sent(http: web.BaseRequest, response: Response) -> web.StreamResponse:
    """A large answer, piece by piece: a client that is slow holds no more than a piece of it, and other clients have
    their turns in between. The connection ends where it is not read in time."""
    body = memoryview(response.body)
    answered = web.StreamResponse(status=response.status, headers=response.headers)
    answered.content_length = len(body)
    try:
        async with asyncio.timeout(connection.SEND_SECONDS + len(body) / SLOWEST):
            await answered.prepare(http)
            for start in range(0, len(body), PIECE):
                await answered.write(body[start : start + PIECE])
            await answered.write_eof()
    except TimeoutError:
        if isinstance(http.protocol, Connection):
            http.protocol.give_up()
    except ConnectionError:
        pass  # the client has gone
    return answered


async def _streamed(http: web.BaseRequest, response: Response, stream: AsyncIterator[bytes]) -> web.StreamResponse:
    """A body that comes piece by piece, as fast as the client takes it; in HTTP/1.0 the connection's end is its end."""
    answered = web.StreamResponse(status=response.status, headers=response.headers)
    if http.version >= HttpVersion11:
        answered.enable_chunked_encoding()
    try:
        writer = await answered.prepare(http)
        if writer is not None:
            writer.send_headers()
        async for chunk in stream:
            await answered.write(chunk)
        await answered.write_eof()
    except ConnectionError:
        pass  # the client has gone
    finally:
        await _close(stream)
    return answered


async def _close(stream: AsyncIterator[bytes]) -> None:
    if isinstance(stream, Watch):
        stream.end()
    close = getattr(stream, "aclose", None)
    if close is not None:
        await close()
