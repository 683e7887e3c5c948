"""A checksum for every change: a database page has none, so a flipped bit would be served as if it were true.

    bit 63      inverts all others: a deletion
    bit 62      the next 30 are there (rows that schema 2 wrote have zeros in the upper half)
    bits 32-61  of a CRC-32 over revision and key: whose change it is can be told though the rest is damaged
    bits 0-31   a CRC-32 over all of the change

A row is told apart from what damage made of it by the whole, and its name alone by the upper half.
"""

import struct
from collections.abc import Iterable, Sequence
from typing import Any
from zlib import crc32

from store.errors import Damaged

_NUMBERS = struct.Struct("<qqqii")
_NAMED = 1 << 62
UNNAMED = (-1 << 32, (1 << 32) - 1)
"""The least and the greatest without these 30 bits."""
_NAME = 0x3FFFFFFF
"""What is kept of the CRC over the name. The two bits left out are the difference of no single flipped bit."""


def checksum(revision: int, key: str, value: bytes | None, created: int, moment: int) -> int:
    """Finds every flipped bit; inverted, so below 0, for a deletion.

    That makes a deletion one twice over: a row whose value was lost is not taken for one.
    """
    name = key.encode()
    head = _NUMBERS.pack(revision, created, moment, len(name), -1 if value is None else len(value))
    found = crc32(value or b"", crc32(name, crc32(head))) | _name(revision, name)
    return ~found if value is None else found


def sealed(change: Sequence[Any]) -> tuple[Any, ...]:
    """A change as it goes into the table: (revision, key, value, created, moment) and its checksum."""
    return (*change, checksum(*change))


def is_whole(change: Sequence[Any]) -> bool:
    """Whether a change, in the order of schema.COLUMNS, is what was written.

    Damage can also turn a text into a number or a number into nothing.
    """
    found = change[-1]
    try:
        return bool(found == (checksum(*change[:-1]) if _has_name(found) else _of_schema_2(change)))
    except (AttributeError, TypeError, ValueError, struct.error):
        return False


def is_named(revision: Any, key: Any, found: Any) -> bool:
    """Whether revision and key, and whether it is a deletion, are what was written; False also where the checksum
    does not say it."""
    try:
        return _has_name(found) and (found ^ -(found < 0)) >> 32 == _name(revision, key.encode()) >> 32
    except (AttributeError, TypeError, ValueError):
        return False


def refuse_damaged(changes: Iterable[Sequence[Any]]) -> None:
    """Raises Damaged, which names all changes that are not as they were written."""
    if damaged := [(str(change[1]), change[0]) for change in changes if not is_whole(change)]:
        raise Damaged(damaged)


def _name(revision: int, name: bytes) -> int:
    """The upper half of the checksum."""
    return _NAMED | (crc32(name, (revision ^ revision >> 32) & 0xFFFFFFFF) & _NAME) << 32


def _has_name(found: Any) -> bool:
    return bool((found ^ -(found < 0)) >> 32)


def _of_schema_2(change: Sequence[Any]) -> int:
    """The checksum that such a change had there."""
    found = checksum(*change[:-1])
    return ~(~found & 0xFFFFFFFF) if found < 0 else found & 0xFFFFFFFF
