"""What the machine's numbers mean for eviction."""

from __future__ import annotations

from dataclasses import replace

from procorch.kubelet.eviction.signals import observations
from procorch.kubelet.measured import Measured
from runtime.disk import FileSystem

WELL = Measured(4, 8000, 6000, 100, 50, 1000, 900, 30_000, pids=32_000)


def test_each_signal_has_what_is_left_and_what_there_is() -> None:
    seen = observations(WELL)

    assert seen == {
        "memory.available": (6000, 8000),
        "nodefs.available": (50, 100),
        "nodefs.inodesFree": (900, 1000),
        "pid.available": (30_000, 32_000),
    }


def test_images_on_a_file_system_of_their_own_are_looked_at() -> None:
    seen = observations(replace(WELL, images=FileSystem(10, 5, 5, 0, 0), inodes=0))

    assert seen["imagefs.available"] == (5, 10)
    assert not any(name.endswith("inodesFree") for name in seen)
