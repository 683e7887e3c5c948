"""Namespaces: patched, updated, finalized, and all that is in them goes with them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from procorch.client import Client, kind_of
from procorch.objects import condition_of, get
from tests.conformance.cluster import Cluster, obj, pod

pytestmark = pytest.mark.asyncio(loop_scope="module")

FINALIZER = "e2e.example.com/fakeFinalizer"


@pytest.mark.parametrize(
    ("kind", "fields"),
    [("Pod", {}), ("Service", {"spec": {"ports": [{"port": 80}]}})],
)
async def test_what_is_in_it_goes_with_it(kind: str, fields: Any, cluster: Cluster, client: Client, ns: str) -> None:
    await client.create(pod("one", ns) if kind == "Pod" else obj(kind, "one", ns, **fields))
    if kind == "Pod":
        await cluster.until(lambda: _runs(client, f"{ns}/one"))
    await client.delete("Namespace", ns)
    await cluster.until(lambda: cluster.gone("Namespace", ns))
    await client.create(obj("Namespace", ns))
    assert (await client.items(kind, ns)).objects == []


async def test_its_pods_go_first(cluster: Cluster, client: Client, ns: str) -> None:
    held = pod("one", ns)
    held["metadata"]["finalizers"] = [FINALIZER]
    await client.create(held)
    await client.create(obj("ConfigMap", "settings", ns))
    await client.delete("Namespace", ns)

    async def told() -> bool:
        found = await client.get("Namespace", ns)
        return condition_of(found, "NamespaceDeletionContentFailure") is not None

    await cluster.until(told)
    assert (await client.get("Pod", f"{ns}/one"))["metadata"]["deletionTimestamp"]
    assert "deletionTimestamp" not in (await client.get("ConfigMap", f"{ns}/settings"))["metadata"]

    await client.patch("Pod", f"{ns}/one", {"metadata": {"finalizers": None}})
    await cluster.until(lambda: cluster.gone("Namespace", ns))
    assert await cluster.gone("ConfigMap", f"{ns}/settings")


async def _runs(client: Client, key: str) -> bool:
    return bool(get(await client.get("Pod", key), ".status.phase") == "Running")


async def test_it_is_patched_and_updated(client: Client, ns: str) -> None:
    await client.patch("Namespace", ns, {"metadata": {"labels": {"testLabel": "testValue"}}})
    found = await client.get("Namespace", ns)
    assert found["metadata"]["labels"]["testLabel"] == "testValue"
    assert found["metadata"]["labels"]["kubernetes.io/metadata.name"] == ns
    found["metadata"]["labels"]["other"] = "value"
    assert (await client.update(found))["metadata"]["labels"]["other"] == "value"


async def test_its_status_is_read_patched_and_updated(client: Client, ns: str) -> None:
    found = await client.raw("GET", kind_of("Namespace").path(None, ns, "status"))
    assert get(orjson.loads(found.body), ".status.phase") == "Active"
    row = {"type": "StatusPatch", "status": "True", "reason": "E2E", "message": "Patched by an e2e test"}
    patch = {"metadata": {"annotations": {"e2e-patched-ns-status": ns}}, "status": {"conditions": [row]}}
    patched = await client.patch("Namespace", ns, patch, subresource="status")
    assert patched["metadata"]["annotations"]["e2e-patched-ns-status"] == ns
    assert (condition_of(patched, "StatusPatch") or {})["reason"] == "E2E"
    patched["status"]["conditions"].append({**row, "type": "StatusUpdate", "message": "Updated by an e2e test"})
    updated = await client.update_status(patched)
    assert [one["type"] for one in updated["status"]["conditions"]] == ["StatusPatch", "StatusUpdate"]


async def test_a_finalizer_is_added_and_taken_off(client: Client, ns: str) -> None:
    async def finalize(finalizers: list[str]) -> Any:
        found = await client.get("Namespace", ns)
        body = {**found, "spec": {"finalizers": finalizers}}
        answer = await client.raw("PUT", kind_of("Namespace").path(None, ns, "finalize"), body=orjson.dumps(body))
        return orjson.loads(answer.body)["spec"]["finalizers"]

    assert await finalize(["kubernetes", FINALIZER]) == ["kubernetes", FINALIZER]
    assert (await client.get("Namespace", ns))["spec"]["finalizers"] == ["kubernetes", FINALIZER]
    assert await finalize(["kubernetes"]) == ["kubernetes"]
