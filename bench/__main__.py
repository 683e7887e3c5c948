"""`make bench`: how fast and how small, as a table, with the machine named. One row a figure, from each room's file."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path

import psutil

ROOMS = ("store", "api", "runtime", "network", "cluster")


def machine() -> str:
    model = next(
        (line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines() if "model name" in line),
        platform.machine(),
    )
    memory = psutil.virtual_memory().total / 2**30
    return f"{os.cpu_count()} × {model}, {memory:.0f} GiB, Linux {platform.release()}, Python {platform.python_version()}"


def main() -> None:
    print(f"{machine()}\n")
    for room in sys.argv[1:] or ROOMS:
        rows: list[tuple[str, str]] = importlib.import_module(f"bench.{room}").rows()
        width = max(len(name) for name, _ in rows)
        print(f"{room}")
        for name, figure in rows:
            print(f"  {name:<{width}}  {figure}")
        print(flush=True)


if __name__ == "__main__":
    main()
