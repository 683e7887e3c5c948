"""Node IPAM: each node gets its piece of the pods' range, and no piece is given twice."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, ip_network

from procorch.controllers.controller import Context, Controller, own
from procorch.objects import Object, get, is_deleting, uid_of


def plan(nodes: Iterable[Object], cluster_cidr: str, mask: int) -> str | None:
    """The first free /mask piece of the range; None where all are taken.

    A node's range counts as taken whatever its size and wherever it came from (a node may bring its own).
    """
    whole = IPv4Network(cluster_cidr)
    size = 1 << (32 - mask)
    first, last = int(whole.network_address), int(whole.broadcast_address)
    taken: set[int] = set()
    for node in nodes:
        for text in ranges_of(node):
            network = ip_network(text)
            if isinstance(network, IPv4Network) and network.overlaps(whole):
                low = (max(int(network.network_address), first) - first) // size
                high = (min(int(network.broadcast_address), last) - first) // size
                taken.update(range(low, high + 1))
    free = next((number for number in range((last - first + 1) // size) if number not in taken), None)
    return None if free is None else str(IPv4Network((first + free * size, mask)))


def ranges_of(node: Object) -> set[str]:
    one = get(node, ".spec.podCIDR")
    return set(get(node, ".spec.podCIDRs", [])) | ({one} if one else set())


async def reconcile(key: str, context: Context) -> float | None:
    """One worker only: two nodes at once could be given the same piece."""
    node = context.lister["Node"].get(key)
    if node is None or is_deleting(node) or ranges_of(node):
        return None
    cidr = plan(context.lister["Node"].values(), context.config.cluster_cidr, context.config.node_mask)
    if cidr is None:
        context.events.event(node, "Normal", "CIDRNotAvailable", f"Node {key} status is now: CIDRNotAvailable")
        return 30.0
    # The API refuses to change a podCIDR once it is set, so a node is never moved to another range.
    patch = {"metadata": {"uid": uid_of(node)}, "spec": {"podCIDR": cidr, "podCIDRs": [cidr]}}
    await context.client.patch("Node", key, patch)
    return None


CONTROLLER = Controller("node-ipam", reconcile, watches={"Node": own}, component="cidrAllocator", workers=1)
