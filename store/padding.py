"""Values that are to leave no trace lie behind padding, where SQLite keeps no stray copies of them.

With secure_delete SQLite overwrites what it frees. But when it merges half-empty pages of a table it leaves, between
those rows that stay, copies of what it moved elsewhere, and overwrites them when it happens to need the room: bytes of
a row that is erased later may outlive it. Only the beginning of a long row is moved about so; the rest lies in overflow
pages of its own, which stay where they are until the row goes, and are then overwritten whole. So a value is put behind
so many zeros that nothing of it is in the beginning.
Source: sqlite.org/fileformat2.html, "B-tree Cell Format" (the size of the beginning); seen with SQLite 3.40.
"""

_USABLE = 4096
_LEAST = (_USABLE - 12) * 32 // 255 - 23
"""Bytes of a row's beginning, at least; it is longer by what would else lie alone in the last overflow page."""
_STEP = _USABLE - 4
"""Bytes of a row in one overflow page."""
_BESIDE = 30
"""Bytes of a row beside key and value, about: numbers, and their types."""
_AIM = 200
"""By so many bytes the beginning is to be longer than _LEAST: far from 0, where a wrong guess would double it."""
_ZEROS = 1024
"""At least: more than such a beginning has."""


def padding(key: str, size: int) -> int:
    """How many zeros belong before a value of a size (bytes) in the row of a key."""
    row = _BESIDE + len(key.encode()) + _ZEROS + size
    return _ZEROS + (_AIM + _LEAST - row) % _STEP
