"""A backup becomes a store that goes on above everything that a client of the old one may have seen.

Each object gets a new revision, in the old order, so that for everybody who compares revisions it is newer than what
he has. The past before them is compacted: a watch, a page or a precondition from before, also with a number between,
is told that it is too old, and its client begins anew.
"""

import math
from collections.abc import Callable, Iterable, Iterator
from itertools import islice

from sqlalchemy import Connection, delete, func, insert, select, update
from sqlalchemy.exc import SQLAlchemyError

from store.backup import Header
from store.checksum import sealed
from store.dialects import Dialect, dialect_of
from store.errors import Unusable
from store.rows import Row
from store.schema import COLUMNS, changes, counter, state

RATE = 100_000
"""Revisions a second that no store makes: the fastest measured makes 30,000 durable ones."""
SLACK = 86_400.0
"""Seconds by which the clocks of the backup's machine and this one may differ."""
PART = 500


class Occupied(Unusable):
    """The database that was to be filled is not empty."""


def base(header: Header, highest: int, now: float) -> int:
    """The number after which a restored store counts on.

    highest: the highest number that the old store, where it is still there, may have given. The old one went on
    after the backup, for an unknown time at an unknown rate; it cannot have passed RATE until now.
    """
    elapsed = max(0.0, now - header.made) + SLACK
    return max(header.revision + math.ceil(elapsed * RATE), highest)


def restore(
    url: str,
    header: Header,
    rows: Iterable[Row],
    now: float,
    *,
    highest: int = 0,
    aside: str = "",
    last_of_all: Callable[[], object] = lambda: None,
) -> int:
    """Fills an empty database in one transaction; returns the revision at which it stands.

    aside: where the database is not empty, put what it holds aside under this name; empty: refuse then (Occupied).
    highest: see `base`; what the database itself knows counts too. last_of_all: called when all is written, just before
    it is committed. Raises Unusable, other LogErrors, NotWhole.
    """
    dialect = dialect_of(url, patience=10.0)
    try:
        with dialect.transaction() as connection:
            there = _highest(connection, dialect)
            if there:
                if not aside:
                    raise Occupied("the database holds a store already; nothing was changed")
                dialect.put_aside(connection, aside)
            revision = _fill(connection, dialect, header, rows, now, base(header, max(highest, there), now))
            last_of_all()
        return revision
    except SQLAlchemyError as error:
        raise dialect.failure(error) from error
    finally:
        dialect.close()


def _highest(connection: Connection, dialect: Dialect) -> int:
    """The highest number given or set aside; 0 where nothing was ever written."""
    last = connection.execute(select(func.max(changes.c.revision))).scalar() or 0
    aside = select(func.max(state.c.value)).where(state.c.name.in_(("reserved", "oldest")))
    issued = connection.execute(select(counter.c.issued)).scalar() if dialect.is_shared else 0
    return max(last, connection.execute(aside).scalar() or 0, issued or 0)


def _fill(
    connection: Connection, dialect: Dialect, header: Header, rows: Iterable[Row], now: float, revision: int
) -> int:
    moment = int(now * 1000)

    def renumbered() -> Iterator[dict[str, object]]:
        for number, row in enumerate(rows, revision + 1):
            change = sealed((number, row.key, row.value, row.created, moment))
            yield dict(zip(COLUMNS, change, strict=True))

    pending = renumbered()
    while part := list(islice(pending, PART)):
        connection.execute(insert(changes), part)
        revision += len(part)
    known = {"identity": header.store, "reserved": revision, "oldest": revision, "oldest_moment": moment,
             "swept": revision}  # fmt: skip
    connection.execute(delete(state).where(state.c.name.in_(list(known))))
    connection.execute(insert(state), [{"name": name, "value": value} for name, value in known.items()])
    if dialect.is_shared:
        connection.execute(update(counter).values(issued=revision))
    return revision
