"""What a group of processes uses, read from the kernel's small files: cgroup v1 and v2 in one shape.

A file that this kernel, this version or this group does not have (the root of a tree lacks several) counts as nothing.
Source: Documentation/admin-guide/cgroup-v1/{cpuacct,memory}.rst, cgroup-v2.rst, accounting/psi.rst.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

MOUNT = Path("/sys/fs/cgroup")
PROC = Path("/proc")
_TICK_NANOS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")
_LARGEST = 64 * 1024  # bytes of one such file
_RESOURCES = ("cpu", "memory", "io")
UNLIMITED = 1 << 62  # version 1 has no word for it: memory.limit_in_bytes then reads as a number near 2^63


@dataclass(frozen=True, slots=True)
class Usage:
    """cpu_nanos: processor time since the group was made. The rest is bytes as they are now, and counts since then.

    working_set_bytes: what is in use and was not found idle: what counts when memory runs out.
    """

    cpu_nanos: int = 0
    memory_bytes: int = 0
    working_set_bytes: int = 0
    rss_bytes: int = 0
    cache_bytes: int = 0
    mapped_bytes: int = 0
    swap_bytes: int = 0
    page_faults: int = 0
    major_faults: int = 0
    processes: int = 0


@dataclass(frozen=True, slots=True)
class Stall:
    """How long something waited: microseconds in all, and percent of the last 10, 60 and 300 seconds."""

    total_micros: int = 0
    avg10: float = 0.0
    avg60: float = 0.0
    avg300: float = 0.0


@dataclass(frozen=True, slots=True)
class Pressure:
    """some: at least one task waited; full: all of them did."""

    some: Stall = Stall()
    full: Stall = Stall()


@dataclass(frozen=True, slots=True)
class Detail:
    """What fewer ask for. periods: of the CPU quota. memory_limit_bytes: None for none.

    pressure: of cpu, memory and io, where the kernel measures it.
    """

    user_nanos: int = 0
    system_nanos: int = 0
    periods: int = 0
    throttled_periods: int = 0
    throttled_nanos: int = 0
    memory_limit_bytes: int | None = None
    memory_peak_bytes: int = 0
    oom_kills: int = 0
    pressure: Mapping[str, Pressure] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Whole:
    """All that can be seen of the machine's groups: its limits, None where it has none, and what is used of these."""

    memory_limit_bytes: int | None = None
    working_set_bytes: int = 0
    pids_limit: int | None = None
    processes: int = 0


def usage_v1(cpuacct: str, memory: str, pids: str) -> Usage:
    """The directories of one group. Raises FileNotFoundError where there is no such group."""
    stat = _table(f"{memory}/memory.stat")
    used, working = _memory_v1(memory, stat)
    return Usage(
        cpu_nanos=int(_needed(f"{cpuacct}/cpuacct.usage")),
        memory_bytes=used,
        working_set_bytes=working,
        rss_bytes=stat.get("total_rss", 0),
        cache_bytes=stat.get("total_cache", 0),
        mapped_bytes=stat.get("total_mapped_file", 0),
        swap_bytes=stat.get("total_swap", 0),
        page_faults=stat.get("total_pgfault", 0),
        major_faults=stat.get("total_pgmajfault", 0),
        processes=_number(f"{pids}/pids.current"),
    )


def usage_v2(directory: str) -> Usage:
    """Raises FileNotFoundError where there is no such group. The root's memory is the machine's."""
    stat = _table(f"{directory}/memory.stat")
    used, working = _memory_v2(directory, stat)
    return Usage(
        cpu_nanos=_pairs(_needed(f"{directory}/cpu.stat")).get("usage_usec", 0) * 1000,
        memory_bytes=used,
        working_set_bytes=working,
        rss_bytes=stat.get("anon", 0),
        cache_bytes=stat.get("file", 0),
        mapped_bytes=stat.get("file_mapped", 0),
        swap_bytes=_number(f"{directory}/memory.swap.current"),
        page_faults=stat.get("pgfault", 0),
        major_faults=stat.get("pgmajfault", 0),
        processes=_number(f"{directory}/pids.current"),
    )


def detail_v1(cpu: str, cpuacct: str, memory: str) -> Detail:
    split, stat = _table(f"{cpuacct}/cpuacct.stat"), _table(f"{cpu}/cpu.stat")
    return Detail(
        user_nanos=split.get("user", 0) * _TICK_NANOS,
        system_nanos=split.get("system", 0) * _TICK_NANOS,
        periods=stat.get("nr_periods", 0),
        throttled_periods=stat.get("nr_throttled", 0),
        throttled_nanos=stat.get("throttled_time", 0),
        memory_limit_bytes=_limit_v1(memory),
        memory_peak_bytes=_number(f"{memory}/memory.max_usage_in_bytes"),
        oom_kills=_table(f"{memory}/memory.oom_control").get("oom_kill", 0),
    )


def detail_v2(directory: str) -> Detail:
    stat = _table(f"{directory}/cpu.stat")
    return Detail(
        user_nanos=stat.get("user_usec", 0) * 1000,
        system_nanos=stat.get("system_usec", 0) * 1000,
        periods=stat.get("nr_periods", 0),
        throttled_periods=stat.get("nr_throttled", 0),
        throttled_nanos=stat.get("throttled_usec", 0) * 1000,
        memory_limit_bytes=_limit_v2(directory),
        memory_peak_bytes=_number(f"{directory}/memory.peak"),
        oom_kills=_table(f"{directory}/memory.events").get("oom_kill", 0),
        pressure=_pressures({name: f"{directory}/{name}.pressure" for name in _RESOURCES}),
    )


def whole(mount: Path = MOUNT) -> Whole:
    """The uppermost group: without limits on a machine of its own, with some where it is one of others' groups."""
    memory, pids = (str(mount / name) if (mount / name).is_dir() else str(mount) for name in ("memory", "pids"))
    stat = _table(f"{memory}/memory.stat")
    if memory == str(mount):
        limit, working = _limit_v2(memory), _memory_v2(memory, stat)[1]
    else:
        limit, working = _limit_v1(memory), _memory_v1(memory, stat)[1]
    return Whole(
        limit,
        working if limit is not None else 0,
        _number(f"{pids}/pids.max") or None,
        _number(f"{pids}/pids.current"),
    )


def _memory_v1(directory: str, stat: Mapping[str, int]) -> tuple[int, int]:
    """Bytes in use, and those of them that are no file pages which nobody has touched for long."""
    used = _number(f"{directory}/memory.usage_in_bytes")
    return used, max(used - stat.get("total_inactive_file", 0), 0)


def _memory_v2(directory: str, stat: Mapping[str, int]) -> tuple[int, int]:
    current = _text(f"{directory}/memory.current")
    used = int(current) if current else _machine_used()
    return used, max(used - stat.get("inactive_file", 0), 0)


def _limit_v1(directory: str) -> int | None:
    limit = _number(f"{directory}/memory.limit_in_bytes")
    return limit if 0 < limit < UNLIMITED else None


def _limit_v2(directory: str) -> int | None:
    limit = _text(f"{directory}/memory.max")
    return int(limit) if limit.isdigit() else None


def machine_pressure(proc: Path = PROC) -> dict[str, Pressure]:
    """Of the whole machine; empty where the kernel does not measure it."""
    return _pressures({name: f"{proc}/pressure/{name}" for name in _RESOURCES})


def _pressures(paths: Mapping[str, str]) -> dict[str, Pressure]:
    return {name: read_pressure(said) for name, path in paths.items() if (said := _text(path))}


def read_pressure(said: str) -> Pressure:
    """`some avg10=0.00 avg60=0.00 avg300=0.00 total=0`, and the same of `full`."""
    found = {}
    for line in said.splitlines():
        which, *rows = line.split()
        values = dict(row.split("=", 1) for row in rows)
        averages = (float(values.get(name, 0)) for name in ("avg10", "avg60", "avg300"))
        found[which] = Stall(int(values.get("total", 0)), *averages)
    return Pressure(found.get("some", Stall()), found.get("full", Stall()))


def _machine_used() -> int:
    lines = dict(line.split(":", 1) for line in _text("/proc/meminfo").splitlines())
    kilobytes = {name: int(lines[name].split()[0]) for name in ("MemTotal", "MemFree") if name in lines}
    return (kilobytes.get("MemTotal", 0) - kilobytes.get("MemFree", 0)) * 1024


def _needed(path: str) -> str:
    """os.read and no file object: a node with 500 pods has thousands of these to read."""
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(descriptor, _LARGEST).decode()
    finally:
        os.close(descriptor)


def _text(path: str) -> str:
    try:
        return _needed(path).strip()
    except OSError:
        return ""


def _number(path: str) -> int:
    said = _text(path)
    return int(said) if said.isdigit() else 0


def _table(path: str) -> dict[str, int]:
    return _pairs(_text(path))


def _pairs(said: str) -> dict[str, int]:
    words = said.split()
    return {name: int(value) for name, value in zip(words[::2], words[1::2], strict=False) if value.isdigit()}
