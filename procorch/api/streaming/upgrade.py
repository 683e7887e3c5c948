"""A connection is taken over from HTTP: as a WebSocket, or raw for SPDY."""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Coroutine

from aiohttp import WSMsgType, web

from procorch.api.request import Request, refusal
from procorch.api.streaming import command, forward, websocket
from procorch.api.streaming.connect import Connect
from procorch.api.streaming.spdy import Spdy, SpdyError, SpdyStream
from procorch.api.streaming.websocket import V5, Channels, WebSocketRemote
from procorch.link import Stream
from procorch.objects import ApiError, BadRequest, Forbidden
from procorch.remotecommand import failed

logger = logging.getLogger(__name__)

TUNNEL = f"SPDY/3.1+{forward.PROTOCOL}"  # SPDY's bytes in a WebSocket's messages: KEP-4006
STREAMS_SECONDS = 30.0  # for a client to open its streams
_UNREAD = 1 << 20  # bytes of an upgraded connection that may wait before it is read no more


async def upgrade(http: web.BaseRequest, request: Request, connect: Connect) -> web.StreamResponse:
    """Serves the connection until it is over."""
    try:
        if request.headers.get("upgrade", "").lower() == "websocket":
            return await _websocket(http, request, connect)
        return await _spdy(http, request, connect)
    except ApiError as error:  # nothing has been said yet
        response = refusal(error)
        answered = web.Response(status=response.status, headers=response.headers, body=response.body)
        answered.force_close()
        return answered


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
    transport = http.transport
    if transport is None:
        raise BadRequest.of("the connection is over")
    offered = [one.strip() for one in request.headers.get("x-stream-protocol-version", "").split(",") if one.strip()]
    known = command.PROTOCOLS if connect.wanted is not None else (forward.PROTOCOL,)
    protocol = command.chosen(offered, known) if offered else known[-1]
    if protocol is None:
        raise Forbidden(f"unable to upgrade: unable to negotiate protocol: client supports {offered}, "
                        f"server accepts {list(known)}", 403, "Forbidden")  # fmt: skip
    stream = None if connect.wanted is None else await connect.open()
    answered = web.StreamResponse(status=101)
    answered.headers.update({"Connection": "Upgrade", "Upgrade": "SPDY/3.1", "X-Stream-Protocol-Version": protocol})
    answered.force_close()
    raw = Raw(http.protocol, transport)
    try:
        await answered.prepare(http)
        _send_head(answered)
        transport.set_protocol(raw)
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


def _send_head(answered: web.StreamResponse) -> None:
    """The status line and the headers go out before anything else does: aiohttp keeps them back for a body."""
    writer = answered._payload_writer
    if writer is not None:
        writer.send_headers()


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


class Raw(asyncio.Protocol):
    """A connection's bytes, once HTTP is done with it. before: HTTP's protocol, which is told of the end.

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
