"""What the conformance tests ask of a cluster, and the node that they all run on."""

from __future__ import annotations

import asyncio
import inspect
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import orjson
import pytest

import store
from procorch.api import Api
from procorch.client import Client, kind_of
from procorch.clock import timestamp
from procorch.objects import ApiError, NotFound, Object, get, is_deleting, key_of, uid_of

NODE = "worker"
DONGLE = "example.com/dongle"
SECONDS = 20.0


@dataclass
class Cluster:
    api: Api
    client: Client
    log: store.Log

    async def until(self, ask: Callable[[], Any], seconds: float = SECONDS) -> Any:
        """Waits until the answer, awaited where it is to be, is truthy, and returns it."""
        deadline = asyncio.get_running_loop().time() + seconds
        while True:
            answer = ask()
            answer = await answer if inspect.isawaitable(answer) else answer
            if answer:
                return answer
            assert asyncio.get_running_loop().time() < deadline, f"still {answer!r}"
            await asyncio.sleep(0.01)

    async def has(self, kind: str, key: str) -> bool:
        return self.api.lookup(kind, key) is not None

    async def gone(self, kind: str, key: str) -> bool:
        return self.api.lookup(kind, key) is None

    async def json(self, path: str, **headers: str) -> Any:
        """What GET answers."""
        return orjson.loads((await self.client.raw("GET", path, headers=headers)).body)

    @asynccontextmanager
    async def watching(self, kind: str, namespace: str | None = None, **options: Any) -> AsyncIterator[Watch]:
        """Events from now on, or from `resource_version`."""
        if "resource_version" not in options:
            options["resource_version"] = (await self.client.items(kind, namespace)).resource_version
        watch = Watch()
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(watch.read(self.client.watch(kind, namespace, **options)))
            try:
                yield watch
            finally:
                task.cancel()


class Watch:
    """The events of one watch, as they came."""

    def __init__(self) -> None:
        self.events: list[tuple[str, Object]] = []
        self._came = asyncio.Event()
        self._seen = 0

    async def read(self, events: Any) -> None:
        async for event in events:
            self.events.append(event)
            self._came.set()

    async def next(self, seconds: float = SECONDS) -> tuple[str, Object]:
        """The next event that nobody has taken."""
        async with asyncio.timeout(seconds):
            while self._seen == len(self.events):
                self._came.clear()
                await self._came.wait()
        self._seen += 1
        return self.events[self._seen - 1]

    async def find(self, type_: str, holds: Callable[[Object], Any] = lambda obj: True) -> Object:
        """The next event of this type of which it holds; those before it are passed over."""
        while True:
            seen, obj = await self.next()
            if seen == type_ and holds(obj):
                return obj

    async def nothing(self, seconds: float = 0.1) -> None:
        with pytest.raises(TimeoutError):
            await self.next(seconds)


class Reports:
    """The node: what is bound to it runs and is ready, what is deleted ends at once; what it says is all it does.

    A pod with the label `unready` stays as it is; the tests write its status.
    """

    def __init__(self, client: Client) -> None:
        self._client = client

    async def register(self) -> None:
        amounts = {"cpu": "64", "memory": "256Gi", "pods": "1000", "ephemeral-storage": "1Ti", DONGLE: "100"}
        conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}]
        status = {"capacity": amounts, "allocatable": amounts, "conditions": conditions,
                  "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}]}  # fmt: skip
        await self._client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
        await self._client.patch("Node", NODE, {"status": status}, subresource="status")

    async def run(self) -> None:
        found = await self._client.items("Pod", field_selector=f"spec.nodeName={NODE}")
        asked = {"field_selector": f"spec.nodeName={NODE}", "resource_version": found.resource_version}
        number = 0
        async for type_, pod in self._client.watch("Pod", **asked):
            number += 1
            if type_ != "DELETED":
                await self._see(pod, f"10.240.{number // 250}.{number % 250 + 1}")

    async def _see(self, pod: Object, address: str) -> None:
        try:
            if is_deleting(pod):
                if not pod["metadata"].get("finalizers"):
                    await self._client.delete("Pod", key_of(pod), grace=0, uid=uid_of(pod))
            elif "unready" not in (pod["metadata"].get("labels") or {}) and get(pod, ".status.phase") == "Pending":
                await self._client.patch("Pod", key_of(pod), {"status": running(pod, address)}, subresource="status")
        except NotFound:
            return


def running(pod: Object, address: str = "10.240.0.250") -> Object:
    """The status of a pod that runs and is ready."""
    now = timestamp(1_700_000_000)
    conditions = [
        {"type": type_, "status": "True", "lastTransitionTime": now}
        for type_ in ("PodScheduled", "Initialized", "ContainersReady", "Ready")
    ]
    statuses = [
        {"name": one["name"], "image": one["image"], "imageID": "", "ready": True, "restartCount": 0,
         "state": {"running": {"startedAt": now}}}
        for one in pod["spec"]["containers"]
    ]  # fmt: skip
    return {"phase": "Running", "hostIP": "10.0.0.1", "podIP": address, "podIPs": [{"ip": address}],
            "startTime": now, "conditions": conditions, "containerStatuses": statuses}  # fmt: skip


def obj(kind: str, name: str, ns: str | None = None, labels: dict[str, str] | None = None, **fields: Any) -> Object:
    """An object of a registered kind."""
    row = kind_of(kind)
    metadata: Object = {"name": name}
    if ns and row.namespaced:
        metadata["namespace"] = ns
    if labels:
        metadata["labels"] = labels
    return {"apiVersion": row.api_version, "kind": kind, "metadata": metadata, **fields}


def pod_spec(**spec: Any) -> Object:
    return {"containers": [{"name": "c", "image": "host", "command": ["sleep", "1000"]}], **spec}


def pod(name: str, ns: str, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    return obj("Pod", name, ns, labels, spec=pod_spec(**spec))


def sized(requests: dict[str, str] | None = None, limits: dict[str, str] | None = None, **more: Any) -> Object:
    """A container that asks for so much."""
    resources = {name: table for name, table in (("requests", requests), ("limits", limits)) if table}
    return {"name": "c", "image": "host", "command": ["sleep", "1000"], "resources": resources, **more}


@asynccontextmanager
async def refused(code: int, *words: str) -> AsyncIterator[None]:
    """The API must refuse with this code and these words."""
    with pytest.raises(ApiError) as caught:
        yield
    assert caught.value.code == code, str(caught.value)
    for word in words:
        assert word in str(caught.value)
