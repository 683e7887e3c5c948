"""Deleting superseded history, a little at a time between commits, on command or by age and size."""

import asyncio
import contextlib
import logging
from collections.abc import Callable
from operator import methodcaller

from sqlalchemy import Connection

from store import history
from store.errors import LogError
from store.history import History
from store.index import Index
from store.retention import Retention
from store.writer import Writer

logger = logging.getLogger(__name__)

CHANGES = 200
"""Changes of which one transaction deletes what they superseded: some milliseconds for which commits wait."""

NUDGE = 8 << 20
"""Bytes of values after which there is a look before its time: a minute of large ones would fill the disk."""
PAUSE = 1.0
"""Seconds between two looks, at the least."""


class Compaction:
    """What has been compacted and what is still to be swept.

    First `oldest` moves, durably: from then on the past before it cannot be read, whatever is still on disk.
    Then the sweep deletes, and remembers how far it came, so that a restart goes on where it was. Memory forgets what
    is deleted after it is: a deletion's own row, without which its key would come back, never goes before all that is
    older of it.
    """

    def __init__(
        self,
        writer: Writer,
        past: History,
        index: Index,
        limit: Callable[[], int | None],
        retention: Retention,
        clock: Callable[[], float],
        *,
        oldest: int,
        swept: int,
    ) -> None:
        """limit: bytes of the database from which on the oldest goes, as things stand now; None for none."""
        self.oldest = oldest
        self._swept = swept
        self._writer = writer
        self._past = past
        self._index = index
        self._limit = limit
        self._retention = retention
        self._clock = clock
        self._one = asyncio.Lock()
        self._written = 0  # since the last look
        self._much = asyncio.Event()

    async def compact(self, revision: int) -> None:
        """Forgets the past before a revision; the state as of it stays readable. Raises LogError."""
        async with self._one:
            if revision > self.oldest:
                moment = await self._past.read(lambda connection: history.moment_of(connection, revision))
                await self._writer.perform(lambda session: session.remember(oldest=revision, oldest_moment=moment))
                self.oldest = revision
            await self._prune()  # what others have deleted meanwhile
            while self._swept < self.oldest:
                sweep = self._index.sweep(self.oldest, CHANGES)
                reached = await self._writer.perform(methodcaller("sweep", sweep))
                self._swept = max(self._swept, reached)
                await self._prune()
                if reached < sweep.reached:  # the rest is too young: others may not have heard of it
                    break

    async def _prune(self) -> None:
        """Memory forgets what has been deleted, a little at a time."""
        is_more = True
        while is_more:
            is_more = self._index.prune(self._swept, CHANGES)
            await asyncio.sleep(0)

    def hear(self, oldest: int, swept: int) -> None:
        """How far others have come, who share the database."""
        self.oldest = max(self.oldest, oldest)
        self._swept = max(self._swept, swept)

    async def run(self) -> None:
        """Keeps to the retention until cancelled. Writes nothing when nothing is to be deleted."""
        while True:
            try:
                await self.look()
            except LogError as error:
                logger.warning("store: compaction failed, tried again later", extra={"error": str(error)})
            await self._pause()

    def wrote(self, amount: int) -> None:
        """Bytes of values that have been committed: many of them bring the next look forward."""
        self._written += amount
        if self._written > NUDGE:
            self._much.set()

    async def _pause(self) -> None:
        await asyncio.sleep(min(PAUSE, self._retention.interval))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._retention.interval):
                await self._much.wait()
        self._much.clear()
        self._written = 0

    async def look(self) -> None:
        """One look at age and size."""
        await self.compact(self.oldest)  # a sweep that a restart or an error cut short
        age, size = self._retention.age, self._limit()
        if age is not None:
            await self._by_age(int((self._clock() - age) * 1000), int(age * 1000 / 24))
        while size is not None and await self._writer.perform(lambda session: session.used()) > size:
            cut = self._index.quarter(self.oldest)
            if cut <= self.oldest:
                logger.warning("store: live data alone is larger than the history's limit", extra={"limit": size})
                break
            await self.compact(cut)

    async def _by_age(self, limit: int, step: int) -> None:
        """limit, step: milliseconds."""

        def cut(connection: Connection) -> int:
            known = history.numbers(connection)
            if limit < known.get("oldest_moment", 0) + step:
                return 0
            return history.revision_at(connection, limit)

        revision = await self._past.read(cut)
        if revision > self.oldest:
            await self.compact(revision)
