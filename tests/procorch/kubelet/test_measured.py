"""The machine in numbers, as the kernel tells them."""

from __future__ import annotations

from pathlib import Path

import psutil
import pytest

from procorch.kubelet import measured
from procorch.kubelet.measured import Measured
from runtime import usage


def test_the_machine_has_what_it_has(tmp_path: Path) -> None:
    seen = Measured.now(tmp_path)

    assert 0 < seen.memory_available < seen.memory <= psutil.virtual_memory().total
    assert 0 < seen.pids_left < seen.pids
    assert seen.images is None  # no file system of their own


def test_limits_of_all_that_can_be_seen_are_what_the_machine_has(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(usage, "whole", lambda: usage.Whole(1 << 28, 1 << 27, 500, 120))

    seen = Measured.now(tmp_path)
    assert (seen.memory, seen.memory_available) == (1 << 28, 1 << 27)
    assert (seen.pids, seen.pids_left) == (500, 380)


def test_a_directory_that_is_no_mount_is_none(tmp_path: Path) -> None:
    assert not measured._is_mounted(tmp_path / "missing")
    assert not measured._is_mounted(tmp_path)
    assert measured._is_mounted(Path("/proc"))
