"""How fast a sandboxed process starts, and what a pause weighs: `python -m bench.runtime`, as root."""

from __future__ import annotations

import asyncio
import os
import statistics
import tempfile
import time
from pathlib import Path

import uvloop

from runtime import Limits, ProcessSpec, Runtime, SandboxSpec

STARTS = 40
IDLE = 0.05  # seconds between starts: in a tight loop the kernel hides what an idle node pays
MANY = 300
LIMITS = Limits(cpu_request_millis=100, cpu_limit_millis=500, memory_limit_bytes=1 << 28, pids=100)


async def starts(runtime: Runtime, count: int) -> list[float]:
    """Seconds from asking for a sandbox until its process executes its program.

    They are removed at the end only: the kernel takes network namespaces down in the background, and a new one waits
    for that.
    """
    took = []
    for number in range(count):
        await asyncio.sleep(IDLE)
        begun = time.perf_counter()
        sandbox = await runtime.create(SandboxSpec(f"box-{number}", hostname="box", limits=LIMITS))
        await sandbox.start(ProcessSpec("main", ("/bin/sleep", "1000"), limits=LIMITS))
        took.append(time.perf_counter() - begun)
    for sandbox in list(runtime.sandboxes.values()):
        await sandbox.remove()
    return took


def pss(pid: int) -> int:
    """Bytes of memory, what is shared counted in parts."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:"))


async def crowd(runtime: Runtime) -> tuple[float, float, float]:
    """Seconds until MANY sandboxes run a process, PSS of a pause in KiB, seconds until all are removed."""
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for number in range(MANY):
            group.create_task(one(runtime, number))
    made = time.perf_counter() - begun
    weight = statistics.mean(pss(sandbox.pid) for sandbox in runtime.sandboxes.values()) / 1024
    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for sandbox in list(runtime.sandboxes.values()):
            group.create_task(sandbox.remove())
    return made, weight, time.perf_counter() - begun


async def one(runtime: Runtime, number: int) -> None:
    sandbox = await runtime.create(SandboxSpec(f"box-{number}", limits=LIMITS))
    await sandbox.start(ProcessSpec("main", ("/bin/sleep", "1000"), limits=LIMITS))


async def measure() -> list[tuple[str, str]]:
    rows = []
    with tempfile.TemporaryDirectory(prefix="procorch-bench-") as directory:
        for name, warm in (("cold", 0), ("warm", 2)):
            runtime = Runtime(Path(directory, name), cgroup=f"procorch-bench-{os.getpid()}", warm=warm)
            await runtime.start()
            try:
                took = sorted(await starts(runtime, STARTS))
                p50, p90 = took[STARTS // 2] * 1000, took[STARTS * 9 // 10] * 1000
                rows.append((f"sandbox and process started, {name} pause", f"p50 {p50:.1f} ms, p90 {p90:.1f} ms"))
                if warm:
                    made, weight, removed = await crowd(runtime)
                    rows.append((f"{MANY} sandboxes, each with a process", f"{made:.2f} s, removed in {removed:.2f} s"))
                    rows.append(("memory of a pause, PSS", f"{weight:.0f} KiB"))
            finally:
                await runtime.reset()
    return rows


def rows() -> list[tuple[str, str]]:
    if os.geteuid() != 0:
        return [("process start", "needs root")]
    return uvloop.run(measure())


if __name__ == "__main__":
    for name, figure in rows():
        print(f"{name}: {figure}")
