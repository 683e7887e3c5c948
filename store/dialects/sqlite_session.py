"""The one connection that writes to an SQLite file, driven by the writer's thread."""

import contextlib
import sqlite3
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache, partial
from itertools import chain
from typing import Any, TypeVar
from zlib import crc32

from sqlalchemy.dialects import sqlite as words

from store import schema
from store.batch import Draft, Replacement
from store.checksum import sealed
from store.dialects.mark import Mark
from store.dialects.reserve import Reserve
from store.errors import StorageFull
from store.index import Sweep

T = TypeVar("T")
PAGE = 4096
ROW = 400
"""Bytes of a row in the journal beside its value, about: rows follow each other, pages are not filled to the end."""
CHUNKS = (64, 32, 16, 8, 4, 2, 1)
"""Rows of one INSERT or DELETE. Any batch is a few of these; each step costs a hand-over of Python's lock."""
SET = "INSERT INTO state (name, value) VALUES (?, ?) ON CONFLICT (name) DO UPDATE SET value = excluded.value"


@cache
def _replacement() -> schema.Text:
    """Compiled once a process, as the others."""
    return schema.text_of(schema.replacement(schema.changes), words.dialect())


@cache
def _insertions() -> dict[int, str]:
    return {rows: schema.text_of(schema.insertion(rows), words.dialect()).sql for rows in CHUNKS}


@cache
def _deletions() -> dict[int, str]:
    return {rows: schema.text_of(schema.deletion(rows), words.dialect()).sql for rows in CHUNKS}


def remember(execute: Callable[..., Any], **numbers: int) -> None:
    """Sets numbers of the table `state` inside a transaction, and the sum over all of them."""
    for item in numbers.items():
        execute(SET, item)
    execute(SET, ("sum", state_sum(dict(execute("SELECT name, value FROM state").fetchall()))))


def state_sum(numbers: Mapping[Any, Any]) -> int:
    """Over every number of the table `state` but itself: a page has no checksum, and these say what is reserved."""
    return crc32(repr(sorted((str(name), value) for name, value in numbers.items() if name != "sum")).encode())


class SqliteSession:
    """See dialects.Session. Errors are sqlite3's; those of a COMMIT carry `committing`."""

    def __init__(
        self, connection: sqlite3.Connection, mark: Mark, reserve: Reserve, written: Callable[[int], None]
    ) -> None:
        """written: called after a commit with about how many bytes of the WAL it took."""
        self._connection = connection
        self._mark = mark
        self._reserve = reserve
        self._written = written
        self._insert, self._deletion = _insertions(), _deletions()

    def is_usable(self) -> bool:
        return True

    def commit(self, draft: Draft, redo: object) -> None:
        """redo: never called, since this process has the file to itself."""
        if draft.spare:
            self._in_spare_room(partial(self._commit, draft), last=False)
        else:
            self._refill()
            if not self._reserve.is_whole:
                raise StorageFull("the disk is full: what is left is kept for deletions")
            self._commit(draft)
        self._refill()
        self._written(PAGE + sum(ROW + len(row[2] or b"") for row in draft.rows) + PAGE * len(draft.forget))

    def _commit(self, draft: Draft) -> None:
        rows = draft.rows
        with self._transaction() as execute:
            for part in _parts(rows):
                execute(self._insert[len(part)], tuple(chain.from_iterable(map(sealed, part))))
            self._delete(draft.forget)
            if draft.reserved:
                remember(execute, reserved=draft.reserved)
        self._mark.reach(rows[-1][0] if rows else 0, draft.reserved)

    def erase(self, revisions: Sequence[int]) -> None:
        self._in_spare_room(partial(self._erase, revisions))

    def _erase(self, revisions: Sequence[int]) -> None:
        with self._transaction():
            self._delete(revisions)

    def remember(self, **numbers: int) -> None:
        self._mark.lower(numbers.get("reserved", self._mark.reserved))
        self._in_spare_room(partial(self._remember, numbers))
        self._mark.reach(reserved=numbers.get("reserved", 0))

    def _remember(self, numbers: Mapping[str, int]) -> None:
        with self._transaction() as execute:
            remember(execute, **numbers)

    def sweep(self, sweep: Sweep) -> int:
        self._in_spare_room(partial(self._sweep, sweep))
        self._refill()
        self._written(len(sweep.rows) * PAGE)
        return sweep.reached

    def _sweep(self, sweep: Sweep) -> None:
        with self._transaction() as execute:
            self._delete([revision for _, revision in sweep.rows])
            remember(execute, swept=sweep.reached)

    def replace(self, table: str, changes: Sequence[Replacement]) -> int:
        """table: always `changes`; of a file the notes are in memory alone."""
        done, text = 0, _replacement()
        with self._transaction() as execute:
            for revision, old, new, checksum in changes:
                values = {"revision_": revision, "old_": old, "new_": new, "checksum_": checksum}
                done += execute(text.sql, text.arguments(values)).rowcount
        self._written(sum(PAGE + len(change.new) for change in changes))
        return done

    def used(self) -> int:
        size, pages, free = (
            self._connection.execute(f"PRAGMA {name}").fetchone()[0]
            for name in ("page_size", "page_count", "freelist_count")
        )
        return int(size * (pages - free))

    def scrub(self) -> bool:
        self._connection.execute("PRAGMA busy_timeout=50")  # readers are brief; meanwhile no commit can be made
        try:
            busy, _, _ = self._connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
        finally:
            self._connection.execute("PRAGMA busy_timeout=3000")
        return not busy

    def close(self) -> None:
        self._connection.close()

    def _in_spare_room(self, work: Callable[[], T], *, last: bool = True) -> T:
        """On a full disk: once more, in the room that is kept, with the journal begun anew if it can be."""
        try:
            return work()
        except sqlite3.Error as error:
            if error.sqlite_errorcode & 0xFF != sqlite3.SQLITE_FULL or not self._reserve.spend(last=last):
                raise
        with contextlib.suppress(sqlite3.Error):
            self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
        return work()

    def _refill(self) -> None:
        """What deletions and compaction have made room for in the file, the journal need not hold any more."""
        if self._reserve.is_whole:
            return
        with contextlib.suppress(sqlite3.Error):
            self.scrub()
        self._reserve.refill()

    def _delete(self, revisions: Sequence[int]) -> None:
        for part in _parts(revisions):
            self._connection.execute(self._deletion[len(part)], part)

    @contextmanager
    def _transaction(self) -> Iterator[Callable[..., sqlite3.Cursor]]:
        execute = self._connection.execute
        execute("BEGIN IMMEDIATE")
        try:
            yield execute
            try:
                execute("COMMIT")
            except sqlite3.Error as error:
                error.committing = True  # type: ignore[attr-defined]
                raise
        except BaseException:
            if self._connection.in_transaction:  # SQLite has rolled back by itself after some errors
                execute("ROLLBACK")
            raise


def _parts(rows: Sequence[T]) -> Iterator[Sequence[T]]:
    """As long as one of CHUNKS each."""
    start = 0
    for size in CHUNKS:
        while len(rows) - start >= size:
            yield rows[start : start + size]
            start += size
