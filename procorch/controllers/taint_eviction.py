"""Taint eviction: pods that do not tolerate a NoExecute taint of their node are deleted, when their time is up."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from procorch.clock import parse_timestamp
from procorch.controllers.controller import Context, Controller
from procorch.controllers.node_lifecycle import INDEXES
from procorch.objects import NotFound, Object, get, is_deleting, key_of, uid_of
from procorch.pods import disruption
from procorch.tolerations import tolerates


def no_execute(node: Object) -> list[Object]:
    return [taint for taint in get(node, ".spec.taints", []) if taint["effect"] == "NoExecute"]


def plan(pod: Object, taints: Sequence[Object]) -> float | None:
    """When the pod has to go, in seconds since the epoch: 0.0 is at once, None never.

    Of several tolerations the shortest counts; each runs from the moment when its taint came.
    """
    tolerations = get(pod, ".spec.tolerations", [])
    deadlines: list[float] = []
    for taint in taints:
        matching = [row for row in tolerations if tolerates(row, taint)]
        if not matching:
            return 0.0
        limits = [float(row["tolerationSeconds"]) for row in matching if row.get("tolerationSeconds") is not None]
        if limits:
            came = parse_timestamp(taint["timeAdded"]) if taint.get("timeAdded") else 0.0
            deadlines.append(came + max(min(limits), 0.0) if min(limits) > 0 else 0.0)
    return min(deadlines, default=None)


async def reconcile(key: str, context: Context) -> float | None:
    node = context.lister["Node"].get(key)
    taints = no_execute(node) if node is not None else []
    if not taints:
        return None
    pods = context.lister["Pod"]
    later: list[float] = []
    for pod in pods.by("node", key):
        deadline = None if is_deleting(pod) else plan(pod, taints)
        if deadline is None:
            continue
        wait = deadline - context.clock()
        if wait > 0:
            later.append(wait)
            continue
        context.events.event(pod, "Normal", "TaintManagerEviction", f"Marking for deletion Pod {key_of(pod)}")
        why = "Taint manager: deleting due to NoExecute taint"
        told = disruption(pod, "DeletionByTaintManager", why, context.clock())
        try:
            await context.client.patch("Pod", key_of(pod), told, type="strategic", subresource="status")
            await context.client.delete("Pod", key_of(pod), uid=uid_of(pod))
        except NotFound:
            continue
    return min(later, default=None)


def _of_node(node: Object, lister: object) -> list[str]:
    return [node["metadata"]["name"]] if no_execute(node) else []


def _of_pod(pod: Object, lister: Mapping[str, Mapping[str, Object]]) -> list[str]:
    node = lister["Node"].get(get(pod, ".spec.nodeName", ""))
    return _of_node(node, lister) if node is not None and not is_deleting(pod) else []


CONTROLLER = Controller(
    "taint-eviction",
    reconcile,
    watches={"Node": _of_node, "Pod": _of_pod},
    indexes=INDEXES,
    component="taint-eviction-controller",
)
