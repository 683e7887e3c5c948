"""Logs and watches over WebSockets, on real sockets."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from functools import partial
from typing import Any

import aiohttp
import pytest

from procorch.api import MASTERS, Api, User
from procorch.api.http import serve
from tests.procorch.api.streaming.conftest import Node, Streams, node, streams

__all__ = ["node", "streams"]  # fixtures

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


async def all_of(socket: aiohttp.ClientWebSocketResponse) -> list[Any]:
    """Every message until the server closes."""
    async with asyncio.timeout(10):
        return [message.data async for message in socket]


@pytest.mark.parametrize("protocols", [(), ("binary.k8s.io",), ("unknown", "binary.k8s.io")])
async def test_a_log_is_bytes_after_an_empty_message(streams: Streams, protocols: tuple[str, ...]) -> None:
    socket = await streams.websocket("log?container=main", *protocols)

    first, *rest = await all_of(socket)
    assert first == b""
    assert b"".join(rest) == b"one\n\xfftwo\n"
    assert socket.protocol == (protocols[-1] if protocols else None)


async def test_or_base64(streams: Streams) -> None:
    socket = await streams.websocket("log", "base64.binary.k8s.io")

    first, *rest = await all_of(socket)
    assert first == ""
    assert b"".join(map(base64.b64decode, rest)) == b"one\n\xfftwo\n"


async def test_a_protocol_that_nobody_knows_is_refused(streams: Streams) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
        await streams.websocket("log", "v4.channel.k8s.io")

    assert failure.value.status == 403


async def test_an_error_is_an_answer_not_a_message(streams: Streams) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
        await streams.websocket("log?container=absent")

    assert failure.value.status == 400


async def test_who_no_longer_follows_a_log_costs_its_node_nothing(streams: Streams, node: Node) -> None:
    socket = await streams.websocket("log?follow=true")
    assert (await socket.receive()).data == b""
    assert (await socket.receive()).data == b"one\n\xfftwo\n"
    await socket.close()

    async with asyncio.timeout(10):
        while not node.cut:
            await asyncio.sleep(0.01)


@pytest.fixture
async def watching(served: Any) -> AsyncIterator[Any]:
    """Opens a WebSocket on which ConfigMaps are watched: the query, and headers."""
    context = served.context("kubernetes-admin", "system:masters")
    async with aiohttp.ClientSession() as session:

        async def begin(query: str, **headers: str) -> aiohttp.ClientWebSocketResponse:
            url = f"{served.url}{CONFIG_MAPS}?watch=true&{query}"
            return await session.ws_connect(url, ssl=context, headers=headers)

        yield begin


def config_map(name: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"text": "a\nb"}}


async def test_each_event_of_a_watch_is_a_message_of_text(served: Any, watching: Any) -> None:
    await served.client.create(config_map("a"))
    await served.client.create(config_map("b"))
    socket = await watching("")
    events = [await socket.receive_json(timeout=10) for _ in range(2)]
    await served.client.create(config_map("c"))
    events.append(await socket.receive_json(timeout=10))
    await served.client.delete("ConfigMap", "default/a")
    events.append(await socket.receive_json(timeout=10))
    await socket.close()

    said = [(event["type"], event["object"]["metadata"]["name"]) for event in events]
    assert said == [("ADDED", "a"), ("ADDED", "b"), ("ADDED", "c"), ("DELETED", "a")]


async def test_a_browser_gives_its_token_among_the_protocols(served: Any, streams: Streams) -> None:
    """It cannot set headers. The token is no protocol of the answer, and goes no further."""
    config = replace(served.api.config, tokens={"s3cret": User("admin", (MASTERS,))})
    api = Api(served.api.log, config=config)
    await api.start()
    listener = await serve(api, "127.0.0.1", 0, served.credentials.server_context())
    url = f"https://127.0.0.1:{listener.port}{CONFIG_MAPS}?watch=true"
    token = base64.urlsafe_b64encode(b"s3cret").rstrip(b"=").decode()
    protocol = f"base64url.bearer.authorization.k8s.io.{token}"
    open_ = partial(streams.session.ws_connect, url, ssl=served.context())

    async with open_(protocols=(protocol, "any")) as socket:
        assert socket.protocol is None
        assert len(api.listing.watches) == 1
    for refused in ((protocol,), ("any",), (f"{protocol}x", "any")):
        with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
            await open_(protocols=refused)
        assert failure.value.status == 401
    await api.close()
    await listener.close(0.5)


async def test_a_watch_ends_with_its_client(served: Any, watching: Any) -> None:
    socket = await watching("")
    assert len(served.api.listing.watches) == 1
    await socket.close()

    async with asyncio.timeout(10):
        while served.api.listing.watches:
            await asyncio.sleep(0.01)


async def test_and_a_client_is_told_when_the_watch_ends(watching: Any) -> None:
    socket = await watching("timeoutSeconds=1&allowWatchBookmarks=true")

    events = [json.loads(text) for text in await all_of(socket)]
    assert {event["type"] for event in events} <= {"BOOKMARK"}
    assert socket.close_code == 1000


async def test_in_another_form_than_json_a_watch_is_no_text(watching: Any) -> None:
    with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
        await watching("", Accept="application/vnd.kubernetes.protobuf")

    assert failure.value.status == 406
