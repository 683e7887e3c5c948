"""Is an SQLite database whole? Looked at before it is opened for use; nothing on disk is changed by it.

A database that is not is refused with one line and left as it is, its journal above all: SQLite itself would take up
to where the journal can be read, write the rest over, and never say a word.
"""

import sqlite3
from collections.abc import Callable
from pathlib import Path

from store import schema
from store.dialects import journal, mark
from store.dialects.sqlite_session import state_sum
from store.errors import Unusable

MAPPED = 2 << 30
"""Bytes of the file that are read through a mapping: twice as fast."""
SMALLEST = 512
"""Bytes of the smallest page, so of the smallest database."""
_COLUMNS = {
    "changes": {"revision": "INTEGER", "key": "TEXT", "value": "BLOB", "created": "INTEGER", "moment": "INTEGER",
                "checksum": "INTEGER"},
    "state": {"name": "TEXT", "value": "INTEGER"},
}  # fmt: skip


def inspect(path: Path, connect: Callable[[], sqlite3.Connection]) -> bool:
    """Whether there is a store in the file; False for one that is new. Raises Unusable, sqlite3.Error.

    It reads the file once, about 2 s a GiB.
    """
    wal, known = Path(f"{path}-wal"), mark.read(mark_of(path))
    has_journal = wal.exists() and wal.stat().st_size > 0
    if path.stat().st_size < SMALLEST:
        if has_journal or any(known):  # SQLite would make a new database of it and delete the journal
            raise Unusable(f"{path}: the database is damaged: the file is empty, and was not; {ADVICE}")
        return False
    # Opened read-only, it leaves the journal where it is when it is closed.
    connection = sqlite3.connect(f"{path.as_uri()}?mode=ro", uri=True) if has_journal else connect()
    try:
        connection.text_factory = readable
        return _Inspection(path, connection).made(wal if has_journal else None, known)
    finally:
        connection.close()


State = dict[object, object]
ADVICE = "nothing was changed; restore a backup"


def mark_of(path: Path) -> Path:
    return Path(f"{path}.mark")


def readable(text: bytes) -> str:
    """Damage makes bytes that are no text: then their checksum shall say so, not the decoder."""
    return text.decode("utf-8", "surrogateescape")


class _Inspection:
    def __init__(self, path: Path, connection: sqlite3.Connection) -> None:
        self._path = path
        self._connection = connection

    def made(self, wal: Path | None, known: tuple[int, int]) -> bool:
        tables = {name for (name,) in self._ask("SELECT name FROM sqlite_master WHERE type = 'table'")}
        if wal is not None:
            self._check_journal(wal)
        if not tables and not any(known):
            return False
        self._check_tables(tables)
        state: State = dict(self._connection.execute("SELECT name, value FROM state"))
        self._check_version(state)
        self._check_structure()
        self._check_end(state, known)
        return True

    def _ask(self, statement: str) -> list[tuple[object, ...]]:
        return self._connection.execute(statement).fetchall()

    def _damage(self, what: str) -> Unusable:
        return Unusable(f"{self._path}: the database is damaged: {what}; {ADVICE}")

    def _check_journal(self, wal: Path) -> None:
        shared = Path(f"{self._path}-shm")
        if not shared.exists():  # for SQLite the database has no journal then
            raise self._damage("it is cut off")
        if why := journal.lost(wal, journal.frames_read(shared)):
            raise Unusable(f"{wal}: the journal is damaged: {why}; {ADVICE}")

    def _check_tables(self, tables: set[object]) -> None:
        if not set(_COLUMNS) <= tables:
            raise Unusable(f"{self._path}: a database of another program, or damaged; {ADVICE}")
        for table, columns in _COLUMNS.items():
            found = {name: kind for _, name, kind, *_ in self._ask(f"PRAGMA table_info({table})")}
            if found != columns and found != {name: columns[name] for name in columns if name != "checksum"}:
                raise self._damage(f"table {table} is not as it was made")

    def _check_version(self, state: State) -> None:
        version = state.get("schema")
        if not isinstance(version, int):
            raise Unusable(f"{self._path}: a database of another program, or damaged; {ADVICE}")
        if version > schema.VERSION:
            raise Unusable(
                f"{self._path}: written by a newer version (schema {version}, this one knows {schema.VERSION}); "
                "upgrade, or restore a backup made before"
            )
        if version > 1 and state_sum(state) != state.get("sum"):
            raise self._damage("the numbers in table state are not as they were written")

    def _check_structure(self) -> None:
        self._connection.execute(f"PRAGMA mmap_size={MAPPED}")
        ((found,),) = self._ask("PRAGMA integrity_check(1)")
        if found != "ok":
            raise self._damage(" ".join(str(found).replace("*** in database main ***", "").split())[:200])

    def _check_end(self, state: State, known: tuple[int, int]) -> None:
        ((last,),) = self._ask("SELECT max(revision) FROM changes")
        reached = max(int(str(number)) for number in (last or 0, state.get("oldest", 0)))
        revision, reserved = known
        if reached < revision or int(str(state.get("reserved", 0))) < reserved:
            raise Unusable(
                f"{self._path}: revision {revision} was acknowledged, but the file ends at {reached}: its journal is "
                f"damaged or gone, or an older copy was put in its place; {ADVICE}, or remove {mark_of(self._path)} "
                "to go on without what is missing"
            )
