"""The nodes that have dialled in: one multiplexed connection each, on which requests travel back to them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any

from procorch.link import Link, LinkClosed, Stream, StreamReset
from procorch.objects import ApiError, ServiceUnavailable

logger = logging.getLogger(__name__)

ANSWER_SECONDS = 30.0  # a node that has not begun to answer by then is not well


class Links(Mapping[str, Link]):
    """node's name → its newest link."""

    def __init__(self) -> None:
        self._links: dict[str, Link] = {}

    def __getitem__(self, node: str) -> Link:
        return self._links[node]

    def __iter__(self) -> Any:
        return iter(self._links)

    def __len__(self) -> int:
        return len(self._links)

    async def serve(self, node: str, send: Callable[[bytes], Awaitable[None]], messages: AsyncIterator[bytes]) -> None:
        """Runs a link until it ends. A node that comes again replaces the link it had."""
        link = Link(send, accept=None, first_id=2)
        before = self._links.get(node)
        self._links[node] = link
        if before is not None:
            before.close("the node has dialled in again")
        logger.info("node linked", extra={"node": node})
        try:
            await link.run(messages)
        except ConnectionError as error:
            logger.info("link broke", extra={"node": node, "error": str(error)})
        finally:
            link.close()
            if self._links.get(node) is link:
                del self._links[node]
            logger.info("node unlinked", extra={"node": node})

    async def request(self, node: str, method: str, path: str) -> AsyncIterator[bytes]:
        """The body of the node's answer, as it comes. Raises ApiError with the node's words."""
        return Body(await self.open(node, method, path))

    async def open(self, node: str, method: str, path: str) -> Stream:
        """A stream on which the node has agreed to what was asked (`response` says how). Raises ApiError."""
        link = self._links.get(node)
        if link is None:
            raise ServiceUnavailable.of(f'node "{node}" is not connected to the API server')
        try:
            stream = await link.open({"method": method, "path": path})
            try:
                async with asyncio.timeout(ANSWER_SECONDS):
                    head = await stream.response()
            except BaseException:
                await stream.reset("no longer wanted")
                raise
        except TimeoutError:
            raise ServiceUnavailable.of(f'node "{node}" does not answer') from None
        except (StreamReset, LinkClosed) as error:
            raise ServiceUnavailable.of(f'node "{node}": {error}') from None
        status = int(head.get("status", 500))
        if status >= 400:
            text = b"".join([chunk async for chunk in Body(stream)]).decode("utf-8", "replace").strip()
            raise _refused(status, text)
        return stream

    def close(self) -> None:
        for link in tuple(self._links.values()):
            link.close("the API server is going down")


class Body:
    """What follows the head. `aclose` tells the node to stop, also before the first read: a generator would not."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream

    def __aiter__(self) -> Body:
        return self

    async def __anext__(self) -> bytes:
        try:
            if chunk := await self._stream.read():
                return chunk
        except (StreamReset, LinkClosed) as error:
            logger.info("a node's answer broke off", extra={"error": str(error)})
        except BaseException:
            await self.aclose()
            raise
        raise StopAsyncIteration

    async def aclose(self) -> None:
        if not self._stream.over:
            await self._stream.reset("no longer wanted")


def _refused(status: int, text: str) -> ApiError:
    reasons = {400: "BadRequest", 403: "Forbidden", 404: "NotFound"}
    return ApiError(text or f"the node answered {status}", status, reasons.get(status, "InternalError"))
