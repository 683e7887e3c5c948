"""An informer in the process that serves the API: it reads the API's cache, and keeps no object a second time.

       all ────▶ load ──┐
       change ─▶ news ──┼──▶ Lister (key → what the cache has, indexes) ──▶ handlers(type, old, new)
    own writes ▶ drain ─┘

The cache has every write before its writer has the answer, in order and once. So there is nothing to compare, and a
loop sees its own writes when what has come so far is taken in first.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Protocol

from procorch.client import Client
from procorch.clock import Backoff
from procorch.informer import Handling
from procorch.kinds.kind import Kind
from procorch.lister import Held
from procorch.objects import ApiError, Object

logger = logging.getLogger(__name__)

SLICE = 0.005  # seconds of work before others have their turn


class Change(Protocol):
    """What one revision did to one object. new: None for gone."""

    @property
    def key(self) -> str: ...

    @property
    def revision(self) -> int: ...

    @property
    def new(self) -> Held | None: ...


class Feed(Protocol):
    """The objects of one kind as the API has them."""

    def all(self) -> Iterable[tuple[str, Held]]:
        """As of now, by key. Raises ApiError: not allowed, or one that cannot be read."""
        ...

    def follow(self, hear: Callable[[Change], None], fail: Callable[[ApiError], None]) -> Callable[[], None]:
        """Calls hear for each change from now on, in order, until what is returned is called; fail for what cannot be
        read."""
        ...


Feeds = Callable[[Kind], Feed]


class LocalInformer(Handling):
    """As procorch.informer.Informer, of all objects of a kind."""

    def __init__(self, client: Client, kind: Kind, feed: Feed, *, backoff: Backoff | None = None) -> None:
        super().__init__(client, kind, backoff)
        self._feed = feed
        self._news: deque[Change] = deque()
        self._failure: ApiError | None = None
        self._wake = asyncio.Event()

    async def run(self) -> None:
        """Until cancelled. What cannot be read is looked at again and again; until then what is known stays."""
        while True:
            try:
                await self._follow()
            except ApiError as error:
                logger.warning("watch refused", extra={"kind": self.kind.name, "error": str(error)})
            await asyncio.sleep(self._backoff.next())

    def written(self, kind: Kind, obj: Object, gone: bool) -> None:
        """The client's hook: what it wrote has come already, and waits to be taken in."""
        if self._is_of_kind(kind) and self.has_synced:
            self._drain()

    async def _follow(self) -> None:
        present = list(self._feed.all())
        self._news, self._failure = deque(), None
        leave = self._feed.follow(self._hear, self._fail)
        try:
            await self._load(present)
            self._backoff.reset()
            self._synced.set()
            while True:
                await self._wake.wait()
                self._drain(SLICE)
                if self._failure is not None:
                    raise self._failure
                await asyncio.sleep(0)
        finally:
            leave()

    async def _load(self, present: list[tuple[str, Held]]) -> None:
        """A whole list: what it does not name is gone. In slices, for there may be a hundred thousand."""
        keys = {key for key, _ in present}
        for key in [key for key in self.lister if key not in keys]:
            self._drop(key)
        present.reverse()
        while present:
            end = time.perf_counter() + SLICE
            while present and time.perf_counter() < end:
                key, held = present.pop()
                self._upsert(key, held, held.decoded())
            await asyncio.sleep(0)

    def _hear(self, change: Change) -> None:
        self._news.append(change)
        self._wake.set()

    def _fail(self, error: ApiError) -> None:
        self._failure = self._failure or error
        self._wake.set()

    def _drain(self, seconds: float = 3600.0) -> None:
        end = time.perf_counter() + seconds
        while self._news and time.perf_counter() < end:
            change = self._news.popleft()
            known = self.lister.held(change.key)
            if known is not None and known.revision >= change.revision:
                continue  # it was in the list already
            if change.new is not None:
                self._upsert(change.key, change.new, change.new.object)
            else:
                self._drop(change.key)
        if not self._news:
            self._wake.clear()
