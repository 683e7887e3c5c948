"""pods/proxy and services/proxy: a request goes on to a server in the cluster, through the node that can reach it.
nodes/proxy: it goes to the node itself.

Source: apimachinery pkg/util/proxy/upgradeaware.go.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlencode

import h11
from aiohttp import web

from procorch.api.auth import token_among
from procorch.api.connection import last
from procorch.api.links import Body
from procorch.api.request import Request, Response, refusal
from procorch.api.routes import Route
from procorch.api.streaming.command import until_one_ends
from procorch.api.streaming.exchange import Bytes, Exchange, connected
from procorch.api.streaming.raw import Raw
from procorch.api.streaming.rewriting import LARGEST, rewritten_page, rewritten_url
from procorch.api.streaming.targets import Target, pod_target, service_target, split_name
from procorch.kinds import KINDS
from procorch.link import Stream
from procorch.objects import ApiError, MethodNotAllowed, ServiceUnavailable

if TYPE_CHECKING:
    from procorch.api.api import Api

_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer",
     "transfer-encoding", "upgrade")
)  # fmt: skip
_OURS = (
    "authorization",
    "sec-websocket-protocol",
    "host",
    "content-length",
    "expect",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
)
_IMPERSONATE = "impersonate-"


@dataclass(frozen=True, slots=True)
class Proxied:
    """An answer that another server gives. prefix: the path before that server's own; path: that, with its query."""

    api: Api
    target: Target
    prefix: str
    path: str

    async def open(self) -> Stream:
        """Raises ApiError."""
        links = self.api.links
        node = self.target.node or next(iter(links), "")
        query = urlencode({"address": self.target.address, "port": self.target.port})
        try:
            return await links.open(node, "POST", f"/dial?{query}")
        except ApiError as error:
            raise ServiceUnavailable.of(f"error trying to reach service: {error.message}") from None


async def proxy(api: Api, route: Route, request: Request) -> Response:
    """Says where it goes; nothing has been sent yet."""
    if route.resource == "nodes":
        return await _of_node(api, route, request)
    target = pod_target(api, route) if route.resource == "pods" else service_target(api, route, api.draw)
    prefix, path = _split(route, request)
    if prefix == request.path and request.method in ("GET", "HEAD"):  # relative links need the slash
        query = f"?{urlencode(list(request.query.items()))}" if request.query else ""
        return Response(301, {"Location": f"{prefix}/{query}"})
    return Response(200, connect=Proxied(api, target, prefix, path))


def _split(route: Route, request: Request) -> tuple[str, str]:
    """The path of the proxy, and what lies behind it, both as they came."""
    raw = request.path.split("/")
    end = 1 + raw.index("proxy", raw.index(route.resource) + 2)
    return "/".join(raw[:end]), "/" + "/".join(raw[end:])


async def _of_node(api: Api, route: Route, request: Request) -> Response:
    """What a kubelet answers: /pods, /healthz, /containerLogs/…; it is asked on the link, whatever port is named."""
    _, name, _ = split_name(route.name or "")
    api.rest.entry(KINDS["Node"], None, name)
    if request.method not in ("GET", "HEAD"):
        raise MethodNotAllowed.of()
    _, path = _split(route, request)
    query = f"?{urlencode(list(request.query.items()))}" if request.query else ""
    stream = await api.links.open(name, "GET", path + query)
    headers = (await stream.response()).get("headers") or {}
    return Response(200, {"Content-Type": str(headers.get("Content-Type", "text/plain"))}, stream=Body(stream))


async def forward(http: web.BaseRequest, proxied: Proxied) -> web.StreamResponse:
    """Serves one request."""
    try:
        stream = await proxied.open()
    except ApiError as error:
        return last(refusal(error))
    async with stream:
        try:
            connection = await connected(stream, proxied.target.scheme)
            exchange = Exchange(connection)
            path = proxied.path + (f"?{http.rel_url.raw_query_string}" if http.rel_url.raw_query_string else "")
            body = http.content.iter_any() if http.body_exists else None
            head = await exchange.ask(http.method, path, _outward(http, proxied), body)
        except TimeoutError:
            return last(refusal(ApiError("error trying to reach service: no answer in time", 504, "Timeout")))
        except (ConnectionError, h11.LocalProtocolError) as error:
            return last(refusal(ServiceUnavailable.of(f"error trying to reach service: {error}")))
        if isinstance(head, h11.InformationalResponse):
            return await _switched(http, connection, exchange, head)
        return await _answered(http, proxied, exchange, head)


def _outward(http: web.BaseRequest, proxied: Proxied) -> list[tuple[str, str]]:
    """The client's headers without those that are between it and us; who it was, for the server's own use."""
    named = {one.strip().lower() for one in http.headers.get("Connection", "").split(",")}
    dropped = (_HOP_BY_HOP | named).union(_OURS)
    rows = [
        (name, value)
        for name, value in http.headers.items()
        if name.lower() not in dropped and not name.lower().startswith(_IMPERSONATE)
    ]
    if protocols := token_among(http.headers.get("Sec-WebSocket-Protocol", ""))[0]:
        rows.append(("Sec-WebSocket-Protocol", protocols))
    before = http.headers.get("X-Forwarded-For")
    rows += [
        ("Host", proxied.target.host),
        ("X-Forwarded-For", f"{before}, {http.remote}" if before else http.remote or ""),
        ("X-Forwarded-Host", http.headers.get("Host", "")),
        ("X-Forwarded-Proto", "https" if http.secure else "http"),
        ("X-Forwarded-Uri", proxied.prefix + proxied.path),
    ]
    if upgrade := http.headers.get("Upgrade"):
        return [*rows, ("Connection", "Upgrade"), ("Upgrade", upgrade)]
    rows.append(("Connection", "close"))
    if http.body_exists:
        length = http.headers.get("Content-Length")
        rows.append(("Content-Length", length) if length is not None else ("Transfer-Encoding", "chunked"))
    elif http.method in ("POST", "PUT", "PATCH"):
        rows.append(("Content-Length", "0"))
    return rows


async def _answered(
    http: web.BaseRequest, proxied: Proxied, exchange: Exchange, head: h11.Response
) -> web.StreamResponse:
    answered = web.StreamResponse(status=head.status_code, reason=bytes(head.reason).decode("latin-1"))
    for name, value in _decoded(head):
        if name.lower() == "location":
            value = rewritten_url(value, proxied.target.host, proxied.prefix)
        answered.headers.add(name, value)
    pieces = exchange.pieces()
    try:
        if _is_page(answered) and http.method != "HEAD":
            pieces = await _page(answered, pieces, proxied)
        if http.method == "HEAD":
            await answered.prepare(http)
        else:
            if "Content-Length" not in answered.headers and answered.status not in (204, 304):
                answered.enable_chunked_encoding()
            await answered.prepare(http)
            async for piece in pieces:
                await answered.write(piece)
        await answered.write_eof()
    except ConnectionError:  # either side has gone: the client sees an answer that is cut off
        answered.force_close()
        if http.transport is not None:
            http.transport.abort()
    return answered


def _decoded(head: h11.Response | h11.InformationalResponse) -> list[tuple[str, str]]:
    rows = [(name.decode("latin-1").title(), value.decode("latin-1")) for name, value in head.headers]
    return [(name, value) for name, value in rows if name.lower() not in _HOP_BY_HOP]


def _is_page(answered: web.StreamResponse) -> bool:
    coded = answered.headers.get("Content-Encoding", "identity") != "identity"
    return answered.headers.get("Content-Type", "").startswith("text/html") and not coded


async def _page(answered: web.StreamResponse, pieces: AsyncIterator[bytes], proxied: Proxied) -> AsyncIterator[bytes]:
    """The page with its links rewritten; a very large one as it is."""
    begun = []
    size = 0
    async for piece in pieces:
        begun.append(piece)
        size += len(piece)
        if size > LARGEST:
            return _then(b"".join(begun), pieces)
    text = b"".join(begun).decode("latin-1")  # bytes as they are: links are ASCII
    page = rewritten_page(text, proxied.target.host, proxied.prefix).encode("latin-1")
    if "Content-Length" in answered.headers:
        answered.headers["Content-Length"] = str(len(page))
    return _then(page, None)


async def _then(first: bytes, others: AsyncIterator[bytes] | None) -> AsyncIterator[bytes]:
    yield first
    if others is not None:
        async for piece in others:
            yield piece


async def _switched(
    http: web.BaseRequest, connection: Bytes, exchange: Exchange, head: h11.InformationalResponse
) -> web.StreamResponse:
    """Another protocol from here on (a WebSocket, say): bytes both ways."""
    answered = web.StreamResponse(status=101)
    for name, value in _decoded(head):
        answered.headers.add(name, value)
    protocol = dict(head.headers).get(b"upgrade", b"").decode("latin-1")
    answered.headers.update({"Connection": "Upgrade", "Upgrade": protocol})
    raw = await Raw.take_over(http, answered)

    async def inward() -> None:
        async for piece in raw:
            await connection.write(piece)

    async def outward() -> None:
        if exchange.rest:
            await raw.write(exchange.rest)
        while data := await connection.read():
            await raw.write(data)

    try:
        await until_one_ends(inward(), outward())
    finally:
        await raw.drain()
    return answered
