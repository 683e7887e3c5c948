"""Ways to the API that are late, are cut off, or on which the caller dies."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random
from typing import Any

from procorch.api import Api, LocalTransport, User
from procorch.transport import Answer, StreamAnswer, Unreachable


class LateTransport(LocalTransport):
    """Watches are `late` seconds late per event, and end in the middle after some events: one in `cut`; 0 never."""

    def __init__(self, api: Api, user: User, *, late: float = 0.1, cut: int = 0, seed: int = 0) -> None:
        super().__init__(api, user)
        self._late, self._cut, self._random = late, cut, Random(seed)

    @asynccontextmanager
    async def stream(self, *args: Any, **more: Any) -> AsyncIterator[StreamAnswer]:
        async with super().stream(*args, **more) as answer:

            async def late() -> AsyncIterator[bytes]:
                async for chunk in answer.chunks:
                    await asyncio.sleep(self._late)
                    if self._cut and self._random.randrange(self._cut) == 0:
                        raise Unreachable("cut off")
                    yield chunk

            yield answer._replace(chunks=late())


class MortalTransport(LocalTransport):
    """The caller dies at its `last` write: before it is done, or, if `after`, when it is done but not heard of.

    died: is called at that moment, and nothing that the caller sends afterwards arrives. What it has sent before does:
    `buried` waits for that, for who dies together with the API has nothing under way when they both come back.
    """

    def __init__(self, api: Api, user: User, last: int, *, after: bool, died: Callable[[], object]) -> None:
        super().__init__(api, user)
        self.writes = 0
        self._last, self._after, self._died = last, after, died
        self._under_way: set[asyncio.Future[Answer]] = set()

    async def send(self, method: str, path: str, **more: Any) -> Answer:
        if method != "GET" and not path.endswith("/events"):
            self.writes += 1
            if self.writes == self._last:
                if self._after:
                    await self._sent(method, path, **more)
                self._died()
        if self.writes >= self._last:
            raise Unreachable("dead")
        return await self._sent(method, path, **more)

    async def _sent(self, method: str, path: str, **more: Any) -> Answer:
        answer = asyncio.get_running_loop().create_task(super().send(method, path, **more))
        self._under_way.add(answer)
        answer.add_done_callback(self._under_way.discard)
        return await asyncio.shield(answer)

    async def buried(self) -> None:
        await asyncio.gather(*self._under_way, return_exceptions=True)
