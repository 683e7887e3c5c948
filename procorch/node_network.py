"""A node's network as its cluster says: its own range of addresses, the ways to the others', the Services it serves."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Iterable

from network.node import NodeNetwork
from network.proxy import Mode, ServicePort
from procorch.clock import Backoff
from procorch.informer import Handling
from procorch.informers import Informers
from procorch.objects import Object, get
from procorch.services import host_ports, service_ports

logger = logging.getLogger(__name__)


async def pod_range(informers: Informers, name: str) -> str:
    """The node's podCIDR, once the masters have given it one."""
    found = asyncio.Event()

    def look(type_: str, old: Object | None, new: Object | None) -> None:
        if new is not None and new["metadata"]["name"] == name and get(new, ".spec.podCIDR"):
            found.set()

    informers.of("Node").add_handler(look)
    await found.wait()
    return str(get(informers["Node"][name], ".spec.podCIDR"))


async def follow_services(informers: Informers, pods: Handling, proxy: Mode, node_name: str) -> None:
    """The proxy serves what Services, EndpointSlices and this node's pods say; until all are known, what it served
    before.
    """
    changed = asyncio.Event()
    for one in (informers.of("Service"), informers.of("EndpointSlice"), pods):
        await one.synced()
        one.add_handler(lambda type_, old, new: changed.set())
    backoff = Backoff(first=0.1, most=10.0)
    served: tuple[ServicePort, ...] | None = None
    while True:
        changed.clear()
        try:
            services, slices = informers["Service"].values(), informers["EndpointSlice"].values()
            rows = service_ports(services, slices, node_name)
            taken = {row.key for row in rows}
            rows += tuple(row for row in host_ports(pods.lister.values(), is_own) if row.key not in taken)
            if rows != served:
                await proxy.sync(rows)
                served = None if proxy.busy else rows  # what was in use may be free the next time
            backoff.reset()
        except OSError as error:
            logger.warning("services not served", extra={"error": str(error)})
            await asyncio.sleep(backoff.next())
            continue
        for port, why in proxy.busy.items():
            logger.warning("node port not served", extra={"port": port, "why": why})
        await changed.wait()


def is_own(address: str) -> bool:
    """Whether this machine has the IPv4 address."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        try:
            probe.bind((address, 0))
        except OSError:
            return False
    return True


async def follow_routes(informers: Informers, network: NodeNetwork, node_name: str) -> None:
    """Every other node's pods are reached at that node."""
    changed = asyncio.Event()
    await informers.of("Node").synced()
    informers.of("Node").add_handler(lambda type_, old, new: changed.set())
    known: dict[str, str] | None = None
    while True:
        changed.clear()
        wanted = routes_of(informers["Node"].values(), node_name)
        if wanted != known:
            try:
                await network.sync_routes(wanted)
                known = wanted
            except OSError as error:
                logger.warning("nodes not routed to", extra={"error": str(error)})
                known = wanted
        await changed.wait()


def routes_of(nodes: Iterable[Object], own: str) -> dict[str, str]:
    """pod range → address, of every other node that has both."""
    routes = {}
    for node in nodes:
        addresses = get(node, ".status.addresses", [])
        address = next((row["address"] for row in addresses if row["type"] == "InternalIP"), None)
        pod_cidr = get(node, ".spec.podCIDR")
        if node["metadata"]["name"] != own and address and pod_cidr:
            routes[pod_cidr] = address
    return routes
