# A test may wait for a file, and says what it reads in one line.
# ruff: noqa: PTH208
"""The runtime over restarts, kills and hundreds of sandboxes: nothing is lost and nothing is left."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import resource
import signal
import sys
from pathlib import Path

import pytest

from runtime import ProcessSpec, Runtime, RuntimeFailed, SandboxSpec

from .conftest import cgroups_named, processes_naming

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
AGENT = """
import asyncio, json, sys
from pathlib import Path
from runtime import ProcessSpec, Runtime, SandboxSpec

async def main(directory, cgroup, log):
    runtime = Runtime(Path(directory), cgroup=cgroup, warm=1)
    await runtime.start()
    pids = {}
    for number in range(3):
        sandbox = await runtime.create(SandboxSpec(f"box-{number}", labels={"number": str(number)}))
        line = "n=0; while :; do echo $n; n=$((n+1)); sleep 0.01; done"
        spec = ProcessSpec("main", ("sh", "-c", line), env={"PATH": "/bin"}, log_path=Path(f"{log}-{number}"))
        pids[sandbox.id] = (await sandbox.start(spec)).pid
    print(json.dumps(pids), flush=True)
    await asyncio.sleep(1000)

asyncio.run(main(*sys.argv[1:]))
"""


def descriptors() -> int:
    return len(os.listdir("/proc/self/fd"))


async def gone(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError, FileNotFoundError):
        for _ in range(3000):
            if Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z":
                return
            await asyncio.sleep(0.01)
        raise AssertionError(f"{pid} lives on")


async def test_an_agent_killed_with_9_loses_no_process_and_no_line(bench):
    command = (sys.executable, "-c", AGENT, bench.directory, bench.cgroup, bench.logs / "out")
    agent = await asyncio.create_subprocess_exec(
        *command, stdout=asyncio.subprocess.PIPE, cwd=Path(__file__).parents[2]
    )
    pids = json.loads(await agent.stdout.readline())
    agent.kill()
    await agent.wait()

    runtime = await bench.runtime()
    assert {name: sandbox.processes()["main"].pid for name, sandbox in runtime.sandboxes.items()} == pids
    assert all(sandbox.alive and sandbox.processes()["main"].running for sandbox in runtime.sandboxes.values())
    assert runtime.sandboxes["box-2"].labels == {"number": "2"}
    sandbox = runtime.sandboxes["box-1"]
    await sandbox.kill("main")
    assert (await sandbox.wait("main")).signal == 9
    numbers = [int(line.split()[3]) for line in (bench.logs / "out-1").read_text().splitlines()]
    assert numbers == list(range(len(numbers))) and numbers


async def test_a_new_runtime_finds_what_ended_meanwhile(bench):
    first = await bench.runtime()
    sandbox = await first.create(SandboxSpec("box"))
    await sandbox.start(bench.shell("exec sleep 100", "one"))
    two = await sandbox.start(bench.shell("trap 'exit 7' TERM; while :; do sleep 0.01; done", "two"))
    await first.close()
    async with asyncio.timeout(10):
        while Path(f"/proc/{two.pid}").exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(two.pid, signal.SIGTERM)  # again and again: before it has its trap it hears nothing
            await asyncio.sleep(0.01)
    second = await bench.runtime()
    states = second.sandboxes["box"].processes()

    assert states["one"].running
    assert (states["two"].running, states["two"].exit_code) == (False, 7)
    assert second.sandboxes["box"].start_time == sandbox.start_time


async def test_a_killed_pause_takes_everything_with_it_and_is_told(bench, runtime):
    changes = []
    runtime.on_change = changes.append
    sandbox = await runtime.create(SandboxSpec("box"))
    state = await sandbox.start(bench.shell("setsid sleep 1000 & sleep 1000"))
    os.kill(sandbox.pid, signal.SIGKILL)
    ended = await sandbox.wait("main")
    await gone(state.pid)

    assert not sandbox.alive
    assert (ended.exit_code, ended.signal) == (137, 9)
    assert changes[-1] == "box"
    assert runtime.groups.processes(sandbox.cgroup) == []
    with pytest.raises(RuntimeFailed, match="pause has ended"):
        await sandbox.start(bench.shell("true", "again"))
    await sandbox.remove()
    assert dict(runtime.sandboxes) == {}


async def test_a_pause_that_died_while_nobody_looked_is_told_as_dead(bench):
    first = await bench.runtime()
    sandbox = await first.create(SandboxSpec("box"))
    await sandbox.start(bench.shell("sleep 1000"))
    await first.close()
    os.kill(sandbox.pid, signal.SIGKILL)
    await gone(sandbox.pid)
    second = await bench.runtime()
    found = second.sandboxes["box"]

    assert not found.alive
    assert found.processes()["main"].exit_code == 137
    await found.remove()


async def test_a_pid_that_was_used_again_is_not_taken_for_the_pause(bench):
    first = await bench.runtime()
    sandbox = await first.create(SandboxSpec("box"))
    await first.close()
    os.kill(sandbox.pid, signal.SIGKILL)
    await gone(sandbox.pid)
    told = sandbox.directory / "sandbox.json"
    told.write_text(json.dumps(json.loads(told.read_text()) | {"pid": os.getpid()}))
    second = await bench.runtime()

    assert not second.sandboxes["box"].alive
    await second.sandboxes["box"].remove()


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGUSR1])
async def test_a_pause_survives_signals(bench, runtime, number):
    sandbox = await runtime.create(SandboxSpec("box"))
    os.kill(sandbox.pid, number)

    _, output = await bench.run(sandbox, "echo alive")
    assert output == "alive" and sandbox.alive


async def test_a_crowd_leaves_the_pool_as_large_as_it_is_to_be(bench):
    runtime = await bench.runtime(warm=2)
    for round_ in range(3):
        await asyncio.gather(*(runtime.create(SandboxSpec(f"box-{round_}-{number}")) for number in range(6)))
        await asyncio.sleep(0.03)
    async with asyncio.timeout(30):
        while runtime._tasks or runtime._refill_timer is not None:
            await asyncio.sleep(0.01)

    assert len(runtime._pool) == 2


async def test_containers_have_the_open_files_that_the_agent_was_given_not_those_it_allows_itself(bench):
    given = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (1000, given[1]))
    try:
        runtime = await bench.runtime(warm=0)
        resource.setrlimit(resource.RLIMIT_NOFILE, (1100, given[1]))  # as the proxy does, later
        os.kill(runtime._zygote.pid, signal.SIGKILL)
        await gone(runtime._zygote.pid)
        sandbox = await runtime.create(SandboxSpec("box"))
        await sandbox.start(bench.shell("ulimit -Sn"))
        await sandbox.wait("main")
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, given)

    assert (bench.logs / "main.log").read_text().endswith(" stdout F 1000\n")


async def test_a_killed_zygote_is_started_again(bench, runtime):
    sandbox = await runtime.create(SandboxSpec("before"))
    os.kill(runtime._zygote.pid, signal.SIGKILL)
    await gone(runtime._zygote.pid)
    for number in range(3):
        other = await runtime.create(SandboxSpec(f"after-{number}"))
        assert (await bench.run(other, "echo up"))[1] == "up"

    assert sandbox.alive
    assert (await bench.run(sandbox, "echo up"))[1] == "up"


async def test_a_second_runtime_on_the_same_directory_is_refused_in_one_line(bench, runtime):
    with pytest.raises(RuntimeFailed, match=rf"in use by another agent \(pid {os.getpid()}\)") as refused:
        await Runtime(bench.directory, cgroup=bench.cgroup).start()
    assert "\n" not in str(refused.value)


async def test_fifty_sandboxes_come_and_go_and_leave_nothing(bench, runtime):
    before = None
    for _ in range(2):
        boxes = await asyncio.gather(*(runtime.create(SandboxSpec(f"box-{n}")) for n in range(25)))
        await asyncio.gather(*(box.start(ProcessSpec("main", ("/bin/sleep", "1000"))) for box in boxes))
        assert len(cgroups_named(f"{bench.cgroup}/box-7")) >= 1
        await asyncio.gather(*(box.remove() for box in boxes))
        while not runtime._pool:
            await asyncio.sleep(0.02)
        before = before or descriptors()

    assert descriptors() == before
    assert list((runtime.directory / "sandboxes").iterdir()) == []
    assert cgroups_named(f"{bench.cgroup}/box-7") == []
    assert [one for one in processes_naming(bench.directory / "sandboxes")] == []


async def test_a_state_directory_with_a_long_path_works(bench, tmp_path):
    bench.directory = tmp_path / ("d" * 100) / ("e" * 100)
    runtime = await bench.runtime()
    await runtime.create(SandboxSpec("x" * 60))
    await runtime.close()
    second = await bench.runtime()

    assert second.sandboxes["x" * 60].alive


async def test_a_process_that_ends_at_once_is_told_as_ended(bench, runtime):
    """Its end is told right behind the answer that it runs: whichever is looked at first, the end stays."""
    sandbox = await runtime.create(SandboxSpec("box"))
    for _ in range(50):
        await sandbox.start(ProcessSpec("main", ("/bin/true",)))
        assert (await asyncio.wait_for(sandbox.wait("main"), 30)).exit_code == 0
        await sandbox.forget("main")


async def test_who_heeds_a_signal_ends_by_itself_when_all_is_reset_and_who_does_not_is_killed(bench):
    runtime = await bench.runtime()
    heeds, ignores = await runtime.create(SandboxSpec("heeds")), await runtime.create(SandboxSpec("ignores"))
    line = "trap 'echo saved; exit 0' TERM; echo ready; while :; do sleep 0.05; done"
    await heeds.start(bench.shell(line, "heeds"))
    stubborn = await ignores.start(bench.shell("trap '' TERM; echo ready; exec sleep 1000", "ignores"))
    for name in ("heeds", "ignores"):
        while "ready" not in bench.output(name):  # the test's own time limit ends this
            await asyncio.sleep(0.01)
    await runtime.reset(grace=1.0)

    assert bench.output("heeds").splitlines() == ["ready", "saved"]
    await gone(stubborn.pid)
