"""`make bench`: how fast and how small, as a table, with the machine named. One row a figure, from each room's file."""

from __future__ import annotations

import importlib
import os
import platform
import sys
from pathlib import Path

import psutil

ROOMS = ("store", "api", "memory", "overload", "scheduler", "runtime", "network", "cluster", "controllers")


def machine() -> str:
    lines = Path("/proc/cpuinfo").read_text().splitlines()
    models = (line.partition(":")[2].strip() for line in lines if line.startswith("model name"))
    memory = psutil.virtual_memory().total / 2**30
    words = [f"{os.cpu_count()} × {next(models, platform.machine())}", f"{memory:.0f} GiB"]
    return ", ".join([*words, f"Linux {platform.release()}", f"Python {platform.python_version()}"])


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
