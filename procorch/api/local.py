"""The API without a socket: the transport of the master's own loops."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING

from procorch.api.cache import Change, Entry, LostEntry
from procorch.api.request import LOCAL, Request, Response, User
from procorch.kinds.kind import Kind
from procorch.objects import ApiError
from procorch.transport import Answer, StreamAnswer, Unreachable

if TYPE_CHECKING:
    from procorch.api.api import Api

_NOTHING: Mapping[str, str] = {}
_WATCH: Mapping[str, str] = {"watch": "true"}


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

    def feed(self, kind: Kind) -> LocalFeed:
        """All objects of a kind and what becomes of them, as the cache has them: for procorch.local_informer."""
        return LocalFeed(self._api, self._user, kind)

    async def close(self) -> None:
        self._closed = True

    async def _handle(
        self, method: str, path: str, query: Mapping[str, str], headers: Mapping[str, str], body: bytes
    ) -> Response:
        if self._closed:
            raise Unreachable("the transport is closed")
        return await self._api.handle(Request(method, path, query, _lower(headers), body, self._user, LOCAL))


class LocalFeed:
    """A list and a watch of one kind whose objects are the cache's own, with their bytes; as `user` may have them."""

    def __init__(self, api: Api, user: User, kind: Kind) -> None:
        self._api = api
        self._user = user
        self._kind = kind

    def all(self) -> Iterable[tuple[str, Entry]]:
        """By key, as of now. Raises ApiError: Forbidden, or the first that cannot be read."""
        for query in (_NOTHING, _WATCH):
            self._api.authorize(Request("GET", self._kind.path(None), query, {}, b"", self._user, LOCAL))
        shelf = self._api.cache.shelf(self._kind)
        for lost in shelf.lost.values():
            raise lost.error(self._kind)
        return shelf.entries.items()

    def follow(self, hear: Callable[[Change], None], fail: Callable[[ApiError], None]) -> Callable[[], None]:
        """What is returned ends it."""
        shelf = self._api.cache.shelf(self._kind)

        def listen(change: Change) -> None:
            if isinstance(change.new, LostEntry):
                fail(change.new.error(self._kind))
            else:
                hear(change)

        shelf.listeners[listen] = None

        def leave() -> None:
            shelf.listeners.pop(listen, None)

        return leave


def _lower(headers: Mapping[str, str]) -> dict[str, str]:
    return {name.lower(): value for name, value in headers.items()}


async def _once(body: bytes) -> AsyncIterator[bytes]:
    if body:
        yield body
