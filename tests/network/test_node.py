"""A node's pod network on real namespaces: wires, addresses, routes, refusals, and nothing left behind."""

from __future__ import annotations

import contextlib
import os
import random
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from network import NetlinkError, links, netns, nftables
from network.netlink import NETFILTER, Netlink

if TYPE_CHECKING:
    from procorch.hosts import Lab
    from tests.network.conftest import Node

    MakeNode = Callable[[str], Node]

pytestmark = pytest.mark.kernel


def leftovers(node: Node) -> tuple[set[str], set[str], set[str]]:
    def look() -> tuple[set[str], set[str], set[str]]:
        with Netlink() as netlink, Netlink(NETFILTER) as netfilter:
            names = {link.name for link in links.links(netlink)}
            return names, {route.destination for route in links.our_routes(netlink)}, nftables.tables(netfilter)

    return node.inside(look)


def test_two_pods_of_one_node_reach_each_other_and_the_node(node: Node) -> None:
    one, two = node.pod("one"), node.pod("two")

    assert (one.address, two.address) == ("10.240.0.2", "10.240.0.3")
    assert one.ping(two.address)
    assert one.ping(node.address)
    assert one.ping("127.0.0.1")
    assert node.ping(two.address)


def test_a_pod_is_attached_in_milliseconds_and_its_first_connect_is_not_late(node: Node) -> None:
    node.pod("first")
    server = node.pod("server")
    with server.listen(80):
        started = time.perf_counter()
        client = node.pod("client")
        attached = time.perf_counter()
        client.connect(server.address, 80).close()

        assert attached - started < 0.5
        assert time.perf_counter() - attached < 0.5


def test_pods_of_two_nodes_reach_each_other_under_their_own_addresses(make_node: MakeNode) -> None:
    nodes = [make_node("one"), make_node("two")]
    table = {node.pod_cidr: node.address for node in nodes}
    for node in nodes:
        node.call(node.network.sync_routes(table))
    client, server = nodes[0].pod("client"), nodes[1].pod("server")
    with server.listen(80) as listener, client.connect(server.address, 80):
        connection, peer = listener.accept()
        connection.close()

        assert peer[0] == client.address


def test_a_node_that_went_is_not_routed_to_any_more_and_its_pods_are_unreachable(make_node: MakeNode) -> None:
    one, two = make_node("one"), make_node("two")
    one.call(one.network.sync_routes({one.pod_cidr: one.address, two.pod_cidr: two.address}))
    one.call(one.network.sync_routes({one.pod_cidr: one.address}))

    with pytest.raises(OSError, match=r"unreachable|No route"):
        one.inside(lambda: socket.create_connection(("10.240.4.2", 80), 2))
    assert leftovers(one)[1] == {"10.240.0.0/12", "10.96.0.0/12"}


def test_a_node_on_another_segment_is_refused_and_the_others_are_routed(make_node: MakeNode) -> None:
    one, two = make_node("one"), make_node("two")

    with pytest.raises(NetlinkError, match=r"add route 10\.240\.8\.0/22"):
        one.call(one.network.sync_routes({"10.240.8.0/22": "192.0.2.7", two.pod_cidr: two.address}))
    assert two.pod_cidr in leftovers(one)[1]


@pytest.mark.parametrize("protocol", [socket.SOCK_STREAM, socket.SOCK_DGRAM], ids=["TCP", "UDP"])
@pytest.mark.parametrize("where", ["pod", "node"])
def test_a_port_that_no_service_has_is_refused_at_once(node: Node, where: str, protocol: socket.SocketKind) -> None:
    place = node.pod("one") if where == "pod" else node

    def talk() -> float:
        started = time.perf_counter()
        with socket.socket(socket.AF_INET, protocol) as client, pytest.raises(ConnectionRefusedError):
            client.settimeout(3)
            client.connect(("10.96.0.77", 81))
            with contextlib.suppress(PermissionError):  # the kernel's word for a refused datagram of its own
                client.send(b"?")
            client.recv(1)
        return time.perf_counter() - started

    assert place.inside(talk) < 1


def test_nothing_in_the_service_range_answers_ping(node: Node) -> None:
    pod = node.pod("one")

    assert not pod.ping("10.96.0.1")
    assert not node.ping("10.96.0.1")


def test_what_a_pod_sends_out_of_the_cluster_carries_the_nodes_address(node: Node, make_node: MakeNode) -> None:
    other = make_node("other")
    pod = node.pod("one")
    listener = other.inside(lambda: socket.create_server(("0.0.0.0", 8080)))
    with listener, pod.connect(other.address, 8080):
        connection, peer = listener.accept()
        connection.close()

        assert peer[0] == node.address


def test_a_successor_adopts_what_is_there_and_connections_go_on(node: Node) -> None:
    one, two = node.pod("one"), node.pod("two")
    with one.listen(80) as listener, two.connect(one.address, 80) as near, listener.accept()[0] as far:
        before = leftovers(node)
        successor = node.make()  # no close before: the first one was killed
        node.call(successor.start())
        near.sendall(b"still here")

        assert far.recv(100) == b"still here"
        assert leftovers(node) == before
        assert successor.attached() == {"one": one.address, "two": two.address}
        assert node.call(successor.attach("one", one.process.pid)) == one.address
        node.call(successor.close())


def test_a_successor_takes_the_address_of_a_pod_that_ended_meanwhile(node: Node) -> None:
    node.pod("one").end()
    deadline = time.monotonic() + 5
    while "procor-0af00002" in leftovers(node)[0]:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    successor = node.make()
    node.call(successor.start())

    assert successor.attached() == {}
    node.call(successor.close())


def test_an_attachment_that_was_cut_short_is_completed_by_the_next_one(node: Node) -> None:
    """Killed between the wire and what is inside: the wire is there, the pod's eth0 has no address."""
    one, two = node.pod("one"), node.pod("two")

    def undo() -> None:
        with Netlink() as netlink:
            netlink.send(links.change_link("eth0", down=True))
            for index, address, prefix in links.addresses(netlink):
                if address == one.address:
                    netlink.send(links.delete_address(index, address, prefix))

    one.inside(undo)

    assert node.call(node.network.attach("one", one.process.pid)) == one.address
    assert two.ping(one.address)


def test_an_owner_whose_pause_was_made_anew_is_wired_anew_under_its_address(node: Node) -> None:
    one, two = node.pod("one"), node.pod("two")
    address = one.address
    one.end()
    again = node.pod("one")

    assert again.address == address
    assert two.ping(address)


def test_a_detached_address_is_used_again_last(node: Node) -> None:
    first = node.pod("one").address
    node.call(node.network.detach("one"))
    node.call(node.network.detach("one"))

    assert node.network.attached() == {}
    assert node.pod("two").address != first


def test_attaching_a_process_that_is_gone_or_not_fenced_gives_the_address_back(node: Node) -> None:
    pod = node.pod("one")
    pod.end()
    with pytest.raises(FileNotFoundError):
        node.call(node.network.attach("gone", pod.process.pid))
    with pytest.raises(OSError, match="no network namespace of its own"):
        node.call(node.network.attach("host", node.host.pid))

    assert set(node.network.attached()) == {"one"}
    assert node.pod("two").address == "10.240.0.5"


def test_reset_leaves_the_node_as_it_was(node: Node) -> None:
    def forwarding() -> str:
        return Path("/proc/sys/net/ipv4/ip_forward").read_text().strip()

    node.pod("one")
    during = node.inside(forwarding)
    node.call(node.network.reset())

    assert leftovers(node) == ({"lo", "eth0"}, set(), set())
    assert (during, node.inside(forwarding)) == ("1", "0")
    assert not node.state.exists()


_STORM = """
import asyncio, sys
from network import NodeNetwork

async def main(state, address, *pids):
    network = NodeNetwork(state_dir=state, pod_cidr="10.240.0.0/22", cluster_cidr="10.240.0.0/12",
                          service_cidr="10.96.0.0/12", node_address=address)
    await network.start()
    print("started", flush=True)
    for pid in pids:
        print(pid, await network.attach(pid, int(pid)), flush=True)

asyncio.run(main(*sys.argv[1:]))
"""


def test_whenever_the_agent_is_killed_its_successor_finishes_what_it_began(lab: Lab, tmp_path: Path) -> None:
    """Twenty agents, each killed a moment after its start; the last one is let live. Every pod ends up with its own
    address, and what one agent said stays true under the next."""
    host = lab.host("one")

    def fenced() -> subprocess.Popen[bytes]:
        netns.unshare(netns.CLONE_NEWNET)
        return subprocess.Popen(["sleep", "1000"])

    pods = [netns.in_thread(fenced) for _ in range(12)]
    argv = [sys.executable, "-c", _STORM, str(tmp_path / "state"), host.address, *(str(pod.pid) for pod in pods)]
    said: dict[str, str] = {}
    chance = random.Random(7)
    try:
        for life in range(21):
            agent = host.inside(lambda: subprocess.Popen(argv, stdout=subprocess.PIPE, cwd=Path.cwd(), text=True))
            assert agent.stdout is not None
            assert agent.stdout.readline() == "started\n"
            if life < 20:
                time.sleep(chance.uniform(0, 0.03))
                agent.kill()
            for line in agent.stdout.read().splitlines(keepends=True):
                if line.endswith("\n"):
                    pid, address = line.split()
                    assert said.setdefault(pid, address) == address
            agent.wait()
            agent.stdout.close()
        seen = {pod.pid: _addresses_of(pod.pid) for pod in pods}
    finally:
        for pod in pods:
            pod.kill()
            pod.wait()

    assert agent.returncode == 0
    assert seen == {int(pid): ["127.0.0.1", address] for pid, address in said.items()}
    assert len(set(said.values())) == len(pods)


def _addresses_of(pid: int) -> list[str]:
    fd = netns.of_process(pid)

    def look() -> list[str]:
        with Netlink() as netlink:
            return [row[1] for row in links.addresses(netlink)]

    try:
        return netns.inside(fd, look)
    finally:
        os.close(fd)
