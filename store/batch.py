"""What goes to the database together: appends that were admitted, each with its answer. Decisions only, no disk."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from store.errors import Conflict, LogError
from store.news import News
from store.rows import Event, Row, Write

WRITES = 256
"""Changes after which a batch is closed: more would only make the first wait longer."""
BYTES = 8 << 20
"""Bytes of values after which a batch is closed."""

Answer = asyncio.Future[list[int]]


@dataclass(slots=True)
class Pending:
    """An append, or a note (durable=False), that waits for its batch.

    certain: memory is at least as new as the call was, so what contradicts it is a conflict for sure. Where others
    write to the same database too, that is not so from the beginning. spare: it may take the room that is kept.
    """

    writes: Sequence[Write]
    answer: Answer
    durable: bool = True
    certain: bool = True
    spare: bool = False


@dataclass(frozen=True, slots=True)
class Draft:
    """What the writer is to put into the database: the revisions from `base` + 1 to `last`.

    rows, notes: tuples in the order of schema.COLUMNS; notes never go to a disk, and of each key there is the last.
    overtaken: keys of durable rows that have had a note. forget: revisions of values that are erased.
    reserved: the revision up to which numbers are set aside for notes from now on, 0 for as it was.
    spare: on a full disk it may take the room that is kept for deletions.
    """

    base: int
    last: int
    rows: Sequence[tuple[Any, ...]]
    notes: Sequence[tuple[Any, ...]] = ()
    overtaken: Sequence[str] = ()
    forget: Sequence[int] = ()
    reserved: int = 0
    spare: bool = False


class Replacement(NamedTuple):
    """Another form of a change's value, where it is still what it was. checksum: of the change with the new one."""

    revision: int
    old: bytes
    new: bytes
    checksum: int


@dataclass(slots=True)
class Batch:
    """One transaction in the making: revisions from `base` + 1, all of the same moment (milliseconds)."""

    base: int
    moment: int
    look: Callable[[str], Row | None]  # what a key holds before this batch
    rows: list[tuple[Any, ...]] = field(default_factory=list)  # in the order of schema.COLUMNS
    notes: list[tuple[Any, ...]] = field(default_factory=list)  # likewise
    events: list[Event] = field(default_factory=list)
    held: list[Row | None] = field(default_factory=list)  # what the key holds after each event
    staged: dict[str, Row | None] = field(default_factory=dict)  # what its keys will hold
    noted: set[str] = field(default_factory=set)  # keys whose last change here is a note
    forget: list[str] = field(default_factory=list)  # keys whose older values go
    pending: list[Pending] = field(default_factory=list)  # all that were looked at and not answered, in order
    accepted: list[tuple[Pending, list[int]]] = field(default_factory=list)
    refused: list[tuple[Pending, Conflict]] = field(default_factory=list)  # by something staged here
    doubtful: list[Pending] = field(default_factory=list)  # contradict a memory that may be old
    size: int = 0

    @property
    def last(self) -> int:
        return self.base + len(self.events)

    @property
    def is_full(self) -> bool:
        return len(self.events) >= WRITES or self.size >= BYTES

    def draft(self, reserved: int, overtaken: Sequence[str] = (), forget: Sequence[int] = ()) -> Draft:
        """reserved, overtaken, forget: as in Draft."""
        last_notes = {row[1]: row for row in self.notes if row[1] in self.noted}
        notes, spare = tuple(last_notes.values()), all(pending.spare for pending, _ in self.accepted)
        return Draft(self.base, self.last, self.rows, notes, overtaken, forget, reserved, spare)

    def take_spare(self) -> list[Pending]:
        """Those that may take the room that is kept, if others in the batch may not; they are out of it then."""
        taken = [pending for pending, _ in self.accepted if pending.spare]
        if len(taken) == len(self.accepted):
            return []
        self.accepted = [row for row in self.accepted if not row[0].spare]
        return taken

    def is_in(self, news: News) -> bool:
        """Whether the database has this batch: the last change of each of its keys is there as it was made."""
        there = {change.revision: (change.key, change.value, change.moment) for change in news.changes}
        last = {event.key: event for event in self.events}.values()
        return all(there.get(event.revision) == (event.key, event.value, self.moment) for event in last)

    def answer(self, error: LogError | None) -> None:
        """Tells every caller how it ended; one who has been cancelled is not there any more."""
        for pending, revisions in self.accepted:
            if pending.answer.done():
                continue
            if error is None:
                pending.answer.set_result(revisions)
            else:
                pending.answer.set_exception(error)
        for pending, conflict in self.refused:
            if not pending.answer.done():
                pending.answer.set_exception(conflict if error is None else error)

    def admit(self, pending: Pending) -> None:
        """Takes the append whole, or refuses it and is unchanged.

        A conflict with what is durable is answered at once if memory is `certain`; one with this batch when the
        batch is: until then nobody can say what is there.
        """
        own: dict[str, Row | None] = {}
        rows: list[tuple[Any, ...]] = []
        events: list[Event] = []
        held: list[Row | None] = []
        before, moment, size = self.last, self.moment, 0
        revision = before
        for key, value, expected, _ in pending.writes:
            now = own[key] if key in own else self._holds(key)
            if expected is not None and expected != (0 if now is None else now.revision):
                self._refuse(pending, key)
                return
            revision += 1
            created = revision if now is None else now.created
            row = None
            if value is not None:
                row = Row(key, value, revision, created)
                size += len(value)
            own[key] = row
            held.append(row)
            rows.append((revision, key, value, created, moment))
            events.append(Event(revision, key, value, now))
        self.size += size
        if not pending.durable:
            self.notes += rows
            self.noted |= own.keys()
        else:
            self.rows += rows
            self.forget += [write.key for write in pending.writes if write.forget]
            if self.noted:
                self.noted -= own.keys()
        self.events += events
        self.held += held
        self.staged.update(own)
        self.pending.append(pending)
        self.accepted.append((pending, list(range(before + 1, revision + 1))))

    def _holds(self, key: str) -> Row | None:
        """What the key would hold after this batch."""
        return self.staged[key] if key in self.staged else self.look(key)

    def _refuse(self, pending: Pending, key: str) -> None:
        if not pending.certain:
            self.doubtful.append(pending)
        elif key in self.staged:
            self.pending.append(pending)
            self.refused.append((pending, Conflict(key, self._holds(key))))
        else:
            pending.answer.set_exception(Conflict(key, self._holds(key)))
