"""Whether this node takes a pod that it was given, and whether one of its pods may grow: pure functions.

The scheduler has counted already, but by what it knew; a pod with `nodeName` was counted by nobody. Source of the
words: pkg/kubelet/lifecycle (predicate.go) and pkg/kubelet/allocation.
"""

from __future__ import annotations

from collections.abc import Collection, Container, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from procorch.host_ports import host_ports_of, is_taken
from procorch.kinds.podspec.resources import qos_class
from procorch.objects import Object, get
from procorch.pod_resources import total_of
from procorch.quantity import byte_count, cpu_millis
from procorch.tolerations import tolerates

COMPUTE = ("cpu", "memory")
_Amounts = Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Refusal:
    """reason: a word for programs. message: a sentence."""

    reason: str
    message: str


SYSTEM_CRITICAL = 2_000_000_000  # the least priority that Kubernetes' own classes give


def priority_of(pod: Object) -> int:
    return int(pod["spec"].get("priority") or 0)


def is_critical(pod: Object) -> bool:
    """The cluster needs it, or it is the node's own: taken whatever is short of, and never evicted."""
    annotations = get(pod, ".metadata.annotations", {})
    static = annotations.get("kubernetes.io/config.source", "api") != "api"
    return static or "kubernetes.io/config.mirror" in annotations or priority_of(pod) >= SYSTEM_CRITICAL


def amounts(table: Mapping[str, Any]) -> dict[str, int]:
    """A resource list in millicores, bytes and pieces."""
    return {name: cpu_millis(value) if name == "cpu" else byte_count(value) for name, value in table.items()}


def requests_of(pod: Object) -> dict[str, int]:
    """All that it asks for, itself as one of the node's pods included."""
    return total_of(pod["spec"], "requests", amounts) | {"pods": 1}


def shortage(
    pod: Object, others: Iterable[Object], allocatable: _Amounts, names: Container[str] | None = None
) -> Refusal | None:
    """What the node has too little of for this pod beside the others. Of what `allocatable` does not name it has 0.

    others: those that are here already, with what was allocated to them. names: the resources that matter; None: all.
    """
    used: dict[str, int] = {}
    for other in others:
        for name, amount in requests_of(other).items():
            used[name] = used.get(name, 0) + amount
    for name, amount in requests_of(pod).items():
        have = allocatable.get(name, 0)
        if "/" in name and name not in allocatable:
            continue  # somebody else gave the node this resource, and counts it
        if amount > 0 and (names is None or name in names) and used.get(name, 0) + amount > have:
            text = f"{name}, requested: {amount}, used: {used.get(name, 0)}, capacity: {have}"
            return Refusal(f"OutOf{name}", f"Node didn't have enough resource: {text}")
    return None


def port_refusal(pod: Object, others: Iterable[Object]) -> Refusal | None:
    """Why a pod that was placed by hand cannot have its host ports. others: the pods that are here already."""
    wanted = list(host_ports_of(pod["spec"]))
    taken = [port for other in others for port in host_ports_of(other["spec"])] if wanted else []
    if not any(is_taken(port, taken) for port in wanted):
        return None
    why = "node(s) didn't have free ports for the requested pod ports"
    return Refusal("NodePorts", f"Predicate NodePorts failed: {why}")


def pressure_refusal(pod: Object, pressures: Collection[str]) -> Refusal | None:
    """Why a node that runs short takes no more pods.

    Of memory alone: it takes those that asked for some, and those that tolerate the taint. Source: the eviction
    manager's Admit.
    """
    if not pressures or is_critical(pod):
        return None
    if set(pressures) == {"MemoryPressure"}:
        taint = {"key": "node.kubernetes.io/memory-pressure", "effect": "NoSchedule"}
        if qos_class(pod) != "BestEffort" or any(tolerates(one, taint) for one in pod["spec"].get("tolerations") or ()):
            return None
    return Refusal("Evicted", f"The node had condition: [{', '.join(sorted(pressures))}]. ")


def resize_refusal(pod: Object, others: Iterable[Object], allocatable: _Amounts) -> Refusal | None:
    """Why the pod may not become as large as it is asked to be: never here (Infeasible), or not now (Deferred)."""
    asked = requests_of(pod)
    for name in reversed(COMPUTE):
        if asked.get(name, 0) > allocatable.get(name, 0):
            text = f"{name}, requested: {asked[name]}, capacity: {allocatable.get(name, 0)}"
            return Refusal("Infeasible", f"Node didn't have enough capacity: {text}")
    short = shortage(pod, others, allocatable, COMPUTE)
    return None if short is None else Refusal("Deferred", short.message)
