"""What a group uses: the kernel's files as they are, and the real ones."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from pathlib import Path

import pytest

from runtime import Limits, cgroups
from runtime.usage import (
    Pressure,
    Stall,
    Whole,
    detail_v1,
    detail_v2,
    machine_pressure,
    read_pressure,
    usage_v1,
    usage_v2,
    whole,
)

PSI = "some avg10=1.50 avg60=0.75 avg300=0.10 total=1500000\nfull avg10=0.50 avg60=0.00 avg300=0.00 total=250000\n"


def write(directory: Path, **files: str) -> str:
    directory.mkdir(exist_ok=True)
    for name, said in files.items():
        (directory / name.replace("__", ".")).write_text(said)
    return str(directory)


def test_version_1_counts_with_what_is_below(tmp_path: Path) -> None:
    cpu = write(tmp_path / "cpu", cpu__stat="nr_periods 10\nnr_throttled 3\nthrottled_time 700\n")
    cpuacct = write(tmp_path / "cpuacct", cpuacct__usage="1500000000\n", cpuacct__stat="user 100\nsystem 50\n")
    memory = write(
        tmp_path / "memory",
        memory__usage_in_bytes="1000\n",
        memory__stat="rss 1\ntotal_rss 400\ntotal_cache 600\ntotal_inactive_file 250\ntotal_swap 5\n"
        "total_mapped_file 30\ntotal_pgfault 7\ntotal_pgmajfault 2\n",
        memory__limit_in_bytes="9223372036854771712\n",
        memory__max_usage_in_bytes="2000",
        memory__oom_control="oom_kill_disable 0\nunder_oom 0\noom_kill 4\n",
    )
    pids = write(tmp_path / "pids", pids__current="3\n")

    used = usage_v1(cpuacct, memory, pids)
    assert (used.cpu_nanos, used.memory_bytes, used.working_set_bytes) == (1_500_000_000, 1000, 750)
    assert (used.rss_bytes, used.cache_bytes, used.mapped_bytes, used.swap_bytes) == (400, 600, 30, 5)
    assert (used.page_faults, used.major_faults, used.processes) == (7, 2, 3)
    more = detail_v1(cpu, cpuacct, memory)
    assert (more.user_nanos, more.system_nanos) == (1_000_000_000, 500_000_000)
    assert (more.periods, more.throttled_periods, more.throttled_nanos) == (10, 3, 700)
    assert (more.memory_limit_bytes, more.memory_peak_bytes, more.oom_kills) == (None, 2000, 4)


def test_version_2_says_the_same_in_other_words_and_has_pressure(tmp_path: Path) -> None:
    group = write(
        tmp_path / "group",
        cpu__stat="usage_usec 1500\nuser_usec 1000\nsystem_usec 500\nnr_periods 2\nnr_throttled 1\nthrottled_usec 9\n",
        memory__current="1000",
        memory__stat="anon 400\nfile 600\nfile_mapped 30\ninactive_file 2000\npgfault 7\npgmajfault 2\n",
        memory__max="4096",
        memory__events="oom 1\noom_kill 4\n",
        pids__current="3",
        cpu__pressure=PSI,
    )

    used, more = usage_v2(group), detail_v2(group)
    assert (used.cpu_nanos, used.memory_bytes, used.working_set_bytes, used.rss_bytes) == (1_500_000, 1000, 0, 400)
    assert (more.user_nanos, more.throttled_nanos, more.memory_limit_bytes, more.oom_kills) == (10**6, 9000, 4096, 4)
    assert list(more.pressure) == ["cpu"]
    assert more.pressure["cpu"].full.total_micros == 250_000


def test_pressure_is_read_as_the_kernel_writes_it(tmp_path: Path) -> None:
    expected = Pressure(Stall(1_500_000, 1.5, 0.75, 0.1), Stall(250_000, 0.5, 0.0, 0.0))
    assert read_pressure(PSI) == expected
    assert read_pressure(PSI.splitlines()[0]).full == Stall()
    write(tmp_path / "pressure", cpu=PSI)
    assert machine_pressure(tmp_path) == {"cpu": expected}
    assert machine_pressure(tmp_path / "none") == {}


def test_the_root_of_version_2_has_the_machines_memory(tmp_path: Path) -> None:
    group = write(tmp_path / "root", cpu__stat="usage_usec 1\n", memory__stat="inactive_file 0\n")
    assert usage_v2(group).memory_bytes > 1 << 20


def test_a_group_that_is_gone_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        usage_v1(*[str(tmp_path / "gone")] * 3)
    with pytest.raises(FileNotFoundError):
        usage_v2(str(tmp_path / "gone"))


@pytest.mark.kernel
async def test_what_a_process_does_is_seen_in_its_group_and_above() -> None:
    groups, path = cgroups.detect(), f"procorch-test-{os.getpid()}-usage"
    groups.create(f"{path}/a", Limits(memory_limit_bytes=64 << 20), leaf=True)
    files = groups.tasks_files(f"{path}/a") or [f"{groups.directory(f'{path}/a')}/cgroup.procs"]
    join = "; ".join(f"echo 0 > {file}" for file in files)
    grow = "x=$(head -c 4000000 /dev/zero | tr '\\0' x)"
    process = subprocess.Popen(["sh", "-c", f"{join}; {grow}; while :; do :; done"])
    try:
        deadline = time.monotonic() + 20
        while (seen := groups.usage(f"{path}/a")).cpu_nanos < 20_000_000 or seen.rss_bytes < 4_000_000:
            assert time.monotonic() < deadline
            await asyncio.sleep(0.01)
        inner, outer = groups.usage(f"{path}/a"), groups.usage(path)

        assert outer.cpu_nanos >= inner.cpu_nanos
        assert 4_000_000 < inner.working_set_bytes <= 64 << 20
        assert inner.processes == outer.processes > 0
        assert groups.detail(f"{path}/a").memory_limit_bytes == 64 << 20
        assert groups.detail(path).memory_limit_bytes is None
        assert groups.usage("").cpu_nanos > 0
    finally:
        process.kill()
        process.wait()
        await groups.remove(path)


@pytest.mark.parametrize("version", [1, 2])
def test_the_uppermost_group_may_have_limits_or_none(tmp_path: Path, version: int) -> None:
    """As a container sees its own, and as a machine has it."""
    names = {
        1: ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes", "memory/memory.stat", "pids/pids.max",
            "pids/pids.current"),
        2: ("memory.max", "memory.current", "memory.stat", "pids.max", "pids.current"),
    }[version]  # fmt: skip
    inactive = "total_inactive_file" if version == 1 else "inactive_file"
    if version == 1:
        (tmp_path / "memory").mkdir()
        (tmp_path / "pids").mkdir()
    assert whole(tmp_path) == Whole()

    for name, text in zip(names, ("1000", "700", f"{inactive} 200\n", "50", "20"), strict=True):
        (tmp_path / name).write_text(text)
    assert whole(tmp_path) == Whole(1000, 500, 50, 20)
    (tmp_path / names[0]).write_text("max" if version == 2 else "9223372036854771712")
    (tmp_path / names[3]).write_text("max")
    assert whole(tmp_path) == Whole(processes=20)
