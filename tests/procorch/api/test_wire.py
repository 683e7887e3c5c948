"""Watches on real sockets whose clients do not read, or read late."""

from __future__ import annotations

import asyncio
import gc
import weakref
from contextlib import aclosing

import orjson
import pytest

from procorch.api import wire
from procorch.api.unread import Unread
from procorch.api.watch import PIECE
from procorch.client import Client
from procorch.objects import TooManyRequests

MIB = 1 << 20
PATH = "/api/v1/namespaces/default/configmaps"
MASTER = ("kubernetes-admin", "system:masters")


def config_map(name, size=MIB):
    about = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"x": "x" * size}}


@pytest.fixture
async def silent(served):
    """Begins a watch over TLS that is not read; gives its reader, for later. What it asks: the URL's query."""
    writers = []

    async def begin(query=""):
        context = served.context(*MASTER)
        reader, writer = await asyncio.open_connection("127.0.0.1", served.listener.port, ssl=context, limit=1024)
        writers.append(writer)
        writer.write(f"GET {PATH}?watch=true&{query} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        await reader.readuntil(b"\r\n\r\n")
        return reader

    yield begin
    for writer in writers:
        writer.transport.abort()


async def version_of(client):
    return (await client.items("ConfigMap", "default")).resource_version


def unread(served):
    return sum(watch.unread() for watch in served.api.listing.watches)


async def test_all_that_do_not_read_have_one_budget_and_the_worst_are_dropped(served, silent, until):
    """Nobody is near the limit of its own; those that read, and those that leave little, notice nothing."""
    served.api.listing.unread = Unread(8 * MIB)
    version = await version_of(served.client)
    greedy = [await silent(f"resourceVersion={version}") for _ in range(6)]
    await silent(f"resourceVersion={version}&fieldSelector=metadata.name%3Dc1")
    transport = served.transport(*MASTER)
    most = 0
    async with aclosing(Client(transport).watch("ConfigMap", "default", resource_version=version)) as events:
        for name in (f"c{number}" for number in range(60)):
            await served.client.create(config_map(name))
            event, obj = await anext(events)
            assert (event, obj["metadata"]["name"]) == ("ADDED", name)
            most = max(most, unread(served))
            if len(served.api.listing.watches) < 8:
                break  # how much that took is the kernel's matter: its buffers come before ours

        assert most <= 8 * MIB * 17 // 16 + MIB
        assert 2 < len(served.api.listing.watches) < 8
        assert any(watch.scope.fields for watch in served.api.listing.watches)
    await transport.close()

    cut = [await ends_early(reader) for reader in greedy]
    assert 0 < cut.count(True) < len(greedy)


async def ends_early(reader):
    """Whether a body in chunks ends without the chunk that says so; one that goes on does not end."""
    body = b"..."
    try:
        async with asyncio.timeout(0.5):
            while data := await reader.read(MIB):
                body = data
    except TimeoutError:
        return False
    except ConnectionError:
        return True
    return not body.endswith(b"0\r\n\r\n")


async def test_a_dropped_watcher_goes_on_from_where_it_was(served, silent, until):
    served.api.listing.unread = Unread(2 * MIB)
    version = await version_of(served.client)
    await silent(f"resourceVersion={version}")
    for number in range(12):
        await served.client.create(config_map(f"c{number}"))
    await until(lambda: not served.api.listing.watches)

    async with aclosing(served.client.watch("ConfigMap", "default", resource_version=version)) as events:
        assert [(await anext(events))[1]["metadata"]["name"] for _ in range(12)] == [f"c{n}" for n in range(12)]


async def test_the_present_is_made_as_it_is_read(served, silent, until):
    """Forty clients that ask for a large state and do not read would else hold forty copies of it."""
    for number in range(30):
        await served.client.create(config_map(f"c{number:02}"))
    reader = await silent()
    await until(lambda: len(served.api.listing.watches) == 1)
    await served.client.create(config_map("late", 10))
    await asyncio.sleep(0)
    assert unread(served) < 2 * MIB + PIECE

    names, rest = [], b""
    async with asyncio.timeout(20):
        while "late" not in names:
            *lines, rest = (rest + await reader.read(MIB)).split(b"\n")
            names += [orjson.loads(line)["object"]["metadata"]["name"] for line in lines if line[:2] == b'{"']
    assert names == [*(f"c{number:02}" for number in range(30)), "late"]


async def test_a_client_that_does_not_read_the_end_of_its_watch_is_cut_off(served, silent, until, monkeypatch):
    monkeypatch.setattr(wire, "SEND_SECONDS", 0.1)
    for number in range(20):
        await served.client.create(config_map(f"c{number}"))
    await silent("timeoutSeconds=1")
    await until(lambda: len(served.listener._server.connections) == 1)

    await until(lambda: not served.listener._server.connections)
    assert not served.api.listing.watches


async def test_there_are_only_so_many_watches_and_the_systems_have_room_left(served, silent, until):
    served.api.listing.most_watches = 8
    readers = [await silent() for _ in range(7)]
    jane, node = (Client(served.transport(name, "system:masters")) for name in ("jane", "system:node:n1"))
    query = {"watch": "true"}
    with pytest.raises(TooManyRequests) as refused:
        await jane.raw("GET", PATH, query=query)
    assert (refused.value.message, refused.value.retry_after) == ("too many watches: 7 are open", 5)

    async with node.transport.stream("GET", PATH, query=query) as answer:
        assert answer.status == 200
        with pytest.raises(TooManyRequests):
            await node.raw("GET", PATH, query=query)
    readers.pop()._transport.abort()
    await until(lambda: len(served.api.listing.watches) == 6)
    async with jane.transport.stream("GET", PATH, query=query) as answer:
        assert answer.status == 200
    for client in (jane, node):
        await client.transport.close()


async def test_watches_are_not_compressed(served):
    """As in kube-apiserver, which compresses whole answers only: an event must not wait for others."""
    for number in range(3):
        await served.client.create(config_map(f"c{number}"))
    transport = served.transport(*MASTER)
    headers = {"Accept": "application/json", "Accept-Encoding": "gzip"}
    async with transport.stream("GET", PATH, query={"watch": "true"}, headers=headers) as answer:
        assert "content-encoding" not in answer.headers
        assert (await anext(answer.chunks)).startswith(b'{"type":"ADDED"')
    listed = await transport.send("GET", PATH, headers=headers)
    assert listed.headers["content-encoding"] == "gzip"
    await transport.close()


async def test_a_watch_that_has_ended_leaves_at_once(served, silent, until):
    """Its connection's buffers with it: they do not wait for the collector, which seldom looks at what is old."""
    reader = await silent("resourceVersion=0")
    (watch,) = served.api.listing.watches
    left = weakref.ref(watch.wire)
    del watch
    gc.collect()
    gc.disable()
    try:
        reader._transport.abort()
        await until(lambda: left() is None)
    finally:
        gc.enable()
