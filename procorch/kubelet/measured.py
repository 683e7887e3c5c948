"""The machine in numbers. Where all of it that can be seen is a cgroup with limits (a container, a host made of
namespaces), these limits are what the machine has."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import psutil

from procorch.quantity import format_bytes
from runtime import usage
from runtime.disk import FileSystem

_HUGE_PAGES = Path("/sys/kernel/mm/hugepages")


@dataclass(frozen=True, slots=True)
class Measured:
    """Bytes, pieces. images: the file system of images, where it is not that of everything else."""

    cpus: int
    memory: int
    memory_available: int
    disk: int
    disk_available: int
    inodes: int
    inodes_available: int
    pids_left: int
    huge_pages: Mapping[str, int] = field(default_factory=dict)  # page size ("2Mi") → bytes
    pids: int = 1 << 22
    images: FileSystem | None = None

    @classmethod
    def now(cls, directory: Path) -> Measured:
        """directory: the node's own; its images are in `images` there."""
        memory, disk, whole = psutil.virtual_memory(), FileSystem.of(directory), usage.whole()
        total, available = memory.total, memory.available
        if whole.memory_limit_bytes is not None and whole.memory_limit_bytes < total:
            total = whole.memory_limit_bytes
            available = min(available, max(total - whole.working_set_bytes, 0))
        pids, left = _pids()
        if whole.pids_limit is not None and whole.pids_limit < pids:
            pids, left = whole.pids_limit, min(left, whole.pids_limit - whole.processes)
        images = directory / "images"
        return cls(
            cpus=len(os.sched_getaffinity(0)),
            memory=total,
            memory_available=available,
            disk=disk.size,
            disk_available=disk.available,
            inodes=disk.inodes,
            inodes_available=disk.inodes_free,
            pids_left=left,
            huge_pages=_huge_pages(),
            pids=pids,
            images=FileSystem.of(images) if _is_mounted(images) else None,
        )


def _is_mounted(path: Path) -> bool:
    try:
        return path.stat().st_dev != path.parent.stat().st_dev
    except OSError:
        return False


def _huge_pages() -> dict[str, int]:
    """Page size → bytes of such pages that are set aside."""
    result = {}
    for directory in _HUGE_PAGES.glob("hugepages-*kB"):
        size = int(directory.name.removeprefix("hugepages-").removesuffix("kB")) * 1024
        try:
            result[format_bytes(size)] = size * int((directory / "nr_hugepages").read_text())
        except OSError:
            continue
    return result


def _pids() -> tuple[int, int]:
    """(how many process numbers there are, how many are left)."""
    try:
        most = int(Path("/proc/sys/kernel/pid_max").read_text())
        running = int(Path("/proc/loadavg").read_text().split()[3].split("/")[1])
    except (OSError, ValueError, IndexError):
        return 1 << 22, 1 << 22
    return most, most - running
