"""What requests hold together has a limit; what is small does not count."""

from __future__ import annotations

import asyncio
import logging

import pytest

from procorch.api import connection, http
from procorch.api.budget import Budget
from procorch.objects import TooManyRequests


def test_what_is_given_back_can_be_taken_again():
    budget = Budget(100, 10, "bodies")
    taken = budget.take(60)
    with pytest.raises(TooManyRequests, match="too many bodies"):
        budget.take(50)
    budget.give(taken)

    assert budget.take(50) == 50 and budget.held == 50


def test_small_things_do_not_count():
    budget = Budget(0, 10, "bodies")

    assert budget.take(10) == 0 == budget.held


async def test_large_bodies_that_do_not_come_keep_out_large_ones_only(served, monkeypatch):
    """Three clients begin a body of 3 MiB each, where there is room for two."""
    monkeypatch.setattr(http, "BODIES", 7 << 20)
    context = served.context("kubernetes-admin", "system:masters")
    listener = await http.serve(served.api, "127.0.0.1", 0, http.server_context(
        served.credentials.directory / "apiserver.crt", served.credentials.directory / "apiserver.key",
        served.credentials.ca.pem))  # fmt: skip
    path = "/api/v1/namespaces/default/configmaps"

    async def begin(length: int, body: bytes = b""):
        reader, writer = await asyncio.open_connection("127.0.0.1", listener.port, ssl=context)
        writer.write(f"POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: {length}\r\n\r\n".encode() + body)
        return reader, writer

    slow = [await begin(3 << 20) for _ in range(2)]
    while True:
        reader, writer = await begin(3 << 20)
        try:
            assert b" 429 " in await asyncio.wait_for(reader.readline(), 0.5)
            break
        except TimeoutError:  # the first two had not got so far
            slow.append((reader, writer))
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"small"}}'
    reader, small = await begin(len(body), body)
    assert b" 201 " in await reader.readline()
    for _, other in (*slow, (None, writer), (None, small)):
        other.transport.abort()
    await listener.close(0.5)


async def test_an_answer_that_nobody_reads_ends_with_its_connection(served, monkeypatch):
    monkeypatch.setattr(connection, "SEND_SECONDS", 0.1)
    monkeypatch.setattr(http, "SLOWEST", 1 << 40)
    for number in range(40):
        about = {"name": f"c{number}", "namespace": "default"}
        await served.client.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"x": "y" * 500_000}}
        )
    context = served.context("kubernetes-admin", "system:masters")
    reader, writer = await asyncio.open_connection("127.0.0.1", served.listener.port, ssl=context, limit=1 << 16)
    writer.write(b"GET /api/v1/configmaps HTTP/1.1\r\nHost: x\r\n\r\n")
    await reader.readuntil(b"\r\n\r\n")
    await asyncio.sleep(0.5)  # does not read: the answer does not fit into the sockets

    with pytest.raises((asyncio.IncompleteReadError, ConnectionError)):
        await asyncio.wait_for(reader.readexactly(20_000_000), 10)
    writer.close()


async def test_who_sends_requests_and_reads_no_answer_piles_nothing_up(served, monkeypatch, caplog):
    caplog.set_level(logging.INFO)
    monkeypatch.setattr(connection, "SEND_SECONDS", 0.3)
    about = {"name": "c", "namespace": "default"}
    await served.client.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"x": "y" * 50_000}}
    )
    context = served.context("kubernetes-admin", "system:masters")
    _, writer = await asyncio.open_connection("127.0.0.1", served.listener.port, ssl=context, limit=1 << 16)
    handled = 0
    handle = served.api.handle

    async def counted(request):
        nonlocal handled
        handled += 1
        return await handle(request)

    monkeypatch.setattr(served.api, "handle", counted)
    for _ in range(2000):  # a hundred megabytes of answers
        writer.write(b"GET /api/v1/configmaps HTTP/1.1\r\nHost: x\r\n\r\n")
    async with asyncio.timeout(10):
        while "answer not read" not in caplog.messages:
            await asyncio.sleep(0.01)
    writer.transport.abort()

    assert 0 < handled < 1000
