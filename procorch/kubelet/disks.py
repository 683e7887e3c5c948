"""What pods have on this node's disk: their containers' layers and logs, and their volumes.

To count it means to look at every file, so what was counted holds for a minute, and nothing is counted unless somebody
asks. Source: Kubernetes' pkg/kubelet/server/stats, which counts volumes once a minute.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from procorch.kubelet.measuring import Pod
from runtime.disk import Disk, disk_of

HOLDS_SECONDS = 60.0
# What others' volumes hold is not the pod's; what is in memory is its memory.
_OWN_VOLUMES = ("empty-dir", "configmap", "secret", "downward-api", "projected")


@dataclass(frozen=True, slots=True)
class PodDisk:
    """layers, logs: by container. volumes: by kind and name."""

    layers: Mapping[str, Disk] = field(default_factory=dict)
    logs: Mapping[str, Disk] = field(default_factory=dict)
    volumes: Mapping[tuple[str, str], Disk] = field(default_factory=dict)

    @property
    def ephemeral(self) -> Disk:
        """All that goes with the pod."""
        return sum((*self.layers.values(), *self.logs.values(), *self.volumes.values()), Disk())


class Disks:
    """timer: the monotonic clock."""

    def __init__(self, timer: Callable[[], float] = time.monotonic) -> None:
        self._timer = timer
        self._counted: dict[str, tuple[float, PodDisk]] = {}
        self._turn = asyncio.Lock()

    async def of(self, pods: Iterable[Pod]) -> dict[str, PodDisk]:
        """By uid."""
        async with self._turn:
            now, wanted = self._timer(), list(pods)
            kept = {
                pod.uid: self._counted[pod.uid]
                for pod in wanted
                if pod.uid in self._counted and now - self._counted[pod.uid][0] < HOLDS_SECONDS
            }
            missing = [pod for pod in wanted if pod.uid not in kept]
            found = await asyncio.to_thread(lambda: [count(pod) for pod in missing])
            kept |= {pod.uid: (now, disk) for pod, disk in zip(missing, found, strict=True)}
            self._counted = kept
            return {uid: disk for uid, (_, disk) in kept.items()}


def count(pod: Pod) -> PodDisk:
    """Looks at every file of the pod."""
    volumes = {}
    for kind in _OWN_VOLUMES:
        for one in _entries(pod.directory / "volumes" / f"kubernetes.io~{kind}"):
            volumes[kind, one.name] = disk_of(one)
    return PodDisk(
        {one.name: disk_of(one.layer) for one in pod.containers},
        {one.name: disk_of(pod.directory / "logs" / one.name) for one in pod.containers},
        volumes,
    )


def _entries(directory: Path) -> list[Path]:
    try:
        return sorted(directory.iterdir())
    except OSError:
        return []
