"""What a disk may hold after the power is cut, from a trace of the system calls that wrote to it.

A write that was complete before a sync of its file began is there once that sync has returned. Of every other write
the disk has what it likes, in any order: all of it, nothing, or some of its sectors.
"""

from __future__ import annotations

import random
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

CALLS = "pwrite64,fdatasync,fsync,ftruncate,write"
"""What strace is to trace, with -f -y -xx and a string size that cuts nothing short."""
SECTORS = (512, 4096)
"""Bytes that a disk writes as a whole: old disks and new ones."""

_LINE = re.compile(
    r"^(?P<pid>\d+) +(?:(?P<call>\w+)\((?P<fd>\d+)<(?P<path>[^>]*)>(?P<rest>.*)|<\.\.\. (?P<resumed>\w+) resumed>.*)$"
)
_TEXT = re.compile(r'"((?:\\x[0-9a-f]{2})*)", (\d+)(?:, (\d+))?')


@dataclass
class Call:
    """One system call on a file. begun, ended: places in the trace; ended is None when the trace ends before it.

    data: of a write; of a truncation None, its new size is `offset`. is_sync: it waits until the file is on disk.
    """

    path: str
    begun: int
    ended: int | None
    data: bytes | None = None
    offset: int = 0
    is_sync: bool = False


@dataclass
class Trace:
    """calls: on files, in the order in which they began. said: what went to standard output, by place."""

    calls: list[Call] = field(default_factory=list)
    said: list[tuple[int, bytes]] = field(default_factory=list)
    length: int = 0


def parse(lines: Iterable[str]) -> Trace:
    """Of strace's output. Calls that failed are none of ours: a trace is of a good disk."""
    trace = Trace()
    unfinished: dict[str, Call] = {}
    for place, line in enumerate(lines):
        trace.length = place + 1
        found = _LINE.match(line)
        if found is None:
            continue
        if found["resumed"]:
            call = unfinished.pop(found["pid"], None)
            if call is not None:
                call.ended = place
            continue
        call = _call(found["call"], _bytes(found["path"]).decode(), found["rest"], place)
        if found["call"] == "write":
            if found["fd"] == "1" and call.data is not None:
                trace.said.append((place, call.data))
            continue
        if "<unfinished" in line:
            unfinished[found["pid"]] = call
        else:
            call.ended = place
        trace.calls.append(call)
    return trace


def _call(name: str, path: str, rest: str, place: int) -> Call:
    if name in ("fdatasync", "fsync"):
        return Call(path, place, None, is_sync=True)
    if name == "ftruncate":
        size = re.match(r", (\d+)", rest)
        assert size is not None, rest
        return Call(path, place, None, offset=int(size[1]))
    text = _TEXT.search(rest)
    assert text is not None, rest[:200]
    data = _bytes(text[1])
    assert len(data) == int(text[2]), "the trace is cut short"
    return Call(path, place, None, data, int(text[3] or 0))


def _bytes(text: str) -> bytes:
    """Of strace's -xx, which writes paths so, too."""
    return bytes.fromhex(text.replace("\\x", ""))


def after_cut(trace: Trace, path: str, cut: int, draw: random.Random) -> bytes:
    """What a file may hold when the power goes just before the place `cut` of the trace."""
    calls = [call for call in trace.calls if call.path == path and call.begun < cut]
    synced = max((call.begun for call in calls if call.is_sync and _is_over(call, cut)), default=-1)
    content = bytearray()
    sector, mood = draw.choice(SECTORS), draw.random()
    for call in calls:
        if call.is_sync:
            continue
        certain = call.ended is not None and call.ended < synced
        if certain:
            _apply(content, call, None)
        elif call.data is None:
            if draw.random() < mood:
                _apply(content, call, None)
        else:
            _apply(content, call, _kept(call, sector, mood, draw))
    return bytes(content)


def _is_over(call: Call, cut: int) -> bool:
    return call.ended is not None and call.ended < cut


def _kept(call: Call, sector: int, mood: float, draw: random.Random) -> Sequence[range]:
    """The parts of a write that reached the disk, by whole sectors of the file."""
    assert call.data is not None
    end = call.offset + len(call.data)
    first = call.offset // sector * sector
    parts = [range(max(start, call.offset), min(start + sector, end)) for start in range(first, end, sector)]
    fate = draw.random()
    if fate < mood * 0.8:
        return parts
    if fate < 0.8:
        return []
    return [part for part in parts if draw.random() < 0.5]


def _apply(content: bytearray, call: Call, parts: Sequence[range] | None) -> None:
    if call.data is None:
        _resize(content, call.offset)
        return
    whole = [range(call.offset, call.offset + len(call.data))]
    for part in whole if parts is None else parts:
        if len(content) < part.stop:
            _resize(content, part.stop)
        content[part.start : part.stop] = call.data[part.start - call.offset : part.stop - call.offset]


def _resize(content: bytearray, size: int) -> None:
    if size < len(content):
        del content[size:]
    else:
        content.extend(bytes(size - len(content)))
