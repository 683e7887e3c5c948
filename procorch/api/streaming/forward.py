"""port-forward: each connection that a client makes is a stream of its own to the node.

On SPDY (`portforward.k8s.io`) a connection is a pair of streams with one `requestid`: data, and an error stream on
which a text says what went wrong. On a WebSocket (`v4.channel.k8s.io`) every port that the request names is one
connection on two channels, data and errors, each of which begins with the port's number in two bytes.
Source: k8s.io/kubelet pkg/cri/streaming/portforward.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging

from procorch.api.streaming.command import until_one_ends
from procorch.api.streaming.connect import Connect
from procorch.api.streaming.spdy import SpdyStream
from procorch.api.streaming.websocket import Channels
from procorch.link import Stream
from procorch.objects import ApiError

logger = logging.getLogger(__name__)

PROTOCOL = "portforward.k8s.io"
LATE_SECONDS = 30.0


async def over_spdy(connect: Connect, opened: asyncio.Queue[SpdyStream]) -> None:
    """Until cancelled."""
    waiting: dict[str, dict[str, SpdyStream]] = {}
    async with asyncio.TaskGroup() as tasks:
        while True:
            stream = await opened.get()
            request, kind = stream.headers.get("requestid", ""), stream.headers.get("streamtype", "")
            await stream.reply()
            pair = waiting.setdefault(request, {})
            pair[kind] = stream
            if {"data", "error"} <= set(pair):
                del waiting[request]
                tasks.create_task(_pair(connect, pair["data"], pair["error"]), name=f"forward:{request}")
            elif len(waiting) > 100:  # a client that begins pairs and does not end them
                waiting.pop(next(iter(waiting)))


async def _pair(connect: Connect, data: SpdyStream, error: SpdyStream) -> None:
    port = data.headers.get("port", "")
    try:
        stream = await connect.open(f"?port={port}" if port.isdecimal() else "?port=0")
        async with stream:
            await _join(data, stream)
    except ApiError as problem:
        with contextlib.suppress(ConnectionError):
            await error.write(f"error forwarding port {port} to pod: {problem.message}".encode())
    except ConnectionError as problem:
        with contextlib.suppress(ConnectionError):
            await error.write(f"error forwarding port {port} to pod: {problem}".encode())
    finally:
        for one in (data, error):
            with contextlib.suppress(ConnectionError):
                await one.end()


async def _join(data: SpdyStream, stream: Stream) -> None:
    """Bytes both ways until the pod's side has ended; the client's end is passed on."""

    async def inward() -> None:
        with contextlib.suppress(ConnectionError):
            while piece := await data.read():
                await stream.write(piece)
            await stream.end()

    async def outward() -> None:
        while piece := await stream.read():
            await data.write(piece)
        await data.end()

    async with asyncio.TaskGroup() as tasks:
        sending = tasks.create_task(inward(), name="forward:in")
        await outward()
        # What the client still sends has a reader for as long as the pod reads.
        await asyncio.wait((sending,), timeout=LATE_SECONDS)
        sending.cancel()


async def over_channels(connect: Connect, channels: Channels) -> None:
    """Until the client goes, or every connection has ended."""
    streams: dict[int, Stream] = {}
    async with contextlib.AsyncExitStack() as stack:
        for index, port in enumerate(connect.ports):
            number = port.to_bytes(2, "little")
            await channels.write(2 * index, number)
            await channels.write(2 * index + 1, number)
            try:
                streams[2 * index] = await stack.enter_async_context(await connect.open(f"?port={port}"))
            except ApiError as problem:
                await channels.write(2 * index + 1, problem.message.encode())

        async def outward() -> None:
            async with asyncio.TaskGroup() as tasks:
                for channel, stream in streams.items():
                    tasks.create_task(_outward(channels, channel, stream), name=f"forward:{channel}")

        await until_one_ends(outward(), _inward(channels, streams))


async def _outward(channels: Channels, channel: int, stream: Stream) -> None:
    try:
        while data := await stream.read():
            await channels.write(channel, data)
    except ConnectionError as error:
        await channels.write(channel + 1, str(error).encode())


async def _inward(channels: Channels, streams: dict[int, Stream]) -> None:
    while (message := await channels.read()) is not None:
        channel, data = message
        if (stream := streams.get(channel)) is not None:
            with contextlib.suppress(ConnectionError):
                await stream.write(data)
