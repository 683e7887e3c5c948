"""Creations in a namespace with quotas: those that come together are charged and appended together.

Each changes the same rows, the quotas', so one could only follow the other, a commit each. Here they queue:

    create ─▶ queue of its namespace ─▶ as many as are there: each is charged on top of those before it ─▶ one append
                                         │ does not fit: 403, the others go on     (objects, and each quota once)
                                         │ its own row was there: 409, the others are charged anew
                                         ╰ a quota was changed by somebody else: all are charged anew
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import store
from procorch.api.quotas import Ledger, Quotas
from procorch.kinds.kind import Kind
from procorch.objects import Object
from store.gathering import Gathering

MOST = 64  # creations in one append
TRIES = 16  # to charge one; each time another master was quicker


@dataclass(eq=False, slots=True)
class _Creation:
    """writes: its own row, and those of what it claims. answer: the revision of its own row."""

    kind: Kind
    obj: Object
    writes: Sequence[store.Write]
    answer: asyncio.Future[int]
    tries: int = TRIES

    def refuse(self, error: Exception) -> None:
        if not self.answer.done():
            self.answer.set_exception(error)


class Charges:
    def __init__(self, log: store.Log, quotas: Quotas) -> None:
        self._log = log
        self._quotas = quotas
        self._queues: dict[str, deque[_Creation]] = {}
        self._runners: dict[str, asyncio.Task[None]] = {}

    async def append(self, kind: Kind, obj: Object, writes: Sequence[store.Write]) -> int:
        """Makes the writes and charges the namespace's quotas, or does neither; the revision of the first write.

        Cancelled while it waits for its turn, it does nothing; later it may have been done. Raises Forbidden, and what
        `Log.append` raises; of its Conflicts those about `writes`, and about a quota that others change all the time.
        """
        if not self._quotas.concern(kind, obj):
            return (await self._log.append(*writes))[0]
        loop, namespace = asyncio.get_running_loop(), obj["metadata"]["namespace"]
        creation = _Creation(kind, obj, writes, loop.create_future())
        queue = self._queues.setdefault(namespace, deque())
        queue.append(creation)
        if namespace not in self._runners:  # a task of its own: whoever came first may be cancelled at any moment
            run = self._run(namespace, queue)
            self._runners[namespace] = loop.create_task(run, name=f"quotas-{namespace}")
        return await creation.answer

    async def _run(self, namespace: str, queue: deque[_Creation]) -> None:
        gathering, loop = Gathering(), asyncio.get_running_loop()
        try:
            while queue:
                if gathering.is_worthwhile(len(queue), loop.time()):
                    await asyncio.sleep(0)
                else:
                    await self._append(namespace, queue)
        finally:
            del self._queues[namespace], self._runners[namespace]

    async def _append(self, namespace: str, queue: deque[_Creation]) -> None:
        """The first of the queue, in one append."""
        try:
            ledger = self._quotas.ledger(namespace)
        except Exception as error:  # a quota that cannot be read
            while queue:
                queue.popleft().refuse(error)
            return
        creations: list[_Creation] = []
        keys: set[str] = set()
        while queue and len(creations) < MOST:
            creation = queue[0]
            is_doubtful = await self._is_doubtful(creation, keys)
            if is_doubtful and creations:
                break
            queue.popleft()
            if creation.answer.done():
                continue
            try:
                ledger.charge(creation.kind, creation.obj)
            except Exception as error:
                creation.refuse(error)
                continue
            creations.append(creation)
            keys.update(write.key for write in creation.writes)
            if is_doubtful:
                break
        if creations:
            await self._commit(creations, ledger, queue)

    async def _is_doubtful(self, creation: _Creation, keys: set[str]) -> bool:
        """Whether it will hardly be done, since a row of it is there, or will be: then it goes alone, so that nobody
        is refused for what it would have cost."""
        for write in creation.writes:
            if write.expected == 0 and (write.key in keys or await self._log.latest(write.key) is not None):
                return True
        return False

    async def _commit(self, creations: list[_Creation], ledger: Ledger, queue: deque[_Creation]) -> None:
        try:
            rows = [write for creation in creations for write in creation.writes]
            revisions = await self._log.append(*rows, *ledger.writes())
        except store.Conflict as conflict:
            queue.extendleft(reversed(list(_others(creations, conflict))))
        except Exception as error:
            for creation in creations:
                creation.refuse(error)
        else:
            at = 0
            for creation in creations:
                if not creation.answer.done():
                    creation.answer.set_result(revisions[at])
                at += len(creation.writes)


def _others(creations: Iterable[_Creation], conflict: store.Conflict) -> Iterable[_Creation]:
    """Those that are to be tried again; whose row it was that somebody else has changed is told."""
    for creation in creations:
        creation.tries -= 1
        if not creation.tries or any(write.key == conflict.key for write in creation.writes):
            creation.refuse(conflict)
        else:
            yield creation
