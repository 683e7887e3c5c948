"""A pod's network set up, and the proxy's cost a request, a connection and a gigabyte: `python -m bench.network`.

Client, proxy and server are three processes in three network namespaces of a lab; nothing of the machine's own network
is used. The proxy's own CPU time is the figure that other work on the machine moves least. Where HAProxy is installed
it stands beside ours, tuned, with one thread, behind the same kind of kernel map; the two take turns in each test.
"""

from __future__ import annotations

import asyncio
import os
import select
import shutil
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import psutil
import uvloop

from network import NodeNetwork, netns, nftables
from network.proxy import MODES, Backend, ServicePort
from network.proxy.redirect import Redirect
from procorch.hosts import Host, Lab

VIP, PORT = "10.96.0.50", 80
PEER_PORT, PEER_DOOR = 81, 8181  # HAProxy's: the ClusterIP's port, and where it listens on the bridge's address
CONNECTIONS, SECONDS = 32, 2.0
ROUNDS = 3
REQUEST = b"x" * 128
BULK = 4 << 30
# One thread, as ours; buffers and pipes as large as ours. Its defaults cost five times as much a gigabyte.
HAPROXY = """
global
    maxconn 4000
    nbthread 1
    tune.bufsize 65536
    tune.pipesize 1048576
defaults
    mode tcp
    option splice-auto
    option splice-request
    option splice-response
    timeout connect 4s
    timeout client 60s
    timeout server 60s
listen service
    bind {gateway}:{door}
    server one {backend}
"""


def rows() -> list[tuple[str, str]]:
    """Everything measured, as (what, figure)."""
    with Lab(f"procorch-network-bench-{os.getpid()}") as lab, tempfile.TemporaryDirectory() as directory:
        host = lab.host("node")
        state = Path(directory)
        return [*_pods(host, state / "pods"), *_table(host, state / "table"), *_proxy(host, state / "proxy")]


def _network(state: Path, address: str) -> NodeNetwork:
    return NodeNetwork(
        state_dir=state,
        pod_cidr="10.240.0.0/22",
        cluster_cidr="10.240.0.0/12",
        service_cidr="10.96.0.0/12",
        node_address=address,
    )


def _fenced(argv: Sequence[str], **options: object) -> subprocess.Popen[bytes]:
    """A process in a network namespace of its own."""

    def start() -> subprocess.Popen[bytes]:
        netns.unshare(netns.CLONE_NEWNET)
        return subprocess.Popen(argv, **options)  # type: ignore[call-overload,no-any-return]

    return netns.in_thread(start)


def _pods(host: Host, state: Path) -> list[tuple[str, str]]:
    pods = [_fenced(["sleep", "1000"]) for _ in range(200)]

    async def attach() -> tuple[list[float], float]:
        network = _network(state, host.address)
        await network.start()
        single: list[float] = []
        for index, pod in enumerate(pods[:50]):
            await asyncio.sleep(0.02)  # an idle node, not a benchmark's loop
            started = time.perf_counter()
            await network.attach(f"single-{index}", pod.pid)
            single.append(time.perf_counter() - started)
        started = time.perf_counter()
        for index, pod in enumerate(pods[50:]):
            await network.attach(f"batch-{index}", pod.pid)
        rate = (len(pods) - 50) / (time.perf_counter() - started)
        await network.reset()
        await network.close()
        return single, rate

    try:
        single, rate = host.inside(lambda: asyncio.run(attach()))
    finally:
        for pod in pods:
            pod.kill()
            pod.wait()
    quick = statistics.quantiles(single, n=10)
    return [
        ("pod network set up, one by one", f"p50 {quick[4] * 1e3:.1f} ms, p90 {quick[8] * 1e3:.1f} ms"),
        ("pod networks in a row", f"{rate:.0f}/s"),
    ]


def _table(host: Host, state: Path) -> list[tuple[str, str]]:
    backends = tuple(Backend(f"10.240.0.{n}", 80) for n in (2, 3, 4))
    table = [ServicePort(f"10.{96 + (n >> 16)}.{n >> 8 & 255}.{n & 255}", 80, backends=backends) for n in range(10_000)]

    async def sync() -> list[float]:
        network = _network(state, host.address)
        await network.start()
        mode = MODES["asyncio"](network)
        await mode.start()
        times: list[float] = []
        for wanted in (table, table[1:]):
            started = time.perf_counter()
            await mode.sync(wanted)
            times.append(time.perf_counter() - started)
        await mode.close()
        await network.reset()
        await network.close()
        return times

    whole, one = host.inside(lambda: asyncio.run(sync()))
    return [("10,000 Services with 3 endpoints: all, one removed", f"{whole * 1e3:.0f} ms, {one * 1e3:.0f} ms")]


def _proxy(host: Host, state: Path) -> list[tuple[str, str]]:
    def start(role: str, *words: str) -> list[str]:
        return [sys.executable, "-m", "bench.network", role, *words]

    server = _fenced(start("server"), stdout=subprocess.PIPE)
    client = _fenced(start("client"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    arguments = [str(state), host.address, str(server.pid), str(client.pid)]
    proxy = host.inside(lambda: subprocess.Popen(start("proxy", *arguments), stdout=subprocess.PIPE))
    started = [client, server, proxy]
    assert proxy.stdout
    try:
        backend, gateway = proxy.stdout.readline().decode().split()
        contenders = [
            ("direct", backend, psutil.Process(proxy.pid)),
            ("ours", f"{VIP}:{PORT}", psutil.Process(proxy.pid)),
        ]
        if haproxy := shutil.which("haproxy"):
            peer = host.inside(lambda: _haproxy(haproxy, state, gateway, backend))
            started.append(peer)
            contenders.append(("HAProxy", f"{VIP}:{PEER_PORT}", psutil.Process(peer.pid)))
        return [row for test in TESTS for row in _side_by_side(test, client, contenders)]
    finally:
        for one in started:
            one.kill()
            one.wait()


def _haproxy(program: str, state: Path, gateway: str, backend: str) -> subprocess.Popen[bytes]:
    """HAProxy on the bridge's address, with a ClusterIP's port led to it as the proxy's own are."""
    configuration = state.with_suffix(".cfg")
    configuration.write_text(HAPROXY.format(gateway=gateway, door=PEER_DOOR, backend=backend))
    redirect = Redirect(nftables.Table("bench"), gateway)
    redirect.start()
    redirect.change({}, {("TCP", VIP, PEER_PORT): PEER_DOOR})
    started = subprocess.Popen([program, "-q", "-db", "-f", str(configuration)])
    deadline = time.monotonic() + 5
    while True:
        try:
            socket.create_connection((gateway, PEER_DOOR)).close()
            return started
        except ConnectionRefusedError:
            if started.poll() is not None or time.monotonic() > deadline:
                raise
            time.sleep(0.01)


def _side_by_side(
    test: str, client: subprocess.Popen[bytes], contenders: Sequence[tuple[str, str, psutil.Process]]
) -> list[tuple[str, str]]:
    """One row a contender: medians of rounds in which they take turns, so that a busy minute meets all of them."""
    assert client.stdin and client.stdout
    seen: dict[str, list[tuple[float, float]]] = {name: [] for name, _, _ in contenders}
    for _ in range(ROUNDS):
        for name, target, process in contenders:
            before = process.cpu_times()
            client.stdin.write(f"{test} {target}\n".encode())
            client.stdin.flush()
            count, seconds = (float(word) for word in client.stdout.readline().split())
            after = process.cpu_times()
            spent = after.user + after.system - before.user - before.system
            seen[name].append((count / seconds, spent / count))
    middle = {name: [statistics.median(column) for column in zip(*rows, strict=True)] for name, rows in seen.items()}
    return [(f"{TESTS[test]}: {name}", _figures(test, name, *middle[name])) for name in middle]


def _figures(test: str, name: str, rate: float, cost: float) -> str:
    own = (
        ""
        if name == "direct"
        else f", {cost * 1e9:.2f} CPU s a GB"
        if test == "bulk"
        else f", {cost * 1e6:.1f} µs CPU each"
    )
    return f"{rate * 8 / 1e9:.1f} Gbit/s{own}" if test == "bulk" else f"{rate:,.0f}/s{own}"


async def _run_proxy(state: str, address: str, server: int, client: int) -> None:
    network = _network(Path(state), address)
    await network.start()
    backend = Backend(await network.attach("server", server), 8080)
    await network.attach("client", client)
    mode = MODES["asyncio"](network)
    await mode.start()
    await mode.sync([ServicePort(VIP, PORT, backends=(backend,))])
    print(f"{backend.address}:{backend.port} {network.gateway}", flush=True)
    await asyncio.Event().wait()


def _serve() -> None:
    """Answer each request with as many bytes; swallow what begins with a B."""
    epoll = select.epoll()
    listener = socket.create_server(("0.0.0.0", 8080), backlog=4096)
    listener.setblocking(False)
    epoll.register(listener, select.EPOLLIN)
    open_ones: dict[int, socket.socket] = {}
    buffer = bytearray(1 << 18)
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                connection = listener.accept()[0]
                connection.setblocking(False)
                connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                open_ones[connection.fileno()] = connection
                epoll.register(connection, select.EPOLLIN)
                continue
            connection = open_ones[fd]
            try:
                count = connection.recv_into(buffer)
                if count and buffer[0] != ord("B"):
                    connection.send(memoryview(buffer)[:count])
            except OSError:
                count = 0
            if count == 0:
                epoll.unregister(fd)
                open_ones.pop(fd).close()


TESTS = {
    "requests": "proxy: requests, 32 kept connections",
    "connections": "proxy: short connections, 32 at once",
    "bulk": "proxy: one stream",
}


def _load() -> None:
    tests: dict[str, Callable[[tuple[str, int]], tuple[float, float]]] = {
        "requests": _requests,
        "connections": _connections,
        "bulk": _bulk,
    }
    assert tests.keys() == TESTS.keys()
    for line in sys.stdin:
        test, target = line.split()
        address, _, port = target.partition(":")
        print(*tests[test]((address, int(port))), flush=True)


def _requests(target: tuple[str, int]) -> tuple[float, float]:
    epoll = select.epoll()
    there = {}
    for _ in range(CONNECTIONS):
        connection = socket.create_connection(target)
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        there[connection.fileno()] = connection
        epoll.register(connection, select.EPOLLIN)
        connection.send(REQUEST)
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        for fd, _ in epoll.poll():
            there[fd].recv(4096)
            there[fd].send(REQUEST)
            count += 1
    elapsed = time.perf_counter() - started
    for connection in there.values():
        connection.close()
    return count, elapsed


def _connections(target: tuple[str, int]) -> tuple[float, float]:
    Path("/proc/sys/net/ipv4/tcp_tw_reuse").write_text("1")  # else this client's ports are used up in seconds
    epoll = select.epoll()
    there: dict[int, socket.socket] = {}

    def begin() -> None:
        connection = socket.socket()
        connection.setblocking(False)
        connection.connect_ex(target)
        there[connection.fileno()] = connection
        epoll.register(connection, select.EPOLLOUT)

    for _ in range(CONNECTIONS):
        begin()
    count, started = 0, time.perf_counter()
    while time.perf_counter() - started < SECONDS:
        for fd, events in epoll.poll():
            connection = there[fd]
            if events & select.EPOLLOUT:
                connection.send(REQUEST)
                epoll.modify(fd, select.EPOLLIN)
                continue
            connection.recv(4096)
            epoll.unregister(fd)
            there.pop(fd).close()
            count += 1
            begin()
    elapsed = time.perf_counter() - started
    for connection in there.values():
        connection.close()
    return count, elapsed


def _bulk(target: tuple[str, int]) -> tuple[float, float]:
    piece = b"B" * (1 << 20)
    with socket.create_connection(target) as connection:
        started = time.perf_counter()
        for _ in range(BULK // len(piece)):
            connection.sendall(piece)
        connection.shutdown(socket.SHUT_WR)
        connection.recv(1)  # the server closes when it has read all
        return BULK, time.perf_counter() - started


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["server"]:
            _serve()
        case ["client"]:
            _load()
        case ["proxy", state, address, server, client]:
            uvloop.run(_run_proxy(state, address, int(server), int(client)))
        case _:
            for name, figure in rows():
                print(f"{name:<52} {figure}")
