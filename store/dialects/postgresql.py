"""PostgreSQL: one history for all masters that have the database open.

Revisions are in commit order because whoever commits holds the lock of `counter`'s one row until it is through, and
gapless because its numbers begin where that row ends. The row and the notes are in unlogged tables: heartbeats
are never written to the journal; a server that crashed begins them anew above every number set aside (`renew`).
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import psycopg
from psycopg import errors
from psycopg.types.numeric import Int8BinaryDumper, Int8Dumper
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.pool import NullPool
from sqlalchemy.schema import CreateIndex, CreateTable

from store import schema
from store.checksum import sealed
from store.dialects.postgresql_feed import PostgresqlFeed
from store.dialects.postgresql_session import SET, PostgresqlSession
from store.dialects.postgresql_telling import Telling
from store.errors import Damaged, LogError, StorageFull, Unavailable, Unknown, Unusable
from store.migrations import identity, migrate

logger = logging.getLogger(__name__)

CONNECT: dict[str, Any] = {
    "connect_timeout": 3,  # seconds, for each host of the URL
    "target_session_attrs": "read-write",  # of several hosts, the one that is no standby
    "keepalives_idle": 5,
    "keepalives_interval": 2,
    "keepalives_count": 3,
    "tcp_user_timeout": 10_000,  # ms until a host that vanished is given up
    "application_name": "procorch",
}
IDLE_LIMIT = 15
"""Seconds after which the server ends a transaction whose master has stopped in its middle, lock and all."""
LOCK = 0x70726F63
"""Key of the advisory lock while tables are made."""
_FULL = errors.lookup("53100")
_RUINED = (errors.lookup("XX001"), errors.lookup("XX002"))
_WRONG = tuple(map(errors.lookup, ("42501", "42P01", "42703", "3F000")))
"""No right, no table, no column, no schema: waiting does not help."""


class Postgresql:
    """One database, through libpq. url: postgresql://user@host:port,host:port/database?…, as libpq knows it."""

    is_shared = True

    def __init__(self, url: str, *, patience: float = 3.0) -> None:
        """patience: seconds to wait for another's lock. Raises Unusable, StorageFull, Unavailable."""
        self._url = url
        self.where = "PostgreSQL"
        self._patience = patience
        self._own: set[int] = set()  # the server's processes that write for us: what they tell is known already
        self._telling = Telling()
        try:
            with self.connect() as connection:
                self.where = f"{connection.info.host}:{connection.info.port}/{connection.info.dbname}"
                self.channel = _channel(connection)
                _check_server(connection, self.where)
                with connection.transaction():
                    self._make_tables(connection)
                try:
                    migrate(self.transaction)
                except Unusable as error:
                    raise Unusable(f"{self.where}: {error}") from error
                with connection.transaction():
                    renew(connection)
        except (psycopg.Error, DBAPIError, ValueError) as error:
            failure = self.failure(error)
            raise failure if isinstance(failure, StorageFull | Unusable) else Unavailable(str(failure)) from error

    def connect(self) -> psycopg.Connection[Any]:
        """Every statement is a transaction of its own unless one is begun."""
        options = psycopg.conninfo.conninfo_to_dict(self._url)
        defaults = {name: value for name, value in CONNECT.items() if name not in options}
        connection = psycopg.connect(self._url, autocommit=True, **defaults)
        connection.execute(
            "SELECT set_config('lock_timeout', %s, false), "
            "set_config('idle_in_transaction_session_timeout', %s, false), "
            "set_config('synchronous_commit', CASE current_setting('synchronous_commit') WHEN 'off' THEN 'on' "
            "ELSE current_setting('synchronous_commit') END, false)",
            (f"{int(self._patience * 1000)}ms", f"{IDLE_LIMIT}s"),
        )
        for dumper in (Int8Dumper, Int8BinaryDumper):  # one type, so that a statement is prepared once
            connection.adapters.register_dumper(int, dumper)
        return connection

    def session(self) -> PostgresqlSession:
        return PostgresqlSession(self.connect(), self.channel, self._own, self._telling, renew)

    def feed(self) -> PostgresqlFeed:
        return PostgresqlFeed(self.connect(), self.channel, self._own, self._telling, renew)

    def engine(self) -> Engine:
        return create_engine(
            "postgresql+psycopg://",
            creator=self._reader,
            pool_size=4,
            max_overflow=0,
            pool_pre_ping=True,
            isolation_level="REPEATABLE READ",  # two SELECTs of one question see one snapshot
        )

    @contextmanager
    def transaction(self) -> Iterator[Connection]:
        """One that writes, alone with the schema, for what is seldom done."""
        engine = create_engine(
            "postgresql+psycopg://", creator=self.connect, poolclass=NullPool, isolation_level="READ COMMITTED"
        )  # which also takes back `connect`'s autocommit
        with engine.begin() as connection:
            connection.exec_driver_sql("SELECT pg_advisory_xact_lock(%s::int, 1)", (LOCK,))
            yield connection

    def _reader(self) -> psycopg.Connection[Any]:
        """Values come as they are: as text they would be twice as long, and have to be read."""
        connection = self.connect()
        connection.cursor = partial(connection.cursor, binary=True)  # type: ignore[method-assign, assignment]
        return connection

    def failure(self, error: Exception) -> LogError:
        if isinstance(error, Damaged):
            return Unusable(f"{self.where}: {error}; restore a backup, or go back to their last values that are whole")
        if isinstance(error, LogError):
            return error
        origin = error.orig if isinstance(error, DBAPIError) else error
        line = " ".join(str(origin).split()) or type(origin).__name__
        if isinstance(origin, _RUINED):
            return Unusable(f"{self.where}: the database is damaged ({line}); restore a backup")
        if isinstance(origin, _WRONG):
            return Unusable(f"{self.where}: {line}")
        if isinstance(origin, _FULL):
            return StorageFull(f"{self.where}: the server's disk is full")
        if isinstance(origin, psycopg.ProgrammingError) and origin.sqlstate is None:
            return Unusable(f"{line}: the URL is postgresql://user:password@host:port/database")
        if getattr(origin, "committing", False):
            return Unknown(f"{self.where}: the connection was lost while committing ({line})")
        return Unavailable(f"{self.where}: {line}")

    def close(self) -> None:
        """Every session, feed and engine has been closed before."""

    def put_aside(self, connection: Connection, name: str) -> None:
        """The tables and their indexes, into a schema of that name. Raises Unusable while a master is connected."""
        others = connection.exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity WHERE application_name = %s AND datname = current_database() "
            "AND pid != pg_backend_pid()",
            (CONNECT["application_name"],),
        ).scalar_one()
        if others:
            raise Unusable(f"{self.where}: {others} connections of masters are open; stop them, then do this again")
        connection.exec_driver_sql(f'CREATE SCHEMA "{name}"')
        for table in [*schema.metadata.tables, *schema.shared.tables]:
            connection.exec_driver_sql(f'ALTER TABLE {table} SET SCHEMA "{name}"')
        for statement in _creation():
            connection.exec_driver_sql(statement)
        for item in (("schema", schema.VERSION), ("identity", identity())):
            connection.exec_driver_sql(SET, item)
        connection.exec_driver_sql("INSERT INTO counter (one, issued) VALUES (1, 0)")

    def _make_tables(self, connection: psycopg.Connection[Any]) -> None:
        """Our tables, if there are none."""
        connection.execute("SELECT pg_advisory_xact_lock(%s::int, 1)", (LOCK,))
        ours = {*schema.metadata.tables, *schema.shared.tables}
        query = "SELECT relname FROM pg_class WHERE relnamespace = current_schema()::regnamespace AND relkind = 'r'"
        tables = {name for (name,) in connection.execute(query)} & ours
        if not tables:
            for statement in _creation():
                connection.execute(statement.encode())
            for item in (("schema", schema.VERSION), ("identity", identity())):
                connection.execute(SET, item)
        elif tables != ours:
            raise Unusable(f"{self.where}: has tables of another program; give procorch a database of its own")


def _creation() -> Iterator[str]:
    dialect = PGDialect_psycopg()  # type: ignore[no-untyped-call]
    for table in [*schema.metadata.sorted_tables, *schema.shared.sorted_tables]:
        yield str(CreateTable(table).compile(dialect=dialect))
        for index in table.indexes:
            yield str(CreateIndex(index).compile(dialect=dialect))


def renew(connection: psycopg.Connection[Any]) -> bool:
    """In a transaction: begins the count above every number set aside, if the server has lost it. Whether it had.

    A mark is written at the first number, so that whoever follows hears of the jump as of any change.
    """
    if connection.execute("SELECT FROM counter").fetchone() is not None:
        return False
    connection.execute("LOCK TABLE counter IN EXCLUSIVE MODE")
    if connection.execute("SELECT FROM counter").fetchone() is not None:
        return False
    highest = connection.execute(
        "SELECT greatest((SELECT coalesce(max(revision), 0) FROM changes), "
        "(SELECT coalesce(max(value), 0) FROM state WHERE name IN ('reserved', 'oldest')))"
    ).fetchone()
    assert highest is not None
    issued = int(highest[0])
    if issued:
        issued += 1
        newest = connection.execute("SELECT moment FROM changes ORDER BY revision DESC LIMIT 1").fetchone()
        mark = sealed((issued, "/store/renewed", b"", issued, int(newest[0]) if newest else 0))
        connection.execute("INSERT INTO changes VALUES (%s, %s, %s, %s, %s, %s)", mark)
    connection.execute("INSERT INTO counter (one, issued) VALUES (1, %s)", (issued,))
    return issued > 0


def _channel(connection: psycopg.Connection[Any]) -> str:
    """The name under which commits are told: one a schema, since channels belong to the whole database."""
    found = connection.execute("SELECT current_schema()").fetchone()
    if found is None or found[0] is None:
        raise ValueError("no schema in search_path exists")
    return f"procorch_{found[0]}"


def _check_server(connection: psycopg.Connection[Any], where: str) -> None:
    if connection.info.parameter_status("server_encoding") != "UTF8":
        raise Unusable(
            f"{where}: its encoding is not UTF8; create the database with ENCODING 'UTF8' TEMPLATE template0"
        )
    if connection.info.server_version < 120000:
        raise Unusable(f"{where}: PostgreSQL 12 or newer is needed")
    settings = connection.execute("SELECT current_setting('fsync'), current_setting('full_page_writes')").fetchone()
    if settings != ("on", "on"):
        logger.warning("store: the server may lose acknowledged writes", extra={"fsync, full_page_writes": settings})
