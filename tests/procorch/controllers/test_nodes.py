"""Nodes at work: ranges, silence, taints, eviction."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.controllers import ControllerConfig, node_ipam, node_lifecycle, taint_eviction
from procorch.objects import Object, condition_of, get


def node(name: str, **spec: Any) -> Object:
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "spec": spec}


async def post_ready(client: Client, name: str) -> None:
    conditions = [{"type": "Ready", "status": "True", "reason": "KubeletReady", "message": "ready"}]
    await client.patch("Node", name, {"status": {"conditions": conditions}}, subresource="status")


async def test_each_node_gets_a_range_of_its_own(client: Client, running: Any, eventually: Any) -> None:
    async with running(node_ipam.CONTROLLER):
        for name in "abc":
            await client.create(node(name))

        async def ranges() -> list[str]:
            found = [get(one, ".spec.podCIDR") for one in (await client.items("Node")).objects]
            return found if all(found) else []

        assert sorted(await eventually(ranges)) == ["10.240.0.0/22", "10.240.4.0/22", "10.240.8.0/22"]


async def test_a_silent_node_is_unknown_tainted_and_its_pods_are_not_ready(
    client: Client, running: Any, eventually: Any, pod: Any
) -> None:
    await client.create(node("silent"))
    await post_ready(client, "silent")
    await client.create(pod("a", nodeName="silent"))
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    await client.patch("Pod", "d/a", {"status": status}, subresource="status")
    async with running(node_lifecycle.CONTROLLER, config=ControllerConfig(node_grace=0.2)):

        async def noticed() -> bool:
            seen = await client.get("Node", "silent")
            ready = condition_of(await client.get("Pod", "d/a"), "Ready")
            return (
                (condition_of(seen, "Ready") or {}).get("status") == "Unknown"
                and ready is not None
                and ready["status"] == "False"
                and [row["effect"] for row in get(seen, ".spec.taints", [])] == ["NoSchedule"]
            )

        await eventually(noticed)
        await post_ready(client, "silent")

        async def back() -> bool:
            seen = await client.get("Node", "silent")
            return not get(seen, ".spec.taints") and (condition_of(seen, "Ready") or {}).get("status") == "True"

        await eventually(back)


async def test_a_heartbeat_keeps_a_node_ready(client: Client, running: Any, eventually: Any) -> None:
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-node-lease"}})
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "alive", "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": "alive", "renewTime": "2026-01-01T00:00:00.000000Z"},
    }
    await client.create(lease)
    for name in ("alive", "silent"):
        await client.create(node(name))
        await post_ready(client, name)
    async with running(node_lifecycle.CONTROLLER, config=ControllerConfig(node_grace=0.3)):
        beats = iter(range(1, 1_000_000))

        async def silent_is_noticed() -> bool:
            patch = {"spec": {"renewTime": f"2026-01-01T00:00:00.{next(beats):06}Z"}}
            await client.patch("Lease", "kube-node-lease/alive", patch)
            return (condition_of(await client.get("Node", "silent"), "Ready") or {}).get("status") == "Unknown"

        await eventually(silent_is_noticed)
        assert (condition_of(await client.get("Node", "alive"), "Ready") or {}).get("status") == "True"


async def test_a_taint_evicts_who_does_not_tolerate_it(client: Client, running: Any, eventually: Any, pod: Any) -> None:
    await client.create(node("n"))
    stays = [{"key": "maintenance", "operator": "Exists"}]
    await client.create(pod("stays", nodeName="n", tolerations=stays))
    await client.create(pod("goes", nodeName="n"))
    async with running(taint_eviction.CONTROLLER):
        taints = [{"key": "maintenance", "effect": "NoExecute"}]
        await client.patch("Node", "n", {"spec": {"taints": taints}})

        async def marked() -> bool:
            return bool(get(await client.get("Pod", "d/goes"), ".metadata.deletionTimestamp"))

        await eventually(marked)
        assert not get(await client.get("Pod", "d/stays"), ".metadata.deletionTimestamp")


def without_patience(name: str, node_name: str) -> Object:
    """A pod that does not tolerate a node's absence for a moment."""
    keys = ("node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable")
    none = [{"key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0} for key in keys]
    container = {"name": "c", "image": "host", "command": ["sleep", "1"]}
    spec = {"nodeName": node_name, "tolerations": none, "containers": [container]}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "d"}, "spec": spec}


async def states(client: Client) -> list[str]:
    return [(condition_of(one, "Ready") or {}).get("status", "") for one in (await client.items("Node")).objects]


async def beat(client: Client, name: str, number: int) -> None:
    """What a kubelet posts from time to time: all is well, and a newer time."""
    row = {"type": "Ready", "status": "True", "lastHeartbeatTime": f"2026-01-01T00:00:{number % 60:02}Z"}
    await client.patch("Node", name, {"status": {"conditions": [row]}}, subresource="status")


@pytest.mark.parametrize(
    ("alive", "evicted"),
    [
        pytest.param(("a", "b"), ["on-c"], id="one of three is away: its pods go"),
        pytest.param((), [], id="all are away at once: nobody is evicted"),
    ],
)
async def test_pods_of_nodes_that_are_away(
    client: Client, running: Any, eventually: Any, alive: tuple[str, ...], evicted: list[str]
) -> None:
    for name in "abc":
        await client.create(node(name))
        await post_ready(client, name)
        await client.create(without_patience(f"on-{name}", name))
    config = ControllerConfig(node_grace=0.4)
    async with running(node_lifecycle.CONTROLLER, taint_eviction.CONTROLLER, config=config) as runner:
        beats = iter(range(1, 1_000_000))

        async def noticed() -> bool:
            for name in alive:
                await beat(client, name, next(beats))
            return sorted(await states(client)) == ["True"] * len(alive) + ["Unknown"] * (3 - len(alive))

        async def deleted() -> list[str]:
            pods = (await client.items("Pod", "d")).objects
            return [one["metadata"]["name"] for one in pods if get(one, ".metadata.deletionTimestamp")]

        async def settled() -> bool:
            quiet = bool(alive) or all(queue.is_idle for queue in runner.queues.values())
            return quiet and await noticed() and await deleted() == evicted

        await eventually(settled)
        assert await deleted() == evicted
