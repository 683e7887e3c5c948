"""Bytes that wait for watchers who do not read: one budget for all of them, and who takes most of it goes first."""

from __future__ import annotations

from typing import Protocol

LIMIT = 256 << 20  # bytes, in the memory of this process; the kernel's buffers are the kernel's
SMALL = 64 << 10  # what may wait for a watcher that reads: its socket is full for a moment
_LOOKS = 16  # it is counted when a sixteenth of the budget has been added: to count at each event would cost too much


class Slow(Protocol):
    """A watcher that has not read all it was sent."""

    def unread(self) -> int:
        """Bytes that wait for it now."""
        ...

    def drop(self) -> None:
        """Ends its watch and lets go of what waits."""
        ...


class Unread:
    """limit: bytes that may wait for all of them together, and a sixteenth more."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.limit = limit
        self._slow: dict[Slow, None] = {}
        self._since = 0

    def grew(self, watcher: Slow, size: int) -> None:
        """So many bytes more wait for a watcher that has not read those before."""
        self._slow[watcher] = None
        self._since += size
        if self._since >= self.limit // _LOOKS:
            self._count()

    def forget(self, watcher: Slow) -> None:
        self._slow.pop(watcher, None)

    def _count(self) -> None:
        """Asks all of them what waits, and drops the worst until the rest has room."""
        self._since = 0
        sizes = {watcher: size for watcher in self._slow if (size := watcher.unread())}
        self._slow = dict.fromkeys(sizes)
        total = sum(sizes.values())
        for watcher in sorted(sizes, key=sizes.__getitem__, reverse=True):
            if total <= self.limit:
                break
            total -= sizes[watcher]
            watcher.drop()
