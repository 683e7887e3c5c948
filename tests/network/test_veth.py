"""One pod's wire."""

from __future__ import annotations

import subprocess

import pytest

from network import links, netns, veth
from network.netlink import Netlink

pytestmark = pytest.mark.kernel


def fenced() -> subprocess.Popen[bytes]:
    def start() -> subprocess.Popen[bytes]:
        netns.unshare(netns.CLONE_NEWNET)
        return subprocess.Popen(["sleep", "1000"])

    return netns.in_thread(start)


def test_the_wires_name_follows_from_the_address_and_fits() -> None:
    assert veth.name_of("procorch", "10.240.1.2") == "procor-0af00102"
    assert len(veth.name_of("a-long-prefix", "255.255.255.255")) == 15


def test_an_address_moves_to_its_next_pod_though_the_last_one_is_not_all_gone() -> None:
    """The old pod loses its wire: two pods with one address would be worse."""
    old, new = fenced(), fenced()

    def eth0_of(process: subprocess.Popen[bytes]) -> tuple[bool, list[str]]:
        fd = netns.of_process(process.pid)

        def look() -> tuple[bool, list[str]]:
            with Netlink() as netlink:
                return links.link_of(netlink, "eth0") is not None, [row[1] for row in links.addresses(netlink)]

        return netns.inside(fd, look)

    def run() -> None:
        netns.unshare(netns.CLONE_NEWNET)
        home = netns.current()
        with Netlink() as netlink:
            netlink.send(links.add_bridge("br", 1500, "10.0.0.1"))
            bridge = links.link_of(netlink, "br")
            assert bridge is not None
            wire = veth.Wire("w-0a000002", bridge.index, "10.0.0.2", 24, "10.0.0.1", 1500, veth.group_of("w"))
            netlink.send(links.add_address(bridge.index, "10.0.0.1", 24))
            veth.connect(netlink, home, old.pid, wire)
            veth.connect(netlink, home, new.pid, wire)

    try:
        netns.in_thread(run)

        assert eth0_of(new) == (True, ["127.0.0.1", "10.0.0.2"])
        assert eth0_of(old) == (False, ["127.0.0.1"])
    finally:
        for process in (old, new):
            process.kill()
            process.wait()
