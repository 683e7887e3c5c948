"""PodDisruptionBudgets are counted, and evictions keep to them."""

from __future__ import annotations

from typing import Any

import orjson
import pytest

from procorch.client import Client, kind_of
from procorch.objects import TooManyRequests, condition_of, get
from tests.conformance.cluster import Cluster, obj, pod, pod_spec, refused, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

LABELS = {"foo": "bar"}
SELECTOR = {"matchLabels": LABELS}


async def counted(cluster: Cluster, key: str, **wanted: int) -> Any:
    """Waits until the budget's status has these numbers; returns the budget."""

    async def ask() -> Any:
        budget = await cluster.client.get("PodDisruptionBudget", key)
        status = budget.get("status", {})
        seen = status.get("observedGeneration") == budget["metadata"]["generation"]
        return budget if seen and all(status.get(name) == value for name, value in wanted.items()) else None

    return await cluster.until(ask)


async def evict(client: Client, key: str) -> None:
    ns, name = key.split("/")
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": ns}}
    await client.raw("POST", kind_of("Pod").path(ns, name, "eviction"), body=orjson.dumps(body))


async def pods(cluster: Cluster, ns: str, count: int, ready: int) -> None:
    """Pods that nobody controls; the first `ready` of them run."""
    for number in range(count):
        labels = LABELS if number < ready else {**LABELS, "unready": ""}
        made = await cluster.client.create(pod(f"p-{number}", ns, labels))
        if number < ready:
            status = {"status": running(made)}
            await cluster.client.patch("Pod", f"{ns}/p-{number}", status, subresource="status")


async def test_a_budget_is_created_updated_patched_and_deleted(cluster: Cluster, client: Client, ns: str) -> None:
    key = f"{ns}/b"
    await client.create(obj("PodDisruptionBudget", "b", ns, LABELS, spec={"minAvailable": "1%", "selector": SELECTOR}))
    await counted(cluster, key)
    fresh = await client.get("PodDisruptionBudget", key)
    fresh["spec"]["minAvailable"] = "2%"
    assert (await client.update(fresh))["spec"]["minAvailable"] == "2%"
    await counted(cluster, key)
    patched = await client.patch("PodDisruptionBudget", key, {"spec": {"minAvailable": "3%"}})
    assert patched["spec"]["minAvailable"] == "3%"
    await counted(cluster, key)
    await client.delete("PodDisruptionBudget", key)
    await cluster.until(lambda: cluster.gone("PodDisruptionBudget", key))


async def test_its_status_is_observed(cluster: Cluster, client: Client, ns: str) -> None:
    await pods(cluster, ns, 3, 3)
    await client.create(obj("PodDisruptionBudget", "b", ns, spec={"minAvailable": 1, "selector": SELECTOR}))
    budget = await counted(cluster, f"{ns}/b", disruptionsAllowed=2, currentHealthy=3, desiredHealthy=1, expectedPods=3)
    condition = condition_of(budget, "DisruptionAllowed")
    assert condition is not None and (condition["status"], condition["reason"]) == ("True", "SufficientPods")


async def test_its_status_is_updated_and_patched(cluster: Cluster, client: Client, ns: str) -> None:
    await pods(cluster, ns, 1, 1)
    await client.create(obj("PodDisruptionBudget", "b", ns, spec={"minAvailable": 1, "selector": SELECTOR}))
    budget = await counted(cluster, f"{ns}/b", currentHealthy=1)
    noted = {"p-0": "2026-01-01T00:00:00Z"}
    wrote = await client.update_status({**budget, "status": {**budget["status"], "disruptedPods": noted}})
    assert wrote["status"]["disruptedPods"] == noted
    patch = [{"op": "add", "path": "/status/disruptedPods", "value": {"p-1": "2026-01-01T00:00:00Z"}}]
    patched = await client.patch("PodDisruptionBudget", f"{ns}/b", patch, type="json", subresource="status")
    assert patched["status"]["disruptedPods"] == {"p-1": "2026-01-01T00:00:00Z"}


async def test_an_eviction_is_blocked_until_the_budget_allows_it(cluster: Cluster, client: Client, ns: str) -> None:
    key = f"{ns}/b"
    await client.create(obj("PodDisruptionBudget", "b", ns, spec={"minAvailable": 3, "selector": SELECTOR}))
    await pods(cluster, ns, 3, 3)
    await counted(cluster, key, currentHealthy=3, disruptionsAllowed=0)
    with pytest.raises(TooManyRequests) as caught:
        await evict(client, f"{ns}/p-0")
    assert caught.value.details["causes"][0]["reason"] == "DisruptionBudget"
    await client.patch("PodDisruptionBudget", key, {"spec": {"minAvailable": 2}})
    await counted(cluster, key, disruptionsAllowed=1)
    async with cluster.watching("Pod", ns) as watch:
        await evict(client, f"{ns}/p-0")
        last = await watch.find("DELETED")
    condition = condition_of(last, "DisruptionTarget")
    assert condition is not None and condition["reason"] == "EvictionByEvictionAPI"
    await counted(cluster, key, currentHealthy=2, disruptionsAllowed=0)
    await client.patch("PodDisruptionBudget", key, {"spec": {"minAvailable": 3}})
    await counted(cluster, key, desiredHealthy=3)
    with pytest.raises(TooManyRequests):
        await evict(client, f"{ns}/p-1")
    await client.delete("PodDisruptionBudget", key)
    await cluster.until(lambda: cluster.gone("PodDisruptionBudget", key))
    await evict(client, f"{ns}/p-1")


async def test_percentages_are_of_what_the_controllers_want(cluster: Cluster, client: Client, ns: str) -> None:
    template = {"metadata": {"labels": LABELS}, "spec": pod_spec()}
    spec = {"replicas": 10, "selector": SELECTOR, "template": template}
    await client.create(obj("ReplicaSet", "rs", ns, spec=spec))
    await client.create(obj("PodDisruptionBudget", "min", ns, spec={"minAvailable": "90%", "selector": SELECTOR}))
    await counted(cluster, f"{ns}/min", expectedPods=10, currentHealthy=10, desiredHealthy=9, disruptionsAllowed=1)
    await client.patch("PodDisruptionBudget", f"{ns}/min", {"spec": {"minAvailable": None, "maxUnavailable": "25%"}})
    await counted(cluster, f"{ns}/min", desiredHealthy=7, disruptionsAllowed=3)


async def test_budgets_of_all_namespaces(client: Client, ns: str) -> None:
    for where, name in ((ns, "a"), (ns, "b"), ("default", f"{ns}-c")):
        made = obj("PodDisruptionBudget", name, where, {"test": ns}, spec={"minAvailable": 1, "selector": SELECTOR})
        await client.create(made)
    chosen = {"label_selector": f"test={ns}"}
    assert len((await client.items("PodDisruptionBudget", None, **chosen)).objects) == 3
    await client.delete_all("PodDisruptionBudget", ns, **chosen)
    left = (await client.items("PodDisruptionBudget", None, **chosen)).objects
    assert [get(one, ".metadata.name") for one in left] == [f"{ns}-c"]


async def test_two_budgets_for_one_pod_are_an_error(cluster: Cluster, client: Client, ns: str) -> None:
    await pods(cluster, ns, 1, 1)
    for name in "ab":
        await client.create(obj("PodDisruptionBudget", name, ns, spec={"minAvailable": 0, "selector": SELECTOR}))
        await counted(cluster, f"{ns}/{name}", currentHealthy=1)
    async with refused(500, "more than one PodDisruptionBudget"):
        await evict(client, f"{ns}/p-0")
