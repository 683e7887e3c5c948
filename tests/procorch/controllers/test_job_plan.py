"""What a Job does next."""

from __future__ import annotations

import itertools
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.clock import timestamp
from procorch.controllers.job_plan import Backoff, plan, view_of, wait_after
from procorch.controllers.job_pods import FAILURES, FINALIZER, INDEX
from procorch.objects import Object

NOW = 1_000_000.0
_uids = itertools.count()


def job(status: Any = None, *, deleting: bool = False, **spec: Any) -> Object:
    metadata: Object = {"name": "work", "namespace": "d", "uid": "j"}
    if deleting:
        metadata["deletionTimestamp"] = timestamp(NOW)
    wanted = {"parallelism": 2, "completions": 4, "backoffLimit": 6, "template": {"spec": {"restartPolicy": "Never"}}}
    return {"metadata": metadata, "spec": {**wanted, **spec}, "status": status or {}}


def indexed(status: Any = None, **spec: Any) -> Object:
    return job(status, completionMode="Indexed", **spec)


def pod(
    phase: str = "Running", index: int | None = None, *, ended: float = 0, tracked: bool = True, deleting: bool = False,
    failures: int = 0, restarts: int = 0,
) -> Object:  # fmt: skip
    """ended: seconds ago."""
    name = f"p{next(_uids)}"
    metadata: Object = {"name": name, "namespace": "d", "uid": name, "creationTimestamp": timestamp(NOW - 100)}
    if tracked:
        metadata["finalizers"] = [FINALIZER]
    if index is not None:
        metadata["annotations"] = {INDEX: str(index), FAILURES: str(failures)}
    if deleting:
        metadata["deletionTimestamp"] = timestamp(NOW)
    row: Object = {"name": "c", "restartCount": restarts}
    if phase in ("Succeeded", "Failed"):
        row["state"] = {"terminated": {"exitCode": int(phase == "Failed"), "finishedAt": timestamp(NOW - ended)}}
    return {"metadata": metadata, "spec": {}, "status": {"phase": phase, "containerStatuses": [row]}}


def planned(there: Object, *pods: Object, backoff: Backoff | None = None) -> Any:
    return plan(view_of(there, pods), backoff or Backoff(), NOW)


@pytest.mark.parametrize(
    ("there", "pods", "create"),
    [
        pytest.param(job(), [], 2, id="as many as at once"),
        pytest.param(job(), [pod()], 1, id="one runs"),
        pytest.param(job(), [pod(), pod()], 0, id="all run"),
        pytest.param(job({"succeeded": 3}), [], 1, id="only one is missing"),
        pytest.param(job({"succeeded": 2}), [pod("Succeeded"), pod()], 0, id="one has just succeeded, one runs"),
        pytest.param(job(), [pod("Failed", ended=99)], 2, id="a failed one is replaced"),
        pytest.param(job(), [pod(deleting=True)], 2, id="one that ends is replaced at once"),
        pytest.param(job(podReplacementPolicy="Failed"), [pod(deleting=True)], 1, id="or when it has ended"),
        pytest.param(job(completions=None, parallelism=3), [], 3, id="no number of completions"),
        pytest.param(job({"succeeded": 1}, completions=None, parallelism=3), [pod()], 0, id="and one has succeeded"),
        pytest.param(job(suspend=True), [], 0, id="suspended"),
        pytest.param(job(deleting=True), [], 0, id="being deleted"),
        pytest.param(job(parallelism=0), [], 0, id="none at once"),
        pytest.param(job(parallelism=900, completions=900), [], 500, id="never more than 500 in one go"),
    ],
)
def test_how_many_are_made(there: Object, pods: list[Object], create: int) -> None:
    wanted = planned(there, *pods)

    assert list(wanted.create) == [None] * create
    assert not wanted.delete and wanted.ending is None


@pytest.mark.parametrize(
    ("there", "pods", "create"),
    [
        pytest.param(indexed(), [], [0, 1], id="the first"),
        pytest.param(indexed({"completedIndexes": "0"}), [pod(index=1)], [2], id="neither done nor running"),
        pytest.param(indexed(), [pod("Succeeded", 0), pod(index=3)], [1], id="one has just succeeded"),
        pytest.param(indexed(), [pod("Succeeded", 9)], [0, 1], id="an index that is not asked"),
        pytest.param(
            indexed(podReplacementPolicy="Failed"),
            [pod(index=0, deleting=True)],
            [1],
            id="an index that is still ending",
        ),
        pytest.param(
            indexed({"failedIndexes": "0"}, backoffLimitPerIndex=0), [], [1, 2], id="an index that failed is not tried"
        ),
        pytest.param(
            indexed(backoffLimitPerIndex=3), [pod("Failed", 0, ended=99)], [0, 1], id="nor one that waits no longer"
        ),
        pytest.param(indexed(backoffLimitPerIndex=3), [pod("Failed", 0, ended=1)], [1], id="but one that waits"),
    ],
)
def test_which_indexes_are_made(there: Object, pods: list[Object], create: list[int]) -> None:
    assert list(planned(there, *pods).create) == create


def test_the_least_loss_goes_first_and_does_not_count_as_failed() -> None:
    ready = pod()
    ready["status"]["conditions"] = [{"type": "Ready", "status": "True", "lastTransitionTime": timestamp(NOW - 9)}]
    lost, other = pod(tracked=False), pod()
    wanted = planned(job(parallelism=1), ready, other, lost)

    assert list(wanted.delete) == [lost, other] and wanted.quietly


def test_of_two_pods_with_one_index_one_goes() -> None:
    twins = [pod(index=0), pod(index=0), pod(index=8), pod()]
    wanted = planned(indexed(parallelism=4), *twins)

    assert len(wanted.delete) == 3 and not wanted.create
    assert twins[2] in wanted.delete and twins[3] in wanted.delete


@pytest.mark.parametrize(
    ("there", "pods", "reason"),
    [
        pytest.param(job({"succeeded": 4}), [], "CompletionsReached", id="all have succeeded"),
        pytest.param(job({"succeeded": 3}), [pod("Succeeded"), pod()], "CompletionsReached", id="even if one runs"),
        pytest.param(job({"succeeded": 1}, completions=None), [], "CompletionsReached", id="one, and none runs"),
        pytest.param(job({"succeeded": 1}, completions=None), [pod()], None, id="one, and another runs"),
        pytest.param(job(completions=0), [], "CompletionsReached", id="nothing was asked"),
        pytest.param(job({"failed": 6}), [], None, id="as many failures as may be"),
        pytest.param(job({"failed": 6}), [pod("Failed")], "BackoffLimitExceeded", id="one more"),
        pytest.param(
            job(template={"spec": {"restartPolicy": "OnFailure"}}),
            [pod(restarts=6)],
            "BackoffLimitExceeded",
            id="restarts",
        ),
        pytest.param(
            job({"startTime": timestamp(NOW - 9)}, activeDeadlineSeconds=9), [], "DeadlineExceeded", id="late"
        ),
        pytest.param(job({"startTime": timestamp(NOW - 9)}, activeDeadlineSeconds=10), [], None, id="not yet late"),
        pytest.param(
            job({"startTime": timestamp(NOW - 9)}, activeDeadlineSeconds=9, suspend=True),
            [],
            None,
            id="late but suspended",
        ),
        pytest.param(
            job(
                {"startTime": timestamp(NOW - 9), "conditions": [{"type": "Suspended", "status": "True"}]},
                activeDeadlineSeconds=9,
            ),
            [],
            None,
            id="just resumed: it begins anew",
        ),
        pytest.param(
            indexed({"failedIndexes": "0", "completedIndexes": "1-3"}, backoffLimitPerIndex=0),
            [],
            "FailedIndexes",
            id="rest",
        ),
        pytest.param(
            indexed(backoffLimitPerIndex=0, maxFailedIndexes=0),
            [pod("Failed", 2)],
            "MaxFailedIndexesExceeded",
            id="most",
        ),
        pytest.param(
            job({"conditions": [{"type": "FailureTarget", "status": "True", "reason": "Said"}]}),
            [pod()],
            "Said",
            id="known",
        ),
        pytest.param(
            job({"failed": 9, "conditions": [{"type": "SuccessCriteriaMet", "status": "True", "reason": "Said"}]}),
            [],
            "Said",
            id="success stays success",
        ),
    ],
)
def test_when_it_has_come_to_its_end(there: Object, pods: list[Object], reason: str | None) -> None:
    wanted = planned(there, *pods)

    assert (wanted.ending.reason if wanted.ending else None) == reason
    if reason:
        assert not wanted.create and len(wanted.delete) == sum(one["status"]["phase"] == "Running" for one in pods)


def test_waits_double() -> None:
    assert [wait_after(failures, NOW, NOW) for failures in (0, 1, 2, 3, 9)] == [0, 10, 20, 40, 600]
    assert wait_after(1, NOW - 4, NOW) == 6


def test_a_success_forgets_the_failures_before_it() -> None:
    known = Backoff(3, NOW - 50)
    later = known.after([pod("Succeeded", ended=10)], [pod("Failed", ended=20), pod("Failed", ended=5)])

    assert known.after([], [pod("Failed", ended=1)]) == Backoff(4, NOW - 1)
    assert known.after([], []) == known
    assert later == Backoff(1, NOW - 5)
    assert known.after([pod("Succeeded")], []) == Backoff()


def test_it_waits_for_what_comes_first() -> None:
    there = job({"startTime": timestamp(NOW - 10)}, activeDeadlineSeconds=100)
    wanted = planned(there, backoff=Backoff(2, NOW - 5))

    assert not wanted.create and wanted.wait == 15


@st.composite
def worlds(draw: st.DrawFn) -> tuple[Object, list[Object]]:
    mode = draw(st.sampled_from(["Indexed", "NonIndexed"]))
    completions = draw(st.integers(0, 6) if mode == "Indexed" else st.none() | st.integers(0, 6))
    spec: Object = {"completions": completions, "parallelism": draw(st.integers(0, 5)), "completionMode": mode}
    spec |= draw(st.sampled_from([{}, {"podReplacementPolicy": "Failed"}, {"suspend": True}]))
    if mode == "Indexed":
        spec |= draw(st.sampled_from([{}, {"backoffLimitPerIndex": 1}]))
    phases = st.sampled_from(["Pending", "Running", "Succeeded", "Failed"])
    index = st.none() | st.integers(0, 7) if mode == "Indexed" else st.none()
    pods = draw(st.lists(st.builds(pod, phases, index, deleting=st.booleans(), tracked=st.booleans()), max_size=8))
    return job({"succeeded": draw(st.integers(0, 2))} if mode == "NonIndexed" else {}, **spec), pods


@given(worlds())
def test_never_more_at_once_than_may_be_and_never_one_index_twice(world: tuple[Object, list[Object]]) -> None:
    there, pods = world
    view = view_of(there, pods)
    wanted = plan(view, Backoff(), NOW)
    left = [one for one in view.active if one not in wanted.delete]
    indexes = [one["metadata"].get("annotations", {}).get(INDEX) for one in left] + [str(one) for one in wanted.create]

    assert not (wanted.create and wanted.delete)
    assert all(one in view.active for one in wanted.delete)
    if wanted.create:
        assert len(left) + len(wanted.create) <= there["spec"]["parallelism"]
        if there["spec"]["completions"] is not None:
            assert view.succeeded + len(left) + len(wanted.create) <= there["spec"]["completions"]
    if there["spec"]["completionMode"] == "Indexed" and not wanted.delete:
        assert len(set(indexes)) == len(indexes)
        assert all(int(one) < there["spec"]["completions"] for one in indexes)
