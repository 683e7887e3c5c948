"""Metrics in Prometheus' text form: what a family's lines look like, and what every process tells of itself.

Source: prometheus.io/docs/instrumenting/exposition_formats, "Text-based format".
"""

from __future__ import annotations

import os
import resource
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import psutil

MEDIA = "text/plain; version=0.0.4; charset=utf-8"
_ESCAPES = str.maketrans({"\\": r"\\", '"': r"\"", "\n": r"\n"})


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. type_: gauge or counter. values: labels (`labels`) → value; labels may be empty.

    at: milliseconds since the epoch, where it was not measured just now.
    """

    name: str
    help: str
    type_: str
    values: Mapping[str, float]
    at: int | None = None

    def lines(self) -> Iterable[str]:
        yield from head(self.name, self.help, self.type_)
        when = "" if self.at is None else f" {self.at}"
        for labels, value in self.values.items():
            shown = f"{{{labels}}}" if labels else ""
            yield f"{self.name}{shown} {number(value)}{when}"


def text(families: Iterable[Family]) -> str:
    """All of a page; a family without values is left out."""
    return "".join(f"{line}\n" for family in families if family.values for line in family.lines())


def labels(**pairs: str) -> str:
    """`container="c",pod="p"`, with what a value must not hold escaped."""
    return ",".join(f'{name}="{value.translate(_ESCAPES)}"' for name, value in pairs.items())


def process_families() -> list[Family]:
    """What Prometheus' own clients tell of their process."""
    times, memory = os.times(), psutil.Process().memory_info()
    files = float(len(list(Path("/proc/self/fd").iterdir())))
    return [
        Family("process_cpu_seconds_total", "Seconds of CPU, user and system.", "counter",
               {"": times.user + times.system}),
        Family("process_resident_memory_bytes", "Memory that is resident.", "gauge", {"": memory.rss}),
        Family("process_virtual_memory_bytes", "Memory that is mapped.", "gauge", {"": memory.vms}),
        Family("process_open_fds", "Open files and sockets.", "gauge", {"": files}),
        Family("process_max_fds", "How many files and sockets may be open.", "gauge",
               {"": resource.getrlimit(resource.RLIMIT_NOFILE)[0]}),
        Family("process_start_time_seconds", "When the process began, in seconds since the epoch.", "gauge",
               {"": psutil.Process().create_time()}),
    ]  # fmt: skip


def head(name: str, help_: str, type_: str) -> tuple[str, str]:
    """The two lines above a family's values."""
    return f"# HELP {name} {help_}", f"# TYPE {name} {type_}"


def number(value: float) -> str:
    """A value as it stands in a line."""
    return str(int(value)) if value == int(value) else repr(value)
