"""A command's streams on a WebSocket: each message is a channel's number and bytes.

    v5.channel.k8s.io           binary; with [255, channel] a client says that it has no more for a channel
    v4.channel.k8s.io           binary; how it ended comes as a Status on channel 3
    channel.k8s.io, or none     binary; how it ended comes as text, exit codes do not
    …base64.channel.k8s.io      text: the number as a digit, the bytes as base64, for browsers

Source: k8s.io/apimachinery pkg/util/httpstream/wsstream and remotecommand; kubelet's remotecommand/websocket.go.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Awaitable, Callable

from aiohttp import WSMsgType, web

from procorch.remotecommand import ERROR, STDERR, STDOUT, Wanted, in_words

V5, V4, V4_BASE64 = "v5.channel.k8s.io", "v4.channel.k8s.io", "v4.base64.channel.k8s.io"
PROTOCOLS = (V5, V4, V4_BASE64, "channel.k8s.io", "base64.channel.k8s.io")
LONGEST_MESSAGE = 16 << 20  # Python's client sends what it is given in one message


class Channels:
    """Numbered channels over a WebSocket that is open."""

    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._base64 = "base64" in (socket.ws_protocol or "")

    @property
    def protocol(self) -> str:
        return self._socket.ws_protocol or ""

    async def read(self) -> tuple[int, bytes] | None:
        """(channel, bytes); None at the connection's end. What is no message of a channel is passed over."""
        async for message in self._socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT) or not message.data:
                continue
            if not self._base64:
                data = message.data.encode() if isinstance(message.data, str) else message.data
                return data[0], bytes(data[1:])
            text = message.data if isinstance(message.data, str) else message.data.decode("latin-1")
            try:
                return int(text[0]), base64.b64decode(text[1:], validate=True)
            except (ValueError, binascii.Error):
                continue
        return None

    async def write(self, channel: int, data: bytes) -> None:
        """Raises ConnectionError where the client has gone."""
        if self._base64:
            await self._socket.send_str(f"{channel}{base64.b64encode(data).decode()}")
        else:
            await self._socket.send_bytes(bytes([channel]) + data)


class WebSocketRemote:
    """A client's end of a command's streams."""

    def __init__(self, channels: Channels, wanted: Wanted) -> None:
        self._channels = channels
        self._wanted = wanted

    async def begin(self) -> None:
        """An empty message says that all is ready."""
        first = STDOUT if self._wanted.stdout else STDERR if self._wanted.stderr else ERROR
        await self._channels.write(first, b"")

    async def receive(self, take: Callable[[int, bytes], Awaitable[None]]) -> None:
        while (message := await self._channels.read()) is not None:
            await take(*message)

    async def write(self, channel: int, data: bytes) -> None:
        await self._channels.write(channel, data)

    async def finish(self, status: bytes) -> None:
        protocol = self._channels.protocol
        told = status if protocol in (V5, V4, V4_BASE64) else in_words(status).encode()
        if told:
            await self._channels.write(ERROR, told)
