"""The databases: each brings its files or servers, its writer's session and its words for errors.

A dialect is a class with the methods of `Dialect`; `DIALECTS` knows it by the scheme of its URL.
"""

from collections.abc import Sequence
from typing import Any, Protocol

from sqlalchemy import Engine

from store.dialects.sqlite import Sqlite
from store.errors import LogError, Unusable


class Session(Protocol):
    """The one connection that writes, used by the writer's thread alone. Every method is one transaction."""

    def commit(self, rows: Sequence[tuple[Any, ...]], forget: Sequence[str], reserved: int) -> None:
        """Insert changes (tuples in the order of schema.COLUMNS); erase all but the newest value of keys;
        set the reserved revision if it is not 0. Durable when it returns."""

    def remember(self, **numbers: int) -> None:
        """Set numbers of the table `state`."""

    def sweep(self, start: int, end: int, count: int) -> int:
        """Delete what `count` changes after `start` have superseded; the revision reached, `end` when done."""

    def used(self) -> int:
        """Bytes that the tables take, free pages not counted."""

    def scrub(self) -> bool:
        """Leave no copy of an erased value in any journal file; False: not now, a reader is in the way."""

    def close(self) -> None: ...


class Dialect(Protocol):
    """One database, opened by this process alone."""

    def session(self) -> Session: ...

    def engine(self) -> Engine:
        """Read-only connections for other threads."""

    def failure(self, error: Exception) -> LogError:
        """The log's word for the database's error."""

    def close(self) -> None: ...


DIALECTS = {"sqlite": Sqlite}


def dialect_of(url: str, *, patience: float) -> Dialect:
    """The database that a URL or a path names. Raises Unusable. patience: seconds to wait for another's lock."""
    scheme, found, rest = url.partition("://")
    if not found:
        return Sqlite(url, patience=patience)
    if scheme not in DIALECTS:
        raise Unusable(f"{scheme}://: no such database here; there is {', '.join(DIALECTS)}")
    return DIALECTS[scheme](rest.removeprefix("/") if scheme == "sqlite" else url, patience=patience)
