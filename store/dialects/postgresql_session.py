"""The one connection of this process that writes to PostgreSQL, driven by the writer's thread."""

import select
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import psycopg
from sqlalchemy.dialects.postgresql.psycopg import PGDialect_psycopg

from store import schema
from store.batch import Draft, Replacement
from store.dialects.postgresql_append import Append
from store.dialects.postgresql_news import read
from store.dialects.postgresql_telling import Telling
from store.index import Sweep
from store.news import News

SET = (
    "INSERT INTO state (name, value) VALUES (%s, %s) "
    "ON CONFLICT (name) DO UPDATE SET value = greatest(state.value, excluded.value)"
)
"""Numbers only grow: another master may have come further."""
GRACE = 30.0
"""Seconds for which a change is kept whatever is compacted: every master has heard of it by then."""
SAMPLE_FROM = 64 << 20
"""Bytes of a database that is worth a look inside."""
SAMPLE = 5
"""Percent of the pages that are looked at to estimate how much a large database holds."""
ROW_BYTES = 120
"""Of a row beside its value, its index entries included, about."""

_SETTLED = (
    "SELECT max(asked) FROM unnest(%s::bigint[]) AS asked WHERE coalesce("
    "(SELECT moment FROM changes WHERE revision >= asked ORDER BY revision LIMIT 1), "
    "(SELECT moment FROM changes ORDER BY revision DESC LIMIT 1), 0) <= extract(epoch FROM now()) * 1000 - %s"
)
"""Of revisions the highest up to which every change is older than so many milliseconds. Moments never decrease, so the
next change that is there speaks for one that is not."""
_DELETE = "DELETE FROM changes WHERE revision = ANY(%s::bigint[])"


class PostgresqlSession:
    """See dialects.Session. Errors are psycopg's; where a commit may have been done they carry `committing`."""

    grace = GRACE

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        channel: str,
        own: set[int],
        telling: Telling,
        renew: Callable[[psycopg.Connection[Any]], bool],
    ) -> None:
        """own: gets the server's process for as long as this lives."""
        self._connection = connection
        self._channel = channel
        self._append = Append(connection, channel)
        self._own = own
        self._telling = telling
        self._renew = renew
        self._process = connection.info.backend_pid
        own.add(self._process)

    def is_usable(self) -> bool:
        """False where the server has ended the connection: found before something is sent whose fate is unknown."""
        if not select.select([self._connection], [], [], 0)[0]:
            return True
        try:
            self._connection.execute("SELECT 1")
        except psycopg.Error:
            return False
        return True

    def commit(self, draft: Draft, redo: Callable[[News], Draft | None]) -> None:
        """One round trip while nobody else writes: a statement that does nothing unless the count stands at the
        draft's base. Else the count's lock is taken first, and kept while `redo` decides."""
        tell = self._telling.is_due()
        try:
            reached = self._commit(draft, redo, tell)
        except BaseException:
            self._telling.owe(draft.last)  # it may have been done
            raise
        if reached and tell:
            self._telling.told(reached)
        elif reached:
            self._telling.owe(reached)

    def _commit(self, draft: Draft, redo: Callable[[News], Draft | None], tell: bool) -> int:
        """The revision reached; 0 where there was nothing to write any more."""
        if not draft.forget and not draft.reserved:
            ready = self._append.ready(draft, tell=tell)
            with _committing():
                if self._append.run(ready):
                    return draft.last
        renewed = False
        if self._connection.execute("SELECT FROM counter").fetchone() is None:
            with self._transaction():
                renewed = self._renew(self._connection)
        with self._transaction():
            again: Draft | None = draft
            if self._one("SELECT issued FROM counter FOR UPDATE") != draft.base:
                again = redo(read(self._connection, draft.base, renewed=renewed))
            if again is None:
                return 0
            if not self._append.run(self._append.ready(again, tell=tell)):
                raise RuntimeError("the count moved while its lock was held")
            if again.forget:
                self._delete(again.forget)
            if again.reserved:
                self._connection.execute(SET, ("reserved", again.reserved))
        return again.last

    def erase(self, revisions: Sequence[int]) -> None:
        with self._transaction():
            self._delete(revisions)

    def remember(self, **numbers: int) -> None:
        with self._transaction():
            for item in numbers.items():
                self._connection.execute(SET, item)

    def sweep(self, sweep: Sweep) -> int:
        with self._transaction():
            asked = sorted({by for by, _ in sweep.rows} | {sweep.reached})
            row = self._connection.execute(_SETTLED, (asked, int(self.grace * 1000))).fetchone()
            reached = int(row[0] or 0) if row else 0
            if reached:
                self._delete([revision for by, revision in sweep.rows if by <= reached])
                self._connection.execute(SET, ("swept", reached))
        return reached

    def replace(self, table: str, changes: Sequence[Replacement]) -> int:
        """A row that somebody is deleting or replacing is left alone, not waited for: a commit may wait for ours."""
        done = 0
        with self._transaction():
            lock = f"SELECT revision FROM {table} WHERE revision = ANY(%s::bigint[]) FOR UPDATE SKIP LOCKED"
            ours = self._connection.execute(lock.encode(), ([change.revision for change in changes],))
            free = {revision for (revision,) in ours}
            for revision, old, new, checksum in changes:
                if revision in free:
                    done += self._run(table, revision_=revision, old_=old, new_=new, checksum_=checksum).rowcount
        return done

    def used(self) -> int:
        """Of a small database its size; of a larger one what it holds, estimated from a sample of its pages, since
        PostgreSQL's files keep their size when rows go."""
        whole = self._one("SELECT pg_total_relation_size('changes')")
        if whole < SAMPLE_FROM:
            return whole
        sampled = self._one(
            f"SELECT coalesce(sum({ROW_BYTES} + coalesce(octet_length(value), 0)), 0) "
            f"FROM changes TABLESAMPLE SYSTEM ({SAMPLE})"
        )
        return min(whole, sampled * 100 // SAMPLE)

    def scrub(self) -> bool:
        """Rows that were deleted leave their pages; the server's journal keeps them for as long as it is kept."""
        self._connection.execute("VACUUM changes")
        return True

    def close(self) -> None:
        self._own.discard(self._process)
        self._connection.close()

    def _delete(self, revisions: Sequence[int]) -> None:
        """One master at a time: two that delete the same rows would wait for each other crosswise."""
        self._connection.execute("SELECT pg_advisory_xact_lock(hashtext(%s), 2)", (self._channel,))
        self._connection.execute(_DELETE, (list(revisions),))

    def _one(self, question: str) -> int:
        row = self._connection.execute(question.encode()).fetchone()
        if row is None:
            raise LookupError("the count is gone")
        return int(row[0])

    def _run(self, name: str, **values: Any) -> psycopg.Cursor[Any]:
        text = _statements()[name]
        return self._connection.execute(text.sql.encode(), text.arguments(values))

    @contextmanager
    def _transaction(self) -> Iterator[None]:
        self._connection.execute("BEGIN")
        try:
            yield
        except BaseException:
            if not self._connection.closed:
                self._connection.rollback()
            raise
        with _committing():
            self._connection.execute("COMMIT")


@contextmanager
def _committing() -> Iterator[None]:
    """Marks errors after which nobody can say whether the commit was done: the connection is gone, and the server
    had not said that it refuses."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate is None or error.sqlstate.startswith(("57P0", "08")):
            error.committing = True  # type: ignore[attr-defined]
        raise


@cache
def _statements() -> dict[str, schema.Text]:
    """Compiled once a process."""
    dialect = PGDialect_psycopg(paramstyle="format")  # type: ignore[no-untyped-call]
    made = {
        "changes": schema.replacement(schema.changes),
        "notes": schema.replacement(schema.noted),
    }
    return {name: schema.text_of(statement, dialect) for name, statement in made.items()}
