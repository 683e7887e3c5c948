"""Groups of processes and what they may use: cgroup v1 and v2 in one shape.

A group is named by its path from the hierarchy's root ("procorch/burstable/web-1/main"). Version 1 has one tree a
controller, reached through cgroupspy; version 2 one tree for all. A hybrid machine (v1 controllers beside an empty v2
tree) counts as version 1. Nothing here waits in a loop without sleeping, and what is written can be read back.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, Protocol

from cgroupspy.controllers import Controller
from cgroupspy.interfaces import BaseFileInterface, IntegerFile
from cgroupspy.nodes import Node

from . import syscalls
from .spec import Limits, RuntimeFailed
from .usage import MOUNT, UNLIMITED, Detail, Usage, detail_v1, detail_v2, usage_v1, usage_v2

PERIOD = 100_000  # microseconds of a cpu quota's period, the kernel's default
PAGE = os.sysconf("SC_PAGESIZE")
LEAST_QUOTA = 1_000  # microseconds: the kernel answers EINVAL below
CGROUP2_MAGIC = 0x63677270


def shares(millis: int) -> int:
    """Version 1's cpu.shares: 1024 a core; the kernel takes 2 to 262144."""
    return min(max(millis * 1024 // 1000, 2), 262_144)


def weight(millis: int) -> int:
    """Version 2's cpu.weight, 1 to 10000, on the scale that container engines map shares to."""
    return 1 + (shares(millis) - 2) * 9999 // 262_142


def _millis(share: int) -> int:
    """The request that has this share."""
    return -(-share * 1000 // 1024)


def _rounded(limits: Limits, request: Callable[[int], int]) -> Limits:
    cpu, share, memory = limits.cpu_limit_millis, limits.cpu_request_millis, limits.memory_limit_bytes
    return replace(
        limits,
        cpu_request_millis=None if share is None else request(share),
        cpu_limit_millis=None if cpu is None else quota(cpu) * 1000 // PERIOD,
        memory_limit_bytes=None if memory is None else memory // PAGE * PAGE,
    )


def quota(millis: int) -> int:
    """Microseconds of processor time in a PERIOD."""
    return max(millis * PERIOD // 1000, LEAST_QUOTA)


class Groups(Protocol):
    """What both versions can."""

    version: int

    def create(self, path: str, limits: Limits, *, leaf: bool = False) -> None:
        """Make the group with its parents and set its limits; leaf: it is one program's. Raises RuntimeFailed."""

    def update(self, path: str, limits: Limits) -> None:
        """Set the limits of a group that is there, leaving those that are None. Raises RuntimeFailed.

        Version 1 refuses less memory than is used (after it has tried to make room), version 2 kills for it.
        """

    def read(self, path: str) -> Limits:
        """The limits as the kernel has them now. Raises OSError where there is no such group."""

    def rounded(self, limits: Limits) -> Limits:
        """These limits as `read` tells them once they are set: the kernel has steps, and a least of each."""

    def usage(self, path: str) -> Usage:
        """What it used; a path of "" is all of the machine's. Raises FileNotFoundError where it is gone."""

    def detail(self, path: str) -> Detail:
        """What fewer ask for."""

    def processes(self, path: str) -> list[int]:
        """Pids of the group and of those below it."""

    def tasks_files(self, path: str) -> list[str]:
        """Version 1: the files to which a process with a single thread writes 0 to join."""

    def directory(self, path: str) -> str:
        """Version 2: the directory for CLONE_INTO_CGROUP; version 1: empty."""

    def shown(self, path: str) -> dict[str, str]:
        """What a program in the group finds in its /sys/fs/cgroup: name there ("": itself) → directory here."""

    def oom_file(self, path: str) -> str:
        """The file with the counter `oom_kill`."""

    async def kill(self, path: str) -> None:
        """End everything in the group and below; returns when all are signalled, not when they are gone."""

    async def remove(self, path: str, timeout: float = 10.0) -> None:
        """Remove the group and those below it, as soon as they are empty; raises RuntimeFailed after `timeout` s."""


def detect(mount: Path = MOUNT) -> Groups:
    """The machine's version; raises RuntimeFailed where there are no cgroups."""
    try:
        if syscalls.filesystem_kind(str(mount)) == CGROUP2_MAGIC:
            return Version2(mount)
    except OSError as error:
        raise RuntimeFailed(f"no cgroups at {mount}: {error}") from error
    missing = [name for name in Version1.NEEDED if not (mount / name).is_dir()]
    if len(missing) == len(Version1.NEEDED):
        raise RuntimeFailed(f"no cgroups are mounted: mount -t cgroup2 cgroup2 {mount}")
    if missing:
        raise RuntimeFailed(f"cgroups at {mount}: no {', '.join(missing)} controller; mount cgroup2 there or these")
    return Version1(mount)


def _below(directory: Path) -> Iterator[Path]:
    """The directories of a group's tree, the deepest first."""
    with contextlib.suppress(FileNotFoundError):
        for entry in sorted(os.scandir(directory), key=lambda entry: entry.name):
            if entry.is_dir(follow_symlinks=False):
                yield from _below(Path(entry.path))
    yield directory


def _pids(directory: Path) -> list[int]:
    found: list[int] = []
    for one in _below(directory):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            found += map(int, (one / "cgroup.procs").read_text().split())
    return found


async def _remove_tree(directory: Path, timeout: float) -> None:
    loop = asyncio.get_running_loop()
    deadline = loop.time() + timeout
    pause = 0.001
    while True:
        try:
            for one in _below(directory):
                with contextlib.suppress(FileNotFoundError):
                    one.rmdir()
            return
        except OSError as error:
            if loop.time() > deadline:
                raise RuntimeFailed(f"cgroup {directory}: {error.strerror}, still holds {_pids(directory)}") from error
        await asyncio.sleep(pause)
        pause = min(pause * 2, 0.1)


def _signal_all(pids: list[int]) -> None:
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class PidsController(Controller):  # type: ignore[misc]
    """cgroupspy has none: pids.max ("max" or a number), pids.current."""

    max = BaseFileInterface("pids.max")
    current = IntegerFile("pids.current", readonly=True)


class FreezerController(Controller):  # type: ignore[misc]
    """cgroupspy has none: freezer.state is THAWED, FREEZING or FROZEN."""

    state = BaseFileInterface("freezer.state")


class GroupNode(Node):  # type: ignore[misc]
    """One directory of one controller's tree."""

    CONTROLLERS = Node.CONTROLLERS | {b"pids": PidsController, b"freezer": FreezerController}


class Version1:
    """One tree a controller."""

    version = 1
    NEEDED = ("cpu", "cpuacct", "memory", "pids", "freezer")

    def __init__(self, mount: Path) -> None:
        top = GroupNode(str(mount))
        self._trees = {name: GroupNode(name, parent=top) for name in self.NEEDED}
        self._tops = {name: str(mount / name) for name in self.NEEDED}
        # cpu and cpuacct are often two names of one tree: joined and removed once.
        self._roots = sorted({os.path.realpath(mount / name) for name in self.NEEDED})

    def _controller(self, name: str, path: str) -> Any:
        return GroupNode(path, parent=self._trees[name]).controller

    def _directory(self, name: str, path: str) -> Path:
        return Path(os.fsdecode(self._trees[name].full_path), path)

    def create(self, path: str, limits: Limits, *, leaf: bool = False) -> None:
        try:
            for root in self._roots:
                Path(root, path).mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise RuntimeFailed(f"cgroup {path}: {limits}: {error}") from error
        self.update(path, limits)

    def update(self, path: str, limits: Limits) -> None:
        try:
            if limits.cpu_request_millis is not None:
                self._controller("cpu", path).shares = shares(limits.cpu_request_millis)
            if limits.cpu_limit_millis is not None:
                self._controller("cpu", path).cfs_quota_us = quota(limits.cpu_limit_millis)
            if limits.memory_limit_bytes is not None:
                self._controller("memory", path).limit_in_bytes = limits.memory_limit_bytes
            if limits.pids is not None:
                self._controller("pids", path).max = limits.pids
        except OSError as error:
            raise RuntimeFailed(f"cgroup {path}: {limits}: {error}") from error

    def read(self, path: str) -> Limits:
        cpu = self._controller("cpu", path)
        micros = cpu.cfs_quota_us
        memory = self._controller("memory", path).limit_in_bytes
        pids = self._controller("pids", path).max
        return Limits(
            cpu_request_millis=_millis(cpu.shares),
            cpu_limit_millis=None if micros is None else micros * 1000 // cpu.cfs_period_us,
            memory_limit_bytes=None if memory is None or memory >= UNLIMITED else memory,
            pids=None if pids == "max" else int(pids),
        )

    def rounded(self, limits: Limits) -> Limits:
        return _rounded(limits, lambda millis: _millis(shares(millis)))

    def usage(self, path: str) -> Usage:
        return usage_v1(*(f"{self._tops[name]}/{path}" for name in ("cpuacct", "memory", "pids")))

    def detail(self, path: str) -> Detail:
        return detail_v1(*(f"{self._tops[name]}/{path}" for name in ("cpu", "cpuacct", "memory")))

    def processes(self, path: str) -> list[int]:
        return _pids(self._directory("freezer", path))

    def tasks_files(self, path: str) -> list[str]:
        return [f"{root}/{path}/tasks" for root in self._roots]

    def directory(self, path: str) -> str:
        return ""

    def shown(self, path: str) -> dict[str, str]:
        return {name: f"{top}/{path}" for name, top in self._tops.items()}

    def oom_file(self, path: str) -> str:
        return str(self._directory("memory", path) / "memory.oom_control")

    async def kill(self, path: str) -> None:
        """Frozen, they cannot fork away from the signal; it takes effect when they thaw."""
        freezer = self._controller("freezer", path)
        try:
            freezer.state = "FROZEN"
            pause = 0.0005
            while freezer.state != "FROZEN" and pause < 0.5:
                await asyncio.sleep(pause)
                pause *= 2
            _signal_all(self.processes(path))
        except FileNotFoundError:
            return  # no group, nobody in it
        finally:
            with contextlib.suppress(FileNotFoundError):
                freezer.state = "THAWED"

    async def remove(self, path: str, timeout: float = 10.0) -> None:
        for root in self._roots:
            await _remove_tree(Path(root, path), timeout)


class Version2:
    """One tree for all controllers; processes live in its leaves only."""

    version = 2
    NEEDED = ("cpu", "memory", "pids")

    def __init__(self, mount: Path) -> None:
        self._mount = mount
        self._enabled: set[Path] = set()

    def create(self, path: str, limits: Limits, *, leaf: bool = False) -> None:
        directory = self._mount / path
        try:
            for above in reversed(directory.relative_to(self._mount).parents):
                self._enable(self._mount / above)
            directory.mkdir(exist_ok=True)
            if leaf:
                # A program that lost one of its processes to the memory limit is rarely still one.
                (directory / "memory.oom.group").write_text("1")
        except OSError as error:
            raise RuntimeFailed(f"cgroup {path}: {limits}: {error}") from error
        self.update(path, limits)

    def update(self, path: str, limits: Limits) -> None:
        try:
            for name, text in self._texts(limits):
                (self._mount / path / name).write_text(text)
        except OSError as error:
            raise RuntimeFailed(f"cgroup {path}: {limits}: {error}") from error

    def _enable(self, directory: Path) -> None:
        """A controller is there for groups below only if the group above hands it down."""
        if directory not in self._enabled or not directory.is_dir():
            directory.mkdir(exist_ok=True)
            (directory / "cgroup.subtree_control").write_text(" ".join(f"+{name}" for name in self.NEEDED))
            self._enabled.add(directory)

    @staticmethod
    def _texts(limits: Limits) -> Iterator[tuple[str, str]]:
        if limits.cpu_request_millis is not None:
            yield "cpu.weight", str(weight(limits.cpu_request_millis))
        if limits.cpu_limit_millis is not None:
            yield "cpu.max", f"{quota(limits.cpu_limit_millis)} {PERIOD}"
        if limits.memory_limit_bytes is not None:
            yield "memory.max", str(limits.memory_limit_bytes)
        if limits.pids is not None:
            yield "pids.max", str(limits.pids)

    def _text(self, path: str, name: str) -> str:
        return (self._mount / path / name).read_text().strip()

    def read(self, path: str) -> Limits:
        micros, period = self._text(path, "cpu.max").split()
        memory, pids = self._text(path, "memory.max"), self._text(path, "pids.max")
        return Limits(
            cpu_request_millis=self._request(int(self._text(path, "cpu.weight"))),
            cpu_limit_millis=None if micros == "max" else int(micros) * 1000 // int(period),
            memory_limit_bytes=None if memory == "max" else int(memory),
            pids=None if pids == "max" else int(pids),
        )

    def rounded(self, limits: Limits) -> Limits:
        return _rounded(limits, lambda millis: self._request(weight(millis)))

    @staticmethod
    def _request(cpu_weight: int) -> int:
        return _millis(2 + (cpu_weight - 1) * 262_142 // 9999)

    def usage(self, path: str) -> Usage:
        return usage_v2(f"{self._mount}/{path}")

    def detail(self, path: str) -> Detail:
        return detail_v2(f"{self._mount}/{path}")

    def processes(self, path: str) -> list[int]:
        return _pids(self._mount / path)

    def tasks_files(self, path: str) -> list[str]:
        return []

    def directory(self, path: str) -> str:
        return str(self._mount / path)

    def shown(self, path: str) -> dict[str, str]:
        return {"": self.directory(path)}

    def oom_file(self, path: str) -> str:
        return str(self._mount / path / "memory.events")

    async def kill(self, path: str) -> None:
        with contextlib.suppress(FileNotFoundError):
            (self._mount / path / "cgroup.kill").write_text("1")

    async def remove(self, path: str, timeout: float = 10.0) -> None:
        directory = self._mount / path
        self._enabled = {one for one in self._enabled if one != directory and directory not in one.parents}
        await _remove_tree(directory, timeout)
