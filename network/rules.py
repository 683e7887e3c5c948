"""The node's own nftables table: nothing to a ClusterIP is ever forwarded, and pods leave under the node's address.

What the proxy serves is redirected before these rules are reached (hooks of priority dstnat), so all that is still
addressed to the service range here is a port that no Service has: TCP gets a reset, UDP "port unreachable", at once.
Everything else, ping above all, gets no answer. This is done before routing: the router would tell a pod first that
there is a shorter way (an ICMP redirect), and the kernel's rate limit would then keep the refusal back.
"""

from __future__ import annotations

import socket
from collections.abc import Iterator

from network import nftables as nft
from network.netlink import Message

_REFUSALS = ((socket.IPPROTO_TCP, nft.reset_connection()), (socket.IPPROTO_UDP, nft.port_unreachable()))


def node_rules(
    table: nft.Table, *, service_cidr: str, cluster_cidr: str, pod_cidr: str, bridge: str
) -> Iterator[Message]:
    """The whole table anew, in one transaction."""
    yield from table.renew()
    for chain, hook in (("prerouting", nft.PREROUTING), ("output", nft.OUTPUT)):
        yield table.chain(chain, "filter", hook, nft.FILTER)
        to_service = (nft.load_destination(), *nft.within(service_cidr))
        for protocol, refusal in _REFUSALS:
            yield table.rule(chain, *to_service, nft.load_protocol(), nft.equals(bytes([protocol])), refusal)
        yield table.rule(chain, *to_service, nft.drop())
    yield table.chain("postrouting", "nat", nft.POSTROUTING, nft.SRCNAT)
    yield table.rule(
        "postrouting",
        *(nft.load_source(), *nft.within(pod_cidr)),
        *(nft.load_destination(), *nft.within(cluster_cidr, negate=True)),
        *(nft.load_output_name(), nft.equals(nft.interface(bridge), negate=True)),
        nft.masquerade(),
    )
