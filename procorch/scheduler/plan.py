"""The decision: on which node, or in Kubernetes' words why on none."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

from procorch.scheduler.cluster import NodeInfo, PodInfo
from procorch.scheduler.filters import FILTERS, Filter, Refusal
from procorch.scheduler.scores import SCORES, Score

NO_NODES = "no nodes available to schedule pods"
ENOUGH = 100
"""At least so many possible nodes are looked for before the best of them is taken."""


@dataclass(frozen=True, slots=True)
class Placement:
    """node: where to, or "" with the message why not. looked_at: how many nodes, so that the next starts there."""

    node: str
    message: str = ""
    looked_at: int = 0


def plan(
    pod: PodInfo,
    nodes: Sequence[NodeInfo],
    start: int = 0,
    draw: Callable[[], float] = lambda: 0.0,
    *,
    filters: Sequence[Filter] = FILTERS,
    scores: Sequence[tuple[Score, int]] = SCORES,
) -> Placement:
    """Looks at the nodes from `start` on, round and round; `draw` breaks ties (a number in [0, 1))."""
    if not nodes:
        return Placement("", NO_NODES)
    possible: list[NodeInfo] = []
    refusals: list[Refusal] = []
    enough = how_many(len(nodes))
    looked_at = 0
    for looked_at in range(1, len(nodes) + 1):
        node = nodes[(start + looked_at - 1) % len(nodes)]
        for rule in filters:
            if (refusal := rule(pod, node)) is not None:
                refusals.append(refusal)
                break
        else:
            possible.append(node)
            if len(possible) >= enough:
                break
    if not possible:
        return Placement("", explain(pod, len(nodes), refusals), looked_at)
    return Placement(best(pod, possible, scores, draw).name, "", looked_at)


def how_many(nodes: int) -> int:
    """Of how many possible nodes the best is taken: all of 100, then a part that shrinks from half to a twentieth."""
    if nodes <= ENOUGH:
        return nodes
    return max(ENOUGH, nodes * max(5, 50 - nodes // 125) // 100)


def best(
    pod: PodInfo, nodes: Sequence[NodeInfo], scores: Sequence[tuple[Score, int]], draw: Callable[[], float]
) -> NodeInfo:
    if len(nodes) == 1:
        return nodes[0]
    totals = [0.0] * len(nodes)
    for score, weight in scores:
        totals = [total + weight * int(points) for total, points in zip(totals, score(pod, nodes), strict=True)]
    most = max(totals)
    winners = [node for node, total in zip(nodes, totals, strict=True) if total == most]
    return winners[int(draw() * len(winners))]


def explain(pod: PodInfo, nodes: int, refusals: Iterable[Refusal]) -> str:
    """`0/3 nodes are available: 1 Insufficient cpu, 2 …. preemption: 0/3 nodes are available: …`."""
    refusals = list(refusals)
    why = Counter(reason for refusal in refusals for reason in refusal.reasons)
    return _sentence(pod, nodes, _counted(why), Counter(refusal.final for refusal in refusals))


def refused(pod: PodInfo, nodes: int, why: str) -> str:
    """The same of a pod that no node could take, whatever it is like."""
    return _sentence(pod, nodes, f"{why}.", Counter({True: nodes}))


def _sentence(pod: PodInfo, nodes: int, why: str, final: Counter[bool]) -> str:
    """final: for how many nodes no preemption could help, and for how many it could."""
    head = f"0/{nodes} nodes are available:"
    if pod.pod["spec"].get("preemptionPolicy") == "Never":
        preemption = "not eligible due to preemptionPolicy=Never."
    else:
        words = ("No preemption victims found for incoming pod", "Preemption is not helpful for scheduling")
        preemption = f"{head} {_counted(Counter({words[one]: count for one, count in final.items()}))}"
    return f"{head} {why} preemption: {preemption}"


def _counted(reasons: Counter[str]) -> str:
    return ", ".join(sorted(f"{count} {reason}" for reason, count in reasons.items())) + "."
