"""A checksum for every change: a database page has none, so a flipped bit would be served as if it were true."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

from store.errors import Damaged
from store.rows import Row

_NUMBERS = struct.Struct("<qqqii")


def checksum(revision: int, key: str, value: bytes | None, created: int, moment: int) -> int:
    """CRC-32 over all of a change, which finds every flipped bit; inverted, so below 0, for a deletion.

    That makes a deletion one twice over: a row whose value was lost is not taken for one.
    """
    name = key.encode()
    head = _NUMBERS.pack(revision, created, moment, len(name), -1 if value is None else len(value))
    found = crc32(value or b"", crc32(name, crc32(head)))
    return ~found if value is None else found


def sealed(change: Sequence[Any]) -> tuple[Any, ...]:
    """A change as it goes into the table: (revision, key, value, created, moment) and its checksum."""
    return (*change, checksum(*change))


def is_whole(change: Sequence[Any]) -> bool:
    """Whether a change, in the order of schema.COLUMNS, is what was written.

    Damage can also turn a text into a number or a number into nothing.
    """
    try:
        return bool(checksum(*change[:-1]) == change[-1])
    except (AttributeError, TypeError, ValueError, struct.error):
        return False


def refuse_damaged(changes: Iterable[Sequence[Any]]) -> None:
    """Raises Damaged, which names all changes that are not as they were written."""
    if damaged := [(str(change[1]), change[0]) for change in changes if not is_whole(change)]:
        raise Damaged(damaged)


def rows_of(changes: Iterable[Sequence[Any]]) -> list[Row]:
    """The rows of changes that hold a value. Raises Damaged."""
    found = [tuple(change) for change in changes]
    refuse_damaged(found)
    return [Row(key, value, revision, created) for revision, key, value, created, _, _ in found]
