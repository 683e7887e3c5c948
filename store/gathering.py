"""When a commit begins: at once, or a few turns of the event loop later, with those who are about to come.

A commit costs as much for one append as for ten: two hand-overs between threads that share Python's lock, a
transaction, a sync. Of 32 clients of the API, whose writes are decided one after the other, each commit took two or
three. So while each turn of the loop brings another append, the commit waits for the next turn; the first turn that
brings none ends that, and so does PATIENCE. A single writer never waits.
"""

ENOUGH = 32
"""Appends that are worth a commit: more make it hardly cheaper for each."""
PATIENCE = 0.004
"""Seconds for which the first of them waits at most."""


class Gathering:
    """Of one commit after the other."""

    def __init__(self) -> None:
        self._seen = 0
        self._began = 0.0

    def is_worthwhile(self, waiting: int, now: float) -> bool:
        """Whether the next turn is likely to bring more. waiting: appends; now: the loop's time, in seconds."""
        seen, self._seen = self._seen, waiting
        if not seen:
            self._began = now
        if seen < waiting < ENOUGH and waiting > 1 and now - self._began < PATIENCE:
            return True
        self._seen = 0
        return False
