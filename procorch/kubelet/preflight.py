"""What a machine must have to be a node: each thing that is missing is one line that says what to do."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
from pathlib import Path

from runtime import RuntimeFailed, cgroups
from runtime.usage import MOUNT

_NAMESPACES = ("net", "mnt", "pid", "uts", "ipc")
_CONTROLLERS = ("cpu", "memory", "pids")


def preflight(proc: Path = Path("/proc"), uid: int | None = None, groups: Path = MOUNT) -> str:
    """The first thing that is missing; empty when nothing is."""
    if platform.system() != "Linux":
        return f"a node must run Linux, this is {platform.system()}"
    if (os.geteuid() if uid is None else uid) != 0:
        return "a node's agent must be root (namespaces, mounts and cgroups are made): run it with sudo"
    for name in _NAMESPACES:
        if not (proc / "self/ns" / name).exists():
            return f"the kernel has no {name} namespaces: use one built with CONFIG_NAMESPACES and all its kinds"
    if not _has_overlay(proc):
        return "the kernel has no overlay file system: modprobe overlay"
    missing = [name for name in _CONTROLLERS if name not in _controllers(proc)]
    if missing:
        return (
            f"the kernel has no cgroup controller {', '.join(missing)}: boot with "
            f"{'cgroup_enable=memory ' if 'memory' in missing else ''}cgroups enabled, or mount /sys/fs/cgroup"
        )
    try:
        cgroups.detect(groups)
    except RuntimeFailed as error:
        return str(error)
    return ""


def _has_overlay(proc: Path) -> bool:
    if "overlay" in (proc / "filesystems").read_text().split():
        return True
    if shutil.which("modprobe") is None:
        return False
    return subprocess.run(["modprobe", "overlay"], check=False, capture_output=True).returncode == 0


def _controllers(proc: Path) -> set[str]:
    """The controllers that are enabled."""
    try:
        rows = (proc / "cgroups").read_text().splitlines()
    except OSError:
        rows = []
    enabled = {row.split()[0] for row in rows if not row.startswith("#") and row.split()[3] == "1"}
    unified = Path("/sys/fs/cgroup/cgroup.controllers")
    if unified.exists():
        enabled |= set(unified.read_text().split())
    return enabled
