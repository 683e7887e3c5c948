"""The real API in memory, controllers that run on it, and waiting until something is so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.controllers import Controller, ControllerConfig, Runner
from procorch.informers import Informers
from procorch.objects import Object
from store import Log

ADMIN = User("kubernetes-admin", ("system:masters",))
Running = Callable[..., AbstractAsyncContextManager[Runner]]


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    log = await Log.open(":memory:")
    api = Api(log)
    await api.start()
    yield api
    await api.close()
    await log.close()


@pytest.fixture
async def client(api: Api) -> Client:
    """An administrator's, in a cluster that has the namespace `d`."""
    client = Client(LocalTransport(api, ADMIN))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
    return client


@pytest.fixture
def running(client: Client) -> Running:
    """`async with running(CONTROLLER, …, config=…)`: they run until the block ends, on the API's own cache as in a
    master; with `using` on another client's lists and watches."""

    @asynccontextmanager
    async def run(
        *controllers: Controller, config: ControllerConfig | None = None, using: Client | None = None
    ) -> AsyncIterator[Runner]:
        feeds = None if using else client.transport.feed
        informers = Informers(using or client, feeds)
        runner = Runner(controllers, using or client, time.time, config, informers=informers)
        async with informers.running(), asyncio.TaskGroup() as tasks:
            task = tasks.create_task(runner.run())
            try:
                await asyncio.wait_for(runner.synced(), 10)
                yield runner
            finally:
                task.cancel()

    return run


@pytest.fixture
def eventually() -> Callable[[Callable[[], Awaitable[Any]]], Awaitable[Any]]:
    """Waits until the answer is truthy and returns it; fails after ten seconds with the last answer."""

    async def wait(ask: Callable[[], Awaitable[Any]]) -> Any:
        deadline = asyncio.get_running_loop().time() + 10
        while not (answer := await ask()):
            assert asyncio.get_running_loop().time() < deadline, f"still {answer!r}"
            await asyncio.sleep(0.005)
        return answer

    return wait


@pytest.fixture
def pod() -> Callable[..., Object]:
    """A pod in `d`: its name, labels, and more of its spec."""

    def make(name: str, labels: dict[str, str] | None = None, owners: Any = None, **spec: Any) -> Object:
        metadata: Object = {"name": name, "namespace": "d", "labels": labels or {}}
        if owners:
            metadata["ownerReferences"] = owners
        containers = [{"name": "c", "image": "host", "command": ["sleep", "1"]}]
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"containers": containers, **spec}}

    return make
