"""Reading the past from disk, on connections and threads of its own."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar

from sqlalchemy import ColumnElement, Connection, func, select
from sqlalchemy.exc import SQLAlchemyError

from store.checksum import is_whole, refuse_damaged, rows_of
from store.dialects import Dialect
from store.errors import Compacted, Damaged, Unavailable
from store.rows import Event, Row, following
from store.schema import changes, counter, newest, newest_at, noted, state

FETCHED = 2_000
"""Rows in the driver's hands at a time when all are read: what it has once taken from the system it keeps."""

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
        if self._closed:
            raise Unavailable("the log is closed")
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

    async def close(self) -> None:
        """Waits for reads under way; later ones are refused."""
        self._closed = True
        await asyncio.to_thread(self._threads.shutdown)
        self._engine.dispose()


@dataclass(frozen=True, slots=True)
class Everything:
    """What a log begins with. issued: the highest number spent. rows: the newest of every key, notes among them."""

    issued: int
    moment: int
    reserved: int
    oldest: int
    swept: int
    rows: list[Row]
    notes: list[Row]


def everything(connection: Connection, shared: bool) -> Everything:
    """In one snapshot. shared: the database keeps its notes and the highest number for all who have it open."""
    known = numbers(connection)
    oldest, reserved = known.get("oldest", 0), known.get("reserved", 0)
    live = rows_of(connection.execute(newest(), execution_options={"yield_per": FETCHED}))  # names all that is damaged
    last, moment = last_change(connection)
    if not shared:
        return Everything(max(last, reserved), moment, reserved, oldest, known.get("swept", 0), live, [])
    issued = connection.execute(select(counter.c.issued)).scalar_one()
    columns = (noted.c.key, noted.c.value, noted.c.revision, noted.c.created)
    rows = {row.key: row for row in live}
    notes = []
    for note in map(Row._make, connection.execute(select(*columns))):
        if note.key not in rows or note.revision > rows[note.key].revision:
            rows[note.key] = note
            notes.append(note)
    return Everything(issued, moment, reserved, oldest, known.get("swept", 0), list(rows.values()), notes)


def numbers(connection: Connection) -> dict[str, int]:
    """The table `state`."""
    return {name: value for name, value in connection.execute(select(state.c.name, state.c.value))}


def last_change(connection: Connection) -> tuple[int, int]:
    """Revision and moment of the newest change; zeros when there is none."""
    row = connection.execute(select(*changes.columns).order_by(changes.c.revision.desc()).limit(1)).first()
    refuse_damaged([row] if row else [])
    return (row.revision, row.moment) if row else (0, 0)


def items(connection: Connection, prefix: str, revision: int, after: str = "", limit: int | None = None) -> list[Row]:
    """Live rows under a prefix as of a revision. Raises Compacted."""
    _readable(connection, revision)
    statement = newest_at(revision, *_within(prefix, after)).order_by(changes.c.key).limit(limit)
    return rows_of(connection.execute(statement))


def at(connection: Connection, key: str, revision: int) -> Row | None:
    """What a key held as of a revision. Raises Compacted."""
    _readable(connection, revision)
    return next(iter(rows_of(connection.execute(newest_at(revision, changes.c.key == key)))), None)


def events(connection: Connection, after: int, until: int, prefix: str, notes: Sequence[Row]) -> list[Event]:
    """Changes in (after, until] and the notes, in order of revision. Raises Compacted."""
    _readable(connection, after)
    chosen = (changes.c.revision > after, changes.c.revision <= until, *_within(prefix))
    touched = changes.c.key.in_(select(changes.c.key).where(*chosen))
    held = {row.key: row for row in rows_of(connection.execute(newest_at(after, touched)))}
    for note in notes:
        if note.key not in held:
            held |= {row.key: row for row in rows_of(connection.execute(newest_at(after, changes.c.key == note.key)))}
    found = [tuple(row) for row in connection.execute(select(*changes.columns).where(*chosen))]
    refuse_damaged(found)
    later = [change[:4] for change in found] + [(row.revision, row.key, row.value, row.created) for row in notes]
    told = []
    for revision, key, value, created in sorted(later, key=lambda change: int(change[0])):
        told.append(Event(revision, key, value, held.pop(key, None)))
        if value is not None:
            held[key] = Row(key, value, revision, created)
    return told


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


def quarter(connection: Connection, oldest: int) -> int:
    """The revision at a quarter of the changes after `oldest`: where to compact when there is too much."""
    later = changes.c.revision > oldest
    count = connection.execute(select(func.count()).select_from(changes).where(later)).scalar() or 0
    revisions = select(changes.c.revision).where(later).order_by(changes.c.revision)
    return connection.execute(revisions.offset(max(count // 4, 1) - 1).limit(1)).scalar() or oldest


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


def _within(prefix: str, after: str = "") -> list[ColumnElement[bool]]:
    conditions = [changes.c.key >= prefix, changes.c.key > after]
    end = following(prefix)
    return conditions if end is None else [*conditions, changes.c.key < end]
