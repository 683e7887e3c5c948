"""Every change held against its checksum, and the way back for those that are no longer what was written."""

from typing import NamedTuple

from sqlalchemy import Connection, func, insert, select

from store.checksum import is_whole, sealed
from store.schema import COLUMNS, changes, newest_at, state

PART = 1_000
"""Changes that are read in one go: a longer one would keep the journal from beginning anew."""


class Found(NamedTuple):
    """A damaged change. is_newest: the key's value today is damaged, not one of its past."""

    key: str
    revision: int
    is_newest: bool


class Part(NamedTuple):
    """changes: how many were read. last: revision of the last, None at the end."""

    changes: int
    last: int | None
    damaged: list[Found]


def part(connection: Connection, after: int) -> Part:
    """The changes after a revision, PART at most."""
    chosen = select(*changes.columns).where(changes.c.revision > after).order_by(changes.c.revision).limit(PART)
    rows = [tuple(row) for row in connection.execute(chosen)]
    damaged = [Found(str(row[1]), row[0], _newest(connection, row[1]) == row[0]) for row in rows if not is_whole(row)]
    return Part(len(rows), rows[-1][0] if len(rows) == PART else None, damaged)


def whole(connection: Connection) -> tuple[int, list[Found]]:
    """How many changes there are, and the damaged ones."""
    count, after, damaged = 0, 0, list[Found]()
    while True:
        found = part(connection, after)
        count, damaged = count + found.changes, damaged + found.damaged
        if found.last is None:
            return count, damaged
        after = found.last


def go_back(connection: Connection, found: Found, moment: int) -> int | None:
    """Makes a key's last whole value its newest again, as a change of its own, or deletes the key where there is
    none; the revision of that value, None for a deletion. In a transaction of a store that nobody has open.
    """
    last = connection.execute(select(func.max(changes.c.revision))).scalar() or 0
    reserved = connection.execute(select(state.c.value).where(state.c.name == "reserved")).scalar() or 0
    latest = connection.execute(select(func.max(changes.c.moment))).scalar() or 0
    revision = max(last, reserved) + 1
    before, good = found.revision, None
    while good is None and before > 0:
        rows = connection.execute(newest_at(before - 1, changes.c.key == found.key)).all()
        if not rows:
            break
        before = rows[0].revision
        good = rows[0] if is_whole(tuple(rows[0])) else None
    value, created = (good.value, good.created) if good is not None else (None, revision)
    change = sealed((revision, found.key, value, created, max(moment, latest)))
    connection.execute(insert(changes), [dict(zip(COLUMNS, change, strict=True))])
    return None if good is None else int(good.revision)


def _newest(connection: Connection, key: object) -> int | None:
    return connection.execute(select(func.max(changes.c.revision)).where(changes.c.key == key)).scalar()
