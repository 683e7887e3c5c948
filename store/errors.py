"""What can go wrong between a caller and the log, in the log's words."""

from collections.abc import Sequence

from store.rows import Row

SHOWN = 3
"""Damaged changes that a message names; `changes` has all."""


class LogError(Exception):
    """Every error of this package."""


class Conflict(LogError):
    """A precondition does not hold; nothing of this append was changed.

    row: what the key holds now, None when it holds nothing.
    """

    def __init__(self, key: str, row: Row | None) -> None:
        super().__init__(f"{key}: {'does not exist' if row is None else f'is at revision {row.revision}'}")
        self.key = key
        self.row = row


class Compacted(LogError):
    """The history asked for is gone; `oldest` is the oldest revision that can still be read."""

    def __init__(self, oldest: int) -> None:
        super().__init__(f"history before revision {oldest} has been compacted")
        self.oldest = oldest


class Unavailable(LogError):
    """The database cannot take this now (locked, read-only, closed); nothing was changed, try again."""


class StorageFull(LogError):
    """The disk is full; nothing was changed, and appends work again once there is room."""


class Unknown(LogError):
    """The commit ended in an I/O error: whether the writes outlive a crash cannot be said.

    They are not visible now. Of a file, only a crash before the next good commit could bring them back; a server may
    have done the commit, and then they become visible as if somebody else had made them.
    """


class Damaged(LogError):
    """Changes whose checksums say that they are not what was written; none of their values is handed out.

    changes: (key, revision) of each, the key as far as it can be read.
    """

    def __init__(self, changes: Sequence[tuple[str, int]]) -> None:
        shown = ", ".join(f"{key} at revision {revision}" for key, revision in changes[:SHOWN])
        more = f" and {len(changes) - SHOWN} more" if len(changes) > SHOWN else ""
        super().__init__(f"damaged: {shown}{more}".encode("unicode_escape").decode())
        self.changes = tuple(changes)


class Unusable(Unavailable):
    """The database cannot be opened, or is damaged; the message is one line that says why and what to do."""


class Sealed(Unusable):
    """Values lie there encrypted, or not, as the rules given do not expect it: with other rules they can be read."""
