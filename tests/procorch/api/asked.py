"""An API in memory, asked by code that is not asynchronous."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Mapping
from typing import Any

import store
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client

_SECONDS = 60


class Asked:
    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.run(self._start())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return self.loop.run_until_complete(asyncio.wait_for(work, _SECONDS))

    async def _start(self) -> None:
        self.log = await store.Log.open(":memory:")
        self.api = Api(self.log)
        await self.api.start()
        self.transport = LocalTransport(self.api, User("admin", (MASTERS,)))
        self.client = Client(self.transport)
        await self.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})

    def check(
        self, method: str, path: str, query: Mapping[str, str], media: str, body: bytes, *, accept: str = ""
    ) -> int:
        """The code of the answer, which is none of a failure."""
        headers = ({"Content-Type": media} if media else {}) | ({"Accept": accept} if accept else {})
        status, answer = self.run(self._send(method, path, query, headers, body))
        assert status < 500 or status in (503, 504), (
            status,
            method,
            path,
            dict(query),
            media,
            accept,
            body[:2000],
            answer[:500],
        )
        return int(status)

    async def _send(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> tuple[int, bytes]:
        """The code; and of a failure what it says. A watch is not waited for."""
        async with self.transport.stream(method, path, query=query, headers=headers, body=body) as answer:
            if answer.status < 500:
                return answer.status, b""
            return answer.status, b"".join([chunk async for chunk in answer.chunks])

    def end(self) -> None:
        self.run(self._end())
        self.loop.close()

    async def _end(self) -> None:
        await self.api.close()
        await self.log.close()
