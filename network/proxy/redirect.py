"""What leads a packet for a ClusterIP to the proxy: one nftables map, and the same rule for pods and for the node.

    chain prerouting, output: dnat to GATEWAY : (address . protocol . port → map "services")

The map's value is the proxy's port on the bridge's address. A key that is not in it falls through to the node's rules,
which refuse it. Connections keep the destination they began with, whatever becomes of the map.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Mapping

from network import nftables as nft
from network.netlink import NETFILTER, Netlink

_MAP = "services"
_PROTOCOLS = {"TCP": socket.IPPROTO_TCP, "UDP": socket.IPPROTO_UDP}
Target = tuple[str, str, int]
"""Protocol, address, port: what clients connect to."""


class Redirect:
    """The proxy's table. Every method talks to the kernel, in the namespace of the calling thread."""

    def __init__(self, table: nft.Table, gateway: str) -> None:
        self._table, self._gateway = table, gateway

    def start(self) -> dict[Target, int]:
        """The rules with an empty map; returns what a predecessor had led where."""
        table, key = self._table, nft.REGISTER
        with Netlink(NETFILTER) as netlink:
            before = table.elements(netlink, _MAP)
            messages = table.renew()
            messages.append(table.mapping(_MAP, (nft.TYPE_ADDRESS, nft.TYPE_PROTOCOL, nft.TYPE_PORT), nft.TYPE_PORT, 2))
            for chain, hook in (("prerouting", nft.PREROUTING), ("output", nft.OUTPUT)):
                messages.append(table.chain(chain, "nat", hook, nft.DSTNAT))
                messages.append(
                    table.rule(
                        chain,
                        *(nft.load_destination(key), nft.load_protocol(key + 1), nft.load_port(key + 2)),
                        nft.lookup(_MAP, key + 4, key),
                        nft.put(socket.inet_aton(self._gateway), key),
                        nft.destination_nat(key, key + 4),
                    )
                )
            nft.apply(netlink, messages)
        return {_target(key): struct.unpack(">H", value[:2])[0] for key, value in before.items()}

    def change(self, seen: Mapping[Target, int], wanted: Mapping[Target, int]) -> None:
        """Make the map `wanted`, from what it is; all at once."""
        gone = [_key(target) for target, port in seen.items() if wanted.get(target) != port]
        fresh = {_key(t): struct.pack(">H", port) for t, port in wanted.items() if seen.get(t) != port}
        if gone or fresh:
            with Netlink(NETFILTER) as netlink:
                nft.apply(netlink, [*self._table.take(_MAP, gone), *self._table.put(_MAP, fresh)])

    def remove(self) -> None:
        with Netlink(NETFILTER) as netlink:
            nft.apply(netlink, [self._table.create(), self._table.delete()])


def _key(target: Target) -> bytes:
    protocol, address, port = target
    return struct.pack(">4sB3xH2x", socket.inet_aton(address), _PROTOCOLS[protocol], port)


def _target(key: bytes) -> Target:
    address, protocol, port = struct.unpack(">4sB3xH2x", key)
    return ("TCP" if protocol == socket.IPPROTO_TCP else "UDP", socket.inet_ntoa(address), port)
