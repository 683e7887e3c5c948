"""The databases: each brings its files or servers, its writer's session and its words for errors.

A dialect is a class with the methods of `Dialect`; `dialect_of` knows it by the scheme of its URL.
"""

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from sqlalchemy import Connection, Engine

from store.batch import Draft, Replacement
from store.dialects.sqlite import Sqlite
from store.errors import LogError, Unusable
from store.index import Sweep
from store.news import News

Redo = Callable[[News], Draft | None]


class Session(Protocol):
    """The one connection that writes, used by the writer's thread alone. Every method is one transaction."""

    def is_usable(self) -> bool:
        """Whether it may be used again; asked before each job."""

    def commit(self, draft: Draft, redo: Redo) -> None:
        """Insert changes, delete those to forget, set numbers aside. Durable when it returns. A shared database has
        gone on from the draft's base in the meantime: then `redo` is told the news, while nobody else can write, and
        says what to write instead, None for nothing."""

    def erase(self, revisions: Sequence[int]) -> None:
        """Delete changes; one that is not there is passed over."""

    def remember(self, **numbers: int) -> None:
        """Set numbers of the table `state`."""

    def sweep(self, sweep: Sweep) -> int:
        """Delete what was superseded; the revision reached, lower than the sweep's when the rest must wait."""

    def replace(self, table: str, changes: Sequence[Replacement]) -> int:
        """Write values over that are still the old ones. table: `changes` or `notes`. How many were."""

    def used(self) -> int:
        """Bytes that the tables take, free pages not counted."""

    def scrub(self) -> bool:
        """Leave no copy of an erased value in any journal file; False: not now, a reader is in the way."""

    def close(self) -> None: ...


class Feed(Protocol):
    """A connection on which a shared database tells what others append. One thread's, but for `wake`."""

    def wait(self, known: Callable[[], int]) -> bool:
        """Until something later than the known revision is told (True) or `wake` is called (False)."""

    def read(self, known: int) -> News:
        """What came after a revision, in one snapshot."""

    def wake(self) -> None: ...

    def close(self) -> None: ...


class Dialect(Protocol):
    """One database. is_shared: other processes may have it open and append too."""

    is_shared: bool

    def session(self) -> Session: ...

    def feed(self) -> Feed:
        """Of a shared database."""

    def engine(self) -> Engine:
        """Read-only connections for other threads."""

    def transaction(self) -> AbstractContextManager[Connection]:
        """One that writes and is alone with the schema, for what is seldom done; commits at its end."""

    def put_aside(self, connection: Connection, name: str) -> None:
        """In such a transaction: all that is there stays under another name, and an empty store takes its place."""

    def failure(self, error: Exception) -> LogError:
        """The log's word for the database's error."""

    def close(self) -> None: ...


def dialect_of(url: str, *, patience: float) -> Dialect:
    """The database that a URL or a path names. Raises Unusable, StorageFull, Unavailable.

    patience: seconds to wait for another's lock.
    """
    scheme, found, rest = url.partition("://")
    if not found:
        return Sqlite(url, patience=patience)
    if scheme == "sqlite":
        return Sqlite(rest.removeprefix("/"), patience=patience)
    if scheme in ("postgresql", "postgres"):
        from store.dialects.postgresql import Postgresql  # its driver costs a start on SQLite nothing

        return Postgresql(url, patience=patience)
    raise Unusable(f"{scheme}://: no such database here; there is sqlite:///path and postgresql://host/database")
