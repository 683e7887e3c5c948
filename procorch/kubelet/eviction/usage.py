"""What a pod uses of what a node can run short of: memory and processes by its cgroups, disk by its files.

Files are counted as `du` does, blocks and not lengths, each once, without following links or leaving the file system.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from procorch.kubelet.plan import lasting_containers
from procorch.kubelet.record import PodRecord, process_name
from procorch.kubelet.volumes import empty_dir
from procorch.objects import Object
from runtime import RuntimeFailed, Sandbox
from runtime.disk import Disk, disk_of


@dataclass(frozen=True, slots=True)
class PodUsage:
    """memory: bytes of the pod and, in `memory_of`, of its containers. files: of containers (what they wrote into
    their root, and their logs) and of emptyDirs on the disk, by name."""

    memory: int = 0
    processes: int = 0
    memory_of: Mapping[str, int] = field(default_factory=dict)
    files: Mapping[str, Disk] = field(default_factory=dict)
    empty_dirs: Mapping[str, Disk] = field(default_factory=dict)

    @property
    def disk(self) -> Disk:
        """All of the pod's."""
        return sum((*self.files.values(), *self.empty_dirs.values()), Disk())


def usage_of(pod: Object, record: PodRecord, sandbox: Sandbox | None, directory: Path, *, files: bool) -> PodUsage:
    """directory: the pod's own. files: whether to count them, which takes a while; what goes meanwhile counts not."""
    memory, processes, memory_of = 0, 0, {}
    if sandbox is not None:
        with contextlib.suppress(RuntimeFailed):
            whole = sandbox.usage()
            memory, processes = whole.working_set_bytes, whole.processes
        for name, one in record.containers.items():
            if one.current is not None and one.current.running:
                with contextlib.suppress(RuntimeFailed):
                    memory_of[name] = sandbox.usage(process_name(name, one.current.number)).working_set_bytes
    if not files:
        return PodUsage(memory, processes, memory_of)
    names = [one["name"] for one in lasting_containers(pod)]
    return PodUsage(
        memory,
        processes,
        memory_of,
        {name: _container_files(name, record, sandbox, directory) for name in names},
        {name: count([empty_dir.place(directory / "volumes", name)]) for name in empty_dir.on_disk(pod)},
    )


def _container_files(name: str, record: PodRecord, sandbox: Sandbox | None, directory: Path) -> Disk:
    places = [directory / "logs" / name]
    one = record.containers.get(name)
    if sandbox is not None and one is not None and one.current is not None:
        places.append(sandbox.layer(process_name(name, one.current.number)))
    return count(places)


def count(places: Iterable[Path]) -> Disk:
    """What lies in these directories, themselves not counted."""
    total = Disk()
    for place in places:
        found = disk_of(place)
        with contextlib.suppress(OSError):
            total += Disk(found.bytes - place.lstat().st_blocks * 512, found.inodes - 1)
    return total
