"""When a commit is told to the other masters: at once, but many in a row are told together.

NOTIFY wakes a process of the server for every connection that listens, our own follower's too, and then each master
reads: beside commits that follow each other within a millisecond that was a third of what they cost. So a commit soon
after one that was told is only owed to the others. The next one pays, or the follower when there is none.
"""

import threading
import time
from collections.abc import Callable

PAUSE = 0.005
"""Seconds between two commits that are told, at the least."""
PATIENCE = 2 * PAUSE
"""Seconds after one that was told until the follower tells of the later ones; the others hear no later than that."""


class Telling:
    """Of one process: its writer owes, its writer or its follower pays."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.wake: Callable[[], None] = lambda: None
        """Lets the follower look, if it may be that nobody pays."""
        self._clock = clock
        self._guard = threading.Lock()
        self._told = -PATIENCE  # when, last
        self._debt = 0  # the highest revision that the others have not been told of
        self._is_watched = False  # the follower looks again by itself

    def is_due(self) -> bool:
        """Whether a commit that is about to be made is to be told with it."""
        return self._clock() - self._told >= PAUSE

    def told(self, revision: int) -> None:
        """All up to a revision has been."""
        with self._guard:
            self._told = self._clock()
            if self._debt <= revision:
                self._debt = 0

    def owe(self, revision: int) -> None:
        """A commit has been made, or may have been, that was not told."""
        with self._guard:
            self._debt = max(self._debt, revision)
            is_watched, self._is_watched = self._is_watched, True
        if not is_watched:
            self.wake()

    def look(self) -> tuple[int, float | None]:
        """For the follower: the revision to tell now, 0 for none; and seconds until the next look, None while nothing
        is owed."""
        with self._guard:
            self._is_watched = self._debt > 0
            if not self._debt:
                return 0, None
            left = self._told + PATIENCE - self._clock()
            return (self._debt, 0.0) if left <= 0 else (0, left)
