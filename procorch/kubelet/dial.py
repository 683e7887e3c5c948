"""The node dials its masters and keeps the connection: what they want of it travels back on this link.

The node itself listens on nothing.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from typing import Any
from urllib.parse import parse_qsl, quote, unquote, urlsplit

import aiohttp
from multidict import MultiDict, MultiMapping

from procorch.clock import Backoff
from procorch.link import Link, Stream

logger = logging.getLogger(__name__)

LARGEST_MESSAGE = 1 << 20

Serve = Callable[[list[str], MultiMapping[str], Stream], Awaitable[None]]
"""Answers one request: the decoded steps of its path after the first, its query, where the answer goes."""


async def dial(server: str, node: str, context: ssl.SSLContext | None, routes: Mapping[str, Serve]) -> None:
    """Until cancelled. routes: the first step of a path (`containerLogs`) → who answers."""
    backoff = Backoff(first=0.2, most=5.0)
    url = f"{server.rstrip('/')}/apis/procorch.dev/v1/nodes/{quote(node)}/link"

    async def accept(header: dict[str, Any], stream: Stream) -> None:
        await answer(header, stream, routes)

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=None, sock_connect=10)) as session:
        while True:
            try:
                async with session.ws_connect(
                    url, ssl=context if context is not None else True, max_msg_size=LARGEST_MESSAGE, compress=0
                ) as socket:
                    logger.info("linked", extra={"server": server})
                    backoff.reset()
                    link = Link(socket.send_bytes, accept=accept, first_id=1)
                    await link.run(_messages(socket))
                    logger.info("link ended", extra={"server": server, "why": link.closed})
            except (aiohttp.ClientError, OSError) as error:
                logger.info("link not made", extra={"server": server, "error": str(error) or type(error).__name__})
            await asyncio.sleep(backoff.next())


async def answer(header: Mapping[str, Any], stream: Stream, routes: Mapping[str, Serve]) -> None:
    """One request on the link: `{"method": "GET", "path": "/containerLogs/…?follow=true"}`; POST for what goes both
    ways."""
    parts = urlsplit(str(header.get("path") or "/"))
    steps = [unquote(step) for step in parts.path.strip("/").split("/")]
    serve = routes.get(steps[0])
    if serve is None or header.get("method") not in ("GET", "POST"):
        await reply(stream, 404, f"this node does not serve {header.get('method')} /{steps[0]}")
        return
    await serve(steps[1:], MultiDict(parse_qsl(parts.query, keep_blank_values=True)), stream)


async def reply(stream: Stream, status: int, body: str | bytes, content: str = "text/plain") -> None:
    """A whole answer. content: its Content-Type."""
    await stream.respond({"status": status, "headers": {"Content-Type": content}})
    await stream.write(body.encode() if isinstance(body, str) else body)


async def _messages(socket: aiohttp.ClientWebSocketResponse) -> AsyncIterator[bytes]:
    async for message in socket:
        if message.type == aiohttp.WSMsgType.BINARY:
            yield message.data
