"""Nodes and pods for the tests: a node is a host of a lab, a pod is a process with a network namespace on it."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import struct
import subprocess
import threading
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import pytest

from network import NodeNetwork, netns
from procorch.hosts import Host, Lab

Result = TypeVar("Result")
CLUSTER, SERVICES = "10.240.0.0/12", "10.96.0.0/12"


def ping(address: str, timeout: float = 0.3) -> bool:
    """One ICMP echo from the network namespace of the calling thread; whether it was answered."""
    with socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as raw:
        raw.settimeout(timeout)
        header = struct.pack(">BBHHH", 8, 0, 0, 77, 1)
        total = sum(struct.unpack(">4H", header))
        total = (total & 0xFFFF) + (total >> 16)
        try:
            raw.sendto(struct.pack(">BBHHH", 8, 0, ~total & 0xFFFF, 77, 1), (address, 0))
            while True:
                data, (sender, _) = raw.recvfrom(2048)
                if sender == address and data[20] == 0:
                    return True
        except OSError:
            return False


class Pod:
    """A process in a network namespace of its own, attached to a node."""

    def __init__(self, node: Node, name: str) -> None:
        self.name, self.node = name, node

        def start() -> subprocess.Popen[bytes]:
            netns.unshare(netns.CLONE_NEWNET)
            return subprocess.Popen(["sleep", "infinity"])

        self.process = netns.in_thread(start)
        self.netns = netns.of_process(self.process.pid)
        self.address = node.call(node.network.attach(name, self.process.pid))

    def inside(self, function: Callable[[], Result]) -> Result:
        return netns.inside(self.netns, function)

    def ping(self, address: str) -> bool:
        return self.inside(lambda: ping(address))

    def listen(self, port: int, address: str = "0.0.0.0") -> socket.socket:
        return self.inside(lambda: socket.create_server((address, port), backlog=512))

    def connect(self, address: str, port: int, timeout: float = 5.0) -> socket.socket:
        return self.inside(lambda: socket.create_connection((address, port), timeout))

    def udp(self, address: str = "0.0.0.0", port: int = 0) -> socket.socket:
        return self.inside(lambda: udp_socket(address, port))

    def end(self) -> None:
        if self.netns >= 0:
            self.process.kill()
            self.process.wait()
            os.close(self.netns)
            self.netns = -1


def udp_socket(address: str = "0.0.0.0", port: int = 0) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.settimeout(5)
    made.bind((address, port))
    return made


class Node:
    """A NodeNetwork and an event loop in the network namespace of a host."""

    def __init__(self, host: Host, state: Path, pod_cidr: str) -> None:
        self.host, self.state, self.pod_cidr, self.address = host, state, pod_cidr, host.address
        self.pods: dict[str, Pod] = {}
        self.loop = asyncio.new_event_loop()
        self._thread = host.inside(self._spawn)
        self.network = self.make()
        self.call(self.network.start())

    def _spawn(self) -> threading.Thread:
        thread = threading.Thread(target=self.loop.run_forever)
        thread.start()
        return thread

    def make(self) -> NodeNetwork:
        async def make() -> NodeNetwork:
            return NodeNetwork(
                state_dir=self.state,
                pod_cidr=self.pod_cidr,
                cluster_cidr=CLUSTER,
                service_cidr=SERVICES,
                node_address=self.address,
            )

        return self.call(make())

    def call(self, coroutine: Coroutine[Any, Any, Result]) -> Result:
        """Run in the node's loop and wait."""
        return asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(20)

    def pod(self, name: str) -> Pod:
        self.pods[name] = Pod(self, name)
        return self.pods[name]

    def inside(self, function: Callable[[], Result]) -> Result:
        return self.host.inside(function)

    def ping(self, address: str) -> bool:
        return self.inside(lambda: ping(address))

    def close(self) -> None:
        for pod in self.pods.values():
            pod.end()
        with contextlib.suppress(RuntimeError):
            self.call(self.network.close())
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join()
        self.loop.close()


@pytest.fixture
def lab() -> Iterator[Lab]:
    with Lab(f"procorch-network-{os.getpid()}-{threading.get_ident() & 0xFFFF}") as lab:
        yield lab


@pytest.fixture
def make_node(lab: Lab, tmp_path: Path) -> Iterator[Callable[[str], Node]]:
    nodes: list[Node] = []

    def make(name: str) -> Node:
        nodes.append(Node(lab.host(name), tmp_path / name, f"10.240.{4 * len(nodes)}.0/22"))
        return nodes[-1]

    yield make
    for node in nodes:
        node.close()


@pytest.fixture
def node(make_node: Callable[[str], Node]) -> Node:
    return make_node("one")
