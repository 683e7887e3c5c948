"""The newest row of every key, in memory: what makes reading and preconditions free of disk.

It costs about 400 bytes a key beside the value; the value itself is the very object that subscribers get,
so a subscriber that keeps it (a watch cache) pays nothing twice.
"""

from bisect import bisect_left, insort
from collections.abc import Iterable

from store.rows import Row, within


class Present:
    """Rows by key, and the keys in order (an insert moves 8 bytes a key: 20 µs at 100,000 keys)."""

    def __init__(self, rows: Iterable[Row] = ()) -> None:
        self._rows = {row.key: row for row in rows}
        self._keys = sorted(self._rows)
        self.get = self._rows.get
        self.size = sum(len(key) + len(row.value) for key, row in self._rows.items())
        """Bytes of all keys and values."""

    def __len__(self) -> int:
        return len(self._keys)

    def put(self, row: Row) -> None:
        old = self._rows.get(row.key)
        if old is None:
            insort(self._keys, row.key)
            self.size += len(row.key) + len(row.value)
        else:
            self.size += len(row.value) - len(old.value)
        self._rows[row.key] = row

    def drop(self, key: str) -> None:
        old = self._rows.pop(key, None)
        if old is not None:
            self.size -= len(key) + len(old.value)
            del self._keys[bisect_left(self._keys, key)]

    def items(self, prefix: str, after: str, limit: int | None) -> list[Row]:
        """Rows whose key begins with `prefix` and is greater than `after`, in order of the keys."""
        rows = self._rows
        return [rows[key] for key in self.keys(prefix, after, limit)]

    def keys(self, prefix: str, after: str, limit: int | None) -> list[str]:
        """The keys of these."""
        return within(self._keys, prefix, after, limit)
