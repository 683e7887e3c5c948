"""What goes to disk together: appends that were admitted, each with its answer. Decisions only, no disk."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

from store.errors import Conflict, LogError
from store.rows import Event, Row, Write

WRITES = 256
"""Changes after which a batch is closed: more would only make the first wait longer."""
BYTES = 8 << 20
"""Bytes of values after which a batch is closed."""

Answer = asyncio.Future[list[int]]


@dataclass(slots=True)
class Pending:
    """An append that waits for its batch."""

    writes: Sequence[Write]
    answer: Answer


@dataclass(slots=True)
class Batch:
    """One transaction in the making: revisions from `base` + 1, all of the same moment (milliseconds)."""

    base: int
    moment: int
    look: Callable[[str], Row | None]  # what a key holds before this batch
    rows: list[tuple[Any, ...]] = field(default_factory=list)  # in the order of schema.COLUMNS
    events: list[Event] = field(default_factory=list)
    staged: dict[str, Row | None] = field(default_factory=dict)  # what its keys will hold
    forget: list[str] = field(default_factory=list)  # keys whose older values go
    accepted: list[tuple[Answer, list[int]]] = field(default_factory=list)
    refused: list[tuple[Answer, Conflict]] = field(default_factory=list)  # by something staged here
    behind: list[tuple[int, str, bytes]] = field(default_factory=list)  # notes made while this is being committed
    _noted: dict[str, Row] = field(default_factory=dict)
    size: int = 0

    @property
    def last(self) -> int:
        return self.base + len(self.rows)

    @property
    def is_full(self) -> bool:
        return len(self.rows) >= WRITES or self.size >= BYTES

    def holds(self, key: str) -> Row | None:
        """What the key would hold after this batch and the notes behind it."""
        if key in self._noted:
            return self._noted[key]
        return self.staged[key] if key in self.staged else self.look(key)

    def note(self, revision: int, key: str, value: bytes) -> None:
        """Remembers a change of memory alone, to be published right behind this batch."""
        self.behind.append((revision, key, value))
        self._noted[key] = Row(key, value, revision, revision)

    def answer(self, error: LogError | None) -> None:
        """Tells every caller how it ended; one who has been cancelled is not there any more."""
        for answer, revisions in self.accepted:
            if answer.done():
                continue
            if error is None:
                answer.set_result(revisions)
            else:
                answer.set_exception(error)
        for answer, conflict in self.refused:
            if not answer.done():
                answer.set_exception(conflict if error is None else error)

    def admit(self, pending: Pending) -> None:
        """Takes the append whole, or refuses it and is unchanged.

        A conflict with what is durable is answered at once; one with this batch when the batch is: until then
        nobody can say what is there.
        """
        own: dict[str, Row | None] = {}
        rows: list[tuple[Any, ...]] = []
        events: list[Event] = []
        revision, size = self.last, 0
        for key, value, expected, _ in pending.writes:
            now = own[key] if key in own else self.holds(key)
            if expected is not None and expected != (0 if now is None else now.revision):
                conflict = Conflict(key, self.holds(key))
                if key in self.staged:
                    self.refused.append((pending.answer, conflict))
                else:
                    pending.answer.set_exception(conflict)
                return
            revision += 1
            created = revision if now is None else now.created
            own[key] = None if value is None else Row(key, value, revision, created)
            rows.append((revision, key, value, created, self.moment))
            events.append(Event(revision, key, value, now))
            size += 0 if value is None else len(value)
        self.forget += [write.key for write in pending.writes if write.forget]
        self.size += size
        self.rows += rows
        self.events += events
        self.staged |= own
        self.accepted.append((pending.answer, [row[0] for row in rows]))
