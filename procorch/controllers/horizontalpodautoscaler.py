"""HorizontalPodAutoscaler: as many pods as measurements ask for.

    scale of the target ──▶ pods of its selector ──▶ each metric: how many? (autoscale_metrics, autoscale_replicas)
                                   │                        the most that any of them asks for
                                   ▼                        ▼
        status, conditions ◀── new size ◀── not too fast, not too soon (autoscale_rates)

Looked at every 15 s; between two looks nothing is read. What was recommended lately is remembered in memory alone: who
takes over after a crash begins with the present size, so nothing is scaled down before its window is over once more.
The new size is written under the scale's resourceVersion, before the status: killed between the two, the next look sees
the size that is.
Source: pkg/controller/podautoscaler/horizontal.go.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import orjson

from procorch.client import Unreachable
from procorch.clock import timestamp
from procorch.controllers import autoscale_rates as rates
from procorch.controllers.autoscale_metrics import Asking, Failed, Target
from procorch.controllers.autoscale_rates import Past
from procorch.controllers.autoscale_replicas import Tolerance
from procorch.controllers.controller import Context, Controller, own
from procorch.kinds import KINDS
from procorch.kinds.fields import part, rows, text
from procorch.kinds.kind import Kind
from procorch.objects import ApiError, NotFound, Object, get, is_deleting, labels_of, uid_of
from procorch.quantity import parse
from procorch.selectors import LabelSelector

_ABLE, _ACTIVE, _LIMITED = "AbleToScale", "ScalingActive", "ScalingLimited"


@dataclass(slots=True)
class Memory:
    """Of one autoscaler. spec: as it was when `due` was set: seconds since the epoch of the next look."""

    uid: str
    past: Past = field(default_factory=Past)
    spec: Any = None
    due: float = 0.0
    selector: str = ""


class Conditions:
    """As they are to be; a time changes with a status."""

    def __init__(self, before: Sequence[Object], now: float) -> None:
        self.rows = [dict(row) for row in before]
        self._now = now

    def put(self, type_: str, status: str, reason: str, message: str) -> None:
        row = next((one for one in self.rows if one["type"] == type_), None)
        if row is None:
            row = {"type": type_}
            self.rows.append(row)
        if row.get("status") != status:
            row["lastTransitionTime"] = timestamp(self._now)
        row |= {"status": status, "reason": reason, "message": message}


@dataclass(slots=True)
class Outcome:
    """What a look has found. rescaled: why the size was changed; empty where it was not."""

    current: int = 0
    desired: int = 0
    metrics: list[Object] | None = None
    rescaled: str = ""
    error: Exception | None = None


async def reconcile(key: str, context: Context) -> float | None:
    """Raises what keeps the target from being scaled, so that it is tried again soon."""
    scaler = context.lister["HorizontalPodAutoscaler"].get(key)
    if scaler is None or is_deleting(scaler):
        context.state.pop(key, None)
        return None
    memory, now = _memory(key, scaler, context), context.clock()
    if memory.spec == scaler["spec"] and now < memory.due:  # it is its own status that has changed
        return memory.due - now
    memory.spec, memory.due = scaler["spec"], now + context.config.autoscale_period
    conditions = Conditions(rows(get(scaler, ".status.conditions")), now)
    outcome = await _look(key, scaler, memory, conditions, context)
    await _report(scaler, outcome, conditions, context)
    if outcome.error is not None and not isinstance(outcome.error, Failed):
        memory.due = 0.0
        raise outcome.error
    return context.config.autoscale_period


def _memory(key: str, scaler: Object, context: Context) -> Memory:
    memory: Memory | None = context.state.get(key)
    if memory is None or memory.uid != uid_of(scaler):
        memory = context.state[key] = Memory(uid_of(scaler))
    return memory


async def _look(key: str, scaler: Object, memory: Memory, conditions: Conditions, context: Context) -> Outcome:
    reference = part(scaler, "spec", "scaleTargetRef")
    try:
        path = scale_path(reference, scaler["metadata"]["namespace"])
        scale = orjson.loads((await context.client.raw("GET", path)).body)
    except (ApiError, Unreachable, LookupError) as error:
        said = str(error.args[0]) if isinstance(error, LookupError) else str(error)
        context.events.event(scaler, "Warning", "FailedGetScale", said)
        conditions.put(_ABLE, "False", "FailedGetScale",
                       f"the HPA controller was unable to get the target's current scale: {said}")  # fmt: skip
        before = scaler.get("status") or {}
        there = int(before.get("currentReplicas") or 0), int(before.get("desiredReplicas") or 0)
        failed = None if isinstance(error, LookupError | NotFound) else error
        return Outcome(*there, rows(before.get("currentMetrics")) or None, error=failed)
    conditions.put(_ABLE, "True", "SucceededGetScale",
                   "the HPA controller was able to get the target's current scale")  # fmt: skip
    now, current = context.clock(), int(get(scale, ".spec.replicas", 0))
    if not memory.past.recommendations:
        memory.past = memory.past.recommended(now, current, 0.0)
    outcome = await _decided(key, scaler, scale, memory, conditions, context)
    if outcome.rescaled:
        await _rescale(path, scale, scaler, outcome, memory, conditions, context)
    return outcome


async def _decided(
    key: str, scaler: Object, scale: Object, memory: Memory, conditions: Conditions, context: Context
) -> Outcome:
    spec, current = scaler["spec"], int(get(scale, ".spec.replicas", 0))
    least, most = spec.get("minReplicas"), int(spec["maxReplicas"])
    least = 1 if least is None else int(least)
    if current == 0 and least != 0:
        conditions.put(_ACTIVE, "False", "ScalingDisabled",
                       "scaling is disabled since the replica count of the target is zero")  # fmt: skip
        return Outcome(0, 0)
    if current > most:
        return Outcome(current, most, rescaled="Current number of replicas above Spec.MaxReplicas")
    if current < least:
        return Outcome(current, least, rescaled="Current number of replicas below Spec.MinReplicas")
    try:
        target = _target(key, scaler, scale, memory, context)
    except Failed as error:
        return _given_up(scaler, current, None, error, conditions, context)
    wanted, name, statuses, failure = await _asked(scaler, target, context)
    if wanted is None:
        assert failure is not None
        return _given_up(scaler, current, statuses, failure, conditions, context)
    conditions.put(_ACTIVE, "True", "ValidMetricFound",
                   f"the HPA was able to successfully calculate a replica count from {name}")  # fmt: skip
    now, window = context.clock(), context.config.autoscale_down_window
    verdict = rates.decide(current, wanted, least, most, spec.get("behavior"), memory.past, now, window)
    memory.past = memory.past.recommended(now, wanted, _kept(spec, window))
    conditions.put(_ABLE, *verdict.able)
    conditions.put(_LIMITED, *verdict.limited)
    why = f"{name} above target" if verdict.replicas > current else "All metrics below target"
    return Outcome(current, verdict.replicas, statuses, why if verdict.replicas != current else "", failure)


def _kept(spec: Object, window: float) -> float:
    """For how many seconds a recommendation may matter."""
    behavior = spec.get("behavior") or {}
    return max(rates.window_of(behavior.get(way) or {}, window) for way in ("scaleUp", "scaleDown"))


def _target(key: str, scaler: Object, scale: Object, memory: Memory, context: Context) -> Target:
    """Raises Failed where it is not clear which pods are meant."""
    selector = memory.selector = text(get(scale, ".status.selector"))
    if not selector:
        raise Failed("InvalidSelector", "the HPA target's scale is missing a selector", "selector is required")
    chosen, namespace = LabelSelector.parse(selector), scaler["metadata"]["namespace"]
    pods = [pod for pod in context.lister["Pod"].by_namespace(namespace) if chosen.matches(labels_of(pod))]
    others = {
        name: LabelSelector.parse(one.selector)
        for name, one in context.state.items()
        if name != key and name.startswith(f"{namespace}/") and one.selector
    }
    rivals = sorted(name for name, one in others.items() if any(one.matches(labels_of(pod)) for pod in pods))
    if rivals:
        names = " ".join(sorted((key, *rivals)))
        why = f"pods by selector {selector} are controlled by multiple HPAs: [{names}]"
        raise Failed("AmbiguousSelector", why, why)
    return Target(namespace, selector, int(get(scale, ".spec.replicas", 0)),
                  int(get(scale, ".status.replicas", 0)), pods)  # fmt: skip


async def _asked(
    scaler: Object, target: Target, context: Context
) -> tuple[int | None, str, list[Object], Failed | None]:
    """The most that any metric asks for, its name, what each says, and the first failure.

    None where none says anything, or where one that says nothing might have asked for more than there is.
    """
    config = context.config
    tolerance = tolerance_of(scaler["spec"].get("behavior"), config.autoscale_tolerance)
    asking = Asking(context.client, target, tolerance, config.autoscale_patience, context.clock())
    wanted, name, failures = 0, "", []
    statuses: list[Object] = []
    metrics = rows(scaler["spec"].get("metrics"))
    for metric in metrics:
        try:
            found = await asking.propose(metric)
        except Failed as error:
            context.events.event(scaler, "Warning", error.reason, error.why)
            failures.append(error)
            continue
        statuses.append(found.status)
        if not name or found.replicas > wanted:
            wanted, name = found.replicas, found.name
    if not failures:
        return wanted, name, statuses, None
    first = failures[0]
    counts = f"invalid metrics ({len(failures)} invalid out of {len(metrics)})"
    failure = Failed(first.reason, first.why, f"{counts}, first error is: {first}")
    useless = len(failures) == len(metrics) or wanted < target.wanted
    return None if useless else wanted, name, statuses, failure


def tolerance_of(behavior: Any, usual: float) -> Tolerance:
    down, up = (((behavior or {}).get(way) or {}).get("tolerance") for way in ("scaleDown", "scaleUp"))
    return Tolerance(usual if down is None else float(parse(down)), usual if up is None else float(parse(up)))


def _given_up(
    scaler: Object, current: int, metrics: list[Object] | None, error: Failed, conditions: Conditions, context: Context
) -> Outcome:
    """The size stays as it is."""
    is_about_pods = error.reason in ("InvalidSelector", "AmbiguousSelector")
    why = error.why if is_about_pods else f"the HPA was unable to compute the replica count: {error.why}"
    conditions.put(_ACTIVE, "False", error.reason, why)
    if is_about_pods:
        reason = "SelectorRequired" if error.reason == "InvalidSelector" else error.reason
        context.events.event(scaler, "Warning", reason, str(error))
    context.events.event(scaler, "Warning", "FailedComputeMetricsReplicas", str(error))
    before = int(get(scaler, ".status.desiredReplicas", 0))
    return Outcome(current, before, metrics or None, error=error)


async def _rescale(
    path: str, scale: Object, scaler: Object, outcome: Outcome, memory: Memory, conditions: Conditions, context: Context
) -> None:
    size = outcome.desired
    try:
        body = {**scale, "spec": {**(scale.get("spec") or {}), "replicas": size}}
        await context.client.raw("PUT", path, body=orjson.dumps(body))
    except (ApiError, Unreachable) as error:
        why = f"New size: {size}; reason: {outcome.rescaled}; error: {error}"
        context.events.event(scaler, "Warning", "FailedRescale", why)
        conditions.put(_ABLE, "False", "FailedUpdateScale",
                       f"the HPA controller was unable to update the target scale: {error}")  # fmt: skip
        outcome.desired, outcome.rescaled, outcome.error = outcome.current, "", error
        return
    conditions.put(_ABLE, "True", "SucceededRescale",
                   f"the HPA controller was able to update the target scale to {size}")  # fmt: skip
    said = f"New size: {size}; reason: {outcome.rescaled}"
    context.events.event(scaler, "Normal", "SuccessfulRescale", said)
    memory.past = memory.past.changed(context.clock(), size - outcome.current)


async def _report(scaler: Object, outcome: Outcome, conditions: Conditions, context: Context) -> None:
    before = scaler.get("status") or {}
    status: Object = {"currentReplicas": outcome.current, "desiredReplicas": outcome.desired,
                      "currentMetrics": outcome.metrics, "conditions": conditions.rows}  # fmt: skip
    last = timestamp(context.clock()) if outcome.rescaled else before.get("lastScaleTime")
    if last:
        status["lastScaleTime"] = last
    if {name: value for name, value in status.items() if value is not None} != {
        name: value for name, value in before.items() if value is not None
    }:
        with suppress(NotFound):
            await context.client.update_status({**scaler, "status": status})


def scale_path(reference: Object, namespace: str) -> str:
    """Where the target's scale is. Raises LookupError for a kind that is not there or has none."""
    group, _, _ = text(reference.get("apiVersion")).rpartition("/")
    name = text(reference.get("kind"))
    kind: Kind | None = next((one for one in KINDS if one.name == name and one.group == group), None)
    if kind is None:
        raise LookupError(f'no matches for kind "{name}" in group "{group}"')
    if "scale" not in kind.subresources:
        raise LookupError(f"the server could not find the requested resource: {name} has no scale")
    return kind.path(namespace, text(reference.get("name")), "scale")


CONTROLLER = Controller(
    "horizontalpodautoscaler",
    reconcile,
    watches={"HorizontalPodAutoscaler": own},
    reads=("Pod",),
    component="horizontal-pod-autoscaler",
    resync=0.0,
)
