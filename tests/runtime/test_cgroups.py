"""Groups: numbers as the kernel wants them, both versions on real trees."""

from __future__ import annotations

import asyncio
import dataclasses
import os
import subprocess
from pathlib import Path

import pytest

from runtime import Limits, RuntimeFailed, cgroups

ROOT = Path(__file__).parents[2]
ON_VERSION_2 = (
    "cgroups",
    "sandbox",
    "supervise",
    "usage",
    "zygote",
)  # the test files of what makes groups or lives in them
NOT_OF_GROUPS = ("more_forks_than_its_socket_holds", "race_of_renames")  # and take a third of the time there


@pytest.mark.parametrize(
    ("millis", "shares", "weight"), [(0, 2, 1), (1, 2, 1), (1000, 1024, 39), (2000, 2048, 79), (10**9, 262_144, 10_000)]
)
def test_a_request_is_a_share(millis, shares, weight):
    assert (cgroups.shares(millis), cgroups.weight(millis)) == (shares, weight)


@pytest.mark.parametrize(("millis", "quota"), [(500, 50_000), (1, 1_000), (10, 1_000), (2000, 200_000)])
def test_a_limit_is_a_quota_of_at_least_a_millisecond(millis, quota):
    assert cgroups.quota(millis) == quota


def test_a_machine_without_cgroups_is_told_so(tmp_path):
    with pytest.raises(RuntimeFailed, match="no cgroups are mounted: mount"):
        cgroups.detect(tmp_path)
    for name in ("cpu", "cpuacct", "pids"):
        (tmp_path / name).mkdir()
    with pytest.raises(RuntimeFailed, match="no memory, freezer controller"):
        cgroups.detect(tmp_path)
    with pytest.raises(RuntimeFailed, match="no cgroups at"):
        cgroups.detect(tmp_path / "missing")


@pytest.fixture
async def group():
    groups, path = cgroups.detect(), f"procorch-test-{os.getpid()}-group"
    groups.create(path, Limits())
    yield groups, path
    await groups.kill(path)
    await groups.remove(path)
    assert groups.processes(path) == []


def sleeper(groups: cgroups.Groups, path: str) -> subprocess.Popen[bytes]:
    """A sleeping process that joined the group by itself."""
    files = groups.tasks_files(path) or [f"{groups.directory(path)}/cgroup.procs"]
    join = "; ".join(f"echo 0 > {file}" for file in files)
    process = subprocess.Popen(["sh", "-c", f"{join}; echo in; exec sleep 1000"], stdout=subprocess.PIPE)
    assert process.stdout is not None and process.stdout.readline() == b"in\n"
    return process


@pytest.mark.kernel
async def test_a_group_reads_back_as_it_was_made(group):
    groups, path = group
    groups.create(f"{path}/inner", Limits(1000, 1500, 1 << 24, 33), leaf=True)

    seen = groups.read(f"{path}/inner")
    assert (seen.cpu_limit_millis, seen.memory_limit_bytes, seen.pids) == (1500, 1 << 24, 33)
    assert seen.cpu_request_millis == pytest.approx(1000, rel=0.05)
    unlimited = groups.read(path)
    assert (unlimited.cpu_limit_millis, unlimited.memory_limit_bytes, unlimited.pids) == (None, None, None)


@pytest.mark.kernel
async def test_limits_change_and_read_back_as_they_are_rounded(group):
    groups, path = group
    groups.create(f"{path}/inner", Limits(1000, 1500, 1 << 24, 33), leaf=True)

    odd = Limits(333, 5, (1 << 25) + 1)
    groups.update(f"{path}/inner", odd)
    seen = groups.read(f"{path}/inner")
    assert dataclasses.replace(seen, pids=None) == groups.rounded(odd)
    assert (seen.cpu_limit_millis, seen.memory_limit_bytes, seen.pids) == (10, 1 << 25, 33)
    groups.update(f"{path}/inner", Limits(pids=44))
    assert groups.read(f"{path}/inner") == dataclasses.replace(seen, pids=44)
    with pytest.raises(RuntimeFailed, match="missing"):
        groups.update(f"{path}/missing", odd)


@pytest.mark.kernel
async def test_the_working_set_is_a_part_of_what_is_used(group):
    groups, path = group
    groups.create(f"{path}/inner", Limits(), leaf=True)
    process = sleeper(groups, f"{path}/inner")

    used = groups.usage(f"{path}/inner")
    assert 0 < used.working_set_bytes <= used.memory_bytes
    process.kill()
    process.wait()


@pytest.mark.kernel
async def test_what_a_group_holds_is_killed_and_then_it_can_be_removed(group):
    groups, path = group
    groups.create(f"{path}/a/b", Limits(), leaf=True)
    process = sleeper(groups, f"{path}/a/b")
    assert groups.processes(path) == [process.pid]
    assert groups.usage(f"{path}/a/b").processes == 1
    with pytest.raises(RuntimeFailed, match=f"still holds \\[{process.pid}\\]"):
        await groups.remove(path, timeout=0.05)

    await groups.kill(path)
    assert await asyncio.to_thread(process.wait, 10) == -9
    await groups.remove(f"{path}/a")
    assert groups.processes(path) == []


@pytest.mark.kernel
async def test_an_impossible_limit_of_a_group_is_told(group):
    groups, path = group
    with pytest.raises(RuntimeFailed, match="pids=-5"):
        groups.create(path, Limits(pids=-5))


@pytest.mark.kernel
@pytest.mark.timeout(400)
@pytest.mark.skipif("UML" in os.environ, reason="this is the kernel with cgroup v2")
def test_the_same_on_version_2():
    """Under a kernel of its own: Debian's user-mode-linux with cgroup v2."""
    python = str(ROOT / ".venv/bin/python") if (ROOT / ".venv/bin/python").exists() else "python3"
    # The guest's files lie on an overlay, on which no other can write: directories of tests are in memory.
    pytest_there = [python, "-m", "pytest", "-p", "no:cacheprovider", "--basetemp=/run/pytest", "--color=no"]
    tests = [f"tests/runtime/test_{name}.py" for name in ON_VERSION_2]
    tests += ["-k", " and ".join(f"not {name}" for name in NOT_OF_GROUPS)]
    command = [str(ROOT / "vm/uml.sh"), *pytest_there, *tests]
    environment = {**os.environ, "UML_TIMEOUT": "360"}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=390, check=False)
    if done.returncode == 77:
        pytest.skip(done.stderr.strip())

    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    assert " passed" in done.stdout
