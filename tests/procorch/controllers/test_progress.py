"""What a Deployment says of itself."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.clock import timestamp
from procorch.controllers.progress import Seen, is_complete, seconds_left, status_of
from procorch.controllers.rollout import Wanted
from procorch.objects import Object

NOW = 1_000_000.0
THREE = Wanted(3, 1, 0)


def deployment(status: Any = None, deadline: int | None = 600) -> Object:
    spec: Object = {"replicas": 3}
    if deadline is not None:
        spec["progressDeadlineSeconds"] = deadline
    return {"metadata": {"name": "web", "generation": 2}, "spec": spec, "status": status or {}}


def rs(name: str, replicas: int, *, seen: int | None = None, ready: int = 0, available: int = 0, **more: Any) -> Object:
    status = {"replicas": replicas if seen is None else seen, "readyReplicas": ready, "availableReplicas": available,
              "terminatingReplicas": 0, **more}  # fmt: skip
    return {"metadata": {"name": name}, "spec": {"replicas": replicas}, "status": status}


def condition(type_: str, status: str, reason: str, ago: float = 0, message: str = "") -> Object:
    moment = timestamp(NOW - ago)
    return {"type": type_, "status": status, "lastUpdateTime": moment, "lastTransitionTime": moment,
            "reason": reason, "message": message}  # fmt: skip


def progressing(status: Object) -> tuple[str, str, str]:
    (row,) = (row for row in status["conditions"] if row["type"] == "Progressing")
    return row["status"], row["reason"], row["message"]


def test_the_counts_are_those_of_the_sets_and_zeros_are_left_out() -> None:
    seen = Seen(rs("new", 2, ready=1), [rs("old", 2, ready=2, available=2, terminatingReplicas=1)])
    status = status_of(deployment(), THREE, seen, NOW)

    assert {name: value for name, value in status.items() if name != "conditions"} == {
        "observedGeneration": 2,
        "replicas": 4,
        "updatedReplicas": 2,
        "readyReplicas": 3,
        "availableReplicas": 2,
        "unavailableReplicas": 2,
        "terminatingReplicas": 1,
    }
    assert "updatedReplicas" not in status_of(deployment(), THREE, Seen(None, [rs("old", 2)]), NOW)


def test_a_set_that_does_not_say_how_many_end_makes_the_sum_unknown() -> None:
    silent = rs("old", 2)
    del silent["status"]["terminatingReplicas"]

    assert "terminatingReplicas" not in status_of(deployment(), THREE, Seen(rs("new", 1), [silent]), NOW)


def test_a_collision_is_counted_and_never_forgotten() -> None:
    assert status_of(deployment(), THREE, Seen(None, [], collided=True), NOW)["collisionCount"] == 1
    assert status_of(deployment({"collisionCount": 1}), THREE, Seen(None, []), NOW)["collisionCount"] == 1


@pytest.mark.parametrize(("available", "status"), [(3, "True"), (2, "True"), (1, "False")])
def test_available_is_what_may_be_missing_at_most(available: int, status: str) -> None:
    found = status_of(deployment(), Wanted(3, 0, 1), Seen(rs("new", 3, available=available), []), NOW)

    assert next(row["status"] for row in found["conditions"] if row["type"] == "Available") == status


DONE = {"replicas": 3, "updatedReplicas": 3, "readyReplicas": 3, "availableReplicas": 3}


@pytest.mark.parametrize(
    ("before", "seen", "expected"),
    [
        pytest.param({}, Seen(rs("new", 3, seen=0), [], made=True),
                     ("True", "NewReplicaSetCreated", 'Created new replica set "new"'), id="made"),
        pytest.param({}, Seen(rs("new", 3, seen=0), []),
                     ("True", "FoundNewReplicaSet", 'Found new replica set "new"'), id="found"),
        pytest.param({}, Seen(rs("new", 3), []),
                     ("True", "ReplicaSetUpdated", 'ReplicaSet "new" is progressing.'), id="its pods come"),
        pytest.param({}, Seen(rs("new", 3, ready=3, available=3), []),
                     ("True", "NewReplicaSetAvailable", 'ReplicaSet "new" has successfully progressed.'), id="done"),
        pytest.param({}, Seen(None, [], failure="no"), ("False", "ReplicaSetCreateError", "no"), id="cannot be made"),
        pytest.param({"replicas": 4, "updatedReplicas": 1, "conditions": [condition("Progressing", "True", "X", 9)]},
                     Seen(rs("new", 1), [rs("old", 2)]),
                     ("True", "ReplicaSetUpdated", 'ReplicaSet "new" is progressing.'), id="an old pod went"),
        pytest.param({"replicas": 3, "conditions": [condition("Progressing", "True", "X", 600)]},
                     Seen(rs("new", 1, seen=0), [rs("old", 3)]),
                     ("False", "ProgressDeadlineExceeded", 'ReplicaSet "new" has timed out progressing.'),
                     id="nothing for too long"),
        pytest.param({"replicas": 3, "conditions": [condition("Progressing", "True", "X", 599)]},
                     Seen(rs("new", 1, seen=0), [rs("old", 3)]), ("True", "X", ""), id="nothing, not yet too long"),
        pytest.param({"replicas": 3, "conditions": [condition("Progressing", "True", "NewReplicaSetAvailable", 9999)]},
                     Seen(rs("new", 1, seen=0), [rs("old", 3)]), ("True", "NewReplicaSetAvailable", ""),
                     id="a rollback has just begun: no hurry"),
        pytest.param({**DONE, "conditions": [condition("Progressing", "True", "NewReplicaSetAvailable", 9999)]},
                     Seen(rs("new", 3, ready=1), []), ("True", "NewReplicaSetAvailable", ""),
                     id="pods that fail after it was done are no rollout"),
    ],
)  # fmt: skip
def test_progress(before: Object, seen: Seen, expected: tuple[str, str, str]) -> None:
    assert progressing(status_of(deployment(before), THREE, seen, NOW)) == expected


def test_pausing_stops_the_clock_and_resuming_starts_it_anew() -> None:
    still = Seen(rs("new", 1), [rs("old", 3)], estimates=False)
    counts = {"replicas": 4, "updatedReplicas": 1}
    running = {**counts, "conditions": [condition("Progressing", "True", "ReplicaSetUpdated", 500)]}
    paused = status_of(deployment(running), Wanted(3, 1, paused=True), still, NOW)
    assert progressing(paused) == ("Unknown", "DeploymentPaused", "Deployment is paused")

    later = NOW + 9999
    resumed = status_of(deployment(paused), THREE, Seen(rs("new", 1), [rs("old", 3)]), later)
    assert progressing(resumed) == ("Unknown", "DeploymentResumed", "Deployment is resumed")
    (row,) = (row for row in resumed["conditions"] if row["type"] == "Progressing")
    assert seconds_left(deployment(), THREE, resumed, row, later) == 600


def test_a_failure_that_was_told_is_not_hidden_by_pausing() -> None:
    late = {"conditions": [condition("Progressing", "False", "ProgressDeadlineExceeded")]}
    status = status_of(deployment(late), Wanted(3, paused=True), Seen(rs("new", 1), [], estimates=False), NOW)

    assert progressing(status)[1] == "ProgressDeadlineExceeded"


def test_progress_has_its_time_but_still_since_when() -> None:
    before = {"conditions": [condition("Progressing", "True", "ReplicaSetUpdated", 100)]}
    status = status_of(deployment(before), THREE, Seen(rs("new", 3, ready=1), []), NOW)
    (row,) = (row for row in status["conditions"] if row["type"] == "Progressing")

    assert (row["lastUpdateTime"], row["lastTransitionTime"]) == (timestamp(NOW), timestamp(NOW - 100))


def test_who_sets_no_deadline_is_told_nothing_of_progress() -> None:
    before = {"conditions": [condition("Progressing", "True", "ReplicaSetUpdated")]}
    for deadline in (None, (1 << 31) - 1):
        status = status_of(deployment(before, deadline), THREE, Seen(rs("new", 3), []), NOW)
        assert [row["type"] for row in status["conditions"]] == ["Available"]


def test_why_a_set_fails_is_told_the_new_one_first() -> None:
    row = {"type": "ReplicaFailure", "status": "True", "reason": "FailedCreate", "message": "old",
           "lastTransitionTime": timestamp(NOW)}  # fmt: skip
    old, new = rs("old", 1, conditions=[row]), rs("new", 1, conditions=[{**row, "message": "new"}])

    def failure(seen: Seen) -> list[str]:
        status = status_of(deployment(), THREE, seen, NOW)
        return [row["message"] for row in status["conditions"] if row["type"] == "ReplicaFailure"]

    assert failure(Seen(new, [old])) == ["new"]
    assert failure(Seen(rs("new", 1), [old])) == ["old"]
    told = {"conditions": [{**row, "lastUpdateTime": timestamp(NOW)}]}
    again = status_of(deployment(told), THREE, Seen(rs("new", 3), []), NOW)
    assert "ReplicaFailure" not in [row["type"] for row in again["conditions"]]


@pytest.mark.parametrize(
    ("reason", "ago", "left"),
    [
        ("ReplicaSetUpdated", 200, 400.0),
        ("NewReplicaSetAvailable", 200, None),
        ("ProgressDeadlineExceeded", 200, None),
    ],
)
def test_when_to_look_again(reason: str, ago: float, left: float | None) -> None:
    row = condition("Progressing", "True", reason, ago)

    assert seconds_left(deployment(), THREE, {"replicas": 2}, row, NOW) == left


def test_complete_means_this_generation_and_no_other_pod() -> None:
    done = {**DONE, "observedGeneration": 2}
    assert is_complete(deployment(), THREE, done)
    assert not is_complete(deployment(), THREE, {**done, "observedGeneration": 1})
    assert not is_complete(deployment(), THREE, {**done, "replicas": 4})
