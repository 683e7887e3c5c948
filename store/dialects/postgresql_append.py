"""The statement that appends a batch to PostgreSQL, and its parameters in the server's own binary form.

It is what a busy store does all day, so it goes to libpq directly: the driver passes every item of a list through
Python, which costs 150 µs more for a batch of 32 changes, half of what the batch costs this process.

Sources: PostgreSQL's array_send and array_recv (src/backend/utils/adt/arrayfuncs.c) for the form of arrays; its manual,
"Set Returning Functions", for several of them in one list of a SELECT: they go on in step.
"""

import re
import struct
from collections.abc import Iterable, Sequence
from functools import lru_cache
from itertools import count
from typing import Any, NamedTuple

import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ExecStatus, Format

from store.batch import Draft
from store.checksum import checksum

_INT8, _TEXT, _BYTES = 20, 25, 17
"""Numbers of the types, the same in every PostgreSQL: src/include/catalog/pg_type.dat."""
_NUMBER, _LENGTH = struct.Struct(">q"), struct.Struct(">i")
_ARRAY = struct.Struct(">iiIii")  # dimensions, whether there are NULLs, type; items and the first one's number
_NULL = _LENGTH.pack(-1)

_HEAD = "head AS (UPDATE counter SET issued = $2 WHERE issued = $1 RETURNING issued)"
_END, _TELL = "SELECT issued FROM head", "SELECT issued, pg_notify(${}::text, issued::text) FROM head"
_PUT = (
    "put AS (INSERT INTO changes (revision, key, value, created, checksum, moment) SELECT unnest(${}::bigint[]), "
    "unnest(${}::text[]), unnest(${}::bytea[]), unnest(${}::bigint[]), unnest(${}::bigint[]), ${}::bigint FROM head)"
)
_NOTE = (
    "note AS (INSERT INTO notes (revision, key, value, created, moment) SELECT unnest(${}::bigint[]), "
    "unnest(${}::text[]), unnest(${}::bytea[]), unnest(${}::bigint[]), ${}::bigint FROM head ON CONFLICT (key) "
    "DO UPDATE SET revision = excluded.revision, value = excluded.value, created = excluded.created, "
    "moment = excluded.moment)"
)
_OVERTAKE = "overtake AS (DELETE FROM notes USING head WHERE key = ANY(${}::text[]))"


class Ready(NamedTuple):
    """A prepared statement by its name, and its parameters."""

    name: bytes
    values: Sequence[bytes]


class Append:
    """Of one connection, on which each form of the statement is prepared before it is needed, or when it first is."""

    def __init__(self, connection: psycopg.Connection[Any], channel: str) -> None:
        """channel: on which a commit is told. Raises psycopg.Error."""
        self._pgconn = connection.pgconn
        self._channel = channel.encode()
        self._prepared: dict[tuple[str, ...], bytes] = {}
        for end in (_TELL, _END):
            self._prepare((_PUT, end))

    def ready(self, draft: Draft, *, tell: bool) -> Ready:
        """tell: the others, by NOTIFY, when it is committed. Raises psycopg.Error."""
        forms: list[str] = []
        values = [_NUMBER.pack(draft.base), _NUMBER.pack(draft.last)]
        if draft.rows:
            forms.append(_PUT)
            values += _columns(draft.rows, _numbers([checksum(*row) for row in draft.rows]))
        if draft.notes:
            forms.append(_NOTE)
            values += _columns(draft.notes)
        if draft.overtaken:
            forms.append(_OVERTAKE)
            values.append(_texts(draft.overtaken))
        forms.append(_TELL if tell else _END)
        if tell:
            values.append(self._channel)
        return Ready(self._prepared.get(key := tuple(forms)) or self._prepare(key), values)

    def run(self, ready: Ready) -> bool:
        """False, and nothing done, unless the count stands at the draft's base. Raises psycopg.Error."""
        formats = [Format.BINARY] * len(ready.values)
        result = self._pgconn.exec_prepared(ready.name, ready.values, formats, Format.BINARY)
        if result.status != ExecStatus.TUPLES_OK:
            raise error_from_result(result)
        return result.ntuples > 0

    def _prepare(self, forms: tuple[str, ...]) -> bytes:
        numbers = count(3)
        *parts, end = (re.sub("{}", lambda _: str(next(numbers)), form) for form in forms)
        name = b"store_append_%d" % len(self._prepared)
        result = self._pgconn.prepare(name, f"WITH {', '.join([_HEAD, *parts])} {end}".encode())
        if result.status != ExecStatus.COMMAND_OK:
            raise error_from_result(result)
        self._prepared[forms] = name
        return name


def _columns(rows: Sequence[tuple[Any, ...]], *more: bytes) -> list[bytes]:
    """Rows in the order of schema.COLUMNS, as one parameter a column; of the moment one for all, since a batch has one.

    more: columns that come before it.
    """
    revisions, keys, values, created, moments = zip(*rows, strict=True)
    return [
        _numbers(revisions),
        _texts(keys),
        _array(_BYTES, values),
        _numbers(created),
        *more,
        _NUMBER.pack(moments[0]),
    ]


def _texts(texts: Iterable[str]) -> bytes:
    return _array(_TEXT, [text.encode() for text in texts])


def _array(kind: int, items: Sequence[bytes | None]) -> bytes:
    parts = [_ARRAY.pack(1, None in items, kind, len(items), 1)]
    for item in items:
        if item is None:
            parts.append(_NULL)
        else:
            parts += (_LENGTH.pack(len(item)), item)
    return b"".join(parts)


def _numbers(numbers: Sequence[int]) -> bytes:
    lengths_and_numbers = [_NUMBER.size] * (2 * len(numbers))
    lengths_and_numbers[1::2] = numbers
    return _ARRAY.pack(1, False, _INT8, len(numbers), 1) + _items(len(numbers)).pack(*lengths_and_numbers)


@lru_cache(512)
def _items(count: int) -> struct.Struct:
    return struct.Struct(">" + "iq" * count)
