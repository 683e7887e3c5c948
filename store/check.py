"""Every change held against its checksum, and the way back for those that are no longer what was written."""

from typing import Any, NamedTuple

from sqlalchemy import Connection, delete, func, insert, select

from store.checksum import is_named, is_whole, sealed
from store.schema import COLUMNS, changes, state

PART = 1_000
"""Changes that are read in one go: a longer one would keep the journal from beginning anew."""


class Found(NamedTuple):
    """A damaged change. is_newest: the key's value today is damaged, not one of its past.

    is_named: key and revision are what was written; else `key` is what can be read of it, and may be another one.
    """

    key: str
    revision: int
    is_newest: bool
    is_named: bool = True


class Part(NamedTuple):
    """changes: how many were read. last: revision of the last, None at the end. damaged: `is_newest` is not known yet.

    newest: revision of the newest change of each key.
    """

    changes: int
    last: int | None
    damaged: list[Found]
    newest: dict[str, int]


def part(connection: Connection, after: int) -> Part:
    """The changes after a revision, PART at most."""
    chosen = select(*changes.columns).where(changes.c.revision > after).order_by(changes.c.revision).limit(PART)
    rows = [tuple(row) for row in connection.execute(chosen)]
    damaged = [
        Found(str(row[1]), row[0], is_newest=False, is_named=is_named(row[0], row[1], row[-1]))
        for row in rows
        if not is_whole(row)
    ]
    return Part(len(rows), rows[-1][0] if len(rows) == PART else None, damaged, {str(row[1]): row[0] for row in rows})


def whole(connection: Connection) -> tuple[int, list[Found]]:
    """How many changes there are, and the damaged ones."""
    count, after, damaged, newest = 0, 0, list[Found](), dict[str, int]()
    while True:
        found = part(connection, after)
        count, damaged, newest = count + found.changes, damaged + found.damaged, newest | found.newest
        if found.last is None:
            return count, [one._replace(is_newest=newest[one.key] == one.revision) for one in damaged]
        after = found.last


def go_back(connection: Connection, found: Found, moment: int) -> int | None:
    """Makes a key's last whole value its newest again, as a change of its own, or deletes the key where there is
    none; the revision of that value, None for a deletion. In a transaction of a store that nobody has open.

    What cannot be told whose it is goes from the table: as long as it is there the store does not open.
    """
    last = connection.execute(select(func.max(changes.c.revision))).scalar() or 0
    if not found.is_named:
        connection.execute(delete(changes).where(changes.c.revision == found.revision))
    if not found.is_newest:
        return None
    reserved = connection.execute(select(state.c.value).where(state.c.name == "reserved")).scalar() or 0
    latest = connection.execute(select(func.max(changes.c.moment))).scalar() or 0
    revision = max(last, reserved) + 1
    good = _last_whole(connection, found)
    value, created = (good.value, good.created) if good is not None else (None, revision)
    change = sealed((revision, found.key, value, created, max(moment, latest)))
    connection.execute(insert(changes), [dict(zip(COLUMNS, change, strict=True))])
    return None if good is None else int(good.revision)


def _last_whole(connection: Connection, found: Found) -> Any:
    """The change of the key before a damaged one; None where there is none, or the key was deleted by it."""
    before = select(*changes.columns).where(changes.c.key == found.key, changes.c.revision < found.revision)
    with connection.execute(before.order_by(changes.c.revision.desc()), execution_options={"yield_per": 1}) as rows:
        good = next((row for row in rows if is_whole(tuple(row))), None)
    return None if good is None or good.value is None else good
