"""Events do not stay: an hour after they were last written they go, so that the store does not grow for ever.

There is no timer: whoever writes a new event takes two old ones away, so that an idle cluster writes nothing and a
busy one never has more than an hour's events. Source of the hour: kube-apiserver's --event-ttl.
"""

from __future__ import annotations

import contextlib
from collections import deque

import store
from procorch.api.cache import Cache, Change, Entry
from procorch.clock import Clock, parse_timestamp
from procorch.kinds import KINDS
from procorch.objects import Object

SECONDS = 3600.0
_AT_ONCE = 2  # more than one, or the old would never be fewer


class Expiry:
    """Follows the events in the order in which they were last written. Make it when the cache has started."""

    def __init__(self, log: store.Log, cache: Cache, clock: Clock) -> None:
        self._log = log
        self._clock = clock
        self._shelf = cache.shelf(KINDS["Event"])
        found = (
            (_written(entry.decoded(), clock()), entry.key, entry.revision) for entry in self._shelf.entries.values()
        )
        self._order: deque[tuple[float, str, int]] = deque(sorted(found))
        self._shelf.listeners[self._hear] = None

    def close(self) -> None:
        self._shelf.listeners.pop(self._hear, None)

    async def remove_some(self) -> None:
        """Takes away at most two events that are old enough. Raises the store's errors."""
        due = self._due()
        if due:
            writes = [store.Write(self._shelf.prefix + entry.key, None, entry.revision) for entry in due]
            with contextlib.suppress(store.Conflict):  # written again in this moment: then it is not old
                await self._log.append(*writes)

    def _due(self) -> list[Entry]:
        due: list[Entry] = []
        limit = self._clock() - SECONDS
        while self._order and self._order[0][0] <= limit and len(due) < _AT_ONCE:
            _, key, revision = self._order.popleft()
            entry = self._shelf.entries.get(key)
            if entry is not None and entry.revision == revision:  # else it was written again, or is gone
                due.append(entry)
        return due

    def _hear(self, change: Change) -> None:
        if change.new is not None:
            self._order.append((self._clock(), change.key, change.revision))


def _written(event: Object, now: float) -> float:
    """When an event that was there before us was last written, as far as it says so itself."""
    for text in (event.get("lastTimestamp"), event["metadata"].get("creationTimestamp")):
        with contextlib.suppress(ValueError):
            return parse_timestamp(text or "")
    return now
