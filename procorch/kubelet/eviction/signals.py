"""What the node has left of each thing that it can run short of."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple

from procorch.kubelet.measured import Measured


class Observed(NamedTuple):
    """Bytes, or pieces."""

    available: int
    capacity: int


def observations(measured: Measured) -> Mapping[str, Observed]:
    """By signal. A file system without a number of inodes of its own is never short of them."""
    seen = {
        "memory.available": Observed(measured.memory_available, measured.memory),
        "nodefs.available": Observed(measured.disk_available, measured.disk),
        "pid.available": Observed(measured.pids_left, measured.pids),
    }
    if measured.inodes:
        seen["nodefs.inodesFree"] = Observed(measured.inodes_available, measured.inodes)
    if measured.images is not None:
        images = measured.images
        seen["imagefs.available"] = Observed(images.available, images.size)
        if images.inodes:
            seen["imagefs.inodesFree"] = Observed(images.inodes_free, images.inodes)
    return seen
