"""The proxy under load: short connections without end, few ports, few descriptors, backends that are killed."""

from __future__ import annotations

import contextlib
import hashlib
import json
import logging
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from network.proxy import UDP, Backend, ServicePort, sockets
from network.proxy.sockets import SocketProxy

if TYPE_CHECKING:
    from tests.network.conftest import Node, Pod

pytestmark = pytest.mark.kernel
VIP = "10.96.0.50"
PORTS = Path("/proc/sys/net/ipv4/ip_local_port_range")
PROGRAM = str(Path(__file__).with_name("short_connections.py"))


@pytest.fixture
def proxy(node: Node) -> Iterator[SocketProxy]:
    async def make() -> SocketProxy:
        mode = SocketProxy(node.network)
        await mode.start()
        return mode

    mode = node.call(make())
    yield mode
    node.call(mode.close())


@pytest.fixture
def start() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """A program in a pod, with its output as a pipe."""
    started: list[subprocess.Popen[str]] = []

    def start(pod: Pod, *words: str) -> subprocess.Popen[str]:
        argv = [sys.executable, PROGRAM, *words]
        started.append(pod.inside(lambda: subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)))
        return started[-1]

    yield start
    for one in started:
        one.kill()
        one.communicate()


def serving(start: Callable[..., subprocess.Popen[str]], pod: Pod) -> subprocess.Popen[str]:
    server = start(pod, "server", "8080")
    assert server.stdout is not None
    assert server.stdout.readline() == "ready\n"
    return server


def result_of(client: subprocess.Popen[str]) -> dict[str, Any]:
    result: dict[str, Any] = json.loads(client.communicate(timeout=60)[0])
    return result


def row(*backends: Backend, address: str = VIP) -> ServicePort:
    return ServicePort(address, 80, backends=backends)


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


def failed(proxy: SocketProxy) -> set[Backend]:
    return {backend for balancer in proxy._balancers.values() for backend in balancer._failed}


def until(condition: Callable[[], bool], seconds: float = 10) -> bool:
    deadline = time.monotonic() + seconds
    while not condition() and time.monotonic() < deadline:
        time.sleep(0.01)
    return condition()


def test_more_short_connections_than_there_are_ports_are_all_answered(
    node: Node, proxy: SocketProxy, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """Each leaves a port in TIME_WAIT for a minute. Three times as many as ports, by one backend, in seconds."""
    client, server = node.pod("client"), node.pod("server")
    serving(start, server)
    node.call(proxy.sync([row(Backend(server.address, 8080))]))
    node.inside(lambda: PORTS.write_text("40000 43999"))
    before = open_files()
    result = result_of(start(client, "client", f"{VIP}:80", "12000", "32"))

    assert (result["answered"], result["wrong"]) == (12000, {})
    assert result["seconds"] < 30
    assert failed(proxy) == set()
    assert until(lambda: open_files() <= before)
    assert (proxy._gate.taken, proxy._gate.waiting, len(proxy._relay.streams)) == (0, 0, 0)
    after = result_of(start(client, "client", f"{VIP}:80", "100", "4"))
    assert (after["answered"], after["seconds"] < 5) == (100, True)


def test_the_kernel_settings_are_put_back_by_reset(node: Node, proxy: SocketProxy) -> None:
    setting = Path("/proc/sys/net/ipv4/tcp_tw_reuse")
    during = node.inside(setting.read_text).strip()
    node.call(node.network.reset())

    assert (during, node.inside(setting.read_text).strip()) == ("1", "2")


@contextlib.contextmanager
def held(node: Node, count: int, address: str = VIP) -> Iterator[list[socket.socket]]:
    """Connections that stay, made without waiting for an answer."""
    opened: list[socket.socket] = []

    def connect() -> None:
        for _ in range(count):
            opened.append(socket.create_connection((address, 80), 5))

    node.inside(connect)
    yield opened
    for one in opened:
        one.close()


def answered(connections: list[socket.socket]) -> int:
    """How many of them have a backend that talks back."""
    count = 0
    for one in connections:
        one.setblocking(False)
        with contextlib.suppress(OSError):
            one.send(b"?")
    deadline = time.monotonic() + 1
    waiting = set(connections)
    while waiting and time.monotonic() < deadline:
        for one in list(waiting):
            with contextlib.suppress(BlockingIOError):
                count += bool(one.recv(10))
                waiting.discard(one)
        time.sleep(0.005)
    return count


@pytest.fixture
def few_ports(node: Node, proxy: SocketProxy) -> int:
    """A range of which the proxy uses so many ports."""
    node.inside(lambda: PORTS.write_text("40000 40079"))
    connected = 60

    async def refresh() -> None:
        proxy._relay.ports.refresh()

    node.call(refresh())
    if not proxy._relay.ports._windows:
        pytest.skip("a kernel without IP_LOCAL_PORT_RANGE uses all ports")
    return connected


def test_without_a_port_towards_one_backend_the_next_is_taken_and_nobody_is_blamed(
    node: Node, make_node: Callable[[str], Node], proxy: SocketProxy, few_ports: int,
    start: Callable[..., subprocess.Popen[str]],
) -> None:  # fmt: skip
    one, two = node.pod("one"), node.pod("two")
    for pod in (one, two):
        serving(start, pod)
    # All of the first's ports are in use before the second is there.
    client = node.pod("client")
    node.call(proxy.sync([row(Backend(one.address, 8080))]))
    with held(client, few_ports) as first:
        assert answered(first) == few_ports
        node.call(proxy.sync([row(Backend(one.address, 8080), Backend(two.address, 8080))]))
        with held(client, few_ports // 2) as second:
            assert answered(second) == few_ports // 2
    assert failed(proxy) == set()


def test_without_any_port_clients_wait_and_are_served_when_one_is_free(
    node: Node, proxy: SocketProxy, few_ports: int, start: Callable[..., subprocess.Popen[str]],
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    server, client = node.pod("server"), node.pod("client")
    serving(start, server)
    node.call(proxy.sync([row(Backend(server.address, 8080))]))
    with caplog.at_level(logging.WARNING), held(client, few_ports) as first:
        assert answered(first) == few_ports
        with held(client, 5) as waiting:
            assert answered(waiting) == 0
            assert proxy._gate.waiting == 5
            assert failed(proxy) == set()
            for one in first:
                one.close()
            assert until(lambda: proxy._gate.waiting == 0)
            assert answered(waiting) == 5
    told = [record for record in caplog.records if "want of something here" in record.message]
    assert len(told) == 1
    assert told[0].lacking == "EADDRNOTAVAIL"  # type: ignore[attr-defined]


@pytest.fixture
def few_files(monkeypatch: pytest.MonkeyPatch, proxy: SocketProxy) -> int:
    """A limit of descriptors; so many connections one Service may then have."""
    monkeypatch.setattr(sockets.resource, "getrlimit", lambda kind: (200, 200))
    assert until(lambda: proxy._gate.limit == 150)
    return 60


def test_a_service_at_its_share_makes_its_own_clients_wait_and_no_others(
    node: Node, proxy: SocketProxy, few_files: int, start: Callable[..., subprocess.Popen[str]]
) -> None:
    server, client = node.pod("server"), node.pod("client")
    serving(start, server)
    backend = Backend(server.address, 8080)
    node.call(proxy.sync([row(backend), row(backend, address="10.96.0.51")]))
    with held(client, few_files + 3) as busy:
        assert answered(busy) == few_files
        with held(client, 2, "10.96.0.51") as quiet:
            assert answered(quiet) == 2
        for one in busy[:3]:
            one.close()
        assert until(lambda: proxy._gate.waiting == 0, 3)
        assert answered(busy[few_files:]) == 3


def test_udp_clients_over_the_share_make_room_for_new_ones(node: Node, proxy: SocketProxy, few_files: int) -> None:
    server, client = node.pod("server"), node.pod("client")
    node.call(proxy.sync([ServicePort(VIP, 53, UDP, backends=(Backend(server.address, 5353),))]))
    (door,) = proxy._doors.values()
    with server.udp(port=5353) as listener, contextlib.ExitStack() as stack:
        for _ in range(200):
            one = stack.enter_context(client.udp())
            one.sendto(b"?", (VIP, 53))
            data, peer = listener.recvfrom(10)
            listener.sendto(data, peer)
            assert one.recv(10) == b"?"

        assert 100 <= door.sessions <= 2 * few_files
        assert proxy._gate.taken == door.sessions


def test_a_backend_killed_under_load_loses_what_was_in_flight_and_no_more(
    node: Node, proxy: SocketProxy, start: Callable[..., subprocess.Popen[str]]
) -> None:
    one, two, client = node.pod("one"), node.pod("two"), node.pod("client")
    victim = serving(start, one)
    serving(start, two)
    node.call(proxy.sync([row(Backend(one.address, 8080), Backend(two.address, 8080))]))
    load = start(client, "client", f"{VIP}:80", "4000", "32")
    assert until(lambda: len(proxy._relay.streams) > 10)
    time.sleep(0.2)
    victim.kill()
    result = result_of(load)

    assert sum(result["wrong"].values()) <= 32
    assert result["answered"] >= 4000 - 32


def test_beside_short_connections_a_large_transfer_and_udp_lose_nothing(
    node: Node, proxy: SocketProxy, start: Callable[..., subprocess.Popen[str]]
) -> None:
    """All goes in, the client closes its half, and what comes back is the same; meanwhile datagrams are answered."""
    busy, client, server = node.pod("busy"), node.pod("client"), node.pod("server")
    serving(start, server)
    backends = (Backend(server.address, 8080),)
    node.call(proxy.sync([row(*backends), ServicePort(VIP, 53, UDP, backends=(Backend(server.address, 5353),))]))
    load = start(busy, "client", f"{VIP}:80", "6000", "32")
    assert until(lambda: len(proxy._relay.streams) > 10)
    piece, pieces = os.urandom(1 << 18), 32
    returned = hashlib.sha256()
    answers = 0
    with server.udp(port=5353) as listener, client.udp() as near, client.connect(VIP, 80, 20) as connection:
        reader = threading.Thread(
            target=lambda: [returned.update(d) for d in iter(lambda: connection.recv(65536), b"")]
        )
        reader.start()
        for _ in range(pieces):
            connection.sendall(piece)
            near.sendto(b"?", (VIP, 53))
            data, peer = listener.recvfrom(10)
            listener.sendto(data, peer)
            answers += near.recv(10) == b"?"
        connection.shutdown(socket.SHUT_WR)
        reader.join(20)
    result = result_of(load)

    assert returned.hexdigest() == hashlib.sha256(piece * pieces).hexdigest()
    assert answers == pieces
    assert (result["answered"], result["wrong"]) == (6000, {})


def test_a_setting_that_cannot_be_made_is_told_and_the_proxy_serves(
    node: Node, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(name: str, value: str) -> None:
        raise PermissionError(1, "Read-only file system", name)

    monkeypatch.setattr(node.network.sysctls, "set", refuse)

    async def life() -> None:
        mode = SocketProxy(node.network)
        await mode.start()
        await mode.close()

    node.call(life())

    assert "many short connections to one backend will be slow" in caplog.text
