"""Memory that requests may hold together: bodies that are still coming, answers that nobody reads."""

from __future__ import annotations

from procorch.objects import TooManyRequests


class Budget:
    """limit: bytes. small: what may be held by anybody at any time, and is not counted. what: for the refusal."""

    def __init__(self, limit: int, small: int, what: str) -> None:
        self.limit = limit
        self.held = 0
        self._small = small
        self._what = what

    def take(self, size: int) -> int:
        """What is to be given back. Raises TooManyRequests."""
        if size <= self._small:
            return 0
        if self.held + size > self.limit:
            raise TooManyRequests.of(f"too many {self._what}, please try again later")
        self.held += size
        return size

    def give(self, size: int) -> None:
        self.held -= size
