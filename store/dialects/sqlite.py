"""SQLite: one file in WAL mode, synchronous=FULL, locked for this process."""

import os
import sqlite3
import tempfile
import threading
from pathlib import Path
from typing import NoReturn

from sqlalchemy import Engine, create_engine, event
from sqlalchemy.dialects import sqlite as words
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import QueuePool
from sqlalchemy.schema import CreateIndex, CreateTable

from store import schema
from store.dialects.ownership import own
from store.dialects.sqlite_session import SET, SqliteSession
from store.errors import LogError, StorageFull, Unavailable, Unknown, Unusable

CHECKPOINT_BYTES = 16 << 20
"""Written, about, after which another connection copies the WAL into the database while the writer goes on."""
CHECKPOINT_PAGES_WRITER = 16_384
"""WAL pages (64 MiB) after which the writer does it itself: under steady load only it can begin the WAL anew."""
CACHE_KIB = 32_768
"""Of the writing connection: the end of every branch of the index that recent keys fall on."""
_RUINED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}


class Sqlite:
    """One database file and its lock. `:memory:` is a directory that vanishes at close, not synced."""

    is_shared = False

    def __init__(self, path: str, *, patience: float = 3.0) -> None:
        """patience: seconds to wait while another program holds the file. Raises Unusable, StorageFull."""
        self._patience = patience
        self._directory = tempfile.TemporaryDirectory(prefix="store-") if path == ":memory:" else None
        self.path = Path(self._directory.name, "log.db") if self._directory else Path(path).absolute()
        self._lock = own(self.path)
        try:
            # Stays open until the end: while one connection is, SQLite never replays the WAL, so what a failed
            # commit left there stays invisible until the next good one overwrites it.
            self._keeper = self._prepared()
        except BaseException:
            os.close(self._lock)
            raise
        self._wanted = threading.Event()
        self._closing = False
        self._checkpointer = threading.Thread(target=self._checkpoint, name="store-checkpoints", daemon=True)
        self._checkpointer.start()

    def connect(self) -> sqlite3.Connection:
        """A connection for one thread at a time; statements begin and end their transactions themselves."""
        connection = sqlite3.connect(
            self.path, timeout=self._patience, isolation_level=None, check_same_thread=False, cached_statements=64
        )
        level = "OFF" if self._directory else "FULL"
        connection.execute(f"PRAGMA synchronous={level}")
        connection.execute("PRAGMA secure_delete=ON")
        connection.execute("PRAGMA wal_autocheckpoint=0")
        return connection

    def session(self) -> SqliteSession:
        connection = self.connect()
        connection.execute(f"PRAGMA wal_autocheckpoint={CHECKPOINT_PAGES_WRITER}")
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        since = 0

        def written(amount: int) -> None:
            """Asks for a checkpoint now and then: Python's sqlite3 has no hook that counts the WAL's pages."""
            nonlocal since
            since += amount
            if since > CHECKPOINT_BYTES:
                since = 0
                self._wanted.set()

        return SqliteSession(connection, written)

    def feed(self) -> NoReturn:
        raise Unusable(f"{self.path}: nobody else writes here")

    def engine(self) -> Engine:
        engine = create_engine("sqlite://", creator=self._reader, pool_size=4, max_overflow=0, poolclass=QueuePool)
        # Python's driver begins no transaction for a SELECT; two of them must see one snapshot.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        return engine

    def _reader(self) -> sqlite3.Connection:
        connection = self.connect()
        connection.execute("PRAGMA query_only=ON")
        return connection

    def failure(self, error: Exception) -> LogError:
        origin = error.orig if isinstance(error, DBAPIError) else error
        code = getattr(origin, "sqlite_errorcode", 0)
        primary = code & 0xFF
        name = getattr(origin, "sqlite_errorname", type(origin).__name__)
        if primary in _RUINED:
            return Unusable(f"{self.path}: the database is damaged ({origin}); restore a backup")
        if primary == sqlite3.SQLITE_FULL:
            return StorageFull(f"{self.path}: the disk is full")
        if primary in (sqlite3.SQLITE_BUSY, sqlite3.SQLITE_LOCKED):
            return Unavailable(f"{self.path}: another program holds the database ({name})")
        if primary == sqlite3.SQLITE_IOERR and getattr(origin, "committing", False):
            return Unknown(f"{self.path}: I/O error while committing ({name})")
        return Unavailable(f"{self.path}: {origin} ({name})")

    def close(self) -> None:
        """Every session and engine has been closed before."""
        self._closing = True
        self._wanted.set()
        self._checkpointer.join()
        self._keeper.close()  # the last connection: SQLite moves the WAL into the database and deletes it
        os.close(self._lock)
        if self._directory:
            self._directory.cleanup()

    def _prepared(self) -> sqlite3.Connection:
        """A connection to a database that has our schema in a version we know."""
        try:
            connection = self.connect()
        except sqlite3.Error as error:
            raise self._refusal(error) from error
        try:
            tables = {name for (name,) in connection.execute("SELECT name FROM sqlite_master WHERE type = 'table'")}
            if tables:
                self._check_version(connection, tables)
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise Unusable(f"{self.path}: this file system cannot hold SQLite's write-ahead log")
            if not tables:
                _create(connection)
            self._empty_journal(connection)
        except sqlite3.Error as error:
            connection.close()
            raise self._refusal(error) from error
        except BaseException:
            connection.close()
            raise
        return connection

    def _empty_journal(self, connection: sqlite3.Connection) -> None:
        """What an erased value left in the WAL of a killed process goes now. On a full disk it stays until there
        is room: the data can still be read."""
        try:
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
        except sqlite3.Error as error:
            if not isinstance(self.failure(error), StorageFull):
                raise

    def _refusal(self, error: sqlite3.Error) -> LogError:
        failure = self.failure(error)
        return failure if isinstance(failure, StorageFull | Unusable) else Unusable(str(failure))

    def _check_version(self, connection: sqlite3.Connection, tables: set[str]) -> None:
        found = None
        if {"changes", "state"} <= tables:
            found = connection.execute("SELECT value FROM state WHERE name = 'schema'").fetchone()
        if found is None:
            raise Unusable(f"{self.path}: a database of another program")
        if found[0] > schema.VERSION:
            raise Unusable(
                f"{self.path}: written by a newer version (schema {found[0]}, this one knows {schema.VERSION}); "
                "upgrade, or open a backup made before"
            )

    def _checkpoint(self) -> None:
        """The thread that copies WAL pages into the database, so that committing rarely has to."""
        connection = self.connect()
        while True:
            self._wanted.wait()
            if self._closing:
                break
            self._wanted.clear()
            try:
                connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchall()
            except sqlite3.Error:
                continue  # a full or failing disk: the writer meets it too, and says so to its callers
        connection.close()


def _create(connection: sqlite3.Connection) -> None:
    """All tables in one transaction: a kill in its middle leaves a file without any."""
    dialect = words.dialect()
    connection.execute("BEGIN IMMEDIATE")
    for table in schema.metadata.sorted_tables:
        connection.execute(str(CreateTable(table).compile(dialect=dialect)))
        for index in table.indexes:
            connection.execute(str(CreateIndex(index).compile(dialect=dialect)))
    connection.execute(SET, ("schema", schema.VERSION))
    connection.execute("COMMIT")
