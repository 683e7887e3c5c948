"""One after the other, for each key: a lock that exists while somebody holds it or waits for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager


class Turns:
    """Of one event loop."""

    def __init__(self) -> None:
        self._locks: dict[Hashable, asyncio.Lock] = {}
        self._here: dict[Hashable, int] = {}

    @asynccontextmanager
    async def of(self, key: Hashable) -> AsyncIterator[None]:
        """Inside, nobody else is inside for this key."""
        lock = self._locks.setdefault(key, asyncio.Lock())
        self._here[key] = self._here.get(key, 0) + 1
        try:
            async with lock:
                yield
        finally:
            self._here[key] -= 1
            if not self._here[key]:
                del self._here[key], self._locks[key]
