"""UDP clients through a door, on 127.0.0.1."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from typing import cast

import pytest

from network.proxy import datagram
from network.proxy.choice import Balancer
from network.proxy.datagram import Door
from network.proxy.engine import Engine
from network.proxy.gate import Gate
from network.proxy.table import Backend


class Echo(asyncio.DatagramProtocol):
    """Answers with its name."""

    def __init__(self, name: bytes) -> None:
        self.name = name

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.DatagramTransport, transport)

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        self.transport.sendto(self.name + data, addr)


async def echo(name: bytes) -> tuple[Backend, asyncio.DatagramTransport]:
    loop = asyncio.get_running_loop()
    transport, _ = await loop.create_datagram_endpoint(lambda: Echo(name), ("127.0.0.1", 0))
    return Backend(*transport.get_extra_info("sockname")), transport


def udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.bind(("127.0.0.1", 0))
    made.setblocking(False)
    return made


@pytest.fixture
async def door() -> AsyncIterator[Door]:
    engine = Engine(asyncio.get_running_loop())
    made = Door(engine, Gate(engine), udp(), Balancer(), any_address=False)
    yield made
    made.close()
    engine.close()


async def exchange(client: socket.socket, door: Door, data: bytes = b"?") -> bytes:
    loop = asyncio.get_running_loop()
    await loop.sock_sendto(client, data, door.listener.getsockname())
    return await asyncio.wait_for(loop.sock_recv(client, 65535), 5)


async def test_each_client_has_its_backend_and_its_answers(door: Door) -> None:
    (a, one), (b, two) = await echo(b"a"), await echo(b"b")
    door._balancer.update((a, b), None)
    with udp() as near, udp() as far:
        answers = {await exchange(client, door) for client in (near, far) for _ in range(3)}

        assert answers == {b"a?", b"b?"}
        assert await exchange(near, door) == await exchange(near, door)
        assert door.sessions == 2
    one.close()
    two.close()


async def test_a_backend_that_refuses_loses_its_clients_to_the_next(door: Door) -> None:
    alive, transport = await echo(b"alive")
    with udp() as unused:
        dead = Backend(*unused.getsockname())
    door._balancer.update((dead, alive), None)
    loop = asyncio.get_running_loop()
    with udp() as client:
        for _ in range(20):
            await loop.sock_sendto(client, b"?", door.listener.getsockname())
            try:
                assert await asyncio.wait_for(loop.sock_recv(client, 100), 0.1) == b"alive?"
                break
            except TimeoutError:
                continue
        else:
            pytest.fail("never answered")
    transport.close()


async def test_the_silent_are_forgotten_and_the_busy_are_not(door: Door) -> None:
    backend, transport = await echo(b"")
    door._balancer.update((backend,), None)
    now = asyncio.get_running_loop().time()
    with udp() as client:
        await exchange(client, door)
        door.sweep(now + datagram.IDLE_SECONDS - 1)
        assert door.sessions == 1
        door.sweep(now + datagram.IDLE_SECONDS + 6)
        assert door.sessions == 0
        assert await exchange(client, door) == b"?"
    transport.close()


async def test_clients_of_a_backend_that_left_the_table_move_on(door: Door) -> None:
    (a, one), (b, two) = await echo(b"a"), await echo(b"b")
    door._balancer.update((a,), None)
    with udp() as client:
        assert await exchange(client, door) == b"a?"
        door._balancer.update((b,), None)
        door.update()

        assert await exchange(client, door) == b"b?"
    one.close()
    two.close()


async def test_too_many_clients_push_out_the_longest_silent(door: Door, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(datagram, "_SESSIONS", 3)
    backend, transport = await echo(b"")
    door._balancer.update((backend,), None)
    clients = [udp() for _ in range(5)]
    for client in clients:
        assert await exchange(client, door) == b"?"

    assert door.sessions == 3
    for client in clients:
        client.close()
    transport.close()
