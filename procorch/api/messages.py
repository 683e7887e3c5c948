"""A log or a watch as messages of a WebSocket: what programs in a browser, which cannot read piece by piece, ask for.

Source: k8s.io/streaming's wsstream (logs) and kube-apiserver's handlers/watch.go (watches).
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator

from aiohttp import web

from procorch.api.connection import last
from procorch.api.request import JSON, Request, Response, refusal
from procorch.api.streaming import command
from procorch.api.watch import Watch
from procorch.objects import ApiError, Forbidden, NotAcceptable

_BINARY, _BASE64 = "binary.k8s.io", "base64.binary.k8s.io"
_LONGEST = 64 << 10  # of a message that the client sends, which nobody reads


def is_wanted(request: Request) -> bool:
    """Whether the client asks for a WebSocket."""
    return request.headers.get("upgrade", "").lower() == "websocket"


async def told(
    http: web.BaseRequest, request: Request, response: Response, stream: AsyncIterator[bytes]
) -> web.StreamResponse:
    """Until the stream or its client ends it. An event of a watch is one message of text; a log is bytes, as they come,
    after an empty message that says it has begun."""
    try:
        offered = [one.strip() for one in request.headers.get("sec-websocket-protocol", "").split(",") if one.strip()]
        known = () if isinstance(stream, Watch) else (_BINARY, _BASE64)
        protocol = command.chosen(offered, known)
        if offered and known and protocol is None:
            raise Forbidden(f"unable to upgrade: unable to negotiate protocol: client supports {offered}, "
                            f"server accepts {list(known)}", 403, "Forbidden")  # fmt: skip
        if isinstance(stream, Watch) and not response.headers.get("Content-Type", "").startswith(JSON):
            raise NotAcceptable.of([JSON])
    except ApiError as error:
        return last(refusal(error))
    socket = web.WebSocketResponse(protocols=(protocol,) if protocol else (), max_msg_size=_LONGEST, compress=False)
    try:
        await socket.prepare(http)
        async with asyncio.TaskGroup() as tasks:
            sending = tasks.create_task(_send(socket, stream, protocol), name="websocket:send")
            reading = tasks.create_task(_read(socket), name="websocket:read")
            await asyncio.wait((sending, reading), return_when=asyncio.FIRST_COMPLETED)
            sending.cancel()
            reading.cancel()
    except* ConnectionError:
        pass  # the client has gone
    await socket.close()
    return socket


async def _send(socket: web.WebSocketResponse, stream: AsyncIterator[bytes], protocol: str | None) -> None:
    if isinstance(stream, Watch):
        async for lines in stream:
            for line in lines.splitlines():
                await socket.send_str(line.decode())
        return
    await _send_piece(socket, b"", protocol)
    async for piece in stream:
        await _send_piece(socket, piece, protocol)


async def _send_piece(socket: web.WebSocketResponse, piece: bytes, protocol: str | None) -> None:
    if protocol == _BASE64:
        await socket.send_str(base64.b64encode(piece).decode())
    else:
        await socket.send_bytes(piece)


async def _read(socket: web.WebSocketResponse) -> None:
    """Until the client closes; what it says is nothing to us."""
    async for _ in socket:
        pass
