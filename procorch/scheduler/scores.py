"""Scores: which of the possible nodes is best? One function a wish; to add one, write it and put it into SCORES.

A score gets the pod and all possible nodes and returns one number for each, 0 (worst) to 100.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

from procorch.node_affinity import term_matches
from procorch.scheduler.cluster import NodeInfo, PodInfo
from procorch.tolerations import tolerates

Score = Callable[[PodInfo, Sequence[NodeInfo]], list[float]]


def least_allocated(pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[float]:
    """The mean free part of cpu and memory with this pod on it."""
    result = []
    for cpu, memory in zip(_used(pod, nodes, "cpu"), _used(pod, nodes, "memory"), strict=True):
        if cpu is None or memory is None:
            one = memory if cpu is None else cpu
            result.append(0.0 if one is None else 100 * (1 - one))
        else:
            result.append(100 * (1 - (cpu + memory) / 2))
    return result


def balanced(pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[float]:
    """Cpu and memory used in equal parts: neither is left over when the other runs out."""
    return [
        0.0 if cpu is None or memory is None else 100 * (1 - abs(cpu - memory) / 2)
        for cpu, memory in zip(_used(pod, nodes, "cpu"), _used(pod, nodes, "memory"), strict=True)
    ]


def _used(pod: PodInfo, nodes: Sequence[NodeInfo], name: str) -> list[float | None]:
    """The used part of a resource on each node, 0 to 1; None where a node has none of it."""
    asked = pod.weight.get(name, 0)
    return [
        min((node.weight.get(name, 0) + asked) / most, 1.0) if (most := node.allocatable.get(name, 0)) else None
        for node in nodes
    ]


def spread(pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[float]:
    """Few pods of the same owner: one dead node must not take a whole service along."""
    if not pod.owner:
        return [100.0] * len(nodes)
    return _less_is_better([node.owners.get(pod.owner, 0) for node in nodes])


def preferred_taints(pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[float]:
    """Few PreferNoSchedule taints that the pod does not tolerate."""
    return _less_is_better([_disliked(pod, node) if node.taints else 0 for node in nodes])


def _disliked(pod: PodInfo, node: NodeInfo) -> int:
    return sum(
        taint["effect"] == "PreferNoSchedule" and not any(tolerates(row, taint) for row in pod.tolerations)
        for taint in node.taints
    )


def preferred_affinity(pod: PodInfo, nodes: Sequence[NodeInfo]) -> list[float]:
    """The weights of the preferred nodeAffinity terms that hold."""
    terms = (pod.node_affinity or {}).get("preferredDuringSchedulingIgnoredDuringExecution") or ()
    if not terms:
        return [0.0] * len(nodes)
    sums = [
        sum(row["weight"] for row in terms if term_matches(row["preference"], node.name, node.labels)) for node in nodes
    ]
    most = max(sums)
    return [100 * one / most if most else 0.0 for one in sums]


def _less_is_better(counts: Sequence[int]) -> list[float]:
    most = max(counts)
    return [100 * (most - count) / most if most else 100.0 for count in counts]


SCORES: tuple[tuple[Score, int], ...] = (
    (least_allocated, 1),
    (balanced, 1),
    (spread, 2),
    (preferred_taints, 3),
    (preferred_affinity, 2),
)
"""With their weights: Kubernetes' defaults, the owner's spread in the place of PodTopologySpread."""
