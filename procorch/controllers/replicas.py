"""So many like pods: what ReplicationController and ReplicaSet share.

        pods that are the owner's (ownership.py)
                         │
             active pods ├── fewer than wanted ──▶ create (pod_control.py)
                         └── more than wanted ───▶ delete, the least loss first

`plan` decides, in Kubernetes' order (pkg/controller ActivePodsWithRanks); `reconcile` does it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from procorch.clock import timestamp
from procorch.controllers.controller import Context
from procorch.controllers.ownership import SelectorOf, claim, settle
from procorch.controllers.pod_control import create_pods, delete_pods, pod_of
from procorch.objects import (
    ApiError,
    NotFound,
    Object,
    controller_of,
    get,
    is_deleting,
    key_of,
    labels_of,
    uid_of,
)
from procorch.pods import (
    created_at,
    deletion_cost,
    is_active,
    is_available,
    is_ready,
    is_terminal,
    phase_of,
    ready_since,
    restarts_of,
)

BURST = 500
"""At most so many pods are made or deleted by one reconcile."""

_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}


@dataclass(frozen=True, slots=True)
class Plan:
    """How many pods to make, and which to delete; one of the two is empty."""

    create: int
    delete: list[Object]


def plan(wanted: int, pods: Sequence[Object], related: Sequence[Object], now: float) -> Plan:
    """wanted: replicas. pods: those it owns. related: pods of its sisters too (other ReplicaSets of one Deployment).

    Pods that end or have ended do not count. Never makes more than `wanted` minus what is there.
    """
    active = [pod for pod in pods if is_active(pod)]
    missing = wanted - len(active)
    if missing >= 0:
        return Plan(min(missing, BURST), [])
    surplus = min(-missing, BURST)
    return Plan(0, deletion_order(active, related, now)[:surplus])


def deletion_order(pods: Sequence[Object], related: Sequence[Object], now: float) -> list[Object]:
    """The pods whose loss hurts least come first.

    Not yet on a node; Pending, then Unknown; not ready; cheaper by their annotation; beside most of their sisters on
    one node; ready for a shorter time (in powers of two, so that the order is not simply by age); more restarts; newer.

    Kubernetes compares in pairs, and three pods of one age class can then stand in a circle. This is one key a pod.
    Source: pkg/controller/controller_utils.go, ActivePodsWithRanks.
    """
    crowd = Counter(get(pod, ".spec.nodeName", "") for pod in related if is_active(pod))

    def key(pod: Object) -> tuple[Any, ...]:
        node = get(pod, ".spec.nodeName", "")
        return (
            bool(node),
            _PHASES.get(phase_of(pod), 2),
            is_ready(pod),
            deletion_cost(pod),
            -crowd[node],
            _magnitude(ready_since(pod), now),
            -restarts_of(pod),
            _magnitude(created_at(pod), now),
            uid_of(pod),
        )

    return sorted(pods, key=key)


def _magnitude(since: float | None, now: float) -> int:
    """The power of two of an age in nanoseconds; -1 for what has none."""
    age = (now - since) * 1e9 if since else 0.0
    return int(math.log2(age)) if age > 0 else -1


def status_of(owner: Object, pods: Sequence[Object], failure: str | None, now: float) -> dict[str, Any]:
    """The owner's status. failure: why pods could not be made or deleted, or None."""
    active = [pod for pod in pods if is_active(pod)]
    template = get(owner, ".spec.template.metadata.labels", {})
    min_ready = float(get(owner, ".spec.minReadySeconds", 0))
    status: dict[str, Any] = {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(1 for pod in active if template.items() <= labels_of(pod).items()),
        "readyReplicas": sum(1 for pod in active if is_ready(pod)),
        "availableReplicas": sum(1 for pod in active if is_available(pod, min_ready, now)),
        "observedGeneration": owner["metadata"].get("generation", 0),
    }
    if owner["kind"] == "ReplicaSet":
        status["terminatingReplicas"] = sum(1 for pod in pods if is_deleting(pod) and not is_terminal(pod))
    # As on Kubernetes' wire, zeros are left out (but for `replicas`, and where the field tells unknown from none).
    always = ("replicas", "terminatingReplicas")
    status = {name: value for name, value in status.items() if value or name in always}
    conditions = [row for row in get(owner, ".status.conditions", []) if row["type"] != "ReplicaFailure"]
    if failure is not None:
        conditions.append(_failure(owner, failure, now))
    if conditions:
        status["conditions"] = conditions
    return status


def _failure(owner: Object, failure: str, now: float) -> Object:
    known = next((row for row in get(owner, ".status.conditions", []) if row["type"] == "ReplicaFailure"), None)
    if known is not None:
        return dict(known)
    reason, _, message = failure.partition(": ")
    return {
        "type": "ReplicaFailure",
        "status": "True",
        "reason": reason,
        "message": message,
        "lastTransitionTime": timestamp(now),
    }


def look_again(owner: Object, pods: Sequence[Object], now: float) -> float | None:
    """Seconds until the next pod has been ready for minReadySeconds; None where none waits for that."""
    min_ready = float(get(owner, ".spec.minReadySeconds", 0))
    if not min_ready:
        return None
    waits = [
        since + min_ready - now
        for pod in pods
        if is_active(pod) and (since := ready_since(pod)) is not None and since + min_ready > now
    ]
    return min(waits, default=None)


# Doing it


async def reconcile(kind: str, key: str, context: Context, selector_of: SelectorOf) -> float | None:
    """Makes the pods of one owner as many as it wants, and its status true."""
    owner = context.lister[kind].get(key)
    if owner is None:
        return None
    selector = selector_of(owner)
    mine = await settle(owner, "Pod", selector, context)
    failure: ApiError | None = None
    said: str | None = None
    if not is_deleting(owner):
        wanted = plan(int(get(owner, ".spec.replicas", 1)), mine, _related(kind, owner, mine, context), context.clock())
        failure = await create_pods(owner, [pod_of(owner)] * wanted.create, context)
        failure = failure or await delete_pods(owner, wanted.delete, context)
        if failure is not None:
            said = f"{'FailedCreate' if wanted.create else 'FailedDelete'}: {failure}"
        if wanted.create or wanted.delete:  # count what we just did: one write of the status instead of two
            mine = claim(owner, context.lister["Pod"].by_owner(uid_of(owner)), selector).mine
    await _report(owner, mine, said, context)
    if failure is not None:
        raise failure
    return look_again(owner, mine, context.clock())


def _related(kind: str, owner: Object, mine: Sequence[Object], context: Context) -> Sequence[Object]:
    """The pods of all owners that have the same controller as this one (the ReplicaSets of a Deployment)."""
    above = controller_of(owner)
    if above is None:
        return mine
    sisters = [one for one in context.lister[kind].by_owner(above["uid"]) if (controller_of(one) or {}) == above]
    return [pod for one in sisters for pod in context.lister["Pod"].by_owner(uid_of(one))] or mine


async def _report(owner: Object, mine: Sequence[Object], failure: str | None, context: Context) -> None:
    known = context.lister[owner["kind"]].get(key_of(owner), owner)
    if uid_of(known) != uid_of(owner):
        return
    status = status_of(owner, mine, failure, context.clock())
    if status != (known.get("status") or {}):
        try:
            await context.client.update_status({**known, "status": status})
        except NotFound:
            return
