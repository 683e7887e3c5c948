"""The power goes at any moment: what was acknowledged is there, from whatever the disk made of the rest."""

from __future__ import annotations

import json
import random
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from store import Log, LogError
from store.dialects.inspection import mark_of
from store.dialects.mark import Mark
from tests.faults import power
from tests.faults.databases import DATABASES
from tests.faults.history import Change, Held, History
from tests.faults.nursery import ROOT
from tests.faults.power import Trace
from tests.faults.scale import rounds
from tests.faults.store_life import token_of

CUTS = 50  # of one trace
needs_strace = pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")


@dataclass
class Said:
    """What a program has acknowledged, by place in its trace."""

    changes: list[Change] = field(default_factory=list)
    ends: set[int] = field(default_factory=set)  # the last revision of each append
    places: list[tuple[int, int, int]] = field(default_factory=list)  # place, durable revision, any revision


def traced(directory: Path, seed: int, level: str) -> tuple[Trace, Said, Path]:
    path, output = directory / "log.db", directory / "trace"
    command = ["strace", "-f", "-y", "-xx", "-qq", "-s", "200000", "-o", str(output), "-e", f"trace={power.CALLS}"]
    command += [sys.executable, "-m", "tests.faults.power_life", str(path), str(seed), "150", level]
    done = subprocess.run([*command, json.dumps(DATABASES[0].settings)], capture_output=True, cwd=ROOT, timeout=100)
    assert done.returncode == 0, done.stderr.decode()
    with output.open() as lines:
        trace = power.parse(lines)
    said = Said()
    durable = highest = 0
    for place, text in trace.said:
        what: dict[str, Any] = json.loads(text)
        for revision, (key, token) in zip(what.get("revisions", ()), what.get("writes", ()), strict=True):
            said.changes.append(Change(revision, key, token))
            durable = max(durable, revision)
        if "revisions" in what:
            said.ends.add(what["revisions"][-1])
        highest = max(highest, durable, what.get("note", 0))
        said.places.append((place, durable, highest))
    return trace, said, path


async def lost_at(trace: Trace, said: Said, path: Path, cut: int, draw: random.Random, directory: Path) -> str:
    """What is wrong after a cut; empty for nothing."""
    directory.mkdir()
    for end in ("", "-wal"):
        (directory / f"log.db{end}").write_bytes(power.after_cut(trace, f"{path}{end}", cut, draw))
    acknowledged, highest = max(((one[1], one[2]) for one in said.places if one[0] < cut), default=(0, 0))
    if draw.random() < 0.5:  # the page beside it, which no system call writes, may be as new as the last answer
        mark = Mark(mark_of(directory / "log.db"))
        mark.reach(acknowledged)
        mark.close()
    try:
        log = await Log.open(directory / "log.db")
    except LogError as error:
        return f"it cannot be opened: {error}"
    opened = log.revision
    rows = await log.items("/data/")
    changes = DATABASES[0].changes(str(directory / "log.db"), 0)
    await log.close()
    there = max((revision for revision, _, _ in changes), default=0)
    if there < acknowledged:
        return f"{acknowledged} was acknowledged, the newest is {there}"
    if there and there not in said.ends:
        return f"{there} is half of an append"
    if opened < highest:
        return f"goes on after {opened}, but {highest} had been given"
    state = History(change for change in said.changes if change.revision <= there).state("/data/")
    if {row.key: Held(row.revision, token_of(row.value) or "") for row in rows} != state:
        return f"the state is not that of revision {there}"
    return ""


async def cuts(directory: Path, seed: int, count: int, level: str = "FULL") -> list[str]:
    """What is wrong after each of some cuts, all of one run."""
    trace, said, path = traced(directory, seed, level)
    starts = [call for call in trace.calls if call.path == f"{path}-wal" and call.offset == 0 and call.data]
    assert len(starts) > 1, "the journal was begun anew"
    draw = random.Random(seed)
    places = [draw.randrange(said.places[0][0], trace.length + 1) for _ in range(count)]
    return [await lost_at(trace, said, path, cut, draw, directory / str(n)) for n, cut in enumerate(places)]


@needs_strace
@pytest.mark.parametrize("seed", range(rounds(short=1, long=20)))
async def test_a_power_cut_loses_nothing_that_was_acknowledged(seed: int, tmp_path: Path):
    assert [wrong for wrong in await cuts(tmp_path, seed, CUTS) if wrong] == []


@needs_strace
async def test_a_store_that_does_not_sync_each_commit_is_found_out(tmp_path: Path):
    wrong = [wrong for wrong in await cuts(tmp_path, 0, CUTS, level="NORMAL") if wrong]

    assert wrong
    told = ("was acknowledged", "the journal is damaged")
    assert all(any(word in line for word in told) for line in wrong), "lost or refused, and never half of something"
