"""Durable commits a second, and how long a caller waits for one: `python -m bench.store`."""

import asyncio
import itertools
import os
import tempfile
import time
from pathlib import Path

import uvloop

from store import Log, Write

VALUE = os.urandom(1500)
SECONDS = 2.0
KEYS = 5_000


async def measure(path: Path, writers: int, seconds: float = SECONDS) -> tuple[float, float, float]:
    """Commits a second, p50 and p99 of one append in ms; every writer has one append under way at a time."""
    log = await Log.open(path)
    numbers = itertools.count()
    waits: list[float] = []
    end = time.perf_counter() + seconds

    async def write() -> None:
        while (begun := time.perf_counter()) < end:
            await log.append(Write(f"/pods/default/pod-{next(numbers) * 7919 % KEYS}", VALUE))
            waits.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for _ in range(writers):
            group.create_task(write())
    took = time.perf_counter() - begun
    await log.close()
    waits.sort()
    return len(waits) / took, waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000


def rows(seconds: float = SECONDS) -> list[tuple[str, str]]:
    """(what, figure) for each number of writers. Uses the disk of the temporary directory (TMPDIR)."""
    found = []
    for writers in (1, 8, 32, 128):
        with tempfile.TemporaryDirectory(prefix="bench-store-") as directory:
            rate, p50, p99 = uvloop.run(measure(Path(directory, "log.db"), writers, seconds))
        what = f"store: durable commits of 1.5 kB, {writers} writer{'s' if writers > 1 else ''}"
        found.append((what, f"{rate:,.0f}/s  p50 {p50:.2f} ms  p99 {p99:.2f} ms"))
    return found


def main() -> None:
    for what, figure in rows():
        print(f"{what:<50} {figure}")


if __name__ == "__main__":
    main()
