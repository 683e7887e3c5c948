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
