"""What a machine must have is told in one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from procorch.kubelet.preflight import preflight

GROUPS = "#subsys_name hierarchy num_cgroups enabled\ncpu 1 1 1\nmemory 2 1 1\npids 3 1 1\n"


@pytest.fixture
def proc(tmp_path: Path) -> Path:
    for name in ("net", "mnt", "pid", "uts", "ipc"):
        (tmp_path / "self/ns").mkdir(parents=True, exist_ok=True)
        (tmp_path / "self/ns" / name).touch()
    (tmp_path / "filesystems").write_text("nodev\toverlay\n")
    (tmp_path / "cgroups").write_text(GROUPS)
    return tmp_path


def test_nothing_is_missing(proc: Path) -> None:
    for name in ("cpu", "cpuacct", "memory", "pids", "freezer"):
        (proc / "groups" / name).mkdir(parents=True)

    assert preflight(proc, uid=0, groups=proc / "groups") == ""


def test_a_plain_user_is_told_to_be_root(proc: Path) -> None:
    assert "run it with sudo" in preflight(proc, uid=1000)


def test_a_missing_namespace_is_named(proc: Path) -> None:
    (proc / "self/ns/net").unlink()

    assert "no net namespaces" in preflight(proc, uid=0)


def test_cgroups_that_nobody_mounted_are_one_line_with_the_command(proc: Path) -> None:
    (proc / "groups").mkdir()

    assert preflight(proc, uid=0, groups=proc / "groups") == (
        f"no cgroups are mounted: mount -t cgroup2 cgroup2 {proc}/groups"
    )
