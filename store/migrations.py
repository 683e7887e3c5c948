"""A store that an older version wrote becomes one of today's, step by step; killed at any point it is whole.

The version stands in the database and is read anew in each transaction. A step does a part of its work in one
transaction, and the last part sets the next version. So whoever comes after a kill, or beside another master, goes
on where things stand.
"""

import secrets
from collections.abc import Callable
from contextlib import AbstractContextManager

from sqlalchemy import Connection, bindparam, delete, insert, inspect, select, update
from sqlalchemy.schema import CreateColumn

from store import schema
from store.checksum import UNNAMED, checksum, is_whole
from store.errors import Unusable
from store.schema import changes, state

PART = 1_000
"""Changes that are rewritten in one transaction."""

Transaction = Callable[[], AbstractContextManager[Connection]]
"""Begins one that writes, and is alone with the schema while it lasts; commits at its end."""


def migrate(transaction: Transaction) -> int:
    """Brings the store to schema.VERSION; returns the version it had. Raises Unusable for a newer one."""
    first = None
    while True:
        with transaction() as connection:
            version = version_of(connection)
            first = version if first is None else first
            if version == schema.VERSION:
                return first
            STEPS[version](connection)


def version_of(connection: Connection) -> int:
    """The schema's. Raises Unusable, without the database's name, for one that is unknown."""
    found = connection.execute(select(state.c.value).where(state.c.name == "schema")).scalar()
    if found is None or found < min(STEPS):
        raise Unusable(f"schema {found} is none of ours: the database is another program's, or damaged")
    if found > schema.VERSION:
        raise Unusable(
            f"written by a newer version (schema {found}, this one knows {schema.VERSION}); "
            "upgrade, or restore a backup made before"
        )
    return int(found)


def identity() -> int:
    """A store's own number, by which a backup tells where it is from; 62 random bits."""
    return secrets.randbits(62) | 1


def _seal(connection: Connection) -> None:
    """1 → 2: every change gets its checksum, the store its identity."""
    if "checksum" not in {column["name"] for column in inspect(connection).get_columns("changes")}:
        column = CreateColumn(changes.c.checksum).compile(dialect=connection.dialect)
        connection.exec_driver_sql(f"ALTER TABLE changes ADD COLUMN {column}")
    bare = select(*list(changes.columns)[:-1]).where(changes.c.checksum.is_(None)).order_by(changes.c.revision)
    part = connection.execute(bare.limit(PART)).all()
    if part:
        sealing = update(changes).where(changes.c.revision == bindparam("of")).values(checksum=bindparam("sum"))
        connection.execute(sealing, [{"of": row.revision, "sum": checksum(*row)} for row in part])
        return
    connection.execute(insert(state).values(name="identity", value=identity()))
    connection.execute(update(state).where(state.c.name == "schema").values(value=2))


def _without_index(connection: Connection) -> None:
    """2 → 3: the index by key is in memory from now on; no row is written over."""
    connection.exec_driver_sql("DROP INDEX IF EXISTS changes_by_key")
    connection.execute(update(state).where(state.c.name == "schema").values(value=3))


def _name(connection: Connection) -> None:
    """3 → 4: the changes that schema 2 wrote get a checksum that also says whose they are.

    A damaged one stays as it is: a new checksum would make it pass for good.
    """
    reached = connection.execute(select(state.c.value).where(state.c.name == "named")).scalar()
    unnamed = select(changes).where(changes.c.revision > (reached or 0), changes.c.checksum.between(*UNNAMED))
    part = [tuple(row) for row in connection.execute(unnamed.order_by(changes.c.revision).limit(PART))]
    connection.execute(delete(state).where(state.c.name == "named"))
    if not part:
        connection.execute(update(state).where(state.c.name == "schema").values(value=4))
        return
    if whole := [change for change in part if is_whole(change)]:
        naming = update(changes).where(changes.c.revision == bindparam("of")).values(checksum=bindparam("sum"))
        connection.execute(naming, [{"of": change[0], "sum": checksum(*change[:-1])} for change in whole])
    connection.execute(insert(state).values(name="named", value=part[-1][0]))


STEPS: dict[int, Callable[[Connection], None]] = {1: _seal, 2: _without_index, 3: _name}
"""The step away from each version. One that is done in parts is called again until the version is another."""
