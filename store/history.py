"""Reading the past from disk, on connections and threads of its own."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from operator import itemgetter
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, select
from sqlalchemy.exc import SQLAlchemyError

from store.checksum import is_named, is_whole, refuse_damaged
from store.dialects import Dialect
from store.errors import Compacted, Damaged, Unavailable
from store.index import Index
from store.rows import Event, Row, following
from store.schema import changes, counter, noted, state

FETCHED = 2_000
"""Rows in the driver's hands at a time when all are read: what it has once taken from the system it keeps."""
ASKED = 500
"""Rows that one statement asks for by their revisions."""

logger = logging.getLogger(__name__)

NEAR = 8
"""Damaged changes, one beside the other, after which a search gives up."""

T = TypeVar("T")


class History:
    """Reads as of a revision; each is one snapshot of the database and one hop to a thread."""

    def __init__(self, dialect: Dialect) -> None:
        self._dialect = dialect
        self._engine = dialect.engine()
        self._closed = False
        self.damaged: dict[int, str] = {}  # revision → key of what was found not to be as it was written
        self._threads = ThreadPoolExecutor(4, "store-reader")

    async def read(self, question: Callable[[Connection], T]) -> T:
        """Asks in a thread. Raises the dialect's LogError for the database's errors."""
        self.refuse_closed()
        return await asyncio.get_running_loop().run_in_executor(self._threads, self._ask, question)

    def _ask(self, question: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                return question(connection)
        except SQLAlchemyError as error:
            raise self._dialect.failure(error) from error
        except Damaged as error:
            self.report(error.changes)
            raise

    def report(self, changes: Iterable[tuple[str, int]]) -> None:
        """Remembers damaged changes, and tells of each once."""
        for key, revision in changes:
            if revision not in self.damaged:
                self.damaged[revision] = key
                logger.error("store: a value is damaged", extra={"key": key, "revision": revision})

    def refuse_closed(self) -> None:
        """Raises Unavailable after `close`."""
        if self._closed:
            raise Unavailable("the log is closed")

    async def close(self) -> None:
        """Waits for reads under way; later ones are refused."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()


class Missing(Exception):
    """Rows that were asked for by their revisions are not there; their keys, by revision."""

    def __init__(self, rows: Mapping[int, str]) -> None:
        super().__init__(f"{len(rows)} rows are not there")
        self.rows = rows


@dataclass(frozen=True, slots=True)
class Everything:
    """What a log begins with. issued: the highest number spent. rows: the newest of every key, notes among them.
    index: of all that is on disk besides. damaged: of that what is found not to be as it was written, key and revision.
    """

    issued: int
    moment: int
    reserved: int
    oldest: int
    swept: int
    rows: list[Row]
    notes: list[Row]
    index: Index = field(default_factory=Index)
    damaged: Sequence[tuple[str, int]] = ()


def everything(connection: Connection, shared: bool) -> Everything:
    """In one snapshot. shared: the database keeps its notes and the highest number for all who have it open.

    Raises Damaged, which names all that is damaged of the newest rows, and every row of which it cannot be told whose
    it is: it may be the newest of any key.
    """
    known = numbers(connection)
    oldest, reserved, swept = (known.get(name, 0) for name in ("oldest", "reserved", "swept"))
    scan = _Scan()
    index, rows = Index.of(scan.names(connection)), scan.rows
    last, moment = last_change(connection)
    if not shared:
        return Everything(
            max(last, reserved), moment, reserved, oldest, swept, list(rows.values()), [], index, scan.past
        )
    issued = connection.execute(select(counter.c.issued)).scalar_one()
    columns = (noted.c.key, noted.c.value, noted.c.revision, noted.c.created)
    notes = []
    for note in map(Row._make, connection.execute(select(*columns))):
        durable = rows.get(note.key)
        if durable is None or note.revision > durable.revision:
            if durable is not None:
                index.cover(note.key, durable.revision)
            rows[note.key] = note
            notes.append(note)
    return Everything(issued, moment, reserved, oldest, swept, list(rows.values()), notes, index, scan.past)


class _Scan:
    """All rows are read once, in their order; of each key the last is kept."""

    def __init__(self) -> None:
        self.rows: dict[str, Row] = {}
        self.past: list[tuple[str, int]] = []  # damaged rows that a later change of their key has superseded
        self._damaged: dict[str, int] = {}  # those that none has superseded so far
        self._strange: list[tuple[str, int]] = []  # those of which nobody can say whose they are

    def names(self, connection: Connection) -> Iterator[tuple[int, str]]:
        """Revision, below 0 for a deletion, and key of each. Raises Damaged at the end."""
        rows, damaged = self.rows, self._damaged
        statement = select(*changes.columns).order_by(changes.c.revision)
        for part in connection.execute(statement, execution_options={"yield_per": FETCHED}).partitions():
            for change in part:
                revision, key, value, created, _, found = change
                is_good = is_whole(change)
                if not is_good and not is_named(revision, key, found):
                    self._strange.append((str(key), revision))
                    continue
                if key in damaged:
                    self.past.append((key, damaged.pop(key)))
                if not is_good and found < 0:  # there is nothing else to it than that it is one
                    self.past.append((key, revision))
                elif not is_good:
                    damaged[key] = revision
                if (older := rows.get(key)) is not None:
                    key = older.key  # one text for all that have it
                if found < 0:
                    rows.pop(key, None)
                else:
                    rows[key] = Row(key, value, revision, created)
                yield (revision if found >= 0 else -revision), key
        if lost := [*self._strange, *damaged.items()]:
            raise Damaged(sorted(lost))


def numbers(connection: Connection) -> dict[str, int]:
    """The table `state`."""
    return {name: value for name, value in connection.execute(select(state.c.name, state.c.value))}


def last_change(connection: Connection) -> tuple[int, int]:
    """Revision and moment of the newest change; zeros when there is none."""
    row = connection.execute(select(*changes.columns).order_by(changes.c.revision.desc()).limit(1)).first()
    refuse_damaged([row] if row else [])
    return (row.revision, row.moment) if row else (0, 0)


def fetch(connection: Connection, asked: int, wanted: Mapping[int, str]) -> dict[int, Row]:
    """The rows with these revisions, by revision. wanted: these, and their keys. asked: as of when they are wanted.

    Raises Compacted, Damaged, Missing.
    """
    _readable(connection, asked)
    found = list(_asked(connection, wanted))
    refuse_damaged(found)
    if strange := [(wanted[change[0]], change[0]) for change in found if change[1] != wanted[change[0]]]:
        raise Damaged(strange)
    rows = {change[0]: Row(wanted[change[0]], change[2], change[0], change[3]) for change in found}
    if len(rows) < len(wanted):
        raise Missing({revision: key for revision, key in wanted.items() if revision not in rows})
    return rows


def _asked(connection: Connection, revisions: Iterable[int]) -> Iterator[Sequence[Any]]:
    """The changes with these numbers, those that are there, in order."""
    ordered = sorted(revisions)
    for start in range(0, len(ordered), ASKED):
        chosen = changes.c.revision.in_(ordered[start : start + ASKED])
        yield from connection.execute(select(*changes.columns).where(chosen).order_by(changes.c.revision)).all()


def later(connection: Connection, after: int, until: int, prefix: str) -> tuple[list[tuple[Any, ...]], set[str]]:
    """The changes in (after, until] under a prefix, in order, and their keys. Raises Compacted, Damaged."""
    _readable(connection, after)
    chosen = [changes.c.revision > after, changes.c.revision <= until]
    if prefix:
        chosen.append(changes.c.key >= prefix)
    if (end := following(prefix)) is not None:
        chosen.append(changes.c.key < end)
    statement = select(*changes.columns).where(*chosen).order_by(changes.c.revision)
    found = [tuple(row) for row in connection.execute(statement)]
    refuse_damaged(found)
    return found, {change[1] for change in found}


def told(found: Iterable[Sequence[Any]], notes: Iterable[Row], held: Iterable[Row]) -> list[Event]:
    """Changes and notes as they happened. held: what their keys held before."""
    there = {row.key: row for row in held}
    events = []
    all_of = [change[:4] for change in found] + [(row.revision, row.key, row.value, row.created) for row in notes]
    for revision, key, value, created in sorted(all_of, key=itemgetter(0)):
        events.append(Event(revision, key, value, there.pop(key, None)))
        if value is not None:
            there[key] = Row(key, value, revision, created)
    return events


def revision_at(connection: Connection, moment: int) -> int:
    """The newest change not younger than a moment (ms), by halving: moments grow with revisions. Raises Compacted."""
    known = numbers(connection)
    low = oldest = known.get("oldest", 0)  # not younger than the moment
    if moment < known.get("oldest_moment", 0):
        raise Compacted(oldest)
    high = last_change(connection)[0] + 1
    while high - low > 1:
        middle = (low + high) // 2
        # Compaction and notes leave holes: what counts is the next change that is there.
        row = _one(connection, changes.c.revision >= middle, changes.c.revision)
        if row is None or row.revision >= high or row.moment > moment:
            high = middle
        else:
            low = row.revision
    return low


def moment_of(connection: Connection, revision: int) -> int:
    """When the newest change up to a revision was made, in ms; 0 when there is none."""
    row = _one(connection, changes.c.revision <= revision, changes.c.revision.desc())
    return row.moment if row else 0


def _one(connection: Connection, condition: ColumnElement[bool], order: ColumnElement[int]) -> Any:
    """The first change, in an order, for which a condition holds; None for none. One that is damaged is passed over:
    its neighbour is as good for finding a time, and compaction must not end at it. Raises Damaged for NEAR in a row.
    """
    found = connection.execute(select(*changes.columns).where(condition).order_by(order).limit(NEAR)).all()
    whole = next((row for row in found if is_whole(tuple(row))), None)
    if found and whole is None:
        refuse_damaged(found)
    return whole


def _readable(connection: Connection, revision: int) -> None:
    """In the same snapshot as the rows, so that a compaction cannot come between."""
    oldest = numbers(connection).get("oldest", 0)
    if revision < oldest:
        raise Compacted(oldest)
