"""What a Deployment says of itself: counts, and the conditions Available, Progressing and ReplicaFailure.

    Progressing   True     NewReplicaSetCreated, FoundNewReplicaSet ──▶ ReplicaSetUpdated … ──▶ NewReplicaSetAvailable
                  False    ReplicaSetCreateError, ProgressDeadlineExceeded
                  Unknown  DeploymentPaused ──▶ DeploymentResumed

`kubectl rollout status` waits by these. All of it is pure. Source: pkg/controller/deployment/progress.go and sync.go.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

from procorch.clock import parse_timestamp, timestamp
from procorch.controllers.revisions import NO_LIMIT
from procorch.controllers.rollout import Wanted
from procorch.objects import Object, condition_of, get

Status = dict[str, Any]


@dataclass(frozen=True, slots=True)
class Seen:
    """What a pass over a Deployment has come to.

    made: this pass made the new set. failure: why it could not, or None. collided: its name was another's.
    estimates: whether the pass rolled out; where it only scaled or waited, nothing is said about progress.
    """

    new: Object | None
    old: Sequence[Object]
    made: bool = False
    failure: str | None = None
    collided: bool = False
    estimates: bool = True

    @property
    def sets(self) -> list[Object]:
        return [*self.old, *((self.new,) if self.new else ())]


def status_of(deployment: Object, wanted: Wanted, seen: Seen, now: float) -> Status:
    """The Deployment's status; zeros are left out, as on Kubernetes' wire."""
    before: Status = deployment.get("status") or {}
    available = _sum(seen.sets, "availableReplicas")
    asked = sum(int(get(one, ".spec.replicas", 0)) for one in seen.sets)
    counts = {
        "observedGeneration": deployment["metadata"].get("generation", 0),
        "replicas": _sum(seen.sets, "replicas"),
        "updatedReplicas": _sum([seen.new] if seen.new else [], "replicas"),
        "readyReplicas": _sum(seen.sets, "readyReplicas"),
        "availableReplicas": available,
        "unavailableReplicas": max(0, asked - available),
    }
    status: Status = {name: value for name, value in counts.items() if value}
    if all(get(one, ".status.terminatingReplicas") is not None for one in seen.sets):
        status["terminatingReplicas"] = _sum(seen.sets, "terminatingReplicas")
    if (collisions := before.get("collisionCount", 0) + seen.collided) or "collisionCount" in before:
        status["collisionCount"] = collisions
    conditions = _Conditions(before.get("conditions") or (), now)
    if available >= wanted.available:
        conditions.put("Available", "True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    else:
        words = "Deployment does not have minimum availability."
        conditions.put("Available", "False", "MinimumReplicasUnavailable", words)
    _tell_progress(deployment, wanted, seen, status, conditions)
    _tell_failure(seen, conditions)
    status["conditions"] = conditions.rows
    return status


def _sum(sets: Iterable[Object], count: str) -> int:
    return sum(int((one.get("status") or {}).get(count) or 0) for one in sets)


class _Conditions:
    """status.conditions: what has the same status and reason stays as it is, a new status has its own time."""

    def __init__(self, rows: Iterable[Object], now: float) -> None:
        self.rows = list(rows)
        self.now = now

    def get(self, type_: str) -> Object:
        return next((row for row in self.rows if row["type"] == type_), {})

    def drop(self, type_: str) -> None:
        self.rows = [row for row in self.rows if row["type"] != type_]

    def put(self, type_: str, status: str, reason: str, message: str, *, again: bool = False) -> None:
        """again: that it is still so is news, and has a time."""
        there = self.get(type_)
        if not again and (there.get("status"), there.get("reason")) == (status, reason):
            return
        now = timestamp(self.now)
        since = there.get("lastTransitionTime", now) if there.get("status") == status else now
        self.add({"type": type_, "status": status, "lastUpdateTime": now, "lastTransitionTime": since,
                  "reason": reason, "message": message})  # fmt: skip

    def add(self, row: Object) -> None:
        self.drop(row["type"])
        self.rows.append(row)


def _tell_progress(deployment: Object, wanted: Wanted, seen: Seen, status: Status, conditions: _Conditions) -> None:
    if deadline_of(deployment) is None:
        if seen.estimates:
            conditions.drop("Progressing")
        return
    reason = conditions.get("Progressing").get("reason")
    if wanted.paused and reason not in ("DeploymentPaused", "ProgressDeadlineExceeded"):
        conditions.put("Progressing", "Unknown", "DeploymentPaused", "Deployment is paused")
    elif not wanted.paused and reason == "DeploymentPaused":
        conditions.put("Progressing", "Unknown", "DeploymentResumed", "Deployment is resumed")
    name = seen.new["metadata"]["name"] if seen.new else ""
    if seen.made:
        conditions.put("Progressing", "True", "NewReplicaSetCreated", f'Created new replica set "{name}"')
    elif seen.new and not conditions.get("Progressing"):
        conditions.put("Progressing", "True", "FoundNewReplicaSet", f'Found new replica set "{name}"')
    if seen.failure is not None:
        conditions.put("Progressing", "False", "ReplicaSetCreateError", seen.failure)
    elif seen.estimates:
        _estimate(deployment, wanted, name, status, conditions)


def _estimate(deployment: Object, wanted: Wanted, new: str, status: Status, conditions: _Conditions) -> None:
    """Is it done, does it get on, or has it stood still for too long?"""
    about = f'ReplicaSet "{new}"' if new else f'Deployment "{deployment["metadata"]["name"]}"'
    there = conditions.get("Progressing")
    if there.get("reason") == "NewReplicaSetAvailable" and _of(status, "replicas") == _of(status, "updatedReplicas"):
        return  # it was done, and no other template came since: pods that come and go are no rollout
    if is_complete(deployment, wanted, status):
        conditions.put("Progressing", "True", "NewReplicaSetAvailable", f"{about} has successfully progressed.")
    elif _gets_on(deployment.get("status") or {}, status):
        conditions.put("Progressing", "True", "ReplicaSetUpdated", f"{about} is progressing.", again=True)
    elif (left := seconds_left(deployment, wanted, status, there, conditions.now)) is not None and left <= 0:
        conditions.put("Progressing", "False", "ProgressDeadlineExceeded", f"{about} has timed out progressing.")


def _of(status: Status, count: str) -> int:
    return int(status.get(count, 0))


def is_complete(deployment: Object, wanted: Wanted, status: Status) -> bool:
    """All pods are of the newest template, and available, and no other is left."""
    counts = {_of(status, name) for name in ("updatedReplicas", "replicas", "availableReplicas")}
    return counts == {wanted.replicas} and _of(status, "observedGeneration") >= deployment["metadata"].get(
        "generation", 0
    )


def _gets_on(before: Status, now: Status) -> bool:
    """More new pods, or more ready or available ones, or fewer old ones."""
    grown = ("updatedReplicas", "readyReplicas", "availableReplicas")
    old_before, old_now = (_of(one, "replicas") - _of(one, "updatedReplicas") for one in (before, now))
    return old_now < old_before or any(_of(now, name) > _of(before, name) for name in grown)


def deadline_of(deployment: Object) -> float | None:
    """Seconds within which something must get on; None where nobody cares."""
    seconds = get(deployment, ".spec.progressDeadlineSeconds")
    return None if seconds is None or seconds == NO_LIMIT else float(seconds)


def seconds_left(deployment: Object, wanted: Wanted, status: Status, progressing: Object, now: float) -> float | None:
    """Until the rollout has stood still for too long; None where it is done, paused, or has been found out already."""
    deadline, reason = deadline_of(deployment), progressing.get("reason")
    if deadline is None or wanted.paused or reason in (None, "NewReplicaSetAvailable", "ProgressDeadlineExceeded"):
        return None
    if is_complete(deployment, wanted, status):
        return None
    return parse_timestamp(progressing["lastUpdateTime"]) + deadline - now


def _tell_failure(seen: Seen, conditions: _Conditions) -> None:
    """That a set cannot make or delete its pods, the new one's word before the others'."""
    first = [seen.new] if seen.new else []
    failure = next((row for one in (*first, *seen.old) if (row := condition_of(one, "ReplicaFailure"))), None)
    if failure is None:
        conditions.drop("ReplicaFailure")
        return
    there = conditions.get("ReplicaFailure")
    if (there.get("status"), there.get("reason")) != (failure["status"], failure.get("reason")):
        conditions.add({**failure, "lastUpdateTime": failure["lastTransitionTime"]})
