"""The API without a socket: the transport of the master's own loops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from procorch.api.request import LOCAL, Request, Response, User
from procorch.transport import Answer, StreamAnswer, Unreachable

if TYPE_CHECKING:
    from procorch.api.api import Api

_NOTHING: Mapping[str, str] = {}


class LocalTransport:
    """procorch.transport.Transport over `api`, as `user`. Every request takes the same way as one from a socket."""

    def __init__(self, api: Api, user: User) -> None:
        self._api = api
        self._user = user
        self._closed = False

    async def send(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] = _NOTHING,
        headers: Mapping[str, str] = _NOTHING,
        body: bytes = b"",
    ) -> Answer:
        response = await self._handle(method, path, query, headers, body)
        if response.stream is not None:
            parts = [chunk async for chunk in response.stream]
            return Answer(response.status, _lower(response.headers), b"".join(parts))
        return Answer(response.status, _lower(response.headers), response.body)

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
        response = await self._handle(method, path, query, headers, body)
        chunks = response.stream if response.stream is not None else _once(response.body)
        try:
            yield StreamAnswer(response.status, _lower(response.headers), chunks)
        finally:
            close = getattr(chunks, "aclose", None)
            if close is not None:
                await close()

    async def close(self) -> None:
        self._closed = True

    async def _handle(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Response:
        if self._closed:
            raise Unreachable("the transport is closed")
        return await self._api.handle(Request(method, path, query, _lower(headers), body, self._user, LOCAL))


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
