"""Links, addresses and routes as netlink messages, and what the kernel lists of them."""

from __future__ import annotations

import errno
import ipaddress
import socket
import struct
import time
from collections.abc import Mapping
from dataclasses import dataclass

from network.netlink import (
    CREATE,
    EXCLUSIVE,
    REPLACE,
    Message,
    Netlink,
    NetlinkError,
    attribute,
    attributes,
    nested,
    number,
    text,
)

NEWLINK, DELLINK, GETLINK, SETLINK = 16, 17, 18, 19
NEWADDR, DELADDR, GETADDR = 20, 21, 22
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26

UP = 0x1  # IFF_UP
OPERATIONAL = 6  # IF_OPER_UP
STATIC = 4  # a route's rtm_protocol: made by an administrator
OUR_PROTOCOL = 0x70  # who made a route: an unassigned value of rtm_protocol, so that ours are known again

_LINK = struct.Struct("=BxHiII")
_ADDRESS = struct.Struct("=BBBBi")
_ROUTE = struct.Struct("=BBBBBBBBI")
_MASTER, _NAME, _MTU, _LINKINFO, _NETNS_FD, _OPERSTATE, _PROTINFO, _MAC = 10, 3, 4, 18, 28, 16, 12, 1
_KIND, _DATA = 1, 2
_PEER = 1  # VETH_INFO_PEER
_HAIRPIN = 4  # IFLA_BRPORT_MODE
_AF_BRIDGE = 7
_AF_SPEC, _ADDRESS_MODE = 26, 8
_GROUP = 27
_RTN_UNICAST, _RTN_UNREACHABLE = 1, 7
_SCOPE_UNIVERSE, _SCOPE_LINK = 0, 253
_RT_DST, _RT_OIF, _RT_GATEWAY, _RT_PRIORITY, _RT_PREFSRC = 1, 4, 5, 6, 7
_TABLE_MAIN = 254


@dataclass(frozen=True, slots=True)
class Link:
    """A network interface as the kernel lists it. master: ifindex of the bridge it is a port of, or 0."""

    index: int
    name: str
    up: bool
    operstate: int
    master: int
    mtu: int
    kind: str
    mac: bytes


@dataclass(frozen=True, slots=True)
class Route:
    """A route in the main table. gateway: "" for what is on the link; device: ifindex or 0."""

    destination: str
    gateway: str = ""
    device: int = 0
    unreachable: bool = False
    source: str = ""
    protocol: int = OUR_PROTOCOL


def change_link(
    name: str = "", *, index: int = 0, up: bool = False, down: bool = False, master: int = 0, mtu: int = 0
) -> Message:
    """Change the link of that name or index."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, UP if up else 0, UP if up or down else 0)
    if name:
        body += attribute(_NAME, name)
    if master:
        body += attribute(_MASTER, master)
    if mtu:
        body += attribute(_MTU, mtu)
    return Message(NEWLINK, body, what=f"change link {name or index}")


def mac_of(address: str) -> bytes:
    """A hardware address that follows from the IPv4 address: no ARP table is stale when one is used again."""
    return b"\x0a\x70" + socket.inet_aton(address)


def add_bridge(name: str, mtu: int, address: str) -> Message:
    """A bridge, up. Its hardware address is set once for all: else it changes as ports come and go."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, 0, UP, UP) + attribute(_NAME, name) + attribute(_MTU, mtu)
    body += attribute(_MAC, mac_of(address))
    body += nested(_LINKINFO, attribute(_KIND, "bridge"))
    return Message(NEWLINK, body, CREATE | EXCLUSIVE, f"add bridge {name}")


def add_veth(
    name: str, peer: str, peer_netns: int, address: str, *, master: int = 0, mtu: int = 0, group: int = 0
) -> Message:
    """One message that makes the pair, puts the peer into its namespace, and the host end up and on its bridge.

    peer_netns: a file descriptor. address: the IPv4 address that the peer will have. The peer is not up: the kernel
    refuses that here. group: of the host end, for `delete_group`.
    """
    size = attribute(_MTU, mtu) if mtu else b""
    other = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(_NAME, peer) + attribute(_NETNS_FD, peer_netns) + size
    other += attribute(_MAC, mac_of(address))
    body = _LINK.pack(socket.AF_UNSPEC, 0, 0, UP, UP) + attribute(_NAME, name) + size
    if master:
        body += attribute(_MASTER, master)
    if group:
        body += attribute(_GROUP, group)
    body += nested(_LINKINFO, attribute(_KIND, "veth"), nested(_DATA, attribute(_PEER | 0x8000, other)))
    return Message(NEWLINK, body, CREATE | EXCLUSIVE, f"add veth {name}")


def hairpin(index: int) -> Message:
    """Let the bridge send a frame back out of the port it came from: a pod may reach itself by a Service."""
    body = _LINK.pack(_AF_BRIDGE, 0, index, 0, 0) + nested(_PROTINFO, attribute(_HAIRPIN, b"\1"))
    return Message(SETLINK, body, what=f"hairpin on link {index}")


def without_ipv6(index: int) -> Message:
    """No IPv6 address of its own making: else every wire floods its bridge with neighbour and router solicitations."""
    mode = nested(_AF_SPEC, nested(socket.AF_INET6, attribute(_ADDRESS_MODE, b"\1")))
    return Message(NEWLINK, _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0) + mode, what=f"no IPv6 on link {index}")


def delete_link(name: str) -> Message:
    body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(_NAME, name)
    return Message(DELLINK, body, what=f"delete link {name}")


def delete_group(group: int) -> Message:
    """Delete every link of a group at once: one by one each holds the machine's link lock for 20 ms and more."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0) + attribute(_GROUP, group)
    return Message(DELLINK, body, what=f"delete the links of group {group}")


def add_address(index: int, address: str, prefix: int, broadcast: bool = True) -> Message:
    packed = socket.inet_aton(address)
    body = _ADDRESS.pack(socket.AF_INET, prefix, 0, 0, index) + attribute(2, packed) + attribute(1, packed)
    if broadcast and prefix < 31:
        last = ipaddress.ip_interface(f"{address}/{prefix}").network.broadcast_address
        body += attribute(4, last.packed)
    return Message(NEWADDR, body, CREATE | REPLACE, f"add address {address}/{prefix}")


def delete_address(index: int, address: str, prefix: int) -> Message:
    body = _ADDRESS.pack(socket.AF_INET, prefix, 0, 0, index) + attribute(2, socket.inet_aton(address))
    return Message(DELADDR, body, what=f"delete address {address}/{prefix}")


def add_route(route: Route) -> Message:
    return Message(NEWROUTE, _route(route), CREATE | REPLACE, f"add route {route.destination} {route.gateway}".rstrip())


def delete_route(route: Route) -> Message:
    return Message(DELROUTE, _route(route), what=f"delete route {route.destination}")


def _route(route: Route) -> bytes:
    destination = ipaddress.IPv4Network(route.destination)
    scope = _SCOPE_UNIVERSE if route.gateway or route.unreachable else _SCOPE_LINK
    kind = _RTN_UNREACHABLE if route.unreachable else _RTN_UNICAST
    body = _ROUTE.pack(socket.AF_INET, destination.prefixlen, 0, 0, _TABLE_MAIN, route.protocol, scope, kind, 0)
    if destination.prefixlen:
        body += attribute(_RT_DST, destination.network_address.packed)
    if route.gateway:
        body += attribute(_RT_GATEWAY, socket.inet_aton(route.gateway))
    if route.device:
        body += attribute(_RT_OIF, route.device)
    if route.source:
        body += attribute(_RT_PREFSRC, socket.inet_aton(route.source))
    return body


def link_of(netlink: Netlink, name: str = "", index: int = 0) -> Link | None:
    """The link of that name or index, or None where there is none."""
    body = _LINK.pack(socket.AF_UNSPEC, 0, index, 0, 0) + (attribute(_NAME, name) if name else b"")
    try:
        answers = netlink.send(Message(GETLINK, body, what=f"look up link {name or index}"))
    except NetlinkError as error:
        if error.errno == errno.ENODEV:
            return None
        raise
    return _link(answers[0])


def wait_operational(netlink: Netlink, name: str = "", index: int = 0, timeout: float = 2.0) -> Link:
    """Wait until the link passes frames: one sent before is lost, and the first connect takes a second.

    Raises TimeoutError, or FileNotFoundError when there is no such link.
    """
    end = time.monotonic() + timeout
    pause = 0.0001
    while True:
        link = link_of(netlink, name, index)
        if link is None:
            raise FileNotFoundError(f"link {name or index} is gone")
        if link.operstate == OPERATIONAL:
            return link
        if time.monotonic() > end:
            raise TimeoutError(f"link {name or index} is not up after {timeout:g} s")
        time.sleep(pause)
        pause = min(pause * 2, 0.005)


def links(netlink: Netlink) -> list[Link]:
    return [_link(body) for body in netlink.dump(Message(GETLINK, _LINK.pack(socket.AF_UNSPEC, 0, 0, 0, 0)))]


def _link(body: bytes) -> Link:
    _, _, index, flags, _ = _LINK.unpack_from(body)
    found = dict(attributes(body, _LINK.size))
    info = dict(attributes(found.get(_LINKINFO, b"")))
    return Link(
        index,
        text(found[_NAME]),
        bool(flags & UP),
        found[_OPERSTATE][0] if _OPERSTATE in found else 0,
        _number(found, _MASTER),
        _number(found, _MTU),
        text(info.get(_KIND, b"")),
        found.get(_MAC, b""),
    )


def _number(found: Mapping[int, bytes], kind: int) -> int:
    return number(found[kind]) if kind in found else 0


def addresses(netlink: Netlink) -> list[tuple[int, str, int]]:
    """Every IPv4 address here, as (ifindex, address, prefix length)."""
    rows: list[tuple[int, str, int]] = []
    for body in netlink.dump(Message(GETADDR, _ADDRESS.pack(socket.AF_INET, 0, 0, 0, 0))):
        _, prefix, _, _, index = _ADDRESS.unpack_from(body)
        found = dict(attributes(body, _ADDRESS.size))
        rows.append((index, socket.inet_ntoa(found.get(2) or found[1]), prefix))
    return rows


def our_routes(netlink: Netlink) -> list[Route]:
    """The routes of the main table that carry our protocol number."""
    rows: list[Route] = []
    for body in netlink.dump(Message(GETROUTE, _ROUTE.pack(socket.AF_INET, *bytes(7), 0))):
        _, prefix, _, _, table, protocol, _, kind, _ = _ROUTE.unpack_from(body)
        if table != _TABLE_MAIN or protocol != OUR_PROTOCOL:
            continue
        found = dict(attributes(body, _ROUTE.size))
        rows.append(
            Route(
                f"{socket.inet_ntoa(found.get(_RT_DST, bytes(4)))}/{prefix}",
                socket.inet_ntoa(found[_RT_GATEWAY]) if _RT_GATEWAY in found else "",
                _number(found, _RT_OIF),
                kind == _RTN_UNREACHABLE,
                socket.inet_ntoa(found[_RT_PREFSRC]) if _RT_PREFSRC in found else "",
            )
        )
    return rows
