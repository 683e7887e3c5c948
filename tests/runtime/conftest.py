# A test may wait for a file, and says what it reads in one line.
# ruff: noqa: PTH208
"""A runtime on a directory and a cgroup of its own, and the proof that nothing of it is left."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import pytest

from runtime import ProcessSpec, ProcessState, Runtime, Sandbox, SandboxSpec

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
NUMBERS = itertools.count()


def cgroups_named(name: str) -> list[str]:
    return [str(path) for pattern in (f"*/{name}", name) for path in Path("/sys/fs/cgroup").glob(pattern)]


def mounts_below(directory: Path) -> list[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines() if str(directory) in line]


def processes_naming(directory: Path) -> list[str]:
    """Pids of other processes that have something in this directory mounted: the pauses and all that they started."""
    found = []
    for pid in filter(str.isdigit, os.listdir("/proc")):
        try:
            text = Path(f"/proc/{pid}/mountinfo").read_text()
        except OSError:
            continue
        if f"{directory}/" in text:
            found.append(f"{pid} {Path(f'/proc/{pid}/cmdline').read_bytes()!r}")
    return found


class Bench:
    """What a test needs to say: make a sandbox, run a shell line in it, read what it wrote."""

    def __init__(self, directory: Path, cgroup: str) -> None:
        self.directory, self.cgroup = directory, cgroup
        self.logs = directory.parent / "logs"
        self.logs.mkdir()
        self.runtimes: list[Runtime] = []

    async def runtime(self, warm: int = 1) -> Runtime:
        runtime = Runtime(self.directory, cgroup=self.cgroup, warm=warm)
        self.runtimes.append(runtime)
        await runtime.start()
        return runtime

    def shell(self, line: str, name: str = "main", **more: object) -> ProcessSpec:
        more = {"env": PATH, "log_path": self.logs / f"{name}.log"} | more
        return ProcessSpec(name, ("sh", "-c", line), **more)  # type: ignore[arg-type]

    def output(self, name: str = "main") -> str:
        """What it wrote, without stamps."""
        rows = (self.logs / f"{name}.log").read_text().splitlines()
        return "\n".join(row.split(" ", 3)[3] for row in rows)

    async def run(self, sandbox: Sandbox, line: str, name: str = "main", **more: object) -> tuple[ProcessState, str]:
        """Run to its end, and forget it."""
        (self.logs / f"{name}.log").unlink(missing_ok=True)
        await sandbox.start(self.shell(line, name, **more))
        state = await sandbox.wait(name)
        await sandbox.forget(name)
        return state, self.output(name)


@pytest.fixture
async def bench(tmp_path: Path) -> AsyncIterator[Bench]:
    bench = Bench(tmp_path / "state", f"procorch-test-{os.getpid()}-{next(NUMBERS)}")
    yield bench
    for runtime in bench.runtimes:
        await runtime.close()
    last = Runtime(bench.directory, cgroup=bench.cgroup, warm=0)
    await last.start()
    await last.reset()

    assert not bench.directory.exists()
    assert cgroups_named(bench.cgroup) == []
    assert mounts_below(bench.directory) == []
    assert processes_naming(bench.directory) == []
    shutil.rmtree(bench.logs)


@pytest.fixture
async def runtime(bench: Bench) -> Runtime:
    return await bench.runtime()


@pytest.fixture
async def sandbox(runtime: Runtime) -> Sandbox:
    return await runtime.create(SandboxSpec("box", hostname="box-host"))


@pytest.fixture
def run(bench: Bench, sandbox: Sandbox) -> Callable[..., Awaitable[tuple[ProcessState, str]]]:
    return lambda line, *more, **most: bench.run(sandbox, line, *more, **most)
