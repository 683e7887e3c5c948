"""ReplicationControllers and ReplicaSets, and the scale of all that have one."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from procorch.client import Client, kind_of
from procorch.objects import Object, controller_of, get
from tests.conformance.cluster import Cluster, obj, pod, pod_spec
from tests.conformance.test_operations import made_of

pytestmark = pytest.mark.asyncio(loop_scope="module")

KINDS = ("ReplicationController", "ReplicaSet")


def workload(kind: str, ns: str, replicas: int, labels: dict[str, str] | None = None) -> Object:
    chosen = {"app": "x"}
    selector: Object = chosen if kind == "ReplicationController" else {"matchLabels": chosen}
    template = {"metadata": {"labels": chosen}, "spec": pod_spec()}
    return obj(kind, "w", ns, labels, spec={"replicas": replicas, "selector": selector, "template": template})


async def owned(client: Client, ns: str, uid: str) -> list[Object]:
    found = (await client.items("Pod", ns)).objects
    return [one for one in found if (controller_of(one) or {}).get("uid") == uid]


@pytest.mark.parametrize("kind", KINDS)
async def test_matching_pods_are_adopted_and_others_released(
    kind: str, cluster: Cluster, client: Client, ns: str
) -> None:
    await client.create(pod("adopted", ns, {"app": "x"}))
    made = await client.create(workload(kind, ns, 1))
    uid = made["metadata"]["uid"]

    async def adopted() -> bool:
        return [one["metadata"]["name"] for one in await owned(client, ns, uid)] == ["adopted"]

    await cluster.until(adopted)
    await client.patch("Pod", f"{ns}/adopted", {"metadata": {"labels": {"app": "other"}}})

    async def released() -> bool:
        names = [one["metadata"]["name"] for one in await owned(client, ns, uid)]
        return len(names) == 1 and "adopted" not in names

    await cluster.until(released)
    assert controller_of(await client.get("Pod", f"{ns}/adopted")) is None


@pytest.mark.parametrize("kind", (*KINDS, "Deployment", "StatefulSet"))
async def test_a_scale_is_read_updated_and_patched(kind: str, client: Client, ns: str) -> None:
    made = workload(kind, ns, 1)
    if kind == "StatefulSet":
        made["spec"]["serviceName"] = "s"
    await client.create(made)
    path, key = kind_of(kind).path(ns, "w", "scale"), f"{ns}/w"
    scale = orjson.loads((await client.raw("GET", path)).body)
    assert (scale["kind"], scale["apiVersion"], scale["spec"]["replicas"]) == ("Scale", "autoscaling/v1", 1)
    scale["metadata"]["resourceVersion"], scale["spec"]["replicas"] = "", 2
    assert orjson.loads((await client.raw("PUT", path, body=orjson.dumps(scale))).body)["spec"]["replicas"] == 2
    assert (await client.get(kind, key))["spec"]["replicas"] == 2
    await client.patch(kind, key, {"spec": {"replicas": 4}}, subresource="scale")
    assert (await client.get(kind, key))["spec"]["replicas"] == 4


@pytest.mark.parametrize("kind", (*KINDS, "Deployment"))
async def test_its_life_with_pods(kind: str, cluster: Cluster, client: Client, ns: str) -> None:
    """Created, ready, patched, its status patched and updated, scaled, and gone with its pods."""
    labels, key = {"test-rc-static": "true"}, f"{ns}/w"
    async with cluster.watching(kind, ns, label_selector="test-rc-static=true") as watch:
        await client.create(workload(kind, ns, 1, labels))
        await watch.find("ADDED")
        await watch.find("MODIFIED", lambda one: get(one, ".status.readyReplicas") == 1)
        await client.patch(kind, key, {"metadata": {"labels": {"test-rc": "patched"}}}, type="strategic")
        await watch.find("MODIFIED", lambda one: one["metadata"]["labels"].get("test-rc") == "patched")
        await client.patch(kind, key, {"status": {"readyReplicas": 0, "availableReplicas": 0}}, subresource="status")
        await watch.find("MODIFIED", lambda one: not get(one, ".status.readyReplicas"))
        await watch.find("MODIFIED", lambda one: get(one, ".status.readyReplicas") == 1)
        await client.patch(kind, key, {"spec": {"replicas": 2}}, subresource="scale")
        await watch.find("MODIFIED", lambda one: get(one, ".status.readyReplicas") == 2)
        await client.delete_all(kind, ns, label_selector="test-rc-static=true", propagation="Background")
        await watch.find("DELETED")

    async def none() -> bool:
        return not (await client.items("Pod", ns)).objects

    await cluster.until(none)


async def test_controller_revisions_are_kept_and_never_change(client: Client, ns: str) -> None:
    made = await client.create(made_of("ControllerRevision", 1, ns))
    key = f"{ns}/{made['metadata']['name']}"
    patched = await client.patch("ControllerRevision", key, {"metadata": {"labels": {"patched": "yes"}}})
    assert patched["metadata"]["labels"]["patched"] == "yes"
    assert (await client.update({**patched, "revision": 4}))["revision"] == 4
    with pytest.raises(Exception, match="field is immutable"):
        await client.patch("ControllerRevision", key, {"data": {"other": 1}})


async def test_a_suspended_job_is_patched_and_unsuspended(client: Client, ns: str) -> None:
    made: Any = await client.create(made_of("Job", 1, ns))
    key = f"{ns}/{made['metadata']['name']}"
    assert made["spec"]["suspend"] is True
    patched = await client.patch("Job", key, {"metadata": {"labels": {"test": "patched"}}}, type="strategic")
    assert patched["metadata"]["labels"]["test"] == "patched"
    patched["spec"]["suspend"], patched["metadata"]["annotations"] = False, {"updated": "true"}
    updated = await client.update(patched)
    assert updated["spec"]["suspend"] is False and updated["metadata"]["annotations"] == {"updated": "true"}
