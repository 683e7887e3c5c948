"""The garbage collector: what belongs to an object goes with it, before it, or stays."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.objects import Object, get, is_deleting, owner_reference
from tests.conformance.cluster import Cluster, obj, pod, pod_spec

pytestmark = pytest.mark.asyncio(loop_scope="module")

COUNT = 10


async def controller(cluster: Cluster, ns: str, name: str, count: int = COUNT, **spec: Any) -> Object:
    """A ReplicationController whose pods are all there."""
    template = {"metadata": {"labels": {"rc": name}}, "spec": pod_spec(**spec)}
    made = await cluster.client.create(
        obj("ReplicationController", name, ns, spec={"replicas": count, "template": template})
    )

    async def full() -> bool:
        return len(await pods(cluster.client, ns, name)) == count

    await cluster.until(full)
    await cluster.until(lambda: _settled(cluster.client, f"{ns}/{name}", count))
    return made


async def _settled(client: Client, key: str, count: int) -> bool:
    return bool(get(await client.get("ReplicationController", key), ".status.replicas") == count)


async def pods(client: Client, ns: str, name: str) -> list[Object]:
    return (await client.items("Pod", ns, label_selector=f"rc={name}")).objects


async def test_in_the_background_the_pods_follow(cluster: Cluster, client: Client, ns: str) -> None:
    await controller(cluster, ns, "rc", 2)
    await client.delete("ReplicationController", f"{ns}/rc", propagation="Background")
    await cluster.until(lambda: cluster.gone("ReplicationController", f"{ns}/rc"))

    async def none() -> bool:
        return not await pods(client, ns, "rc")

    await cluster.until(none)


async def test_orphans_stay_and_belong_to_nobody(cluster: Cluster, client: Client, ns: str) -> None:
    await controller(cluster, ns, "rc")
    await client.delete("ReplicationController", f"{ns}/rc", propagation="Orphan")
    await cluster.until(lambda: cluster.gone("ReplicationController", f"{ns}/rc"))
    left = await pods(client, ns, "rc")
    assert len(left) == COUNT
    assert not any(one["metadata"].get("ownerReferences") or is_deleting(one) for one in left)


async def test_in_the_foreground_the_pods_go_first(cluster: Cluster, client: Client, ns: str) -> None:
    await controller(cluster, ns, "rc")
    async with cluster.watching("ReplicationController", ns) as watch:
        await client.delete("ReplicationController", f"{ns}/rc", propagation="Foreground")
        ending = await watch.find("MODIFIED", is_deleting)
        assert ending["metadata"]["finalizers"] == ["foregroundDeletion"]
        await watch.find("DELETED")
    assert await pods(client, ns, "rc") == []


async def test_who_has_another_owner_stays(cluster: Cluster, client: Client, ns: str) -> None:
    await controller(cluster, ns, "ends")
    stays = await controller(cluster, ns, "stays", 0)
    shared = (await pods(client, ns, "ends"))[: COUNT // 2]
    reference = {**owner_reference(stays), "controller": False}
    for one in shared:
        owners = [*one["metadata"]["ownerReferences"], reference]
        await client.patch("Pod", f"{ns}/{one['metadata']['name']}", {"metadata": {"ownerReferences": owners}})
    await client.delete("ReplicationController", f"{ns}/ends", propagation="Foreground")
    await cluster.until(lambda: cluster.gone("ReplicationController", f"{ns}/ends"))
    left = await pods(client, ns, "ends")
    assert {one["metadata"]["name"] for one in left} == {one["metadata"]["name"] for one in shared}
    for one in left:
        assert [owner["name"] for owner in one["metadata"]["ownerReferences"]] == ["stays"]
        assert not is_deleting(one)


async def test_a_circle_is_no_obstacle(cluster: Cluster, client: Client, ns: str) -> None:
    made = [await client.create(pod(f"p-{number}", ns)) for number in range(3)]
    for number, one in enumerate(made):
        above = made[number - 1]
        await client.patch(
            "Pod", f"{ns}/p-{number}", {"metadata": {"ownerReferences": [owner_reference(above)]}}
        )  # fmt: skip
        assert one["metadata"]["name"] != above["metadata"]["name"]
    await client.delete("Pod", f"{ns}/p-0", propagation="Foreground")

    async def none() -> bool:
        return not (await client.items("Pod", ns)).objects

    await cluster.until(none)


@pytest.mark.parametrize("propagation", ["Background", "Orphan"])
async def test_the_replica_set_of_a_deployment_follows_or_stays(
    propagation: str, cluster: Cluster, client: Client, ns: str
) -> None:
    template = {"metadata": {"labels": {"app": "gc"}}, "spec": pod_spec()}
    spec = {"replicas": 2, "selector": {"matchLabels": {"app": "gc"}}, "template": template}
    await client.create(obj("Deployment", "d", ns, spec=spec))

    async def ready() -> bool:
        return bool(get(await client.get("Deployment", f"{ns}/d"), ".status.readyReplicas") == 2)

    await cluster.until(ready)
    await client.delete("Deployment", f"{ns}/d", propagation=propagation)
    await cluster.until(lambda: cluster.gone("Deployment", f"{ns}/d"))
    if propagation == "Orphan":
        (left,) = (await client.items("ReplicaSet", ns)).objects
        assert not left["metadata"].get("ownerReferences") and not is_deleting(left)
        assert len((await client.items("Pod", ns)).objects) == 2
        return

    async def none() -> bool:
        return not (await client.items("ReplicaSet", ns)).objects and not (await client.items("Pod", ns)).objects

    await cluster.until(none)
