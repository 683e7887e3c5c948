"""Who goes first."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kubelet.eviction.ranking import Candidate, message, ranked
from procorch.kubelet.eviction.signals import Observed
from procorch.kubelet.eviction.thresholds import Threshold
from procorch.kubelet.eviction.usage import PodUsage
from runtime.disk import Disk

MIB = 1 << 20


def candidate(name: str, memory: int = 0, asked: str = "0", priority: int = 0, **usage: Any) -> Candidate:
    requests = {"memory": asked, "ephemeral-storage": asked}
    spec = {"priority": priority, "containers": [{"name": "a", "resources": {"requests": requests}}]}
    files = {"a": Disk(usage.get("disk", 0), usage.get("number", 0))}
    used = PodUsage(memory, usage.get("processes", 0), {"a": memory}, files)
    return Candidate({"metadata": {"name": name}, "spec": spec}, used)


@pytest.mark.parametrize(
    ("signal", "candidates", "order"),
    [
        pytest.param(
            "memory.available",
            [candidate("modest", 90 * MIB, "100Mi"), candidate("greedy", 20 * MIB, "10Mi", priority=9)],
            "greedy modest",
            id="above its request comes before all",
        ),
        pytest.param(
            "memory.available",
            [candidate("important", 900, priority=9), candidate("plain", 100)],
            "plain important",
            id="then the less important",
        ),
        pytest.param(
            "memory.available",
            [candidate("far", 50 * MIB, "10Mi"), candidate("large", 90 * MIB, "80Mi")],
            "far large",
            id="then the furthest above its request",
        ),
        pytest.param(
            "nodefs.available",
            [candidate("a", 900), candidate("b", disk=1)],
            "b a",
            id="disk: memory counts for nothing",
        ),
        pytest.param(
            "nodefs.inodesFree",
            [candidate("few", disk=999, number=1, priority=1), candidate("many", number=9, priority=1)],
            "many few",
            id="inodes: the number of files",
        ),
        pytest.param(
            "pid.available", [candidate("a", processes=1), candidate("b", processes=2)], "b a", id="processes"
        ),
    ],
)
def test_the_order(signal: str, candidates: list[Candidate], order: str) -> None:
    for given in (candidates, candidates[::-1]):
        assert [one.pod["metadata"]["name"] for one in ranked(given, signal)] == order.split()


def test_what_is_said() -> None:
    threshold = Threshold("memory.available", 100 * MIB)

    assert message(candidate("a", 300 * MIB, "10Mi"), threshold, Observed(80 * MIB, 1 << 30)) == (
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 80Mi. "
        "Container a was using 300Mi, request is 10Mi, has larger consumption of memory. "
    )
    threshold = Threshold("nodefs.inodesFree", share=0.05)
    assert message(candidate("a", number=5), threshold, Observed(9, 1000)) == (
        "The node was low on resource: inodes. Threshold quantity: 50, available: 9. "
    )
    threshold = Threshold("nodefs.available", share=0.1)
    assert message(candidate("a", disk=5 << 10), threshold, Observed(50 << 10, 1 << 20)) == (
        "The node was low on resource: ephemeral-storage. Threshold quantity: 104857, available: 50Ki. "
        "Container a was using 5Ki, request is 0, has larger consumption of ephemeral-storage. "
    )
