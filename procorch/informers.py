"""One informer a kind, for all loops of a process."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager

from procorch.client import Client, kind_of
from procorch.informer import Handling, Informer
from procorch.lister import Lister
from procorch.local_informer import Feeds, LocalInformer


class Informers(Mapping[str, Lister]):
    """One informer a kind, shared by all who ask; as a mapping: kind name → Lister.

    feeds: what the API in this process has, of which nothing is then kept twice; None where the API is elsewhere.
    """

    def __init__(self, client: Client, feeds: Feeds | None = None) -> None:
        self.client = client
        self._feeds = feeds
        self._informers: dict[str, Handling] = {}

    def of(self, kind: str) -> Handling:
        """The kind's informer, made when first asked for; it runs from `running()` on."""
        if kind not in self._informers:
            self._informers[kind] = self._made(kind)
        return self._informers[kind]

    def _made(self, kind: str) -> Handling:
        if self._feeds is None:
            return Informer(self.client, kind)
        return LocalInformer(self.client, kind_of(kind), self._feeds(kind_of(kind)))

    def __getitem__(self, kind: str) -> Lister:
        return self._informers[kind].lister

    def __iter__(self) -> Iterator[str]:
        return iter(self._informers)

    def __len__(self) -> int:
        return len(self._informers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All of them run, and are synced when the block begins; they end with it."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            running = [
                tasks.create_task(informer.run(), name=f"informer:{kind}") for kind, informer in self._informers.items()
            ]
            try:
                for informer in self._informers.values():
                    await informer.synced()
                yield
            finally:
                for task in running:
                    task.cancel()
                for informer in self._informers.values():
                    informer.close()
