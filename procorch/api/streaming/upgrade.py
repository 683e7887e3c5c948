"""A connection is taken over from HTTP: as a WebSocket, or raw for SPDY."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Coroutine

from aiohttp import WSMsgType, web

from procorch.api.connection import last
from procorch.api.request import Request, refusal
from procorch.api.streaming import command, forward, websocket
from procorch.api.streaming.connect import Connect
from procorch.api.streaming.raw import Raw
from procorch.api.streaming.spdy import Spdy, SpdyError, SpdyStream
from procorch.api.streaming.websocket import V5, Channels, WebSocketRemote
from procorch.link import Stream
from procorch.objects import ApiError, Forbidden
from procorch.remotecommand import failed

logger = logging.getLogger(__name__)

TUNNEL = f"SPDY/3.1+{forward.PROTOCOL}"  # SPDY's bytes in a WebSocket's messages: KEP-4006
STREAMS_SECONDS = 30.0  # for a client to open its streams


async def upgrade(http: web.BaseRequest, request: Request, connect: Connect) -> web.StreamResponse:
    """Serves the connection until it is over."""
    try:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await _websocket(http, request, connect)
        return await _spdy(http, request, connect)
    except ApiError as error:  # nothing has been said yet
        return last(refusal(error))


async def _websocket(http: web.BaseRequest, request: Request, connect: Connect) -> web.StreamResponse:
    offered = [one.strip() for one in request.headers.get("sec-websocket-protocol", "").split(",") if one.strip()]
    known = websocket.PROTOCOLS if connect.wanted is not None else (TUNNEL, *websocket.PROTOCOLS[1:])
    protocol = command.chosen(offered, known)
    if offered and protocol is None:
        raise Forbidden(f"unable to upgrade: unable to negotiate protocol: client supports {offered}, "
                        f"server accepts {list(known)}", 403, "Forbidden")  # fmt: skip
    # Whose client reads errors from its streams has the connection first; others read them from the answer.
    late = protocol in (V5, TUNNEL)
    stream = None if late or connect.wanted is None else await connect.open()
    socket = web.WebSocketResponse(
        protocols=(protocol,) if protocol else (), max_msg_size=websocket.LONGEST_MESSAGE, compress=False
    )
    try:
        await socket.prepare(http)
        if protocol == TUNNEL:
            await _tunnel(socket, connect)
        elif connect.wanted is None:
            await forward.over_channels(connect, Channels(socket))
        else:
            await _command_on(socket, connect, stream)
    except ConnectionError:
        pass  # the client has gone
    finally:
        if stream is not None and not stream.over:
            await stream.reset("no longer wanted")
    await socket.close()
    return socket


async def _command_on(socket: web.WebSocketResponse, connect: Connect, stream: Stream | None) -> None:
    assert connect.wanted is not None
    remote = WebSocketRemote(Channels(socket), connect.wanted)
    try:
        stream = stream or await connect.open()
    except ApiError as error:
        await remote.finish(failed(f"unable to upgrade connection: {error.message}"))
        return
    await remote.begin()
    await command.join(remote, stream)


async def _tunnel(socket: web.WebSocketResponse, connect: Connect) -> None:
    async def messages() -> AsyncIterator[bytes]:
        async for message in socket:
            if message.type == WSMsgType.BINARY:
                yield message.data

    opened: asyncio.Queue[SpdyStream] = asyncio.Queue()
    spdy = Spdy(socket.send_bytes, opened.put_nowait)
    await _while_fed(spdy, messages(), forward.over_spdy(connect, opened))


async def _spdy(http: web.BaseRequest, request: Request, connect: Connect) -> web.StreamResponse:
    offered = [one.strip() for one in request.headers.get("x-stream-protocol-version", "").split(",") if one.strip()]
    known = command.PROTOCOLS if connect.wanted is not None else (forward.PROTOCOL,)
    protocol = command.chosen(offered, known) if offered else known[-1]
    if protocol is None:
        raise Forbidden(f"unable to upgrade: unable to negotiate protocol: client supports {offered}, "
                        f"server accepts {list(known)}", 403, "Forbidden")  # fmt: skip
    stream = None if connect.wanted is None else await connect.open()
    answered = web.StreamResponse(status=101)
    answered.headers.update({"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": protocol})
    raw = await Raw.take_over(http, answered)
    try:
        opened: asyncio.Queue[SpdyStream] = asyncio.Queue()
        spdy = Spdy(raw.write, opened.put_nowait)
        if connect.wanted is None:
            await _while_fed(spdy, raw, forward.over_spdy(connect, opened))
        else:
            assert stream is not None
            await _while_fed(spdy, raw, _command_over(connect, opened, stream, protocol))
    except ConnectionError:
        pass  # the client has gone
    finally:
        if stream is not None and not stream.over:
            await stream.reset("no longer wanted")
        await raw.drain()
    return answered


async def _command_over(connect: Connect, opened: asyncio.Queue[SpdyStream], stream: Stream, protocol: str) -> None:
    assert connect.wanted is not None
    try:
        streams = await command.gather_streams(opened, connect.wanted, protocol, STREAMS_SECONDS)
    except ApiError as error:
        logger.info("streams not opened", extra={"why": error.message})
        return
    await command.join(command.SpdyRemote(streams, protocol), stream)


async def _while_fed(spdy: Spdy, pieces: AsyncIterator[bytes], work: Coroutine[None, None, None]) -> None:
    """Carries the connection's bytes to SPDY while the work goes on; ends with either."""

    async def feed() -> None:
        try:
            async for piece in pieces:
                await spdy.feed(piece)
        except SpdyError as error:
            logger.info("no SPDY was received", extra={"why": str(error)})
        finally:
            spdy.close()

    await command.until_one_ends(feed(), work)
