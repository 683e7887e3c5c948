"""What goes into the log and what comes out of it."""

from bisect import bisect_left, bisect_right
from typing import NamedTuple

VALUE_LIMIT = 64 << 20
"""Bytes of one value; larger ones are refused at the door, before they can harm a batch."""


class Write(NamedTuple):
    """One change of one key.

    value: None deletes. Deleting what does not exist is allowed unless `expected` says otherwise.
    expected: the revision that the key must have now; 0 = it must not exist; None = any.
    forget: erase every older value of the key from the files too, in the same transaction (for secrets).
    """

    key: str
    value: bytes | None
    expected: int | None = None
    forget: bool = False

    def check(self) -> None:
        """Raises ValueError or TypeError for what no database here could keep."""
        if not self.key or "\0" in self.key:
            raise ValueError(f"{self.key!r}: a key is a text without NUL, at least one character long")
        if not self.key.isascii():
            self.key.encode()  # a lone surrogate raises UnicodeEncodeError, a ValueError
        if self.value is not None:
            if not isinstance(self.value, bytes):
                raise TypeError(f"{self.key}: a value is bytes, not {type(self.value).__name__}")
            if len(self.value) > VALUE_LIMIT:
                raise ValueError(f"{self.key}: a value has at most {VALUE_LIMIT} bytes, not {len(self.value)}")


class Row(NamedTuple):
    """What a key holds: `revision` of its last change, `created` = revision of its first."""

    key: str
    value: bytes
    revision: int
    created: int


class Event(NamedTuple):
    """One change as it happened: value None = deleted; previous = what the key held before."""

    revision: int
    key: str
    value: bytes | None
    previous: Row | None


def following(prefix: str) -> str | None:
    """The least text greater than every text that begins with `prefix`; None when there is none.

    Order is by code point, which is also the order of UTF-8's bytes.
    """
    for end in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[end])
        if code < 0x10FFFF:
            return prefix[:end] + chr(0xE000 if code == 0xD7FF else code + 1)
    return None


def within(keys: list[str], prefix: str, after: str, limit: int | None) -> list[str]:
    """Of keys in order those that begin with `prefix` and are greater than `after`, at most `limit`."""
    end = following(prefix)
    low = bisect_left(keys, prefix)
    if after:
        low = max(low, bisect_right(keys, after))
    high = len(keys) if end is None else bisect_left(keys, end)
    return keys[low : high if limit is None else min(high, low + limit)]
