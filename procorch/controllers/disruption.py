"""PodDisruptionBudgets are counted: how many of an application's pods are healthy, and how many may be evicted.

    pods of the selector ── healthy: ready, not ending, not evicted a moment ago ─▶ currentHealthy
    minAvailable, maxUnavailable, replicas of what controls the pods ─────────────▶ desiredHealthy
    the difference ───────────────────────────────────────────────────────────────▶ disruptionsAllowed

The API spends one of disruptionsAllowed with each eviction and notes the pod in disruptedPods (api/disruption.py).
Source: pkg/controller/disruption.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from procorch.clock import parse_timestamp, timestamp
from procorch.controllers.controller import Context, Controller, Listers, own
from procorch.kinds.fields import rows
from procorch.objects import (
    NotFound,
    Object,
    condition_of,
    controller_of,
    get,
    is_deleting,
    key_of,
    labels_of,
    uid_of,
)
from procorch.pods import is_ready
from procorch.selectors import LabelSelector

NOTED = 120.0
"""Seconds for which an evicted pod that does not go is still taken for gone."""

_SCALED = ("ReplicaSet", "ReplicationController", "StatefulSet", "Deployment")
_CONDITION = "DisruptionAllowed"


@dataclass(frozen=True, slots=True)
class Scales:
    """expected: how many pods their controllers want together. unmanaged: pods that none has."""

    expected: int
    unmanaged: list[str]


def scales_of(pods: Iterable[Object], lister: Mapping[str, Mapping[str, Object]]) -> Scales:
    """A ReplicaSet that a Deployment controls counts as the Deployment. Raises ValueError where it cannot be told."""
    wanted: dict[str, int] = {}
    unmanaged = []
    for pod in pods:
        reference = controller_of(pod)
        if reference is None:
            unmanaged.append(pod["metadata"]["name"])
            continue
        namespace, name = pod["metadata"]["namespace"], pod["metadata"]["name"]
        owner = _owner(reference, namespace, lister)
        above = controller_of(owner) if owner is not None else None
        if above is not None and above["kind"] == "Deployment":
            owner = _owner(above, namespace, lister)
        if owner is None:
            raise ValueError(f"found no scale of {reference['kind']} {reference['name']}, which controls pod {name}")
        wanted[uid_of(owner)] = int(get(owner, ".spec.replicas", 1))
    return Scales(sum(wanted.values()), unmanaged)


def _owner(reference: Any, namespace: str, lister: Mapping[str, Mapping[str, Object]]) -> Object | None:
    """None where it is gone, another by now, or of a kind without a scale."""
    if reference["kind"] not in _SCALED:
        return None
    owner = lister[reference["kind"]].get(f"{namespace}/{reference['name']}")
    return owner if owner is not None and uid_of(owner) == reference["uid"] else None


def desired(
    budget: Object, pods: Sequence[Object], lister: Mapping[str, Mapping[str, Object]]
) -> tuple[int, int, list[str]]:
    """(expected pods, healthy pods that must stay, names of pods that nobody controls). Raises ValueError."""
    least, most = get(budget, ".spec.minAvailable"), get(budget, ".spec.maxUnavailable")
    if isinstance(least, int):
        return len(pods), least, []
    if least is None and most is None:
        return len(pods), 0, []
    scales = scales_of(pods, lister)
    if least is not None:
        return scales.expected, _share(least, scales.expected), scales.unmanaged
    return scales.expected, max(0, scales.expected - _share(most, scales.expected)), scales.unmanaged


def _share(value: int | str, whole: int) -> int:
    """A number, or a percentage rounded up."""
    return value if isinstance(value, int) else -(-int(value.removesuffix("%")) * whole // 100)


def disrupted(budget: Object, pods: Iterable[Object], now: float) -> tuple[dict[str, str], float | None]:
    """Of the evicted pods those that are about to go, and the seconds until one counts as there again."""
    noted: dict[str, str] = get(budget, ".status.disruptedPods", {})
    left, wait = {}, None
    for pod in pods:
        when = noted.get(pod["metadata"]["name"])
        if when is None or is_deleting(pod):
            continue
        rest = parse_timestamp(when) + NOTED - now
        if rest > 0:
            left[pod["metadata"]["name"]] = when
            wait = rest if wait is None else min(wait, rest)
    return left, wait


def plan(
    budget: Object, pods: Sequence[Object], expected: int, wanted: int, gone: Mapping[str, str], now: float
) -> Object:
    """The status. wanted: healthy pods that must stay. gone: evicted pods that are about to go."""
    healthy = sum(
        1 for pod in pods if is_ready(pod) and not is_deleting(pod) and pod["metadata"]["name"] not in gone
    )  # fmt: skip
    allowed = max(0, healthy - wanted) if expected > 0 else 0
    status: Object = {
        "currentHealthy": healthy,
        "desiredHealthy": wanted,
        "expectedPods": expected,
        "disruptionsAllowed": allowed,
        "observedGeneration": budget["metadata"].get("generation", 0),
    }
    if gone:
        status["disruptedPods"] = dict(gone)
    reason = "SufficientPods" if allowed else "InsufficientPods"
    return {**status, "conditions": _conditions(budget, allowed > 0, reason, "", now)}


def _conditions(budget: Object, holds: bool, reason: str, message: str, now: float) -> list[Object]:
    old = condition_of(budget, _CONDITION) or {}
    status = "True" if holds else "False"
    since = old.get("lastTransitionTime") if old.get("status") == status else None
    row = {
        "type": _CONDITION, "status": status, "reason": reason, "message": message,
        "observedGeneration": budget["metadata"].get("generation", 0), "lastTransitionTime": since or timestamp(now),
    }  # fmt: skip
    return [*(one for one in rows(get(budget, ".status.conditions")) if one.get("type") != _CONDITION), row]


def plan_failed(budget: Object, why: str, now: float) -> Object:
    """The status of a budget that cannot be counted: nobody may be evicted."""
    status = {**(budget.get("status") or {}), "disruptionsAllowed": 0}
    return {**status, "conditions": _conditions(budget, False, "SyncFailed", why, now)}


async def reconcile(key: str, context: Context) -> float | None:
    budget = context.lister["PodDisruptionBudget"].get(key)
    if budget is None or is_deleting(budget):
        return None
    now = context.clock()
    selector = LabelSelector.of(get(budget, ".spec.selector"))
    of_namespace = context.lister["Pod"].by_namespace(budget["metadata"]["namespace"])
    pods = [pod for pod in of_namespace if selector.matches(labels_of(pod))]
    status, wait = _counted(budget, pods, context, now)
    if status != budget.get("status"):
        with contextlib.suppress(NotFound):
            await context.client.update_status({**budget, "status": status})
    return wait


def _counted(budget: Object, pods: Sequence[Object], context: Context, now: float) -> tuple[Object, float | None]:
    """The status, and the seconds after which it will be another without anything happening."""
    if not pods:
        context.events.event(budget, "Normal", "NoPods", "No matching pods found")
    try:
        expected, wanted, unmanaged = desired(budget, pods, context.lister)
    except ValueError as error:
        why = f"Failed to calculate the number of expected pods: {error}"
        context.events.event(budget, "Warning", "CalculateExpectedPodCountFailed", why)
        return plan_failed(budget, str(error), now), None
    if unmanaged:
        why = f"nothing controls {', '.join(sorted(unmanaged))}: give the budget a number as minAvailable to count them"
        context.events.event(budget, "Warning", "UnmanagedPods", why)
    gone, wait = disrupted(budget, pods, now)
    return plan(budget, pods, expected, wanted, gone, now), wait


def _of_pod(pod: Object, lister: Listers) -> list[str]:
    """The budgets that choose it."""
    return [
        key_of(budget)
        for budget in lister["PodDisruptionBudget"].by_namespace(pod["metadata"]["namespace"])
        if LabelSelector.of(get(budget, ".spec.selector")).matches(labels_of(pod))
    ]


CONTROLLER = Controller(
    "disruption",
    reconcile,
    watches={"PodDisruptionBudget": own, "Pod": _of_pod},
    reads=_SCALED,
    component="controllermanager",
)
