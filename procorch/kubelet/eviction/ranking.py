"""Which pod goes first when the node runs short, and what is said of it: pure functions.

First those that use more than they asked for, of these the less important, of these the one that is furthest above its
request. Source: pkg/kubelet/eviction/helpers.go (rankMemoryPressure and its like, evictionMessage).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from procorch.kubelet.admission import amounts, priority_of, requests_of
from procorch.kubelet.eviction.signals import Observed
from procorch.kubelet.eviction.thresholds import Threshold
from procorch.kubelet.eviction.usage import PodUsage
from procorch.kubelet.plan import lasting_containers
from procorch.objects import Object, get
from procorch.quantity import format_bytes

RESOURCES = {
    "memory.available": "memory",
    "nodefs.available": "ephemeral-storage",
    "imagefs.available": "ephemeral-storage",
    "nodefs.inodesFree": "inodes",
    "imagefs.inodesFree": "inodes",
    "pid.available": "pids",
}


class Candidate(NamedTuple):
    pod: Object
    usage: PodUsage


_USED: dict[str, Callable[[PodUsage], int]] = {
    "memory": lambda usage: usage.memory,
    "ephemeral-storage": lambda usage: usage.disk.bytes,
    "inodes": lambda usage: usage.disk.inodes,
    "pids": lambda usage: usage.processes,
}


def ranked(candidates: Sequence[Candidate], signal: str) -> list[Candidate]:
    """The first is the one to end."""
    resource = RESOURCES[signal]

    def order(one: Candidate) -> tuple[bool, int, int]:
        asked = requests_of(one.pod).get(resource, 0)
        above = _USED[resource](one.usage) - asked
        exceeds = resource in ("memory", "ephemeral-storage") and above > 0
        return (not exceeds, priority_of(one.pod), -above)

    return sorted(candidates, key=order)


def message(candidate: Candidate, threshold: Threshold, seen: Observed) -> str:
    """In Kubernetes' words."""
    resource = RESOURCES[threshold.signal]
    plain = resource in ("inodes", "pids")
    available = str(seen.available) if plain else format_bytes(seen.available)
    text = f"The node was low on resource: {resource}. "
    text += f"Threshold quantity: {threshold.words(seen.capacity)}, available: {available}. "
    used = candidate.usage.memory_of if resource == "memory" else {}
    if resource == "ephemeral-storage":
        used = {name: files.bytes for name, files in candidate.usage.files.items()}
    for container in lasting_containers(candidate.pod):
        name = container["name"]
        asked = amounts(get(container, ".resources.requests", {})).get(resource, 0)
        if used.get(name, 0) > asked:
            request = get(container, ".resources.requests", {}).get(resource, "0")
            text += f"Container {name} was using {format_bytes(used[name])}, request is {request}, "
            text += f"has larger consumption of {resource}. "
    return text
