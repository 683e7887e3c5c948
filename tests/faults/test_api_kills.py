"""A real master is killed with -9 under load, over https: what it told its clients and watchers stays true."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest

from tests.faults import checks, records, watching
from tests.faults.api_load import LEASES, MAPS, Load
from tests.faults.checks import first_of
from tests.faults.databases import DATABASES, Database, Row
from tests.faults.history import Change, Operation, Segment, Stream
from tests.faults.master import MODULES, Master, label_of, token_of
from tests.faults.nursery import Nursery
from tests.faults.scale import rounds

START = 0.6
"""Seconds within which a master is ready, about: kills of its start-up are drawn from these."""
LIVELY = 10
"""Answers that a life must have given before it is killed, unless it is killed while it starts."""


def change_of(row: Row) -> Change:
    """A row as the checks see it; of objects that no client of ours wrote only the revision counts."""
    revision, key, value = row
    if value is None:
        return Change(revision, key, None)
    obj = json.loads(value) if value.startswith(b"{") else {}
    return Change(revision, key, token_of(obj, revision), label_of(obj))


def unclaimed(rows: Iterable[Row]) -> list[str]:
    """What each Service holds is claimed by a row of its own, and no other claims are there: one append makes both."""
    state: dict[str, bytes] = {}
    for _, key, value in rows:
        if value is None:
            state.pop(key, None)
        else:
            state[key] = value
    claims = {key for key in state if key.startswith("/allocations/")}
    held = set()
    for key, value in state.items():
        if key.startswith("/registry/services/"):
            spec = json.loads(value)["spec"]
            held.add(f"/allocations/clusterip/{spec['clusterIP']}")
            held |= {f"/allocations/nodeport/{port['nodePort']}" for port in spec["ports"] if "nodePort" in port}
    return sorted(claims ^ held)


def begun_with_lists(streams: Iterable[Stream]) -> list[Operation]:
    """The lists from which watches began, as reads: they must be whole, too."""
    return [
        Operation(
            segment.life,
            stream.name,
            "items",
            0,
            None,
            "ok",
            asked=stream.prefix,
            as_of=segment.after,
            found=segment.listed,
        )
        for stream in streams
        if stream.label is None and not stream.exact and stream.prefix.startswith(MAPS.store_key())
        for segment in stream.segments
        if segment.listed is not None
    ]


class Killing:
    """One master, its clients, and the database behind it."""

    def __init__(self, database: Database, url: str, master: Master, seed: int) -> None:
        self.database, self.url, self.master = database, url, master
        self.draw = random.Random(seed)
        self.load = Load(master, self.draw)
        self.rows: list[Row] = []
        self.notes: list[Row] = []  # that outlived their master

    async def run(self, lives: int) -> None:
        await self.master.begin()
        await self.master.ready()
        async with asyncio.timeout(60 + 6 * lives), asyncio.TaskGroup() as tasks:
            self._watch(tasks)
            working = tasks.create_task(self.load.run(), name="load")
            for life in range(lives):
                await self._live(life, tasks)
                await self.master.kill()
                self.look()
                await self.master.begin()
            await self.master.ready()
            await asyncio.sleep(0.3)
            working.cancel()
            await asyncio.wait([working])
            await self.load.end()
        await self.master.kill()
        self.look()

    async def _live(self, life: int, tasks: asyncio.TaskGroup) -> None:
        if life % 4 == 3:
            await asyncio.sleep(self.draw.uniform(0, START))
            return
        await self.master.ready()
        if life % 4 == 2:
            self._dip(tasks, life)
        done = self.answered
        await asyncio.sleep(self.draw.uniform(0.1, 0.5))
        while self.answered < done + LIVELY:  # on a busy machine; what hangs ends with the time for all lives
            await asyncio.sleep(0.005)

    @property
    def answered(self) -> int:
        return sum(operation.outcome == "ok" for operation in self.load.recorder.operations)

    def look(self) -> None:
        """Reads what a life has left behind."""
        self.rows += self.database.changes(self.url, self.rows[-1][0] if self.rows else 0)
        self.notes += self.database.notes(self.url)
        assert unclaimed(self.rows) == []

    def _watch(self, tasks: asyncio.TaskGroup) -> None:
        maps = MAPS.store_key()
        for stream in (
            Stream("all", maps),
            Stream("default", MAPS.store_key("default")),
            Stream("red", maps, "red"),
            Stream("blue", MAPS.store_key("kube-public"), "blue"),
            Stream("one", MAPS.store_key("default", "faults-3"), exact=True),
            Stream("leases", LEASES.store_key("kube-node-lease")),
        ):
            tasks.create_task(self.load.watch(stream), name=stream.name)
        tasks.create_task(self.load.watch(Stream("plain", maps), bookmarks=False), name="plain")
        tasks.create_task(self.load.watch(Stream("initial", maps), initial=True), name="initial")

    def _dip(self, tasks: asyncio.TaskGroup, life: int) -> None:
        """Watches that begin at revisions of earlier lives."""
        for bookmarks, namespace in ((False, "default"), (True, "kube-public")):
            begun = Segment(self.master.life, self.draw.choice(self.rows)[0], [[]])
            stream = Stream(f"from life {life} on in {namespace}", MAPS.store_key(namespace), segments=[begun])
            tasks.create_task(self.load.watch(stream, bookmarks=bookmarks), name=stream.name)

    def violations(self) -> dict[str, str]:
        recorder = self.load.recorder
        operations, streams = recorder.operations, recorder.streams
        if self.database.keeps_notes:  # as if there had been one life
            operations = [replace(operation, life=0) for operation in operations]
            for segment in (segment for stream in streams for segment in stream.segments):
                segment.life = 0
        truth = [change_of(row) for row in self.rows] + [change_of(row)._replace(life=0) for row in self.notes]
        history = records.history(operations, streams, truth)
        found = checks.violations(operations + begun_with_lists(streams), history)
        return first_of(found + watching.violations(streams, history))


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.name)
@pytest.mark.parametrize("number", range(rounds(short=1, long=10)))
async def test_kill_9_of_a_master_breaks_no_promise_to_its_clients(database: Database, number: int, tmp_path: Path):
    with database.make(tmp_path) as url:
        options = ["--database", url] if database.is_server else []
        async with Nursery("tests.faults.master_life:live", *MODULES) as nursery:
            master = Master(nursery, tmp_path / "state", options)
            killing = Killing(database, url if database.is_server else master.database, master, seed=number)
            await killing.run(rounds(short=20, long=50))

        recorder = killing.load.recorder
        assert killing.violations() == {}
        assert recorder.refusals == []
        assert killing.answered > 100, "the load was no load"
        assert all((records.last_seen(stream) or 0) >= killing.load.sentinel for stream in recorder.streams)


async def test_a_first_start_that_is_killed_anywhere_is_finished_by_the_next(tmp_path: Path):
    """The certificates, the database and the first objects are made then."""
    draw = random.Random(1)
    async with Nursery("tests.faults.master_life:live", *MODULES) as nursery:
        for number in range(rounds(short=5, long=100)):
            master = Master(nursery, tmp_path / str(number))
            await master.begin()
            await asyncio.sleep(draw.uniform(0, START))
            await master.kill()
            await master.begin()
            await master.ready()
            client = master.client()
            names = {obj["metadata"]["name"] for obj in (await client.items("Namespace")).objects}
            await client.transport.close()
            await master.kill()
            assert names == {"default", "kube-system", "kube-public", "kube-node-lease"}
