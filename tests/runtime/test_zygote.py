# A test may look into a directory.
"""The zygote: it forks, shows nothing of its mounts, and goes with its agent."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from pathlib import Path

import pytest

from runtime import Root, RuntimeFailed, SandboxSpec
from runtime.channel import Zygote

pytestmark = pytest.mark.kernel

ROOT = Path(__file__).parents[2]
AGENT = """
import asyncio, sys
from pathlib import Path
from runtime import Runtime, SandboxSpec

async def main(directory, cgroup):
    runtime = Runtime(Path(directory), cgroup=cgroup, warm=2)
    await runtime.start()
    sandbox = await runtime.create(SandboxSpec("kept"))
    while len(runtime._pool) < 2:
        await asyncio.sleep(0.01)
    print(sandbox.pid, runtime._zygote.pid, *(pause.identity.pid for pause in runtime._pool), flush=True)
    await asyncio.sleep(1000)

asyncio.run(main(*sys.argv[1:]))
"""


def lives(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


async def test_with_its_agent_go_the_zygote_and_the_warm_pauses_but_no_sandbox(bench):
    command = (sys.executable, "-c", AGENT, bench.directory, bench.cgroup)
    agent = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, cwd=ROOT)
    kept, *gone = map(int, (await agent.stdout.readline()).split())
    assert all(map(lives, [kept, *gone])) and len(gone) == 3
    agent.kill()
    await agent.wait()

    async with asyncio.timeout(30):
        while any(map(lives, gone)):
            await asyncio.sleep(0.01)
    assert lives(kept)


async def test_what_the_machine_refuses_is_told(tmp_path):
    with pytest.raises(RuntimeFailed, match="no/such/mask"):
        await Zygote.start(tmp_path / "no/such/mask", [], [], (1024, 4096))


async def test_a_child_that_was_ready_is_used_once_and_never_left_over(bench, runtime):
    """The first process on the host's root takes it; another kind of first process ends it."""
    sandbox = await runtime.create(SandboxSpec("box"))
    for name in ("one", "two"):
        await sandbox.start(bench.shell("exec sleep 100", name))
    other = await runtime.create(SandboxSpec("other"))
    await other.start(bench.shell("true", root=Root("dir", Path("/usr"))))

    async with asyncio.timeout(30):
        while children(other.pid) or (other.directory / "layers/.ready").exists():
            await asyncio.sleep(0.01)
    assert len(children(sandbox.pid)) == 2
    assert sorted(path.name for path in (sandbox.directory / "layers").iterdir()) == ["one", "two"]
    assert [path.name for path in (other.directory / "layers").iterdir()] == ["main"]


async def test_a_ready_child_that_was_killed_is_made_anew(bench, runtime):
    sandbox = await runtime.create(SandboxSpec("box"))
    for pid in children(sandbox.pid):
        os.kill(pid, signal.SIGKILL)
        while lives(pid):
            await asyncio.sleep(0.01)
    state, output = await bench.run(sandbox, "echo up")

    assert (state.exit_code, output) == (0, "up")


def children(pid: int) -> list[int]:
    text = Path(f"/proc/{pid}/task/{pid}/children").read_text()
    return [child for child in map(int, text.split()) if lives(child)]


async def forked_by_a_stopped(runtime, count: int, go_on: signal.Signals) -> list:
    """Pauses asked for, all at once, of a zygote that does not answer until it is told to go on, or is killed."""
    zygote = runtime._zygote
    os.kill(zygote.pid, signal.SIGSTOP)
    async with asyncio.TaskGroup() as group:
        begun = [group.create_task(runtime._fork()) for _ in range(count)]
        for _ in range(10):
            await asyncio.sleep(0)
        os.kill(zygote.pid, go_on)
    pauses = [task.result() for task in begun]
    for pause in pauses:
        await runtime._discard(pause)
    return pauses


async def test_more_forks_than_its_socket_holds_wait_for_their_turn(bench, runtime):
    """Hundreds of pods begin at once on a busy node: none hears of a full socket."""
    zygote = runtime._zygote
    pauses = await forked_by_a_stopped(runtime, 400, signal.SIGCONT)

    assert runtime._zygote is zygote
    assert len({pause.identity.pid for pause in pauses}) == 400


async def test_forks_that_wait_for_a_zygote_that_is_killed_are_done_by_the_next(bench, runtime):
    zygote = runtime._zygote
    await forked_by_a_stopped(runtime, 20, signal.SIGKILL)

    assert runtime._zygote is not zygote and runtime._zygote.alive
