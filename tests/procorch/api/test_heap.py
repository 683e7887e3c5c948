from __future__ import annotations

import platform

import pytest

from procorch.api import connection, heap
from procorch.api.heap import Heap


@pytest.fixture
def given() -> list[str]:
    """What has been given back."""
    return []


async def test_memory_is_given_back_once_when_many_have_ended(monkeypatch, given, until):
    monkeypatch.setattr(heap, "DELAY", 0.01)
    made = Heap(lambda: given.append("all"))
    for _ in range(heap.MANY - 1):
        made.ended()
    assert made._timer is None
    for _ in range(heap.MANY):
        made.ended()
    await until(lambda: bool(given))

    assert given == ["all"] and made._timer is None


async def test_a_server_that_closes_gives_nothing_back_any_more(given):
    made = Heap(lambda: given.append("all"))
    for _ in range(heap.MANY):
        made.ended()
    assert made._timer is not None
    made.close()

    assert made._timer is None and given == []


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_glibc_can_give_back():
    trim = heap.trim_of_libc()

    assert trim is not None
    trim()


async def test_each_connection_that_ends_counts(served, monkeypatch, until):
    monkeypatch.setattr(heap, "MANY", 2)
    monkeypatch.setattr(heap, "DELAY", 0.01)
    server = served.listener._server
    assert isinstance(server, connection.Connections)
    given: list[str] = []
    server._heap = Heap(lambda: given.append("all"))
    for _ in range(2):
        transport = served.transport("kubernetes-admin", "system:masters")
        await transport.send("GET", "/api")
        await transport.close()
    await until(lambda: given == ["all"])
