"""Protocols that are not known, errors before and after a connection is taken over, and what is left behind."""

from __future__ import annotations

import asyncio
import json

import aiohttp
import pytest


async def test_no_protocol_in_common_on_a_websocket(streams):
    with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
        await streams.websocket("exec?command=cat", "v9.channel.k8s.io")
    assert failure.value.status == 403


async def test_no_protocol_in_common_on_spdy(streams):
    head, reader, writer = await streams.raw("exec?command=cat", "v9.channel.k8s.io")
    assert head.startswith(b"HTTP/1.1 403")
    assert b"unable to negotiate protocol" in await reader.read()
    writer.close()


async def test_a_command_that_is_refused_is_told_on_the_error_stream_to_clients_of_v5(streams):
    """They do not read the answer of a failed upgrade, but try again with SPDY."""
    socket = await streams.websocket("exec?command=absent", "v5.channel.k8s.io")
    async with asyncio.timeout(10):
        message = await socket.receive()
    assert message.data[0] == 3
    said = json.loads(message.data[1:])["message"]
    assert said == 'unable to upgrade connection: container not found ("main")'
    await socket.close()


async def test_and_with_the_answer_to_others(streams):
    with pytest.raises(aiohttp.WSServerHandshakeError) as failure:
        await streams.websocket("exec?command=absent", "v4.channel.k8s.io")
    assert failure.value.status == 404


async def test_junk_on_an_upgraded_connection_ends_it(streams, served):
    head, reader, writer = await streams.raw("exec?command=hang", "v4.channel.k8s.io")
    assert head.startswith(b"HTTP/1.1 101")
    writer.write(b"GET / HTTP/1.1\r\n\r\n" * 100)
    async with asyncio.timeout(10):
        while await reader.read(65536):
            pass
    writer.close()
    assert (await served.client.get("Pod", "default/a"))["metadata"]["name"] == "a"


async def test_a_client_that_opens_no_streams_is_waited_for_no_longer_than_it_may(streams, monkeypatch):
    from procorch.api.streaming import upgrade

    monkeypatch.setattr(upgrade, "STREAMS_SECONDS", 0.1)
    _, reader, writer = await streams.raw("exec?command=hang", "v4.channel.k8s.io")
    async with asyncio.timeout(10):
        while await reader.read(65536):
            pass
    writer.close()


async def test_many_connections_leave_nothing_behind(streams, served, node, until):
    link = served.api.links["n1"]
    for number in range(30):
        if number % 3 == 0:
            socket = await streams.websocket("exec?command=fail", "v4.channel.k8s.io")
            async for _ in socket:
                pass
        elif number % 3 == 1:
            socket = await streams.websocket("exec?command=hang", "v4.channel.k8s.io")
            socket._response.connection.transport.abort()
        else:
            _, _, writer = await streams.raw("exec?command=hang", "v4.channel.k8s.io")
            writer.transport.abort()

    await until(lambda: len(node.asked) == 30 and not link._streams)
