"""Nodes without machines that say what their pods use, as an agent says it on its link."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any, Protocol

import orjson

from procorch.api.links import Links
from procorch.clock import timestamp
from procorch.link import Link, Stream
from procorch.objects import Object, uid_of

Figures = Mapping[str, tuple[int, int]]
"""container → millicores, bytes"""


class Pipe:
    """Messages one way."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[bytes | None] = asyncio.Queue()

    async def send(self, message: bytes) -> None:
        await self.queue.put(message)

    async def messages(self) -> AsyncIterator[bytes]:
        while (message := await self.queue.get()) is not None:
            yield message


class Accepts(Protocol):
    """Who answers what masters ask of a node."""

    async def accept(self, header: dict[str, Any], stream: Stream) -> None: ...


class Meter:
    """What one node says. used: (pod, its containers) by pod; a pod that is not there has no figures.

    asked: how often. status: of the answer. window: seconds.
    """

    def __init__(self, *, millicores: int = 500, window: float = 15.0, clock: Callable[[], float] = time.time) -> None:
        self.used: dict[str, tuple[Object, Figures]] = {}
        self.asked = 0
        self.status = 200
        self._millicores, self._window, self._clock = millicores, window, clock

    def uses(self, pod: Object, **containers: tuple[int, int]) -> None:
        self.used[uid_of(pod)] = pod, containers

    async def accept(self, header: dict[str, Any], stream: Stream) -> None:
        self.asked += 1
        assert header["path"] == "/usage"
        await stream.respond({"status": self.status, "headers": {}})
        await stream.write(orjson.dumps(self._said()) if self.status == 200 else b"no")
        await stream.end()

    def _row(self, millicores: int, count: int) -> dict[str, Any]:
        return {"nanocores": millicores * 10**6, "bytes": count, "window": self._window}

    def _said(self) -> dict[str, Any]:
        pods = [
            {
                "namespace": pod["metadata"]["namespace"],
                "name": pod["metadata"]["name"],
                "uid": uid_of(pod),
                "containers": [{"name": name, **self._row(*row)} for name, row in containers.items()],
            }
            for pod, containers in self.used.values()
        ]
        return {"timestamp": timestamp(self._clock()), "node": self._row(self._millicores, 1 << 30), "pods": pods}


@asynccontextmanager
async def dialled_in(links: Links, node: str, meter: Accepts) -> AsyncIterator[None]:
    """The node is connected for as long as the block lasts."""
    to_node, to_master = Pipe(), Pipe()
    link = Link(to_master.send, accept=meter.accept, first_id=1)
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(links.serve(node, to_node.send, to_master.messages()))
        tasks.create_task(link.run(to_node.messages()))
        await asyncio.sleep(0)
        try:
            yield
        finally:
            for pipe in (to_node, to_master):
                await pipe.queue.put(None)
