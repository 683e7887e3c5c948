"""How many pods an owner makes, and which it deletes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.clock import timestamp
from procorch.controllers.pod_control import pod_of
from procorch.controllers.replicas import deletion_order, look_again, plan, status_of
from procorch.objects import Object

NOW = 1_000_000.0


def owner(replicas: int = 3, uid: str = "rs", **metadata: Any) -> Object:
    return {
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {"name": "web", "namespace": "d", "uid": uid, "generation": 2, **metadata},
        "spec": {
            "replicas": replicas,
            "template": {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "c"}]}},
        },
    }


def pod(
    uid: str = "p",
    *,
    node: str = "n1",
    phase: str = "Running",
    ready: float | None = 1000,
    born: float = 2000,
    restarts: int = 0,
    cost: str = "",
    deleting: bool = False,
    labels: Any = None,
    of: str = "rs",
) -> Object:
    """ready, born: seconds ago; ready None is not ready. of: the controller's uid."""
    metadata: Object = {"name": uid, "namespace": "d", "uid": uid, "creationTimestamp": timestamp(NOW - born)}
    metadata["labels"] = {"app": "web"} if labels is None else labels
    if of:
        metadata["ownerReferences"] = [{"kind": "ReplicaSet", "name": "web", "uid": of, "controller": True}]
    if cost:
        metadata["annotations"] = {"controller.kubernetes.io/pod-deletion-cost": cost}
    if deleting:
        metadata["deletionTimestamp"] = timestamp(NOW)
    status: Object = {"phase": phase, "containerStatuses": [{"restartCount": restarts}]}
    if ready is not None:
        since = timestamp(NOW - ready)
        status["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": since}]
    return {"metadata": metadata, "spec": {"nodeName": node} if node else {}, "status": status}


@pytest.mark.parametrize(
    ("wanted", "pods", "create", "delete"),
    [
        pytest.param(3, [], 3, [], id="none there: all are made"),
        pytest.param(3, [pod("a"), pod("b")], 1, [], id="one is missing"),
        pytest.param(2, [pod("a"), pod("b")], 0, [], id="just right: nothing"),
        pytest.param(2, [pod("a"), pod("b", phase="Failed")], 1, [], id="a failed pod does not count"),
        pytest.param(2, [pod("a"), pod("b", deleting=True)], 1, [], id="a pod that ends does not count"),
        pytest.param(1, [pod("a"), pod("b", ready=None)], 0, ["b"], id="one too many: the one that is not ready"),
        pytest.param(0, [pod("a"), pod("b")], 0, ["a", "b"], id="scaled to zero: all go"),
        pytest.param(600, [], 500, [], id="never more than 500 at once"),
    ],
)
def test_what_is_made_and_deleted(wanted: int, pods: list[Object], create: int, delete: list[str]) -> None:
    result = plan(wanted, pods, pods, NOW)

    assert result.create == create
    assert [one["metadata"]["uid"] for one in result.delete] == delete


@pytest.mark.parametrize(
    ("first", "second"),
    [
        pytest.param(pod("a", node=""), pod("b", phase="Pending", ready=None), id="not on a node yet"),
        pytest.param(pod("b", phase="Pending", ready=None), pod("a", phase="Unknown", ready=None), id="pending"),
        pytest.param(pod("b", phase="Unknown", ready=None), pod("a", ready=None), id="unknown before running"),
        pytest.param(pod("b", ready=None), pod("a"), id="not ready"),
        pytest.param(pod("b", cost="-5"), pod("a"), id="cheaper by its annotation"),
        pytest.param(pod("b", ready=10), pod("a", ready=10_000), id="ready for a much shorter time"),
        pytest.param(pod("a", ready=1000), pod("b", ready=1001), id="about as long ready: by uid"),
        pytest.param(pod("b", restarts=3), pod("a"), id="restarted more often"),
        pytest.param(pod("b", born=10), pod("a", born=10_000), id="much younger"),
    ],
)
def test_the_pod_whose_loss_hurts_least_goes_first(first: Object, second: Object) -> None:
    assert deletion_order([second, first], [first, second], NOW)[0] is first
    assert deletion_order([first, second], [first, second], NOW)[0] is first


def test_a_crowded_node_loses_a_pod_first_its_sisters_counted() -> None:
    alone, crowded, sister = pod("a", node="n1"), pod("b", node="n2"), pod("x", node="n2", of="other")

    assert deletion_order([alone, crowded], [alone, crowded, sister], NOW)[0] is crowded


def test_the_status_counts() -> None:
    pods = [pod("a"), pod("b", ready=None), pod("c", labels={"app": "web", "x": "y"}), pod("d", deleting=True)]

    assert status_of(owner(), pods, None, NOW) == {
        "replicas": 3,
        "fullyLabeledReplicas": 3,
        "readyReplicas": 2,
        "availableReplicas": 2,
        "terminatingReplicas": 1,
        "observedGeneration": 2,
    }


def test_a_failure_becomes_a_condition_that_keeps_its_time() -> None:
    failed = status_of(owner(), [], "FailedCreate: no quota", NOW)["conditions"]
    again = status_of({**owner(), "status": {"conditions": failed}}, [], "FailedCreate: still none", NOW + 60)

    assert failed == [
        {
            "type": "ReplicaFailure",
            "status": "True",
            "reason": "FailedCreate",
            "message": "no quota",
            "lastTransitionTime": timestamp(NOW),
        }
    ]
    assert again["conditions"] == failed
    assert "conditions" not in status_of({**owner(), "status": {"conditions": failed}}, [], None, NOW)


def test_available_is_ready_for_long_enough_and_the_next_look_is_when_that_comes() -> None:
    rs = owner()
    rs["spec"]["minReadySeconds"] = 30
    pods = [pod("a", ready=40), pod("b", ready=10)]

    assert status_of(rs, pods, None, NOW)["availableReplicas"] == 1
    assert look_again(rs, pods, NOW) == 20


def test_a_new_pod_is_the_template_with_its_owner() -> None:
    made = pod_of(owner())

    assert made["metadata"]["generateName"] == "web-"
    assert made["metadata"]["labels"] == {"app": "web"}
    assert made["metadata"]["ownerReferences"][0]["uid"] == "rs"
    assert made["spec"] == {"containers": [{"name": "c"}]}


POD = st.builds(
    pod,
    uid=st.uuids().map(str),
    node=st.sampled_from(["", "n1", "n2"]),
    phase=st.sampled_from(["Pending", "Running", "Unknown", "Succeeded", "Failed"]),
    ready=st.none() | st.floats(0, 1e5),
    born=st.floats(0, 1e5),
    restarts=st.integers(0, 5),
    deleting=st.booleans(),
)


@given(st.integers(0, 30), st.lists(POD, max_size=40))
def test_there_are_never_more_than_wanted_and_never_fewer_by_our_doing(wanted: int, pods: list[Object]) -> None:
    result = plan(wanted, pods, pods, NOW)
    active = [
        one
        for one in pods
        if one["status"]["phase"] not in ("Succeeded", "Failed") and "deletionTimestamp" not in one["metadata"]
    ]

    assert len(active) + result.create - len(result.delete) == wanted
    assert not (result.create and result.delete)
    assert all(one in active for one in result.delete)


@given(st.lists(POD, max_size=12), st.randoms())
def test_the_order_of_deletion_does_not_depend_on_the_order_of_the_pods(pods: list[Object], random: Any) -> None:
    shuffled = list(pods)
    random.shuffle(shuffled)

    assert deletion_order(pods, pods, NOW) == deletion_order(shuffled, pods, NOW)
