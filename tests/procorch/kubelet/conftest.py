# A test may look at the machine again and again until a deadline.
"""A kubelet on a real runtime against the real API in memory; only the pods' wires are left out."""

from __future__ import annotations

import asyncio
import itertools
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

import store
from procorch import pki
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.client import Client
from procorch.events import EventRecorder
from procorch.kubelet.eviction.thresholds import parse_config
from procorch.kubelet.images import Images
from procorch.kubelet.kubelet import Kubelet, KubeletConfig
from procorch.kubelet.measured import Measured
from procorch.kubelet.pod_files import Dns
from procorch.objects import ApiError, Object
from runtime import Runtime, Sandbox
from runtime.images import ImageStore

NUMBERS = itertools.count()
NODE = "one"
SHELL = ["/bin/sh", "-c"]
ALLOCATABLE = {"cpu": "2", "memory": "4Gi", "pods": "110", "ephemeral-storage": "100Gi"}
PLENTY = Measured(2, 4 << 30, 3 << 30, 100 << 30, 50 << 30, 1000, 900, 30_000)
"""What the machine has: a test may say otherwise."""


class Addresses:
    """Stands in for the node's network: addresses, and no wires."""

    def __init__(self) -> None:
        self._owners: dict[str, str] = {}

    async def attach(self, owner_id: str, pid: int) -> str:
        return self._owners.setdefault(owner_id, f"10.240.0.{len(self._owners) + 2}")

    async def detach(self, owner_id: str) -> None:
        self._owners.pop(owner_id, None)

    def attached(self) -> dict[str, str]:
        return dict(self._owners)


class Cluster:
    """What a test says: make a pod, wait for what it becomes, read what it said."""

    def __init__(self, api: Api, directory: Path, cgroup: str) -> None:
        self.api = api
        self.client = self.client_of("admin", MASTERS)
        self.directory = directory
        self.cgroup = cgroup
        self.manifests: Path | None = None
        self.network = Addresses()
        self.images: dict[str, Object] = {}
        self.services: dict[str, str] = {}
        self.measured = PLENTY
        self.eviction = parse_config()
        self.kubelet: Kubelet | None = None
        self.runtime: Runtime | None = None
        self.transport: LocalTransport | None = None

    def client_of(self, name: str, *groups: str) -> Client:
        return Client(LocalTransport(self.api, User(name, groups)))

    def resolver(self) -> Images:
        """A test that has registries puts another one here."""
        return Images(ImageStore(self.directory / "images"))

    @asynccontextmanager
    async def running(self, *, away: bool = False) -> AsyncIterator[Kubelet]:
        """A kubelet for as long as the block lasts; leaving it is as good as killing it. away: without the API."""
        runtime = Runtime(self.directory / "runtime", cgroup=self.cgroup, warm=1)
        await runtime.start()
        self.runtime = runtime
        self.transport = LocalTransport(self.api, User(f"system:node:{NODE}", ("system:nodes",)))
        if away:
            await self.transport.close()
        client = Client(self.transport)
        events = EventRecorder(client, "kubelet", self.api.clock, NODE)
        config = KubeletConfig(
            NODE,
            "127.0.0.1",
            self.directory / "pods",
            ALLOCATABLE,
            4 << 30,
            Dns(),
            lambda: self.measured,
            static_pods=self.manifests,
            eviction=self.eviction,
        )

        def services(namespace: str, links: bool) -> Mapping[str, str]:
            return self.services if links else {}

        kubelet = self.kubelet = Kubelet(
            config, client, self.api.clock, runtime, self.network, events,
            resolver=self.resolver(), images=self.images, services=services,
        )  # fmt: skip
        recording = asyncio.get_running_loop().create_task(events.run())
        running = asyncio.get_running_loop().create_task(kubelet.run())
        try:
            yield kubelet
        finally:
            running.cancel()
            recording.cancel()
            done = await asyncio.gather(running, recording, return_exceptions=True)
            await runtime.close()
            for one in done:
                if isinstance(one, Exception):
                    raise one

    async def pod(self, name: str = "web", *commands: str, **spec: Any) -> Object:
        """A pod on the node: one container a command, named a, b, …; `spec` goes into the pod's."""
        containers = [
            {"name": letter, "image": "host", "command": [*SHELL, command]}
            for letter, command in zip("abcdef", commands, strict=False)
        ]
        body = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": name, "namespace": "default", **spec.pop("metadata", {})},
            "spec": {
                "nodeName": NODE,
                "automountServiceAccountToken": False,
                "terminationGracePeriodSeconds": 1,
                "containers": containers,
                **spec,
            },
        }
        return await self.client.create(body)

    async def get(self, name: str = "web") -> Object:
        return await self.client.get("Pod", f"default/{name}")

    async def until(self, what: Callable[[Object], Any], name: str = "web", seconds: float = 15) -> Object:
        """The pod as soon as `what` holds for it."""
        found = await self.get(name)
        version = found["metadata"]["resourceVersion"]
        try:
            async with asyncio.timeout(seconds):
                if what(found):
                    return found
                watch = self.client.watch(
                    "Pod", "default", resource_version=version, field_selector=f"metadata.name={name}"
                )
                async for _, found in watch:
                    if what(found):
                        return found
        except TimeoutError:
            raise AssertionError(f"it did not come: {found['status']}") from None
        raise AssertionError("the watch ended")

    async def gone(self, name: str = "web", seconds: float = 15) -> None:
        async with asyncio.timeout(seconds):
            while True:
                try:
                    await self.get(name)
                except ApiError as error:
                    assert error.code == 404
                    return
                await asyncio.sleep(0.02)

    async def cleared(self, uid: str) -> None:
        """Nothing of the pod is left on the machine."""
        assert self.runtime is not None
        async with asyncio.timeout(10):
            while self.sandboxes(uid) or (self.directory / "pods" / uid).exists():
                await asyncio.sleep(0.02)

    def sandboxes(self, uid: str) -> list[Sandbox]:
        assert self.runtime is not None
        return [one for one in self.runtime.sandboxes.values() if one.labels["uid"] == uid]

    def said(self, pod: Object, container: str = "a", attempt: int = 0) -> str:
        """What an attempt wrote."""
        path = self.directory / "pods" / pod["metadata"]["uid"] / "logs" / container / f"{attempt}.log"
        return "".join(line.split(" ", 3)[3] for line in path.read_text().splitlines(keepends=True))

    async def until_said(self, pod: Object, text: str, container: str = "a", attempt: int = 0) -> None:
        """As soon as an attempt has written exactly this."""
        said = ""
        try:
            async with asyncio.timeout(10):
                while (said := self.said(pod, container, attempt)) != text:
                    await asyncio.sleep(0.02)
        except TimeoutError:
            raise AssertionError(f"it said {said!r}") from None

    async def until_true(self, what: Callable[[], Any]) -> None:
        """As soon as something that nobody tells is so."""
        async with asyncio.timeout(10):
            while not what():
                await asyncio.sleep(0.02)

    async def events(self, name: str = "web") -> list[tuple[str, str]]:
        rows = (await self.client.items("Event", "default")).objects
        return [(row["reason"], row["message"]) for row in rows if row["involvedObject"]["name"] == name]

    async def until_event(self, reason: str, name: str = "web") -> str:
        async with asyncio.timeout(10):
            while True:
                for found, message in await self.events(name):
                    if found == reason:
                        return message
                await asyncio.sleep(0.02)


def state_of(pod: Object, name: str = "a") -> dict[str, Any]:
    return status_of(pod, name).get("state", {})


def status_of(pod: Object, name: str = "a") -> dict[str, Any]:
    rows = [*pod["status"].get("containerStatuses", []), *pod["status"].get("initContainerStatuses", [])]
    return next((row for row in rows if row["name"] == name), {})


def condition(pod: Object, type_: str) -> str:
    rows = pod["status"].get("conditions", [])
    return next((row["status"] for row in rows if row["type"] == type_), "")


def is_ready(pod: Object) -> bool:
    return condition(pod, "Ready") == "True"


@pytest.fixture
async def cluster(tmp_path: Path) -> AsyncIterator[Cluster]:
    log = await store.Log.open(":memory:")
    api = Api(log, config=ApiConfig(service_account_key=pki.signing_key(tmp_path)))
    await api.start()
    cgroup = f"procorch-kubelet-{os.getpid()}-{next(NUMBERS)}"
    cluster = Cluster(api, tmp_path, cgroup)
    for name in ("default", "kube-node-lease"):
        namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}}
        await cluster.client.create(namespace)
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "default", "namespace": "default"}}
    await cluster.client.create(account)
    yield cluster
    await api.close()
    await log.close()
    last = Runtime(tmp_path / "runtime", cgroup=cgroup, warm=0)
    await last.start()
    await last.reset()


@pytest.fixture
async def running(cluster: Cluster) -> AsyncIterator[Cluster]:
    async with cluster.running():
        yield cluster


Wait = Callable[..., Awaitable[Object]]
