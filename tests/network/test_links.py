"""What the link and route messages make, read back by another program (iproute2) where it is installed."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from typing import Any, TypeVar

import pytest

from network import links, netns
from network.links import Route
from network.netlink import Netlink

pytestmark = pytest.mark.kernel
Result = TypeVar("Result")
needs_ip = pytest.mark.skipif(shutil.which("ip") is None, reason="reads back with iproute2's ip")


def fresh(function: Callable[[Netlink], Result]) -> Result:
    """Call in a new network namespace."""

    def run() -> Result:
        netns.unshare(netns.CLONE_NEWNET)
        with Netlink() as netlink:
            return function(netlink)

    return netns.in_thread(run)


def shown(*argv: str) -> list[dict[str, Any]]:
    return json.loads(subprocess.run(["ip", "-j", "-d", *argv], capture_output=True, check=True).stdout)  # type: ignore[no-any-return]


@needs_ip
def test_a_wire_is_a_port_of_its_bridge_with_hairpin_and_a_hardware_address_that_follows_from_the_address() -> None:
    peer = netns.create()

    def make(netlink: Netlink) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        netlink.send(links.add_bridge("br", 1400, "10.0.0.1"))
        bridge = links.link_of(netlink, "br")
        assert bridge is not None
        netlink.send(links.add_veth("v", "eth0", peer, "10.0.0.2", master=bridge.index, mtu=1400))
        link = links.link_of(netlink, "v")
        assert link is not None and link.master == bridge.index
        netlink.send(links.hairpin(link.index))
        return shown("link", "show", "v"), netns.inside(peer, lambda: shown("link", "show", "eth0"))

    (near,), (far,) = fresh(make)

    assert (near["master"], near["mtu"], far["mtu"]) == ("br", 1400, 1400)
    assert near["linkinfo"]["info_slave_data"]["hairpin"] is True
    assert far["address"] == "0a:70:0a:00:00:02"


@needs_ip
def test_routes_are_as_told_and_ours_are_known_again() -> None:
    ours = [
        Route("10.240.0.0/12", unreachable=True),
        Route("10.240.4.0/22", "10.79.0.3"),
        Route("10.96.0.0/12", device=2, source="10.79.0.2"),
    ]

    def make(netlink: Netlink) -> tuple[list[dict[str, Any]], list[Route]]:
        netlink.send(links.add_bridge("br", 1500, "10.79.0.2"))
        bridge = links.link_of(netlink, "br")
        assert bridge is not None
        netlink.send(links.add_address(bridge.index, "10.79.0.2", 24))
        netlink.send(
            links.add_route(ours[0]),
            links.add_route(ours[1]),
            links.add_route(Route("10.96.0.0/12", device=bridge.index, source="10.79.0.2")),
            links.add_route(Route("192.0.2.0/24", "10.79.0.9", protocol=links.STATIC)),
        )
        return shown("route"), links.our_routes(netlink)

    routes, known = fresh(make)
    by_destination = {row["dst"]: row for row in routes}

    assert by_destination["10.240.0.0/12"]["type"] == "unreachable"
    assert by_destination["10.240.4.0/22"]["gateway"] == "10.79.0.3"
    assert by_destination["10.96.0.0/12"]["prefsrc"] == "10.79.0.2"
    assert {row.destination for row in known} == {row.destination for row in ours}
    assert {row.gateway for row in known} == {"", "10.79.0.3"}


def test_a_link_that_never_passes_frames_is_told() -> None:
    def make(netlink: Netlink) -> None:
        netlink.send(links.add_bridge("br", 1500, "10.0.0.1"))
        links.wait_operational(netlink, "br", timeout=0.05)

    with pytest.raises(TimeoutError, match="br is not up"):
        fresh(make)
