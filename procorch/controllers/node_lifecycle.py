"""Node lifecycle: a silent node becomes Unknown, its state becomes taints, its pods become not ready.

    lease renewed, status posted ─▶ heard(now)
    silent for node_grace ─▶ conditions Unknown ─▶ pods' Ready False, event NodeNotReady
    conditions ─▶ taint NoSchedule at once; NoExecute by the rate of the cluster's state:
        most nodes well: 0.1 a second   many are not: slower, or none   none is well: none, and none is kept

Which pods have to go because of the taints is decided in taint_eviction.py. Times are those at which this process
heard of a node: clocks of nodes may be wrong. Source of the numbers: pkg/controller/nodelifecycle.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from procorch.clock import timestamp
from procorch.controllers.config import ControllerConfig
from procorch.controllers.controller import Context, Controller, own
from procorch.lister import Words
from procorch.objects import (
    Conflict,
    NotFound,
    Object,
    condition_of,
    get,
    is_deleting,
    key_of,
    uid_of,
)
from procorch.pods import is_ready

NOT_READY = "node.kubernetes.io/not-ready"
UNREACHABLE = "node.kubernetes.io/unreachable"
LEASES = "kube-node-lease"
_PRESSURES = {
    "MemoryPressure": "node.kubernetes.io/memory-pressure",
    "DiskPressure": "node.kubernetes.io/disk-pressure",
    "PIDPressure": "node.kubernetes.io/pid-pressure",
    "NetworkUnavailable": "node.kubernetes.io/network-unavailable",
}
_UNSCHEDULABLE = "node.kubernetes.io/unschedulable"
LOOK_SECONDS = 5.0
"""How often a node that is not ready is looked at."""

_OURS = {NOT_READY, UNREACHABLE, _UNSCHEDULABLE, *_PRESSURES.values()}


@dataclass(slots=True)
class Heard:
    """The last sign of life of a node, as this process noticed it. mark: changes with each sign."""

    at: float
    mark: tuple[str, str]


def readiness(node: Object) -> str:
    """True, False or Unknown."""
    condition = condition_of(node, "Ready")
    return str(condition.get("status")) if condition else "Unknown"


def plan_conditions(node: Object, silent: float, config: ControllerConfig, now: float) -> list[Object] | None:
    """The conditions of a node that was silent for too long; None where nothing is to be changed.

    silent: seconds since its last sign of life.
    """
    grace = config.node_startup_grace if condition_of(node, "Ready") is None else config.node_grace
    if silent < grace:
        return None
    conditions: list[Object] = [dict(row) for row in get(node, ".status.conditions", [])]
    changed = False
    for type_ in ("Ready", "MemoryPressure", "DiskPressure", "PIDPressure"):
        row = next((one for one in conditions if one["type"] == type_), None)
        if row is None:
            created = get(node, ".metadata.creationTimestamp") or timestamp(now)
            reason, message = "NodeStatusNeverUpdated", "Kubelet never posted node status."
            row = {"type": type_, "status": "Unknown", "reason": reason, "message": message}
            row |= {"lastHeartbeatTime": created, "lastTransitionTime": timestamp(now)}
            conditions.append(row)
            changed = True
        elif row["status"] != "Unknown":
            row |= {"status": "Unknown", "reason": "NodeStatusUnknown"}
            row |= {"message": "Kubelet stopped posting node status.", "lastTransitionTime": timestamp(now)}
            changed = True
    return conditions if changed else None


def plan_taints(node: Object, no_execute: bool, keep: bool, now: float) -> list[Object] | None:
    """The node's taints as they ought to be; None where they are so already.

    no_execute: a NoExecute taint may be added now. keep: one that is there may stay (not so while every node is away).
    """
    ready = readiness(node)
    wrong = {"False": NOT_READY, "Unknown": UNREACHABLE}.get(ready) if condition_of(node, "Ready") else NOT_READY
    wanted = {taint for type_, taint in _PRESSURES.items() if (condition_of(node, type_) or {}).get("status") == "True"}
    if wrong:
        wanted.add(wrong)
    if get(node, ".spec.unschedulable"):
        wanted.add(_UNSCHEDULABLE)
    known: list[Object] = get(node, ".spec.taints", [])
    had = any(taint["key"] in (NOT_READY, UNREACHABLE) and taint["effect"] == "NoExecute" for taint in known)
    executes = {wrong} if wrong and keep and (no_execute or had) else set()
    result: list[Object] = []
    for taint in known:
        place = {"NoSchedule": wanted, "NoExecute": executes}.get(taint["effect"])
        if taint["key"] not in _OURS or place is None:
            result.append(taint)
        elif taint["key"] in place:
            result.append(taint)
            place.discard(taint["key"])
    added = [{"key": key, "effect": "NoSchedule"} for key in sorted(wanted)]
    added += [{"key": key, "effect": "NoExecute"} for key in sorted(executes)]
    result += [{**taint, "timeAdded": timestamp(now)} for taint in added]
    return result if result != known else None


def eviction_rate(nodes: int, well: int, config: ControllerConfig) -> float:
    """How many nodes a second may be tainted NoExecute. Where not one is well it is us who are cut off: none."""
    away = nodes - well
    if well == 0 and away > 0:
        return 0.0
    if away > 2 and away / nodes >= config.unhealthy_part:
        return config.small_eviction_rate if nodes > config.large_cluster else 0.0
    return config.eviction_rate


def census(
    nodes: Iterable[Object], heard: Mapping[str, Heard], config: ControllerConfig, now: float
) -> tuple[int, int]:
    """(nodes, those that are well). One that has been silent for half its grace is no witness that others are away."""
    count = well = 0
    for node in nodes:
        count += 1
        last = heard.get(node["metadata"]["name"])
        well += readiness(node) == "True" and (last is None or now - last.at < config.node_grace / 2)
    return count, well


async def reconcile(key: str, context: Context) -> float | None:
    heard: dict[str, Heard] = context.state.setdefault("heard", {})
    node = context.lister["Node"].get(key)
    if node is None:
        heard.pop(key, None)
        return None
    now = context.clock()
    silent = now - _hear(heard, key, node, context.lister["Lease"].get(f"{LEASES}/{key}"), now).at
    conditions = plan_conditions(node, silent, context.config, now)
    if conditions is not None:
        node = await _set_conditions(node, conditions, context)
    if readiness(node) != "True":
        await _unready_pods(node, context)
    waits = [await _taint(node, heard, context)]
    if readiness(node) != "Unknown":
        waits.append(max(context.config.node_grace - silent, 0.01))
    elif condition_of(node, "Ready") is None:
        waits.append(max(context.config.node_startup_grace - silent, 0.01))
    return min((wait for wait in waits if wait is not None), default=None)


def _hear(heard: dict[str, Heard], name: str, node: Object, lease: Object | None, now: float) -> Heard:
    renewed = str(get(lease, ".spec.renewTime", "")) if lease else ""
    ready = condition_of(node, "Ready") or {}
    posted = f"{ready.get('status', '')} {ready.get('lastHeartbeatTime', '')}"
    last = heard.get(name)
    if last is not None and ready.get("status") == "Unknown":
        last.mark = (last.mark[0], posted)  # that is our own word, not the node's
    if last is None or last.mark != (renewed, posted):
        last = heard[name] = Heard(now, (renewed, posted))
    return last


async def _set_conditions(node: Object, conditions: list[Object], context: Context) -> Object:
    was = readiness(node)
    name = node["metadata"]["name"]
    node = await context.client.update_status({**node, "status": {**node.get("status", {}), "conditions": conditions}})
    if was == "True":
        context.events.event(node, "Normal", "NodeNotReady", f"Node {name} status is now: NodeNotReady")
    return node


async def _unready_pods(node: Object, context: Context) -> None:
    """No traffic for the pods of a node that cannot speak for them."""
    pods = context.lister["Pod"]
    for pod in pods.by("node", node["metadata"]["name"]):
        if not is_ready(pod):
            continue
        unready = {"status": "False", "lastTransitionTime": timestamp(context.clock())}
        conditions = [{**row, **unready} if row["type"] == "Ready" else row for row in pod["status"]["conditions"]]
        try:
            await context.client.update_status({**pod, "status": {**pod["status"], "conditions": conditions}})
        except (NotFound, Conflict):
            continue  # its change, or the node's next one, calls us again
        context.events.event(pod, "Warning", "NodeNotReady", "Node is not ready")


async def _taint(node: Object, heard: Mapping[str, Heard], context: Context) -> float | None:
    """Sets the taints; returns the seconds until it has to be seen whether a NoExecute taint may come or must go."""
    now = context.clock()
    state: dict[str, Any] = context.state
    if readiness(node) == "True":
        await _set_taints(node, plan_taints(node, no_execute=False, keep=True, now=now), context)
        return None
    count, well = _census(heard, context, now)
    if well == 0:  # when they come back one by one, the first is no proof that the others stay away
        state["next"] = now + context.config.node_grace
    rate = eviction_rate(count, well, context.config)
    may = rate > 0 and now >= state.get("next", 0.0)
    taints = plan_taints(node, no_execute=may, keep=well > 0, now=now)
    if taints is not None and _executes(taints) and not _executes(get(node, ".spec.taints", [])):
        state["next"] = now + 1 / rate
    await _set_taints(node, taints, context)
    return LOOK_SECONDS


async def _set_taints(node: Object, taints: list[Object] | None, context: Context) -> None:
    if taints is not None:
        # The resourceVersion: somebody else's taint that we have not seen yet must not be undone.
        version = node["metadata"]["resourceVersion"]
        patch = {"metadata": {"uid": uid_of(node), "resourceVersion": version}, "spec": {"taints": taints or None}}
        await context.client.patch("Node", key_of(node), patch)


def _census(heard: Mapping[str, Heard], context: Context, now: float) -> tuple[int, int]:
    """`census`, in a large cluster taken once a second."""
    last: tuple[float, int, int] | None = context.state.get("census")
    if last is None or last[1] <= 100 or now - last[0] >= 1:
        last = context.state["census"] = (now, *census(context.lister["Node"].values(), heard, context.config, now))
    return last[1], last[2]


def _executes(taints: list[Object]) -> bool:
    return any(taint["effect"] == "NoExecute" and taint["key"] in (NOT_READY, UNREACHABLE) for taint in taints)


def node_of(pod: Object) -> list[str]:
    """The index of pods by node."""
    name = get(pod, ".spec.nodeName")
    return [name] if name else []


INDEXES: Mapping[tuple[str, str], Words] = {("Pod", "node"): node_of}


def _of_lease(lease: Object, lister: object) -> list[str]:
    metadata = lease["metadata"]
    return [metadata["name"]] if metadata.get("namespace") == LEASES else []


def _of_ready_pod(pod: Object, lister: Mapping[str, Mapping[str, Object]]) -> list[str]:
    """A pod that is ready on a node that is not: its status came late, or the last write lost a race."""
    node = lister["Node"].get(get(pod, ".spec.nodeName", ""))
    if node is None or is_deleting(pod) or readiness(node) == "True" or not is_ready(pod):
        return []
    return [str(node["metadata"]["name"])]


CONTROLLER = Controller(
    "node-lifecycle",
    reconcile,
    watches={"Node": own, "Lease": _of_lease, "Pod": _of_ready_pod},
    indexes=INDEXES,
    component="node-controller",
    workers=1,  # the rate of evictions is the cluster's, not a worker's
)
