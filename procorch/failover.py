"""A transport over several masters: one at a time, the next when that one does not answer."""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager

from procorch.transport import Answer, HttpTransport, StreamAnswer, Unreachable

logger = logging.getLogger(__name__)

_NOTHING: Mapping[str, str] = {}


class Failover:
    """procorch.transport.Transport over the first of `masters` that answers.

    A request that no master can have received goes to the next one by itself; one that was lost on the way is
    Unreachable, since it may have been done, and whoever asks again asks the next. Streams from a master that was
    given up end: what it would still tell may be old.
    """

    def __init__(self, masters: Sequence[HttpTransport]) -> None:
        self._masters = masters
        self._turn = 0  # counts on; the master in use is the one at this place, round and round

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes = b"",
    ) -> Answer:
        for attempt in range(len(self._masters)):
            turn = self._turn
            try:
                return await self._at(turn).send(method, path, query=query, headers=headers, body=body)
            except Unreachable as error:
                await self._give_up(turn, error)
                if error.received or attempt == len(self._masters) - 1:
                    raise
        raise AssertionError("a transport over no master")

    @asynccontextmanager
    async def stream(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes = b"",
    ) -> AsyncIterator[StreamAnswer]:
        turn = self._turn
        try:
            async with self._at(turn).stream(method, path, query=query, headers=headers, body=body) as answer:
                yield answer
        except Unreachable as error:
            await self._give_up(turn, error)
            raise

    async def close(self) -> None:
        for master in self._masters:
            await master.close()

    def _at(self, turn: int) -> HttpTransport:
        return self._masters[turn % len(self._masters)]

    async def _give_up(self, turn: int, error: Unreachable) -> None:
        """Of all that fail at one master the first moves on to the next."""
        if turn != self._turn or len(self._masters) == 1:
            return
        self._turn += 1
        facts = {"error": str(error), "next": self._at(self._turn).server_url}
        logger.warning("a master does not answer: the next one is asked", extra=facts)
        await self._at(turn).close()
