"""Filters: may this pod be on this node? One function a rule; to add one, write it and put it into FILTERS.

A filter returns None, or why not in Kubernetes' words; a reason is `final` where evicting other pods would not help.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

from procorch.objects import Object
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
    if pod.node_selector and not pod.node_selector.items() <= node.labels.items():
        return _AFFINITY
    if pod.node_affinity:
        required = pod.node_affinity.get("requiredDuringSchedulingIgnoredDuringExecution")
        if required is not None and not any(
            term_matches(term, node) for term in required.get("nodeSelectorTerms") or ()
        ):
            return _AFFINITY
    return None


def term_matches(term: Object, node: NodeInfo) -> bool:
    """All of a term's expressions; a term without any matches nothing."""
    expressions: Sequence[Object] = term.get("matchExpressions") or ()
    fields: Sequence[Object] = term.get("matchFields") or ()
    if not expressions and not fields:
        return False
    return all(_holds(row, node.labels) for row in expressions) and all(
        _holds(row, {"metadata.name": node.name}) for row in fields
    )


def _holds(row: Object, labels: Mapping[str, str]) -> bool:
    value, values = labels.get(row["key"]), row.get("values") or []
    match row["operator"]:
        case "In":
            return value in values
        case "NotIn":
            return value not in values
        case "Exists":
            return value is not None
        case "DoesNotExist":
            return value is None
        case "Gt" | "Lt" as operator:
            try:
                left, right = int(value or ""), int(values[0])
            except (ValueError, IndexError):
                return False
            return left > right if operator == "Gt" else left < right
    return False


def ports(pod: PodInfo, node: NodeInfo) -> Refusal | None:
    """A host port is taken on the address where it is wanted, or on all addresses."""
    for protocol, address, port in pod.host_ports:
        for taken_protocol, taken_address, taken_port in node.ports:
            if (protocol, port) == (taken_protocol, taken_port) and (
                address == taken_address or "0.0.0.0" in (address, taken_address)
            ):
                return _PORTS
    return None


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
