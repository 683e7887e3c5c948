"""Evictions and the PodDisruptionBudgets that refuse them."""

from __future__ import annotations

import orjson
import pytest

from procorch.objects import ApiError, Forbidden, NotFound, TooManyRequests, condition_of

READY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
UNREADY = {"phase": "Running", "conditions": [{"type": "Ready", "status": "False"}]}


async def pod(served, name, status=READY, app="web"):
    made = await served.client.create({
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default", "labels": {"app": app}},
        "spec": {"containers": [{"name": "c", "image": "host", "command": ["sleep"]}]},
    })  # fmt: skip
    made["status"] |= status
    await written(served, made, "pods")


async def budget(served, name="web", selector=None, observed=1, **status):
    """A budget, and what its controller says of it."""
    spec = {"minAvailable": 1, "selector": {"matchLabels": {"app": "web"}} if selector is None else selector}
    made = await served.client.create({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "default"}, "spec": spec | status.pop("spec", {}),
    })  # fmt: skip
    made["status"] |= {"observedGeneration": observed, "expectedPods": 3, **status}
    await written(served, made, "poddisruptionbudgets")


async def written(served, obj, plural):
    prefix = "/api/v1" if plural == "pods" else f"/apis/{obj['apiVersion']}"
    path = f"{prefix}/namespaces/default/{plural}/{obj['metadata']['name']}/status"
    await served.client.raw("PUT", path, body=orjson.dumps(obj))


async def evict(served, name, **options):
    body = {"apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name}, "deleteOptions": options}
    await served.client.raw("POST", f"/api/v1/namespaces/default/pods/{name}/eviction", body=orjson.dumps(body))


async def there(served, name):
    try:
        await served.client.get("Pod", f"default/{name}")
    except NotFound:
        return False
    return True


async def test_an_eviction_spends_the_budget_until_nothing_is_left(served):
    for name in ("a", "b", "c"):
        await pod(served, name)
    await budget(served, disruptionsAllowed=2, currentHealthy=3, desiredHealthy=1)

    await evict(served, "a")
    await evict(served, "b")
    with pytest.raises(
        TooManyRequests, match=r"^Cannot evict pod as it would violate the pod's disruption budget\.$"
    ) as told:
        await evict(served, "c")

    assert told.value.details["causes"] == [
        {"reason": "DisruptionBudget", "message": "The disruption budget web needs 1 healthy pods and has 3 currently"}
    ]
    assert told.value.retry_after is None
    assert [await there(served, name) for name in ("a", "b", "c")] == [False, False, True]
    stands = await served.client.get("PodDisruptionBudget", "default/web")
    assert stands["status"]["disruptionsAllowed"] == 0 and set(stands["status"]["disruptedPods"]) == {"a", "b"}
    assert condition_of(stands, "DisruptionAllowed")["reason"] == "InsufficientPods"


async def test_a_budget_that_nobody_has_counted_yet_refuses(served):
    await pod(served, "a")
    await budget(served, observed=0, disruptionsAllowed=5)

    with pytest.raises(TooManyRequests) as told:
        await evict(served, "a")

    assert told.value.details["causes"][0]["message"] == (
        "The disruption budget web is still being processed by the server."
    )
    assert told.value.retry_after == 10


@pytest.mark.parametrize(
    ("status", "more", "goes"),
    [
        pytest.param({"phase": "Pending"}, {}, True, id="has not begun"),
        pytest.param({"phase": "Succeeded"}, {}, True, id="has ended"),
        pytest.param(UNREADY, {"desiredHealthy": 1, "currentHealthy": 1}, True, id="unready among enough others"),
        pytest.param(UNREADY, {"desiredHealthy": 2, "currentHealthy": 1}, False, id="unready among too few"),
        pytest.param(UNREADY, {"desiredHealthy": 0}, False, id="unready, and nobody is wanted"),
        pytest.param(
            UNREADY,
            {"desiredHealthy": 2, "spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}},
            True,
            id="unready, and the budget lets such go",
        ),
        pytest.param(READY, {"spec": {"unhealthyPodEvictionPolicy": "AlwaysAllow"}}, False, id="ready"),
    ],
)
async def test_who_costs_nothing(served, status, more, goes):
    await pod(served, "a", status)
    await budget(served, disruptionsAllowed=0, **more)

    if goes:
        await evict(served, "a")
    else:
        with pytest.raises(TooManyRequests):
            await evict(served, "a")

    assert await there(served, "a") is not goes


async def test_a_pod_that_no_budget_covers_goes(served):
    await pod(served, "a", app="other")
    await budget(served)
    await budget(served, "nobody", selector={"matchLabels": {"app": "x"}})

    await evict(served, "a")

    assert not await there(served, "a")


async def test_an_empty_selector_covers_all_and_two_budgets_are_one_too_many(served):
    await pod(served, "a")
    await budget(served, "all", selector={}, disruptionsAllowed=1)
    await budget(served, disruptionsAllowed=1)

    with pytest.raises(ApiError, match="more than one PodDisruptionBudget") as told:
        await evict(served, "a")

    assert told.value.code == 500 and await there(served, "a")


async def test_what_is_not_deleted_spends_nothing(served):
    await pod(served, "a")
    await budget(served, disruptionsAllowed=1)

    with pytest.raises(ApiError, match="the UID in the precondition"):
        await evict(served, "a", preconditions={"uid": "x"})
    await evict(served, "a", dryRun=["All"])

    stands = await served.client.get("PodDisruptionBudget", "default/web")
    assert stands["status"]["disruptionsAllowed"] == 1 and await there(served, "a")
    await evict(served, "a")
    assert not await there(served, "a")


async def test_a_status_that_makes_no_sense_is_said_to(served):
    await pod(served, "a")
    names = {f"p{number}": "2026-01-01T00:00:00Z" for number in range(2001)}
    await budget(served, disruptionsAllowed=1, disruptedPods=names)

    with pytest.raises(Forbidden, match="DisruptedPods map too big"):
        await evict(served, "a")
