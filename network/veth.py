"""A pod's wire: a veth pair from the bridge into the pod's network namespace, where it is eth0.

Two sends make it. The first, on the host's socket: one RTM_NEWLINK makes the pair, puts the peer into the pod's
namespace, joins the host's end to the bridge and sets it up. The second, on a socket opened inside: lo and eth0 up, the
address, the default route. Nothing is deleted later: when the pod's last process is gone the kernel frees the
namespace and the pair in the background, while RTM_DELLINK would hold the machine's link lock for 29 ms.
"""

from __future__ import annotations

import errno
import os
import socket
import zlib
from dataclasses import dataclass

from network import links, netns
from network.netlink import Netlink, NetlinkError


@dataclass(frozen=True, slots=True)
class Wire:
    """What a pod's wire is made of. bridge: ifindex; prefix: length of the range's mask; mtu: bytes; group: links'."""

    name: str
    bridge: int
    address: str
    prefix: int
    gateway: str
    mtu: int
    group: int


def name_of(prefix: str, address: str) -> str:
    """The host end's name, from the address: no two pods can ever have the same address on one bridge."""
    return f"{prefix[:6]}-{socket.inet_aton(address).hex()}"


def group_of(prefix: str) -> int:
    """The link group of all wires whose names begin with that prefix."""
    return zlib.crc32(prefix.encode()) | 1


def connect(netlink: Netlink, home: int, pid: int, wire: Wire, again: bool = False) -> None:
    """Give the process's network namespace its eth0; returns when frames pass.

    To be called in a thread that may be moved: it enters the pod's namespace and comes back to `home`, a descriptor
    of the host's. again: it was begun before, maybe by a process that was killed in the middle: what is there is
    completed. Raises FileNotFoundError when the process is gone, OSError (EBUSY) when it shares the host's
    namespace, NetlinkError for all else.
    """
    pod = netns.of_process(pid)
    try:
        if os.fstat(pod).st_ino == os.fstat(home).st_ino:
            raise OSError(errno.EBUSY, f"process {pid} has no network namespace of its own")
        if not (again and _settle_inside(home, pod, wire)):
            _lay(netlink, pod, wire)
            if not _settle_inside(home, pod, wire):
                raise FileNotFoundError(f"{wire.name}: the pod's eth0 is gone")
    finally:
        os.close(pod)
    # Each of the three begins to pass frames when the kernel's link watch gets to it; the bridge with its first port.
    links.wait_operational(netlink, wire.name)
    links.wait_operational(netlink, index=wire.bridge)


def _lay(netlink: Netlink, pod: int, wire: Wire) -> None:
    pair = links.add_veth(wire.name, "eth0", pod, wire.address, master=wire.bridge, mtu=wire.mtu, group=wire.group)
    try:
        netlink.send(pair)
    except NetlinkError as error:
        if error.errno != errno.EEXIST or links.link_of(netlink, wire.name) is None:
            raise
        # A pod that had this address before is not all gone yet; it must not go on having it.
        netlink.send(links.delete_link(wire.name))
        netlink.send(pair)
    link = links.link_of(netlink, wire.name)
    if link is not None:
        netlink.send(links.hairpin(link.index), links.without_ipv6(link.index))


def _settle_inside(home: int, pod: int, wire: Wire) -> bool:
    """Go in, make eth0 ready, come back; false when there is no such eth0."""
    netns.setns(pod)
    try:
        return _settle(wire)
    finally:
        netns.setns(home)


def _settle(wire: Wire) -> bool:
    with Netlink() as netlink:
        eth0 = links.link_of(netlink, "eth0")
        if eth0 is None or eth0.mac != links.mac_of(wire.address):
            return False
        netlink.send(
            links.change_link("lo", up=True),
            links.without_ipv6(eth0.index),
            links.change_link(index=eth0.index, up=True),
            links.add_address(eth0.index, wire.address, wire.prefix),
            links.add_route(links.Route("0.0.0.0/0", wire.gateway, protocol=links.STATIC)),
        )
        links.wait_operational(netlink, index=eth0.index)
        return True
