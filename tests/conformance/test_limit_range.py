"""LimitRange: what containers get that ask for nothing, and what nobody may go beyond."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.client import Client
from procorch.objects import Object
from tests.conformance.cluster import Cluster, obj, pod, refused, sized

pytestmark = pytest.mark.asyncio(loop_scope="module")

AMOUNTS = ("cpu", "memory", "ephemeral-storage")


def amounts(*values: str) -> dict[str, str]:
    return dict(zip(AMOUNTS, values, strict=True))


MIN, MAX = amounts("50m", "100Mi", "100Gi"), amounts("500m", "500Mi", "500Gi")
REQUEST, LIMIT = amounts("100m", "200Mi", "200Gi"), amounts("500m", "500Mi", "500Gi")


def limit_range(ns: str, name: str = "limits", **more: Any) -> Object:
    limit = {"type": "Container", "min": MIN, "max": MAX, "default": LIMIT, "defaultRequest": REQUEST, **more}
    return obj("LimitRange", name, ns, {"test": ns}, spec={"limits": [limit]})


def resources(pod: Object) -> tuple[Any, Any]:
    found = pod["spec"]["containers"][0]["resources"]
    return found.get("requests"), found.get("limits")


async def test_pods_get_its_defaults_and_are_held_to_it(client: Client, ns: str) -> None:
    await client.create(limit_range(ns))
    made = await client.create(pod("none", ns))
    assert resources(made) == (REQUEST, LIMIT)
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu, ephemeral-storage, memory request for container c; "
        "cpu, ephemeral-storage, memory limit for container c"
    )
    asked = {"cpu": "300m", "memory": "150Mi"}
    part = await client.create(pod("part", ns, containers=[sized(asked, {"cpu": "300m", "memory": "500Mi"})]))
    assert resources(part) == ({**REQUEST, **asked}, {**LIMIT, "cpu": "300m"})

    async with refused(403, "minimum cpu usage per Container is 50m, but request is 10m"):
        await client.create(pod("small", ns, containers=[sized({"cpu": "10m"})]))
    async with refused(403, 'pods "large" is forbidden: maximum cpu usage per Container is 500m, but limit is 600m'):
        await client.create(pod("large", ns, containers=[sized({}, {"cpu": "600m"})]))

    fresh = await client.get("LimitRange", f"{ns}/limits")
    fresh["spec"]["limits"][0]["min"] = {"cpu": "9m", "memory": "49Mi", "ephemeral-storage": "49Gi"}
    await client.update(fresh)
    await client.create(pod("small", ns, containers=[sized({"cpu": "10m", "memory": "50Mi"})]))
    async with refused(403, "maximum cpu usage per Container is 500m, but limit is 600m"):
        await client.create(pod("large", ns, containers=[sized({}, {"cpu": "600m"})]))
    await client.delete("LimitRange", f"{ns}/limits")
    await client.create(pod("large", ns, containers=[sized({}, {"cpu": "600m"})]))


async def test_a_pod_as_a_whole_and_the_ratio_of_its_sides(client: Client, ns: str) -> None:
    limits = [{"type": "Pod", "max": {"cpu": "1"}, "maxLimitRequestRatio": {"cpu": "2"}}]
    await client.create(obj("LimitRange", "whole", ns, spec={"limits": limits}))
    pair = [sized({"cpu": "400m"}, {"cpu": "600m"}), sized({"cpu": "400m"}, {"cpu": "600m"}, name="d")]
    async with refused(403, "maximum cpu usage per Pod is 1, but limit is 1200m"):
        await client.create(pod("p", ns, containers=pair))
    async with refused(403, "cpu max limit to request ratio per Pod is 2, but provided ratio is 4.000000"):
        await client.create(pod("p", ns, containers=[sized({"cpu": "100m"}, {"cpu": "400m"})]))
    async with refused(403, "maximum cpu usage per Pod is 1.  No limit is specified"):
        await client.create(pod("p", ns))


async def test_a_claim_is_held_to_it(client: Client, ns: str) -> None:
    limits = [{"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}, "max": {"storage": "5Gi"}}]
    await client.create(obj("LimitRange", "storage", ns, spec={"limits": limits}))
    per = "storage usage per PersistentVolumeClaim is"
    for size, words in (("500Mi", f"minimum {per} 1Gi, but request is"), ("10Gi", f"maximum {per} 5Gi, but request")):
        spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": size}}}
        async with refused(403, words):
            await client.create(obj("PersistentVolumeClaim", "c", ns, spec=spec))


async def test_a_collection_in_two_namespaces(cluster: Cluster, client: Client, ns: str) -> None:
    other = f"{ns}-other"
    await client.create(obj("Namespace", other))
    for name in (ns, other):
        made = limit_range(name)
        made["metadata"]["labels"] = {"both": ns}
        await client.create(made)
    chosen = {"label_selector": f"both={ns}"}
    assert len((await client.items("LimitRange", None, **chosen)).objects) == 2
    patch = {"metadata": {"labels": {"own": ns}}, "spec": {"limits": [{"type": "Container", "min": {"cpu": "40m"}}]}}
    patched = await client.patch("LimitRange", f"{ns}/limits", patch, type="strategic")
    assert patched["metadata"]["labels"]["own"] == ns
    assert patched["spec"]["limits"][0]["min"]["cpu"] == "40m"
    await client.delete_all("LimitRange", ns, label_selector=f"own={ns}")
    left = (await client.items("LimitRange", None, **chosen)).objects
    assert [one["metadata"]["namespace"] for one in left] == [other]
