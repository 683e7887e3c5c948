"""Which numbers a StatefulSet makes next, and which pods it deletes."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.clock import timestamp
from procorch.controllers.controller_revisions import HASH
from procorch.controllers.statefulset_plan import plan, status_of, view_of
from procorch.objects import Object

NOW = 1_000_000.0


def owner(
    replicas: int = 3, *, parallel: bool = False, deleting: bool = False, rolling: Any = None, **spec: Any
) -> Object:
    strategy = {"type": "OnDelete"} if rolling is False else {"type": "RollingUpdate", "rollingUpdate": rolling or {}}
    policy = "Parallel" if parallel else "OrderedReady"
    metadata: Object = {"name": "db", "namespace": "n", "uid": "u", "generation": 2}
    if deleting:
        metadata["deletionTimestamp"] = timestamp(NOW)
    whole = {"replicas": replicas, "podManagementPolicy": policy, "updateStrategy": strategy, **spec}
    return {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": metadata, "spec": whole}


def pod(
    number: int, revision: str = "new", *, ready: bool = True, phase: str = "Running", deleting: bool = False,
    since: float = 100,
) -> Object:  # fmt: skip
    """since: seconds ago it became ready."""
    metadata: Object = {"name": f"db-{number}", "namespace": "n", "uid": f"u{number}", "labels": {HASH: revision}}
    if deleting:
        metadata["deletionTimestamp"] = timestamp(NOW)
    row = {"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp(NOW - since)}
    return {"metadata": metadata, "status": {"phase": phase, "conditions": [row]}}


def planned(there: Object, *pods: Object, current: str = "new") -> tuple[list[int], list[str]]:
    found = plan(view_of(there, pods, current, "new", NOW))
    return found.create, [one["metadata"]["name"] for one in found.delete]


@pytest.mark.parametrize(
    ("there", "pods", "create", "delete"),
    [
        pytest.param(owner(), [], [0], [], id="the first"),
        pytest.param(owner(), [pod(0, ready=False)], [], [], id="which is waited for"),
        pytest.param(owner(), [pod(0)], [1], [], id="then the second"),
        pytest.param(owner(), [pod(0), pod(2)], [1], [], id="a gap is filled"),
        pytest.param(owner(minReadySeconds=200), [pod(0)], [], [], id="ready, but not for long enough"),
        pytest.param(owner(), [pod(0), pod(1, deleting=True)], [], [], id="one that ends is waited for"),
        pytest.param(owner(), [pod(0, phase="Failed")], [], ["db-0"], id="a failed one goes first"),
        pytest.param(owner(), [pod(0, phase="Succeeded", deleting=True)], [], [], id="and is waited for"),
        pytest.param(owner(1), [pod(0), pod(1), pod(2)], [], ["db-2"], id="smaller: from the highest"),
        pytest.param(owner(1), [pod(0), pod(1), pod(2, deleting=True)], [], [], id="one after the other"),
        pytest.param(owner(1), [pod(0), pod(1, ready=False), pod(2, ready=False)], [], [], id="not the last good copy"),
        pytest.param(owner(1), [pod(0), pod(1, ready=False), pod(2)], [], ["db-2"], id="but one of several"),
        pytest.param(owner(1), [pod(0, ready=False), pod(1)], [], [], id="no smaller while one below is ill"),
        pytest.param(owner(2, ordinals={"start": 5}), [pod(5), pod(0)], [6], [], id="from another number on"),
        pytest.param(
            owner(2, ordinals={"start": 5}), [pod(5), pod(6), pod(0)], [], ["db-0"], id="numbers before it go"
        ),
        pytest.param(owner(0), [], [], [], id="nothing asked"),
        pytest.param(owner(deleting=True), [], [], [], id="being deleted"),
        pytest.param(owner(parallel=True), [pod(1, ready=False)], [0, 2], [], id="in parallel: all"),
        pytest.param(owner(1, parallel=True), [pod(0), pod(1), pod(2)], [], ["db-2", "db-1"], id="and smaller at once"),
        pytest.param(owner(2, parallel=True), [pod(0, deleting=True), pod(1, phase="Failed")], [], ["db-1"], id="ends"),
    ],
)
def test_which_come_and_go(there: Object, pods: list[Object], create: list[int], delete: list[str]) -> None:
    assert planned(there, *pods) == (create, delete)


OLD = [pod(0, "old"), pod(1, "old"), pod(2, "old")]


@pytest.mark.parametrize(
    ("there", "pods", "delete"),
    [
        pytest.param(owner(), OLD, ["db-2"], id="the highest first"),
        pytest.param(owner(), [*OLD[:2], pod(2)], ["db-1"], id="then the next"),
        pytest.param(owner(), [*OLD[:2], pod(2, ready=False)], [], id="not before the former is ready"),
        pytest.param(owner(rolling={"partition": 2}), OLD, ["db-2"], id="down to a number"),
        pytest.param(owner(rolling={"partition": 2}), [*OLD[:2], pod(2)], [], id="and not further"),
        pytest.param(owner(rolling=False), OLD, [], id="only by hand"),
        pytest.param(owner(rolling={"maxUnavailable": 2}), OLD, ["db-2", "db-1"], id="two at a time"),
        pytest.param(owner(rolling={"maxUnavailable": "67%"}), OLD, ["db-2", "db-1"], id="a share, rounded down"),
        pytest.param(owner(rolling={"maxUnavailable": "1%"}), OLD, ["db-2"], id="but one at least"),
        pytest.param(
            owner(rolling={"maxUnavailable": 2}, parallel=True),
            [*OLD[:2], pod(2, ready=False)],
            ["db-1"],
            id="one is ill",
        ),
        pytest.param(
            owner(parallel=True),
            [*OLD[:2], pod(2, "bad", ready=False)],
            ["db-2"],
            id="one that serves nobody goes anyway",
        ),
    ],
)
def test_a_new_template_is_rolled_out(there: Object, pods: list[Object], delete: list[str]) -> None:
    assert planned(there, *pods, current="old") == ([], delete)


def test_below_the_partition_a_pod_comes_back_as_it_was() -> None:
    view = view_of(owner(rolling={"partition": 1}), [], "old", "new", NOW)

    assert [view.revision_for(number) for number in range(3)] == ["old", "new", "new"]


def test_the_status_counts_and_says_when_an_update_is_complete() -> None:
    half = view_of(owner(), [pod(0, "old"), pod(1), pod(2, deleting=True)], "old", "new", NOW)
    whole = view_of(owner(minReadySeconds=500), [pod(0), pod(1), pod(2)], "old", "new", NOW)

    assert status_of(half, 1) == {
        "replicas": 3, "readyReplicas": 3, "availableReplicas": 3, "currentReplicas": 1, "updatedReplicas": 1,
        "currentRevision": "old", "updateRevision": "new", "observedGeneration": 2, "collisionCount": 1,
    }  # fmt: skip
    assert status_of(whole, 0) == {
        "replicas": 3, "readyReplicas": 3, "availableReplicas": 0, "currentReplicas": 3, "updatedReplicas": 3,
        "currentRevision": "new", "updateRevision": "new", "observedGeneration": 2, "collisionCount": 0,
    }  # fmt: skip


PODS = st.dictionaries(
    st.integers(0, 5),
    st.tuples(
        st.sampled_from(["old", "new"]), st.booleans(), st.sampled_from(["Running", "Pending", "Failed"]), st.booleans()
    ),
)


@given(PODS, st.integers(0, 4), st.booleans(), st.integers(1, 3))
def test_never_two_of_a_number_and_never_more_without_service_than_may_be(
    found: dict[int, tuple[str, bool, str, bool]], replicas: int, parallel: bool, unavailable: int
) -> None:
    pods = [
        pod(number, revision, ready=ready and phase == "Running", phase=phase, deleting=deleting)
        for number, (revision, ready, phase, deleting) in found.items()
    ]
    view = view_of(owner(replicas, parallel=parallel, rolling={"maxUnavailable": unavailable}), pods, "old", "new", NOW)
    made = plan(view)
    gone = {int(one["metadata"]["name"].rpartition("-")[2]) for one in made.delete}
    serving = {number for number in range(replicas) if view.serves(number)}

    assert not set(made.create) & set(found), "as long as there is one, there is no other"
    assert set(made.create) <= set(range(replicas))
    assert not any("deletionTimestamp" in one["metadata"] for one in made.delete)
    if updated := gone & serving:
        assert replicas - len(serving - updated) <= max(unavailable, replicas - len(serving))
    if not parallel:
        assert len(made.create) + len(gone - set(range(replicas))) <= 1
        assert all(view.serves(number) for number in range(made.create[0])) if made.create else True
