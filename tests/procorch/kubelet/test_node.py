"""The node registers, tells how it is when that changes, and renews its Lease; against the real API in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

import store
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.client import Client
from procorch.events import EventRecorder
from procorch.kubelet.measured import Measured
from procorch.kubelet.node import REPORT_SECONDS, NodeReporter
from procorch.kubelet.node_status import NodeConfig
from procorch.objects import NotFound, Object

GIB = 1 << 30
WELL = Measured(4, 8 * GIB, 6 * GIB, 100 * GIB, 50 * GIB, 1000, 900, 30_000, {})
CONFIG = NodeConfig("one", "10.0.0.1", Path("/"), labels={"zone": "a"})


class Node:
    """A reporter, and what it measures, has for a problem, and reads from its clock."""

    def __init__(self, api: Api) -> None:
        self.api = api
        self.client = Client(LocalTransport(api, User("admin", (MASTERS,))))
        self.now = api.clock()
        self.measured = WELL
        self.problem = ""
        self.pressures: list[str] = []
        self.events = EventRecorder(self.client, "kubelet", lambda: self.now, "one")
        self.images: list[dict[str, Any]] = []
        self.reporter = self.anew()

    def anew(self, config: NodeConfig = CONFIG) -> NodeReporter:
        self.reporter = NodeReporter(
            self.client,
            config,
            lambda: self.now,
            self.events,
            images=lambda: self.images,
            problem=lambda: self.problem,
            pressures=lambda: self.pressures,
            measure=lambda: self.measured,
        )
        return self.reporter

    async def get(self) -> Object:
        return await self.client.get("Node", "one")

    async def ready(self) -> tuple[str, str]:
        rows = {row["type"]: row for row in (await self.get())["status"]["conditions"]}
        return rows["Ready"]["status"], rows["Ready"]["message"]


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    log = await store.Log.open(":memory:")
    api = Api(log, config=ApiConfig())
    await api.start()
    made = Node(api)
    for name in ("default", "kube-node-lease"):
        await made.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield made
    await api.close()
    await log.close()


async def test_a_node_comes_with_its_capacity(node: Node) -> None:
    await node.reporter.register()

    found = await node.get()
    assert found["status"]["capacity"]["cpu"] == "4"
    assert found["metadata"]["labels"]["zone"] == "a"
    assert {"type": "InternalIP", "address": "10.0.0.1"} in found["status"]["addresses"]


async def test_a_node_that_is_there_keeps_what_others_gave_it_and_gets_its_labels(node: Node) -> None:
    await node.reporter.register()
    patch: dict[str, Any] = {"metadata": {"labels": {"zone": "b", "theirs": "x"}}, "spec": {"unschedulable": True}}
    await node.client.patch("Node", "one", patch)

    await node.anew().register()

    found = await node.get()
    assert (found["metadata"]["labels"]["zone"], found["metadata"]["labels"]["theirs"]) == ("a", "x")
    assert found["spec"]["unschedulable"] is True


async def test_what_has_not_changed_is_told_only_now_and_then(node: Node) -> None:
    await node.reporter.register()
    await node.reporter.report()
    revision = node.api.log.revision

    node.now += REPORT_SECONDS - 1
    await node.reporter.report()
    assert node.api.log.revision == revision

    node.now += 2
    await node.reporter.report()
    assert node.api.log.revision == revision + 1


async def test_a_change_is_told_at_once_with_an_event(node: Node) -> None:
    recording = asyncio.get_running_loop().create_task(node.events.run())
    await node.reporter.register()
    node.problem = "no network yet"
    await node.reporter.report()
    assert await node.ready() == ("False", "no network yet")

    node.problem = ""
    await node.reporter.report()

    assert (await node.ready())[0] == "True"
    await node.events.flushed()
    recording.cancel()
    rows = (await node.client.items("Event", "default")).objects
    assert "NodeReady" in [row["reason"] for row in rows]


async def test_whoever_knows_of_a_change_has_it_told_at_once(node: Node) -> None:
    """Not at the next look, which is ten seconds away."""
    running = asyncio.get_running_loop().create_task(node.reporter.run())
    async with asyncio.timeout(5):
        while node.reporter.node is None:
            await asyncio.sleep(0.01)
        node.images = [{"names": ["web"], "sizeBytes": 7}]
        while (await node.get())["status"].get("images") != node.images:
            node.reporter.look()
            await asyncio.sleep(0.01)
    running.cancel()


async def test_pressure_is_told(node: Node) -> None:
    await node.reporter.register()
    await node.reporter.report()

    node.pressures.append("MemoryPressure")
    await node.reporter.report()

    rows = {row["type"]: row["status"] for row in (await node.get())["status"]["conditions"]}
    assert rows["MemoryPressure"] == "True"


async def test_a_node_that_was_deleted_registers_again_as_it_was(node: Node) -> None:
    node.reporter.pod_cidr = "10.240.4.0/22"
    running = asyncio.get_running_loop().create_task(node.reporter.run())
    await node.reporter.register()
    first = await node.client.patch("Node", "one", {"spec": {"unschedulable": True}})
    await node.client.delete("Node", "one")

    node.reporter.lost(first)
    async with asyncio.timeout(5):
        while True:
            try:
                again = await node.get()
                break
            except NotFound:
                await asyncio.sleep(0.01)
    running.cancel()
    assert again["metadata"]["uid"] != first["metadata"]["uid"]
    assert (again["spec"]["podCIDR"], again["spec"]["unschedulable"]) == ("10.240.4.0/22", True)
    assert await node.ready() == ("True", "kubelet is posting ready status")


async def test_what_others_wrote_into_the_status_stays(node: Node) -> None:
    await node.reporter.register()
    theirs = {"status": {"volumesInUse": ["kubernetes.io/nfs/a"]}}
    await node.client.patch("Node", "one", theirs, subresource="status")

    await node.reporter.report()

    assert (await node.get())["status"]["volumesInUse"] == ["kubernetes.io/nfs/a"]


async def until_lease(node: Node, renewed: str = "") -> Object:
    async with asyncio.timeout(5):
        while True:
            try:
                lease = await node.client.get("Lease", "kube-node-lease/one")
            except NotFound:
                await asyncio.sleep(0.01)
                continue
            if lease["spec"]["renewTime"] != renewed:
                return lease
            await asyncio.sleep(0.01)


async def test_a_running_node_holds_a_lease_that_goes_with_it(node: Node) -> None:
    made = await node.reporter.register()

    running = asyncio.get_running_loop().create_task(node.reporter.run())
    lease = await until_lease(node)
    running.cancel()

    assert (lease["spec"]["holderIdentity"], lease["spec"]["leaseDurationSeconds"]) == ("one", 40)
    assert lease["metadata"]["ownerReferences"][0]["uid"] == made["metadata"]["uid"]


async def test_a_lease_of_an_earlier_agent_is_taken_over(node: Node) -> None:
    await node.reporter.register()
    first = asyncio.get_running_loop().create_task(node.reporter.run())
    before = await until_lease(node)
    first.cancel()
    node.now += 60

    await node.anew().register()
    second = asyncio.get_running_loop().create_task(node.reporter.run())
    after = await until_lease(node, before["spec"]["renewTime"])
    second.cancel()

    assert after["metadata"]["uid"] == before["metadata"]["uid"]


async def test_a_node_that_was_deleted_registers_again(node: Node) -> None:
    before = await node.reporter.register()
    await node.client.delete("Node", "one")

    running = asyncio.get_running_loop().create_task(node.reporter.run())
    async with asyncio.timeout(5):
        while True:
            try:
                found = await node.get()
                break
            except NotFound:
                await asyncio.sleep(0.01)
    running.cancel()

    assert found["metadata"]["uid"] != before["metadata"]["uid"]
