"""The store is killed with -9 at random moments, a hundred times and more, and what it said is held against what it
has: see `checks.CHECKS` and `watching.CHECKS` for what is held."""

from __future__ import annotations

import asyncio
import random
import time
from bisect import bisect_right
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from store import Log
from tests.faults import checks, records, watching
from tests.faults.checks import first_of
from tests.faults.databases import DATABASES, Database
from tests.faults.history import Change, History, Operation, Stream
from tests.faults.nursery import Nursery
from tests.faults.scale import rounds
from tests.faults.store_life import BEATS, DATA, token_of

RENEWED = "/store/renewed"
MODULES = ("store.log", "store.dialects.postgresql")
LIVES = 50
"""A database is killed so often; then its history is checked, and the next one begins with a new one."""
YOUNG = 0.03
"""Seconds: a kill so early hits the opening of the database."""
OLD = rounds(short=30_000, long=60_000)
"""Bytes of record, some hundred operations: more is nothing new."""


@dataclass
class Place:
    """Where one process lives after another, with watchers that go on from life to life."""

    nursery: Nursery
    watchers: list[Stream]
    record: Path | None = None  # of the life that is there
    life: int = 0


class Killing:
    """One database, the processes that have it open, and all that was seen of it."""

    def __init__(self, database: Database, url: str, directory: Path, seed: int) -> None:
        self.database, self.url, self.directory = database, url, directory
        self.draw = random.Random(seed)
        self.truth: list[Change] = []
        self.renewed: list[int] = []  # revisions
        self.notes: list[Change] = []  # that outlived their process
        self.operations: list[Operation] = []
        self.places: list[Place] = []
        self.between: list[tuple[int, int]] = []  # when each fault of the server began and was over, in ns

    async def lives(self, count: int) -> None:
        async with AsyncExitStack() as stack:
            for number in range(self.database.processes):
                nursery = await stack.enter_async_context(Nursery("tests.faults.store_life:live", *MODULES))
                self.places.append(Place(nursery, _watchers(number)))
            for life in range(count):
                place = self.places[life % len(self.places)]
                await self.end(place)
                await self._begin(place, life)
                await self._age(place, life)
            for place in self.places:
                await self.end(place)

    async def disturbed(self, fault: Callable[[str], None], times: int) -> None:
        """One life in each place, while something happens to the database's server."""
        async with AsyncExitStack() as stack:
            for number in range(self.database.processes):
                nursery = await stack.enter_async_context(Nursery("tests.faults.store_life:live", *MODULES))
                self.places.append(Place(nursery, _watchers(number)))
                await self._begin(self.places[-1], number)
            for _ in range(times):
                for place in self.places:
                    await self._grow(place, self.draw.randrange(OLD))
                before = time.monotonic_ns()
                await asyncio.to_thread(fault, self.url)
                self.between.append((before, time.monotonic_ns()))
            for place in self.places:
                await self._grow(place, OLD)
                await self.end(place)

    async def _begin(self, place: Place, life: int) -> None:
        seen = {stream.name: (stream.prefix, records.last_seen(stream)) for stream in place.watchers}
        *_, late = seen
        if self.draw.random() < 0.5:
            del seen[late]  # this one misses what some lives tell, and gets it from the log, or must begin anew
        place.life, place.record = life, self.directory / f"record-{life}"
        await place.nursery.begin(
            url=self.url,
            number=life,
            record=str(place.record),
            compact=max(0, self.truth[-1].revision - 500) if self.truth else 0,  # not before we have looked at it
            watchers=seen,
            seed=self.draw.getrandbits(32),
            settings=self.database.settings,
        )

    async def _age(self, place: Place, life: int) -> None:
        """Half of the lives end while they open the database, half when they have done something, by and by."""
        assert place.record is not None
        if life % 4 >= 2:
            await asyncio.sleep(self.draw.uniform(0, YOUNG))
            return
        await self._grow(place, self.draw.randrange(OLD))

    async def _grow(self, place: Place, size: int) -> None:
        """Waits until so many more bytes are recorded."""

        def recorded() -> int:
            return place.record.stat().st_size if place.record is not None and place.record.exists() else 0

        size += recorded()
        async with asyncio.timeout(60):
            while recorded() < size:
                await asyncio.sleep(0.001)

    async def end(self, place: Place) -> None:
        """Kills what lives there, and reads what it has left behind."""
        if place.record is None:
            return
        assert await place.nursery.kill() == -9, "it did not live until it was killed"
        self.look()
        found = records.entries(place.record) if place.record.exists() else []
        self.operations += records.operations(found)
        records.streams(found, place.watchers)
        place.record = None

    def look(self) -> None:
        """Reads the database."""
        rows = self.database.changes(self.url, self.truth[-1].revision if self.truth else 0)
        self.truth += [Change(revision, key, token_of(value)) for revision, key, value in rows]
        self.renewed += [revision for revision, key, _ in rows if key == RENEWED]
        self.notes += [
            Change(revision, key, token_of(value), None, 0) for revision, key, value in self.database.notes(self.url)
        ]

    def violations(self) -> dict[str, str]:
        operations, streams = self.operations, [stream for place in self.places for stream in place.watchers]
        if self.database.keeps_notes:
            operations, notes = [self._of_server(operation) for operation in operations], []
            for change in records.history(operations, streams, self.truth + self.notes).changes:
                notes.append(
                    change if change.life is None else change._replace(life=self._server_life(change.revision))
                )
            truth = History(notes, records.appends(operations, self.truth))
            operations = [operation for operation in operations if not self._is_astride(operation)]
        else:
            truth = records.history(operations, streams, self.truth)
        return first_of(checks.violations(operations, truth) + watching.violations(streams, truth))

    def _of_server(self, operation: Operation) -> Operation:
        """Heartbeats live as long as the server there, not as long as the process: its life counts. One that a crash
        took from the server may still be in a process's memory, and be built on."""
        if not operation.revisions:
            ended = sum(after < operation.invoked for _, after in self.between)
            return replace(operation, life=min(ended, self._server_life(self.truth[-1].revision)))
        life = self._server_life(max(operation.revisions))
        writes = [
            write._replace(expected=None) if write.expected and self._server_life(write.expected) < life else write
            for write in operation.writes
            if write.key.startswith(BEATS)
        ]
        return replace(operation, life=life, writes=tuple(writes) or operation.writes)

    def _server_life(self, revision: int) -> int:
        """A server that has lost its heartbeats leaves a mark where it goes on."""
        return bisect_right(self.renewed, revision)

    def _is_astride(self, operation: Operation) -> bool:
        """A read during a crash may show what was before it or what was after."""
        answered = operation.responded or operation.invoked
        return not operation.writes and any(
            operation.invoked < after and answered > before for before, after in self.between
        )


def _watchers(place: int) -> list[Stream]:
    wanted = {"all": "", "data": DATA, "tens": f"{DATA}1", "beats": BEATS, "late": DATA}
    return [Stream(f"{name}-{place}", prefix) for name, prefix in wanted.items()]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("database", DATABASES, ids=lambda database: database.name)
@pytest.mark.parametrize("number", range(rounds(short=2, long=20)))
async def test_kill_9_breaks_no_promise(database: Database, number: int, tmp_path: Path):
    with database.make(tmp_path) as url:
        killing = Killing(database, url, tmp_path, seed=number)
        await killing.lives(LIVES)

        assert killing.violations() == {}
        assert sum(operation.outcome == "ok" for operation in killing.operations) > 10 * LIVES, "the load was no load"

        log = await Log.open(url)
        held = {row.key: (row.revision, token_of(row.value)) for row in await log.items(DATA)}
        await log.close()
        killing.look()
        assert held == History(killing.truth).state(DATA)


DISTURBED = [
    pytest.param(database, fault, id=f"{database.name}: {name}")
    for database in DATABASES
    for name, fault in database.faults.items()
]


@pytest.mark.timeout(900)
@pytest.mark.parametrize(("database", "fault"), DISTURBED)
async def test_a_fault_of_the_server_breaks_no_promise(
    database: Database, fault: Callable[[str], None], tmp_path: Path
):
    with database.make(tmp_path) as url:
        killing = Killing(database, url, tmp_path, seed=1)
        await killing.disturbed(fault, rounds(short=3, long=50))

        assert killing.violations() == {}
