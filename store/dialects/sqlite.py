"""SQLite: one file in WAL mode, synchronous=FULL, locked for this process."""

import logging
import os
import sqlite3
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NoReturn

from sqlalchemy import Connection, Engine, create_engine, event
from sqlalchemy.dialects import sqlite as words
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool, QueuePool
from sqlalchemy.schema import CreateTable

from store import schema
from store.dialects.inspection import inspect, mark_of, readable
from store.dialects.mark import Mark
from store.dialects.ownership import own
from store.dialects.reserve import Reserve
from store.dialects.sqlite_session import PAGE, SqliteSession, remember
from store.errors import Damaged, LogError, StorageFull, Unavailable, Unknown, Unusable
from store.migrations import identity, migrate

logger = logging.getLogger(__name__)

CHECKPOINT_BYTES = 8 << 20
"""Written, about, after which another connection copies the WAL into the database while the writer goes on."""
CHECKPOINT_PAGES_WRITER = 6_144
"""WAL pages (24 MiB) after which the writer does it itself: under steady load only it can begin the WAL anew."""
CACHE_KIB = 8_192
"""Of the writing connection: rows that are deleted or sealed anew lie anywhere."""
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
            self._mark = Mark(mark_of(self.path))
        except sqlite3.Error as error:
            os.close(self._lock)
            raise self._refusal(error) from error
        except BaseException:
            os.close(self._lock)
            raise
        self._reserve = Reserve(None if self._directory else self.path.with_name(self.path.name + ".reserve"))
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
        connection.execute(f"PRAGMA journal_size_limit={CHECKPOINT_PAGES_WRITER * PAGE}")  # after a long reader
        connection.execute(f"PRAGMA cache_size=-{CACHE_KIB}")
        since = 0

        def written(amount: int) -> None:
            """Asks for a checkpoint now and then: Python's sqlite3 has no hook that counts the WAL's pages."""
            nonlocal since
            since += amount
            if since > CHECKPOINT_BYTES:
                since = 0
                self._wanted.set()

        return SqliteSession(connection, self._mark, self._reserve, written)

    def feed(self) -> NoReturn:
        raise Unusable(f"{self.path}: nobody else writes here")

    def engine(self) -> Engine:
        engine = create_engine("sqlite://", creator=self._reader, pool_size=4, max_overflow=0, poolclass=QueuePool)
        # Python's driver begins no transaction for a SELECT; two of them must see one snapshot.
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN"))
        return engine

    def _reader(self) -> sqlite3.Connection:
        connection = self.connect()
        connection.text_factory = readable
        connection.execute("PRAGMA query_only=ON")
        return connection

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One that writes, for what is seldom done: changes of the schema, and filling a new store."""
        engine = create_engine("sqlite://", creator=self.connect, poolclass=NullPool)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
        with engine.begin() as connection:
            yield connection
            remember(connection.exec_driver_sql)

    def put_aside(self, connection: Connection, name: str) -> None:
        raise Unusable(f"{self.path}: holds a store; a file is put aside as a whole, by its owner")

    def failure(self, error: Exception) -> LogError:
        if isinstance(error, Damaged):
            return Unusable(f"{self.path}: {error}; restore a backup, or go back to their last values that are whole")
        if isinstance(error, LogError):
            return error
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
        self._mark.close()
        self._keeper.close()  # the last connection: SQLite moves the WAL into the database and deletes it
        os.close(self._lock)
        if self._directory:
            self._directory.cleanup()

    def _prepared(self) -> sqlite3.Connection:
        """A connection to a database that is whole and has our schema in today's version."""
        is_made = inspect(self.path, self.connect)
        connection = self.connect()
        try:
            if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
                raise Unusable(f"{self.path}: this file system cannot hold SQLite's write-ahead log")
            if not is_made:
                _create(connection)
            elif (before := self._migrate()) != schema.VERSION:
                logger.warning("store: changed to a new schema", extra={"before": before, "now": schema.VERSION})
            self._empty_journal(connection)
        except BaseException:
            connection.close()
            raise
        return connection

    def _migrate(self) -> int:
        try:
            return migrate(self.transaction)
        except Unusable as error:
            raise Unusable(f"{self.path}: {error}") from error
        except DBAPIError as error:
            failure = self.failure(error)
            raise failure if isinstance(failure, StorageFull | Unusable) else Unusable(str(failure)) from error

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
    remember(connection.execute, schema=schema.VERSION, identity=identity())
    connection.execute("COMMIT")
