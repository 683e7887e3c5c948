"""A pod on a node that has dialled in and answers like a kubelet, without one."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import pytest

from procorch.link import Stream
from procorch.remotecommand import CLOSE, ERROR, RESIZE, STDERR, STDIN, STDOUT, Frames, exited, success


@dataclass
class Node:
    """Answers exec: `cat` gives its input back, `fail` ends with 3, `hang` never ends, `flood` writes 4 MiB.

    A log has two lines, and no end for who follows it.

    asked: the headers of the requests; cut: how many streams were cut off before their end.
    """

    asked: list[dict[str, Any]] = field(default_factory=list)
    cut: int = 0

    async def accept(self, header: dict[str, Any], stream: Stream) -> None:
        self.asked.append(header)
        parts = urlsplit(header["path"])
        query = parse_qs(parts.query)
        try:
            if parts.path.startswith("/portForward/"):
                await self._forward(int(query["port"][0]), stream)
            elif parts.path.startswith("/containerLogs/"):
                await self._log("follow" in query, stream)
            else:
                await self._command(query.get("command", ["cat"]), stream)
        except (asyncio.CancelledError, ConnectionError):
            self.cut += 1
            raise

    async def _command(self, command: list[str], stream: Stream) -> None:
        if command == ["absent"]:
            await stream.respond({"status": 404})
            await stream.write(b'container not found ("main")')
            return
        await stream.respond({"status": 200})
        frames = Frames(stream)
        if command == ["fail"]:
            await frames.write(STDOUT, b"out")
            await frames.write(STDERR, b"err")
            await frames.write(ERROR, exited(3))
        elif command == ["flood"]:
            for _ in range(128):
                await frames.write(STDOUT, b"x" * 32768)
            await frames.write(ERROR, success())
        elif command == ["hang"]:
            await frames.write(STDOUT, b"begun")
            while await frames.read() is not None:
                pass
            await asyncio.sleep(60)
        else:
            while (frame := await frames.read()) is not None:
                channel, data = frame
                if channel == STDIN:
                    await frames.write(STDOUT, data)
                elif channel == RESIZE:
                    await frames.write(STDOUT, b"size " + data)
                elif channel == CLOSE and data == bytes([STDIN]):
                    break
            await frames.write(ERROR, success())

    async def _log(self, follow: bool, stream: Stream) -> None:
        await stream.respond({"status": 200})
        await stream.write(b"one\n\xfftwo\n")
        if follow:
            await asyncio.sleep(60)

    async def _forward(self, port: int, stream: Stream) -> None:
        if port == 9999:
            await stream.respond({"status": 502})
            await stream.write(b"failed to connect to localhost:9999: connection refused")
            return
        await stream.respond({"status": 200})
        await stream.write(b"port %d:" % port)
        while data := await stream.read():
            await stream.write(data.upper())


class Streams:
    """Clients of the pod `a`'s subresources, as an administrator."""

    def __init__(self, url: str, context: ssl.SSLContext, session: aiohttp.ClientSession) -> None:
        self.base = f"{url}/api/v1/namespaces/default/pods/a"
        self.context = context
        self.session = session

    async def websocket(self, what: str, *protocols: str) -> aiohttp.ClientWebSocketResponse:
        return await self.session.ws_connect(
            f"{self.base}/{what}", protocols=protocols, ssl=self.context, max_msg_size=1 << 24
        )

    async def raw(self, what: str, *versions: str) -> tuple[bytes, asyncio.StreamReader, asyncio.StreamWriter]:
        """The head of the answer to a request to upgrade to SPDY, and the connection."""
        parts = urlsplit(f"{self.base}/{what}")
        assert parts.port is not None
        reader, writer = await asyncio.open_connection(parts.hostname, parts.port, ssl=self.context)
        lines = [f"POST {parts.path}?{parts.query} HTTP/1.1", f"Host: {parts.netloc}", "Connection: Upgrade",
                 "Upgrade: SPDY/3.1", *(f"X-Stream-Protocol-Version: {one}" for one in versions)]  # fmt: skip
        writer.write("\r\n".join([*lines, "", ""]).encode())
        return await reader.readuntil(b"\r\n\r\n"), reader, writer


@pytest.fixture
def node() -> Node:
    return Node()


@pytest.fixture
async def streams(served: Any, linked: Any, node: Node) -> AsyncIterator[Streams]:
    containers = [{"name": "main", "image": "host", "command": ["sleep"]}]
    about = {"name": "a", "namespace": "default"}
    spec = {"nodeName": "n1", "containers": containers}
    await served.client.create({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
    context = served.context("kubernetes-admin", "system:masters")
    async with linked(node.accept), aiohttp.ClientSession() as session:
        yield Streams(served.url, context, session)
