"""Budgets are counted; evictions against the real API are in tests/conformance/test_disruption.py."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.controllers.disruption import NOTED, desired, disrupted, plan, plan_failed
from procorch.objects import Object, condition_of

NOW = 1_700_000_000.0
THEN = "2023-11-14T22:13:20Z"  # NOW, as the API writes it


def pod(name: str, owner: str = "", ready: bool = True, **metadata: Any) -> Object:
    about: Object = {"name": name, "namespace": "d", **metadata}
    if owner:
        about["ownerReferences"] = [{"kind": owner, "name": "w", "uid": f"uid-{owner}", "controller": True}]
    return {"metadata": about, "status": {"conditions": [{"type": "Ready", "status": str(ready)}]}}


def owner(kind: str, replicas: int, above: Object | None = None) -> dict[str, dict[str, Object]]:
    metadata: Object = {"name": "w", "namespace": "d", "uid": f"uid-{kind}"}
    if above:
        metadata["ownerReferences"] = [{**above, "controller": True}]
    return {kind: {"d/w": {"metadata": metadata, "spec": {"replicas": replicas}}}}


def budget(status: Object | None = None, **spec: Any) -> Object:
    return {"metadata": {"name": "b", "namespace": "d", "generation": 3}, "spec": spec, "status": status or {}}


PODS = [pod("a", "ReplicaSet"), pod("b", "ReplicaSet")]
DEPLOYED = owner("ReplicaSet", 2, {"kind": "Deployment", "name": "w", "uid": "uid-Deployment"}) | owner("Deployment", 8)


@pytest.mark.parametrize(
    ("spec", "lister", "expected", "stay"),
    [
        pytest.param({"minAvailable": 1}, {}, 2, 1, id="a number needs no controller"),
        pytest.param({"minAvailable": "50%"}, owner("ReplicaSet", 10), 10, 5, id="a share of what is wanted"),
        pytest.param({"minAvailable": "34%"}, owner("ReplicaSet", 10), 10, 4, id="rounded up"),
        pytest.param({"maxUnavailable": 3}, owner("ReplicaSet", 10), 10, 7, id="what may be away"),
        pytest.param({"maxUnavailable": "25%"}, owner("ReplicaSet", 10), 10, 7, id="a share that may be away"),
        pytest.param({"maxUnavailable": 20}, owner("ReplicaSet", 10), 10, 0, id="more than there are"),
        pytest.param({"maxUnavailable": 1}, DEPLOYED, 8, 7, id="a Deployment stands above its ReplicaSets"),
    ],
)
def test_how_many_must_stay(spec: Object, lister: Any, expected: int, stay: int) -> None:
    assert desired(budget(**spec), PODS, lister) == (expected, stay, [])


def test_pods_of_nobody_do_not_count_for_a_share() -> None:
    found = desired(budget(maxUnavailable=1), [*PODS, pod("alone")], owner("ReplicaSet", 2))
    assert found == (2, 1, ["alone"])


@pytest.mark.parametrize("kind", ["Job", "ReplicaSet"])
def test_a_controller_without_a_scale_or_that_is_gone_is_an_error(kind: str) -> None:
    with pytest.raises(ValueError, match=f"found no scale of {kind} w"):
        desired(budget(maxUnavailable=1), [pod("a", kind)], {"ReplicaSet": {}})


def test_who_was_evicted_a_moment_ago_is_no_longer_healthy() -> None:
    noted = budget({"disruptedPods": {"a": THEN, "b": THEN, "gone": THEN}})
    pods = [pod("a"), pod("b", deletionTimestamp=THEN), pod("c")]
    assert disrupted(noted, pods, NOW + 20) == ({"a": THEN}, NOTED - 20)
    assert disrupted(noted, pods, NOW + NOTED) == ({}, None)


def test_a_status_says_how_many_may_go_and_why() -> None:
    pods = [pod("a"), pod("b"), pod("c", ready=False), pod("d", deletionTimestamp=THEN), pod("e")]
    status = plan(budget(minAvailable=1), pods, 5, 1, {"e": THEN}, NOW)
    names = ("currentHealthy", "desiredHealthy", "expectedPods", "disruptionsAllowed")
    assert [status[name] for name in names] == [2, 1, 5, 1]
    assert status["disruptedPods"] == {"e": THEN} and status["observedGeneration"] == 3
    condition = condition_of({"status": status}, "DisruptionAllowed")
    assert condition is not None and (condition["status"], condition["reason"]) == ("True", "SufficientPods")
    later = plan({**budget(), "status": status}, pods, 5, 1, {"e": THEN}, NOW + 60)
    assert later == status  # the time of a condition that holds still stays


def test_where_nobody_is_expected_nobody_may_go() -> None:
    assert plan(budget(), [], 0, 0, {}, NOW)["disruptionsAllowed"] == 0


def test_what_cannot_be_counted_allows_nothing() -> None:
    status = plan_failed(budget({"disruptionsAllowed": 3, "currentHealthy": 4}), "why", NOW)
    condition = condition_of({"status": status}, "DisruptionAllowed")
    assert status["disruptionsAllowed"] == 0 and status["currentHealthy"] == 4
    assert condition is not None and (condition["reason"], condition["message"]) == ("SyncFailed", "why")
