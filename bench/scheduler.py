"""The scheduler's figures: from POST to a bound pod, and pods a second, on a durable store in this process."""

from __future__ import annotations

import asyncio
import statistics
import tempfile
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import uvloop

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.informer import Informer
from procorch.objects import Object
from procorch.scheduler import Scheduler
from store import Log

NODES, PODS, CALLERS, TRIES = 100, 1000, 32, 100


def pod(name: str) -> Object:
    resources = {"requests": {"cpu": "100m", "memory": "50Mi"}}
    container = {"name": "c", "image": "host", "command": ["true"], "resources": resources}
    metadata = {"name": name, "namespace": "bench"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": [container]}}


class Bound:
    """Waits until pods have a node, as an informer sees it."""

    def __init__(self, informer: Informer) -> None:
        self._waiting: dict[str, asyncio.Future[float]] = {}
        informer.add_handler(self._changed)

    def expect(self, name: str) -> asyncio.Future[float]:
        self._waiting[name] = asyncio.get_running_loop().create_future()
        return self._waiting[name]

    def _changed(self, type_: str, old: Object | None, new: Object | None) -> None:
        if new is not None and new["spec"].get("nodeName"):
            waiting = self._waiting.pop(new["metadata"]["name"], None)
            if waiting is not None:
                waiting.set_result(time.perf_counter())


@asynccontextmanager
async def cluster(path: Path) -> AsyncIterator[tuple[Client, Bound]]:
    """An API on disk, a scheduler, and nodes with room for all."""
    log = await Log.open(path)
    api = Api(log)
    await api.start()
    client = Client(LocalTransport(api, User("kubernetes-admin", ("system:masters",))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "bench"}})
    status = {"allocatable": {"cpu": "32", "memory": "64Gi", "pods": "110"}}
    for number in range(NODES):
        await client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": f"n{number}"}})
        await client.patch("Node", f"n{number}", {"status": status}, subresource="status")
    scheduler = Scheduler(client, time.time)
    informer = Informer(client, "Pod")
    async with asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(scheduler.run()), tasks.create_task(informer.run())]
        await scheduler.synced()
        await informer.synced()
        yield client, Bound(informer)
        for task in running:
            task.cancel()
    await api.close()
    await log.close()


async def measure() -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory() as directory:
        async with cluster(Path(directory) / "bench.db") as (client, bound):
            waits = []
            for number in range(TRIES):
                done = bound.expect(f"one-{number}")
                await client.create(pod(f"one-{number}"))
                answered = time.perf_counter()
                waits.append((await done - answered) * 1000)
                await asyncio.sleep(0.01)
            places = asyncio.Semaphore(CALLERS)

            async def create(name: str) -> None:
                async with places:
                    await client.create(pod(name))

            all_done = [bound.expect(f"many-{number}") for number in range(PODS)]
            began = time.perf_counter()
            await asyncio.gather(*(create(f"many-{number}") for number in range(PODS)))
            ended = max(await asyncio.gather(*all_done))
    return [
        ("POST answered → bound, p50 / p99", f"{statistics.median(waits):.2f} / {sorted(waits)[-2]:.2f} ms"),
        (f"{PODS} pods on {NODES} nodes, POSTs included", f"{PODS / (ended - began):.0f} pods/s"),
    ]


def rows() -> list[tuple[str, str]]:
    return uvloop.run(measure())
