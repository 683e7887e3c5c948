"""Each end is counted once."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.controllers.job_plan import Ending, view_of
from procorch.controllers.job_tracking import counted, finished, is_finished, track
from procorch.objects import Object, condition_of, uid_of
from tests.procorch.controllers.test_job_plan import NOW, indexed, job, pod

SUCCESS = Ending("SuccessCriteriaMet", "CompletionsReached", "done")
FAILURE = Ending("FailureTarget", "BackoffLimitExceeded", "too often")


def tracked(there: Object, *pods: Object, ending: Ending | None = None) -> Any:
    return track(view_of(there, pods), ending, NOW)


def test_an_end_waits_in_the_status_until_the_pod_is_let_go() -> None:
    done, failed, runs = pod("Succeeded"), pod("Failed"), pod()
    found = tracked(job({"succeeded": 1}), done, failed, runs)

    assert found.status["uncountedTerminatedPods"] == {"succeeded": [uid_of(done)], "failed": [uid_of(failed)]}
    assert found.status["succeeded"] == 1 and "failed" not in found.status
    assert list(found.release) == [done, failed]
    after = counted(found.status, {uid_of(runs)})
    assert (after["succeeded"], after["failed"], after["uncountedTerminatedPods"]) == (2, 1, {})


def test_who_died_in_between_goes_on() -> None:
    """The pod has lost its finalizer, but is in the status: it is counted, gone or not."""
    there = job({"uncountedTerminatedPods": {"succeeded": ["gone"], "failed": ["there"]}, "succeeded": 1})
    lost = pod("Failed", tracked=False)
    lost["metadata"]["uid"] = "there"
    found = tracked(there, lost)

    assert (found.status["succeeded"], found.status["failed"]) == (2, 1)
    assert not found.release and found.status["uncountedTerminatedPods"] == {}


def test_an_index_is_counted_by_its_number() -> None:
    found = tracked(indexed({"completedIndexes": "0", "succeeded": 1}), pod("Succeeded", 1), pod("Succeeded", 1))

    assert found.status["completedIndexes"] == "0,1" and found.status["succeeded"] == 2
    assert found.status["uncountedTerminatedPods"] == {} and len(found.release) == 2


def test_the_failed_pod_of_an_index_stays_until_it_is_replaced() -> None:
    there, failed = indexed(backoffLimitPerIndex=3), pod("Failed", 0)

    assert not tracked(there, failed).release
    assert list(tracked(there, failed, pod(index=0)).release) == [failed]


@pytest.mark.parametrize(("ending", "count"), [(FAILURE, 1), (SUCCESS, 0)])
def test_of_a_failed_job_all_have_failed_of_a_successful_one_none(ending: Ending, count: int) -> None:
    found = tracked(job(podReplacementPolicy="Failed"), pod(deleting=True), ending=ending)

    assert len(found.release) == 1
    assert len(found.status["uncountedTerminatedPods"].get("failed", [])) == count
    assert condition_of({"status": found.status}, ending.type)["reason"] == ending.reason  # type: ignore[index]


def test_no_more_than_500_at_once() -> None:
    pods = [pod("Succeeded") for _ in range(501)]
    found = tracked(job(), *pods)

    assert len(found.release) == 500 and not found.complete


def test_it_ends_when_nothing_is_left() -> None:
    there = job()
    status = counted(tracked(there, ending=SUCCESS).status, set())
    waiting = finished(dict(status), view_of(there, [pod(deleting=True, tracked=False)]), SUCCESS, NOW)
    after = finished(dict(status), view_of(there, []), SUCCESS, NOW)

    assert not is_finished({"status": waiting}) and waiting["terminating"] == 1
    assert is_finished({"status": after}) and after["completionTime"]
    assert is_finished({"status": finished(dict(status), view_of(there, []), FAILURE, NOW)})


PODS = st.lists(
    st.builds(pod, st.sampled_from(["Running", "Succeeded", "Failed"]), deleting=st.booleans(), tracked=st.booleans()),
    max_size=6,
)


@given(PODS, st.sampled_from([None, SUCCESS, FAILURE]), st.data())
def test_nothing_is_counted_twice_whoever_dies(pods: list[Object], ending: Ending | None, data: st.DataObject) -> None:
    """Some of the finalizers go, then everything begins anew, until nothing changes."""
    there = job(podReplacementPolicy="Failed")
    expected = {
        phase: sum(one["status"]["phase"] == phase and bool(one["metadata"].get("finalizers")) for one in pods)
        for phase in ("Succeeded", "Failed")
    }
    if ending is FAILURE:
        expected["Failed"] += sum(
            one["status"]["phase"] == "Running" and bool(one["metadata"].get("finalizers")) for one in pods
        )
    for _ in range(len(pods) + 2):
        found = tracked(there, *pods, ending=ending)
        there = {**there, "status": found.status}
        lucky = data.draw(st.sets(st.sampled_from(range(len(found.release))))) if found.release else set()
        for number in lucky or ({0} if found.release else set()):
            found.release[number]["metadata"].pop("finalizers")

    assert there["status"].get("succeeded", 0) == expected["Succeeded"]
    assert there["status"].get("failed", 0) == expected["Failed"]
