"""What every proxy mode must do, on real namespaces: clients in pods and on the node, backends in pods."""

from __future__ import annotations

import contextlib
import hashlib
import os
import select
import socket
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from network import nftables
from network.netlink import NETFILTER, Netlink
from network.proxy import MODES, UDP, Backend, Mode, ServicePort

if TYPE_CHECKING:
    from tests.network.conftest import Node, Pod

pytestmark = pytest.mark.kernel
VIP = "10.96.0.50"


@pytest.fixture(params=list(MODES))
def proxy(request: pytest.FixtureRequest, node: Node) -> Iterator[Mode]:
    async def make() -> Mode:
        mode = MODES[request.param](node.network)
        await mode.start()
        return mode

    mode = node.call(make())
    yield mode
    node.call(mode.close())


def open_files() -> int:
    return sum(1 for _ in Path("/proc/self/fd").iterdir())


class Served:
    """A thread that answers each connection of a listener with `answer(connection, peer)`."""

    def __init__(self, listener: socket.socket, answer: Callable[[socket.socket, tuple[str, int]], None]) -> None:
        self.listener, self._answer = listener, answer
        self._threads: list[threading.Thread] = [threading.Thread(target=self._run)]
        self._threads[0].start()

    def _run(self) -> None:
        self.listener.setblocking(True)
        while True:
            try:
                connection, peer = self.listener.accept()
            except OSError:
                return
            thread = threading.Thread(target=self._one, args=(connection, peer))
            self._threads.append(thread)
            thread.start()

    def _one(self, connection: socket.socket, peer: tuple[str, int]) -> None:
        connection.settimeout(20)
        with connection, contextlib.suppress(OSError):
            self._answer(connection, peer)

    def close(self) -> None:
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        for thread in self._threads:
            thread.join()


@pytest.fixture
def serve() -> Iterator[Callable[..., Served]]:
    served: list[Served] = []

    def start(pod: Pod, port: int, answer: Callable[[socket.socket, tuple[str, int]], None]) -> Served:
        served.append(Served(pod.listen(port), answer))
        return served[-1]

    yield start
    for one in served:
        with contextlib.suppress(OSError):
            one.close()


def says(text: str) -> Callable[[socket.socket, tuple[str, int]], None]:
    return lambda connection, peer: connection.sendall(text.encode())


def ask(place: Pod | Node, address: str, port: int) -> str:
    """Connect and read to the end."""

    def talk() -> str:
        with socket.create_connection((address, port), 5) as connection:
            return b"".join(iter(lambda: connection.recv(4096), b"")).decode()

    return place.inside(talk)


def row(*backends: Backend, **more: object) -> ServicePort:
    return ServicePort(VIP, 80, backends=backends, **more)  # type: ignore[arg-type]


@pytest.mark.parametrize("bridge_filter", ["0", "1"])
def test_a_cluster_ip_is_served_to_pods_and_to_the_node(
    node: Node, proxy: Mode, serve: Callable[..., Served], bridge_filter: str
) -> None:
    setting = Path("/proc/sys/net/bridge/bridge-nf-call-iptables")
    node.inside(lambda: setting.write_text(bridge_filter) if setting.exists() else None)
    client, server = node.pod("client"), node.pod("server")
    serve(server, 8080, says("hello"))
    node.call(proxy.sync([row(Backend(server.address, 8080))]))

    assert ask(client, VIP, 80) == "hello"
    assert ask(node, VIP, 80) == "hello"
    assert ask(server, VIP, 80) == "hello"  # hairpin: a pod reaches itself
    assert not client.ping(VIP)
    assert not node.ping(VIP)
    with pytest.raises(ConnectionRefusedError):
        client.connect(VIP, 81)


def test_connections_go_to_the_backends_in_turn(node: Node, proxy: Mode, serve: Callable[..., Served]) -> None:
    pods = [node.pod(f"server-{n}") for n in range(3)]
    for pod in pods:
        serve(pod, 8080, says(pod.name))
    node.call(proxy.sync([row(*(Backend(pod.address, 8080) for pod in pods))]))

    assert {ask(node, VIP, 80) for _ in range(6)} == {"server-0", "server-1", "server-2"}


def test_a_dead_backend_is_passed_over_and_with_all_dead_the_client_is_reset(
    node: Node, proxy: Mode, serve: Callable[..., Served]
) -> None:
    pod = node.pod("server")
    serve(pod, 8080, says("alive"))
    dead, alive = Backend(pod.address, 9), Backend(pod.address, 8080)
    node.call(proxy.sync([row(dead, alive)]))

    assert [ask(node, VIP, 80) for _ in range(4)] == ["alive"] * 4
    node.call(proxy.sync([row(dead)]))
    with pytest.raises((ConnectionResetError, ConnectionRefusedError)):
        ask(node, VIP, 80)


def test_without_backends_a_service_is_refused_at_once(node: Node, proxy: Mode) -> None:
    client = node.pod("client")
    node.call(proxy.sync([row(node_port=30080)]))
    started = time.perf_counter()
    for place in (client, node):
        for target in ((VIP, 80), (node.address, 30080)):
            with pytest.raises(ConnectionRefusedError):
                ask(place, *target)

    assert time.perf_counter() - started < 1


def test_a_node_port_is_served_to_other_hosts_pods_and_the_node(
    node: Node, make_node: Callable[[str], Node], proxy: Mode, serve: Callable[..., Served]
) -> None:
    other = make_node("other")
    client, server = node.pod("client"), node.pod("server")
    serve(server, 8080, says("hello"))
    node.call(proxy.sync([row(Backend(server.address, 8080), node_port=30080)]))

    assert [ask(place, node.address, 30080) for place in (other, client, node)] == ["hello"] * 3
    assert ask(node, "127.0.0.1", 30080) == "hello"
    node.call(proxy.sync([row(Backend(server.address, 8080))]))
    with pytest.raises(ConnectionRefusedError):
        ask(other, node.address, 30080)


def test_a_node_port_that_is_taken_is_told_and_served_when_it_is_free(
    node: Node, proxy: Mode, serve: Callable[..., Served]
) -> None:
    server = node.pod("server")
    serve(server, 8080, says("hello"))
    wanted = [row(Backend(server.address, 8080), node_port=30080)]
    with node.inside(lambda: socket.create_server(("0.0.0.0", 30080))):
        node.call(proxy.sync(wanted))
        assert list(proxy.busy) == [30080]
        assert ask(node, VIP, 80) == "hello"
    node.call(proxy.sync(wanted))

    assert proxy.busy == {}
    assert ask(node, node.address, 30080) == "hello"


def test_pods_of_one_node_reach_backends_on_another(
    make_node: Callable[[str], Node], node: Node, proxy: Mode, serve: Callable[..., Served]
) -> None:
    other = make_node("other")
    table = {one.pod_cidr: one.address for one in (node, other)}
    for one in (node, other):
        one.call(one.network.sync_routes(table))
    serve(other.pod("server"), 8080, says("from afar"))
    node.call(proxy.sync([row(Backend("10.240.4.2", 8080))]))

    assert ask(node.pod("client"), VIP, 80) == "from afar"


def test_large_transfers_both_ways_with_half_close_arrive_whole(
    node: Node, proxy: Mode, serve: Callable[..., Served]
) -> None:
    """The client sends all, closes its half, and only then the server begins to answer with as much."""
    size, piece = 24 << 20, os.urandom(1 << 20)
    received = hashlib.sha256()

    def answer(connection: socket.socket, peer: tuple[str, int]) -> None:
        while data := connection.recv(1 << 16):
            received.update(data)
        for _ in range(size >> 20):
            connection.sendall(piece)

    client, server = node.pod("client"), node.pod("server")
    serve(server, 8080, answer)
    node.call(proxy.sync([row(Backend(server.address, 8080))]))
    expected = hashlib.sha256(piece * (size >> 20)).hexdigest()
    returned = hashlib.sha256()
    with client.connect(VIP, 80, 20) as connection:
        for _ in range(size >> 20):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        while data := connection.recv(1 << 16):
            returned.update(data)

    assert (received.hexdigest(), returned.hexdigest()) == (expected, expected)


def test_both_directions_stream_at_once_with_slow_readers(
    node: Node, proxy: Mode, serve: Callable[..., Served]
) -> None:
    size, piece = 8 << 20, os.urandom(1 << 16)
    got: list[int] = []

    def both(connection: socket.socket) -> None:
        with ThreadPoolExecutor(1) as pool:
            sending = pool.submit(lambda: [connection.sendall(piece) for _ in range(size // len(piece))])
            sending.add_done_callback(lambda _: connection.shutdown(socket.SHUT_WR))
            total = 0
            while data := connection.recv(3000 if total < 300_000 else 1 << 16):
                total += len(data)
        got.append(total)

    server = node.pod("server")
    serve(server, 8080, lambda connection, peer: both(connection))
    node.call(proxy.sync([row(Backend(server.address, 8080))]))
    with node.inside(lambda: socket.create_connection((VIP, 80), 20)) as connection:
        both(connection)
        deadline = time.monotonic() + 5
        while len(got) < 2 and time.monotonic() < deadline:
            time.sleep(0.01)

    assert got == [size, size]


def test_a_thousand_short_connections_are_all_answered_and_nothing_is_left_open(
    node: Node, proxy: Mode, serve: Callable[..., Served]
) -> None:
    server = node.pod("server")
    serve(server, 8080, says("hello"))
    node.call(proxy.sync([row(Backend(server.address, 8080))]))
    before = open_files()

    def many() -> list[str]:
        answers = []
        for _ in range(250):
            with socket.create_connection((VIP, 80), 5) as connection:
                answers.append(connection.recv(100).decode())
        return answers

    with ThreadPoolExecutor(4) as pool:
        answers = [text for part in pool.map(lambda _: node.inside(many), range(4)) for text in part]

    assert answers == ["hello"] * 1000
    deadline = time.monotonic() + 5
    while open_files() > before + 8 and time.monotonic() < deadline:
        time.sleep(0.01)
    assert open_files() <= before + 8


def test_a_client_keeps_its_backend_with_affinity(node: Node, proxy: Mode, serve: Callable[..., Served]) -> None:
    pods = [node.pod(f"server-{n}") for n in range(3)]
    for pod in pods:
        serve(pod, 8080, says(pod.name))
    client = node.pod("client")
    backends = [Backend(pod.address, 8080) for pod in pods]
    node.call(proxy.sync([row(*backends, affinity_seconds=60)]))
    first = ask(client, VIP, 80)

    assert {ask(client, VIP, 80) for _ in range(6)} == {first}
    left = [one for one, pod in zip(backends, pods, strict=True) if pod.name != first]
    node.call(proxy.sync([row(*left, affinity_seconds=60)]))
    second = ask(client, VIP, 80)
    assert second != first
    node.call(proxy.sync([row(*backends, affinity_seconds=60)]))
    assert {ask(client, VIP, 80) for _ in range(6)} == {second}


def test_connections_go_on_when_the_table_changes_around_them(
    node: Node, proxy: Mode, serve: Callable[..., Served]
) -> None:
    def echo(connection: socket.socket, peer: tuple[str, int]) -> None:
        while data := connection.recv(4096):
            connection.sendall(data)

    one, two = node.pod("one"), node.pod("two")
    serve(one, 8080, echo)
    serve(two, 8080, echo)
    client = node.pod("client")
    node.call(proxy.sync([row(Backend(one.address, 8080), node_port=30080)]))
    with client.connect(VIP, 80) as connection:
        connection.sendall(b"before")
        assert connection.recv(100) == b"before"
        for wanted in (
            [row(Backend(one.address, 8080), Backend(two.address, 8080))],
            [row(Backend(two.address, 8080))],  # its backend is only left to drain
            [row()],
            [],
        ):
            node.call(proxy.sync(wanted))
            connection.sendall(b"after")
            assert connection.recv(100) == b"after"


def test_a_client_sees_a_reset_when_the_backend_is_reset(node: Node, proxy: Mode, serve: Callable[..., Served]) -> None:
    def reset(connection: socket.socket, peer: tuple[str, int]) -> None:
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    server = node.pod("server")
    serve(server, 8080, reset)
    node.call(proxy.sync([row(Backend(server.address, 8080))]))
    with node.inside(lambda: socket.create_connection((VIP, 80), 5)) as connection:
        connection.sendall(b"?")

        with pytest.raises(ConnectionResetError):
            connection.recv(1)


def udp_echo(pod: Pod, port: int, name: str) -> socket.socket:
    """A socket in the pod that answers every datagram with its name and the datagram, until it is closed."""
    listener = pod.udp(port=port)
    listener.settimeout(None)

    def run() -> None:
        with contextlib.suppress(OSError, ValueError):
            while True:
                if select.select([listener], [], [], 0.1)[0]:
                    data, peer = listener.recvfrom(65535)
                    listener.sendto(name.encode() + b":" + data, peer)

    threading.Thread(target=run).start()
    return listener


def exchange(sender: socket.socket, address: str, port: int, data: bytes = b"?") -> bytes:
    sender.sendto(data, (address, port))
    answer, peer = sender.recvfrom(65535)
    assert peer == (address, port)  # the answer comes from whom was asked
    return answer


def test_udp_is_answered_by_the_address_that_was_asked(node: Node, proxy: Mode) -> None:
    client, server = node.pod("client"), node.pod("server")
    wanted = [ServicePort(VIP, 53, UDP, 30053, (Backend(server.address, 5353),))]
    with udp_echo(server, 5353, "dns"), client.udp() as near, node.inside(lambda: _udp()) as own:
        node.call(proxy.sync(wanted))

        assert exchange(near, VIP, 53) == b"dns:?"
        assert exchange(near, VIP, 53, b"x" * 1400) == b"dns:" + b"x" * 1400
        assert exchange(own, VIP, 53) == b"dns:?"
        assert exchange(near, node.address, 30053) == b"dns:?"
        assert exchange(near, node.network.gateway, 30053) == b"dns:?"
        assert exchange(own, "127.0.0.1", 30053) == b"dns:?"


def _udp() -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5)
    return made


def test_a_udp_client_moves_on_when_its_backend_goes(node: Node, proxy: Mode) -> None:
    client, one, two = (node.pod(name) for name in ("client", "one", "two"))
    backends = [Backend(pod.address, 5353) for pod in (one, two)]
    with udp_echo(one, 5353, "one"), udp_echo(two, 5353, "two"), client.udp() as near:
        node.call(proxy.sync([ServicePort(VIP, 53, UDP, backends=tuple(backends))]))
        first = exchange(near, VIP, 53)
        assert exchange(near, VIP, 53) == first
        stays = backends[1] if first == b"one:?" else backends[0]
        node.call(proxy.sync([ServicePort(VIP, 53, UDP, backends=(stays,))]))

        assert exchange(near, VIP, 53) not in (first, b"")


def test_a_udp_client_is_served_again_after_a_time_without_backends(node: Node, proxy: Mode) -> None:
    """The kernel remembers for minutes where it led a client's port; that must still be the right place."""
    client, server = node.pod("client"), node.pod("server")
    wanted = [ServicePort(VIP, 53, UDP, backends=(Backend(server.address, 5353),))]
    with udp_echo(server, 5353, "dns"), client.udp() as near:
        node.call(proxy.sync(wanted))
        assert exchange(near, VIP, 53) == b"dns:?"
        node.call(proxy.sync([ServicePort(VIP, 53, UDP)]))
        node.call(proxy.sync(wanted))

        assert exchange(near, VIP, 53) == b"dns:?"


def test_a_successor_serves_clients_of_a_killed_proxy(node: Node, serve: Callable[..., Served]) -> None:
    """The first one is not closed: its sockets are, as the kernel does it for a killed process."""
    client, server = node.pod("client"), node.pod("server")
    serve(server, 8080, says("hello"))
    backend = Backend(server.address, 5353)
    wanted = [row(Backend(server.address, 8080)), ServicePort(VIP, 53, UDP, backends=(backend,))]

    async def make() -> Mode:
        mode = MODES["asyncio"](node.network)
        await mode.start()
        return mode

    first = node.call(make())
    node.call(first.sync(wanted))
    with udp_echo(server, 5353, "dns"), client.udp() as near:
        assert exchange(near, VIP, 53) == b"dns:?"

        async def die() -> None:
            first._listener.close()  # type: ignore[attr-defined]
            for door in first._doors.values():  # type: ignore[attr-defined]
                door.listener.close()
            first._ticker.cancel()  # type: ignore[attr-defined]
            first._engine.close()  # type: ignore[attr-defined]

        node.call(die())
        with pytest.raises(ConnectionRefusedError):
            ask(client, VIP, 80)
        second = node.call(make())  # and nobody has told it the table yet

        assert ask(client, VIP, 80) == "hello"
        assert exchange(near, VIP, 53) == b"dns:?"
    node.call(second.close())


def test_close_refuses_everything_and_leaves_no_table(node: Node, serve: Callable[..., Served]) -> None:
    server = node.pod("server")
    serve(server, 8080, says("hello"))

    async def life() -> None:
        mode = MODES["asyncio"](node.network)
        await mode.start()
        await mode.sync([row(Backend(server.address, 8080), node_port=30080)])
        await mode.close()

    def tables() -> set[str]:
        with Netlink(NETFILTER) as netlink:
            return nftables.tables(netlink)

    before = open_files()
    node.call(life())

    assert node.inside(tables) == {"procorch"}
    for target in ((VIP, 80), (node.address, 30080)):
        with pytest.raises(ConnectionRefusedError):
            ask(node, *target)
    assert open_files() <= before
