"""The past as of a revision: which rows it is made of is known in memory, and most of them are there, too.

What a key held as of a revision does not change any more. So it may be looked up a few keys at a time, and read from
disk afterwards, whatever happens meanwhile, with two exceptions: a compaction, which is noticed (Compacted), and an
erasure, after which the rows that were looked up are not there. Then everything is looked up anew.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import islice
from typing import TypeVar

from sqlalchemy import Connection

from store import history
from store.errors import Compacted, Damaged
from store.head import Head
from store.history import History, Missing
from store.rows import Event, Row
from store.sealing import Sealing

AT_ONCE = 1_000
"""Keys looked up in one turn of the loop: half a millisecond."""

T = TypeVar("T")


class Past:
    """Reads of one log. All raise Compacted, Damaged, and the database's LogErrors."""

    def __init__(
        self,
        head: Head,
        disk: History,
        sealing: Sealing,
        oldest: Callable[[], int],
        landed: Callable[[], Awaitable[None]],
        *,
        shared: bool,
    ) -> None:
        """oldest: the oldest revision that can be read. landed: waits until memory knows of all that was committed.

        shared: others may erase rows without telling.
        """
        self._head = head
        self._disk = disk
        self._sealing = sealing
        self._oldest = oldest
        self._landed = landed
        self._shared = shared

    async def items(self, prefix: str, revision: int, after: str, limit: int | None) -> list[Row]:
        """As Log.items."""
        return await self._agreed(partial(self._items, prefix, revision, after, limit))

    async def at(self, key: str, revision: int) -> Row | None:
        """What a key held."""

        async def read() -> list[Row]:
            return await self._rows([self._head.held(key, revision)], [key], revision)

        return next(iter(await self._agreed(read)), None)

    async def events(self, after: int, prefix: str) -> list[Event]:
        """As Log.events."""
        return await self._agreed(partial(self._events, after, prefix))

    async def _items(self, prefix: str, revision: int, after: str, limit: int | None) -> list[Row]:
        found: list[Row | int] = []
        owners: list[str] = []
        while limit is None or len(found) < limit:
            count = AT_ONCE if limit is None else min(AT_ONCE, limit - len(found))
            keys = self._head.keys(prefix, after, count)
            for key in keys:
                if held := self._head.held(key, revision):
                    found.append(held)
                    owners.append(key)
            if len(keys) < count:
                break
            after = keys[-1]
            await asyncio.sleep(0)
        return await self._rows(found, owners, revision)

    async def _rows(self, held: Sequence[Row | int], keys: Sequence[str], revision: int) -> list[Row]:
        """The rows, those that are on disk read from there. held: as of a revision, by the keys beside it."""
        self._disk.refuse_closed()
        if revision < (oldest := self._oldest()):
            raise Compacted(oldest)
        wanted = {place: key for place, key in zip(held, keys, strict=True) if isinstance(place, int) and place}
        if not wanted:
            return [row for row in held if isinstance(row, Row)]

        def read(connection: Connection) -> list[Row]:
            there = history.fetch(connection, revision, wanted)
            opened = {place: self._sealing.row(row) for place, row in there.items()}
            return [row if isinstance(row, Row) else opened[row] for row in held if row]

        return await self._disk.read(read)

    async def _events(self, after: int, prefix: str) -> list[Event]:
        until = self._head.revision
        notes = [row for row in self._head.notes.values() if row.revision > after and row.key.startswith(prefix)]
        plain = {note.revision for note in notes}
        found, keys = await self._disk.read(partial(history.later, after=after, until=until, prefix=prefix))
        wanted: dict[int, str] = {}
        for part in _parts({*keys, *(note.key for note in notes)}):
            wanted |= {place: key for key in part if (place := self._head.index.at(key, after)) > 0}
            await asyncio.sleep(0)

        def read(connection: Connection) -> list[Event]:
            held = history.fetch(connection, after, wanted).values()
            return self._sealing.events(history.told(found, notes, held), plain)

        return await self._disk.read(read)

    async def _agreed(self, read: Callable[[], Awaitable[T]]) -> T:
        """Memory and disk agree about what is there. Where this process alone erases, a row that is still missing when
        its memory is up to date is lost."""
        missed: set[int] = set()
        while True:
            try:
                return await read()
            except Missing as gone:
                lost = [(key, revision) for revision, key in gone.rows.items() if revision in missed]
                if lost:
                    self._disk.report(lost)
                    raise Damaged(lost) from None
                if self._shared:
                    for revision, key in gone.rows.items():
                        self._head.index.erase(key, (revision,))
                else:
                    missed |= gone.rows.keys()
                    await self._landed()


def _parts(keys: Iterable[str]) -> Iterator[list[str]]:
    rest = iter(keys)
    while part := list(islice(rest, AT_ONCE)):
        yield part
