"""Filters: may this pod be on this node? One function a rule; to add one, write it and put it into FILTERS.

A filter returns None, or why not in Kubernetes' words; a reason is `final` where evicting other pods would not help.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from procorch.host_ports import is_taken
from procorch.node_affinity import fits
from procorch.scheduler.cluster import NodeInfo, PodInfo
from procorch.tolerations import tolerates, untolerated


class Refusal(NamedTuple):
    """reasons: what FailedScheduling counts. final: no preemption could help."""

    reasons: tuple[str, ...]
    final: bool


Filter = Callable[[PodInfo, NodeInfo], Refusal | None]

_CORDON = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}
_CORDONED = Refusal(("node(s) were unschedulable",), True)
_TAINTED = Refusal(("node(s) had untolerated taint(s)",), True)
_AFFINITY = Refusal(("node(s) didn't match Pod's node affinity/selector",), True)
_PORTS = Refusal(("node(s) didn't have free ports for the requested pod ports",), False)


def schedulable(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """A cordoned node takes only pods that tolerate the taint it has then."""
    if node.unschedulable and not any(tolerates(row, _CORDON) for row in pod.tolerations):
        return _CORDONED
    return None


def taints(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """Since v1.34 the message names no taint: it was a way to read nodes one may not see."""
    if node.taints and untolerated(node.taints, pod.tolerations, ("NoSchedule", "NoExecute")) is not None:
        return _TAINTED
    return None


def affinity(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """nodeSelector, and the required terms of nodeAffinity: any one of them."""
    return None if fits(pod.node_selector, pod.node_affinity, node.name, node.labels) else _AFFINITY


def ports(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """No host port that it asks for is taken."""
    return _PORTS if any(is_taken(wanted, node.ports) for wanted in pod.host_ports) else None


def resources(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """What is asked for fits into what the node's other pods leave. All that is short is named."""
    allocatable, requested = node.allocatable, node.requested
    reasons: list[str] = []
    final = False
    if len(node.pods) + 1 > allocatable.get("pods", 0):
        reasons.append("Too many pods")
    for name, amount in pod.requests.items():
        if amount and amount > (most := allocatable.get(name, 0)) - requested.get(name, 0):
            reasons.append(f"Insufficient {name}")
            final = final or amount > most
    return Refusal(tuple(reasons), final) if reasons else None


FILTERS: tuple[Filter, ...] = (schedulable, taints, affinity, ports, resources)
"""In this order: the first that refuses gives the reason."""
