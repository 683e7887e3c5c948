"""What a container has said, from the files that its pod's pause writes: `kubectl logs` and all its options.

A line of such a file is `2026-11-23T19:00:00.123456789Z stdout F text`, P instead of F where the line goes on in the
next. Served on the node's link under the kubelet API's paths: /containerLogs/{namespace}/{pod}/{container}.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from procorch.clock import parse_timestamp

BLOCK = 64 * 1024
POLL_SECONDS = 0.2


@dataclass(frozen=True, slots=True)
class LogOptions:
    """since: epoch seconds. tail: lines; None means all. limit: bytes of the answer."""

    follow: bool = False
    timestamps: bool = False
    previous: bool = False
    tail: int | None = None
    since: float | None = None
    limit: int | None = None

    @classmethod
    def parse(cls, query: Mapping[str, str], now: float) -> LogOptions:
        """From the query of a request. Raises ValueError."""
        since = parse_timestamp(query["sinceTime"]) if query.get("sinceTime") else None
        if query.get("sinceSeconds"):
            since = now - int(query["sinceSeconds"])
        return cls(
            query.get("follow") == "true",
            query.get("timestamps") == "true",
            query.get("previous") == "true",
            int(query["tailLines"]) if query.get("tailLines") else None,
            since,
            int(query["limitBytes"]) if query.get("limitBytes") else None,
        )


async def read(path: Path, options: LogOptions, running: Callable[[], bool]) -> AsyncIterator[bytes]:
    """The log in pieces. running: whether more may come, asked while following. Raises FileNotFoundError."""
    left = options.limit
    with path.open("rb") as file:
        file.seek(await asyncio.to_thread(_tail_offset, path, options.tail) if options.tail is not None else 0)
        rest = b""
        while True:
            alive = running()  # asked before reading: what was written before the end is still read after it
            block = await asyncio.to_thread(file.read, BLOCK)
            if block:
                lines = (rest + block).split(b"\n")
                rest = lines.pop()
                text = b"".join(_shown(line, options) for line in lines)
                if left is not None:
                    text = text[:left]
                    left -= len(text)
                if text:
                    yield text
                if left == 0:
                    return
            elif not options.follow or not alive:
                return
            else:
                await asyncio.sleep(POLL_SECONDS)


def _shown(line: bytes, options: LogOptions) -> bytes:
    """One line of the file as it is answered; b"" where it is not wanted or not whole."""
    parts = line.split(b" ", 3)
    if len(parts) < 4:
        return b""
    stamp, _, tag, text = parts
    if options.since is not None and _seconds(stamp) < options.since:
        return b""
    end = b"" if tag.startswith(b"P") else b"\n"
    return b"%b %b%b" % (stamp, text, end) if options.timestamps else text + end


def _seconds(stamp: bytes) -> float:
    """RFC 3339 with nanoseconds, which Python's parser does not take."""
    whole, _, rest = stamp.decode(errors="replace").partition(".")
    try:
        return parse_timestamp(f"{whole.rstrip('Z')}Z") + float(f"0.{rest.rstrip('Z') or 0}")
    except ValueError:
        return 0.0


def _tail_offset(path: Path, lines: int) -> int:
    """Where the last so many whole lines begin; pieces of one line (P) count as one."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        data = b""
        while position > 0:
            step = min(BLOCK, position)
            position -= step
            file.seek(position)
            data = file.read(step) + data
            starts = _starts(data, position == 0)
            if len(starts) > lines or (position == 0 and len(starts) <= lines):
                break
        else:
            return 0
        starts = _starts(data, position == 0)
        if lines == 0:
            return position + len(data)
        return position + (starts[-lines] if len(starts) >= lines else 0)


def _starts(data: bytes, from_begin: bool) -> list[int]:
    """Where in `data` the lines of the container begin, as far as that can be told from it."""
    offset = 0 if from_begin else data.find(b"\n") + 1
    starts = []
    whole = from_begin  # without the beginning it cannot be known whether the first piece continues a line
    while offset < len(data):
        end = data.find(b"\n", offset)
        if end < 0:
            break
        if whole:
            starts.append(offset)
        tag = data[offset:end].split(b" ", 3)[2:3]
        whole = tag != [b"P"]
        offset = end + 1
    return starts
