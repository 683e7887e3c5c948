"""One life of a program around `store.Log`: writers, readers, watchers and compaction until the end by SIGKILL.

What it does and what it is told goes to a file, one line of JSON an entry and one write(2) a line, so that what was
said before a kill is there after it. An operation has two lines: one before it begins, one when it is answered.
"""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import json
import os
import random
import time
from collections.abc import Awaitable, Sequence
from typing import Any

from store import Compacted, Event, Log, LogError, Retention, Row, Unknown, Write

DATA, BEATS = "/data/", "/beats/"
KEYS = [f"{DATA}{number:02d}" for number in range(24)]
BEAT_KEYS = [f"{BEATS}{number}" for number in range(4)]


def live(**arguments: Any) -> None:
    """What the nursery calls. arguments: see `Life`."""
    for module, name, value in arguments.pop("settings"):
        assert hasattr(importlib.import_module(module), name)
        setattr(importlib.import_module(module), name, value)
    asyncio.run(Life(**arguments).run())


def token_of(value: bytes | None) -> str | None:
    """Whose value it is; the rest is padding."""
    return None if value is None else value.partition(b" ")[0].decode()


class Life:
    """url: of the database. number: which life this is. record: the file. compact: up to where history may go.

    watchers: name → (prefix, revision seen last, or None for a new one). seed: of what is drawn.
    """

    def __init__(
        self, url: str, number: int, record: str, compact: int, watchers: dict[str, tuple[str, int | None]], seed: int
    ) -> None:
        self.url, self.number, self.compactable, self.watchers = url, number, compact, watchers
        self.draw = random.Random(seed)
        self._file = os.open(record, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
        self._operations = 0

    async def run(self) -> None:
        operation = self._asks("start", kind="items", asked=DATA)
        self.log = await Log.open(self.url, retention=Retention(age=None, size=None), reserved=1000)
        await self.log.current()
        rows = await self.log.items(DATA)
        self._says(operation, "ok", as_of=self.log.revision, found=_held(rows))
        async with asyncio.TaskGroup() as tasks:
            for name, (prefix, after) in self.watchers.items():
                tasks.create_task(self._watch(name, prefix, after), name=name)
            for number in range(6):
                tasks.create_task(self._write(f"writer-{number}"), name="writer")
            for work in (self._beat("beat"), self._read("reader-1"), self._read("reader-2"), self._compact()):
                tasks.create_task(work, name="other")

    # --- what clients do

    async def _write(self, client: str) -> None:
        number = 0
        while True:
            number += 1
            writes = [
                await self._one(f"{self.number}.{client}.{number}.{part}", key, part == 0)
                for part, key in enumerate(self.draw.sample(KEYS, self.draw.choice((1, 1, 1, 2, 3))))
            ]
            operation = self._asks(client, kind="append", writes=[_put(write) for write in writes])
            await self._done(operation, self._append(*writes))

    async def _one(self, token: str, key: str, first: bool) -> Write:
        """A create, an update or a deletion, with the precondition that a careful client would name, or a stale
        one, or none. The first of an append always has a value, so that the append can be found again."""
        row = await self.log.latest(key)
        now = row.revision if row else 0
        expected = self.draw.choice((now, now, now, None, max(0, now - 1)))
        if row and not first and self.draw.random() < 0.5:
            return Write(key, None, now)
        size = 90_000 if self.draw.random() < 0.01 else self.draw.randrange(2000)
        return Write(key, token.encode() + b" " + self.draw.randbytes(size), expected)

    async def _beat(self, client: str) -> None:
        """Heartbeats on a few keys, which now and then are written for good."""
        number = 0
        while True:
            number += 1
            key = self.draw.choice(BEAT_KEYS)
            row = await self.log.latest(key)
            write = Write(key, f"{self.number}.{client}.{number}".encode() + b" ", row.revision if row else 0)
            durable = row is None or self.draw.random() < 0.05
            operation = self._asks(client, kind="append" if durable else "note", writes=[_put(write)])
            await self._done(operation, self._append(write) if durable else self._note(write))
            await asyncio.sleep(0.001)

    async def _read(self, client: str) -> None:
        while True:
            await asyncio.sleep(0.001)
            if self.draw.random() < 0.5:
                key = self.draw.choice(KEYS + BEAT_KEYS)
                await self._done(self._asks(client, kind="get", asked=key), self._get(key))
            else:
                past = self.draw.random() < 0.5
                await self._done(self._asks(client, kind="items", asked=DATA, past=past), self._items(past))

    async def _done(self, operation: str, work: Awaitable[dict[str, Any]]) -> None:
        """Waits for the answer and records it."""
        try:
            self._says(operation, "ok", **await work)
        except Unknown:
            self._says(operation, "unknown")
        except LogError:
            self._says(operation, "refused")

    async def _append(self, *writes: Write) -> dict[str, Any]:
        return {"revisions": await self.log.append(*writes)}

    async def _note(self, write: Write) -> dict[str, Any]:
        return {"revisions": [await self.log.note(write)]}

    async def _get(self, key: str) -> dict[str, Any]:
        await self.log.current()
        row = await self.log.latest(key)
        return {"found": _held([row] if row else [])}

    async def _items(self, past: bool) -> dict[str, Any]:
        now = await self.log.current()
        revision = self.draw.randint(max(self.log.oldest, now - 300), now) if past else None
        rows = await self.log.items(DATA, revision=revision)
        return {"as_of": self.log.revision if revision is None else revision, "found": _held(rows)}

    async def _compact(self) -> None:
        while True:
            await asyncio.sleep(0.02 * self.draw.random())
            with contextlib.suppress(LogError):
                await self.log.compact(self.draw.randint(min(self.log.oldest, self.compactable), self.compactable))

    async def _watch(self, name: str, prefix: str, after: int | None) -> None:
        """Follows from where the life before ended; where that is compacted, from a list."""
        early: list[Event] | None = []

        def hear(events: Sequence[Event]) -> None:
            if early is not None:
                early.extend(events)
            else:
                self._tell(name, prefix, events)

        self.log.subscribe(hear)
        until, past, listed = self.log.revision, [], None
        try:
            if after is None:
                raise Compacted(0)
            self._record(stream=name, after=after)
            past = await self.log.events(after, prefix)
        except Compacted:
            listed = {row.key: row for row in await self.log.items(prefix)}
            until = self.log.revision
            self._record(stream=name, after=until, listed=_held(listed.values()))
        self._tell(name, prefix, past)
        held, early = [event for event in early if event.revision > until], None
        self._tell(name, prefix, held)
        await asyncio.get_running_loop().create_future()

    # --- what is recorded

    def _tell(self, name: str, prefix: str, events: Sequence[Event]) -> None:
        told = [_told(event) for event in events if event.key.startswith(prefix)]
        if told:
            self._record(stream=name, told=told)

    def _asks(self, client: str, **what: Any) -> str:
        self._operations += 1
        operation = f"{self.number}.{self._operations}"
        self._record(asks=operation, client=client, at=time.monotonic_ns(), **what)
        return operation

    def _says(self, operation: str, outcome: str, **what: Any) -> None:
        self._record(says=operation, at=time.monotonic_ns(), outcome=outcome, **what)

    def _record(self, **entry: Any) -> None:
        os.write(self._file, json.dumps({"life": self.number, **entry}).encode() + b"\n")


def _put(write: Write) -> tuple[str, str | None, int | None]:
    return write.key, token_of(write.value), write.expected


def _held(rows: Any) -> dict[str, tuple[int, str | None]]:
    return {row.key: (row.revision, token_of(row.value)) for row in rows if isinstance(row, Row)}


def _told(event: Event) -> tuple[str, int, str, str | None]:
    type_ = "DELETED" if event.value is None else "ADDED" if event.previous is None else "MODIFIED"
    return type_, event.revision, event.key, token_of(event.value)
