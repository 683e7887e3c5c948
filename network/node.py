"""One node's pod network: the bridge, the routes, the rules, and a wire for each pod."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import ipaddress
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from network import links, netns, nftables, rules, veth
from network.ipam import Addresses
from network.links import Route
from network.netlink import NETFILTER, ROUTE, Netlink, NetlinkError
from network.sysctls import Sysctls

logger = logging.getLogger(__name__)
Result = TypeVar("Result")


class NodeNetwork:
    """What connects this node's pods; all it does happens in the network namespace of the thread that makes it.

    state_dir: a directory of its own. name_prefix: of the bridge, the veths and the tables, at most 13 characters.
    pod_cidr: this node's range; its first address is the bridge's. cluster_cidr: all nodes' ranges.
    service_cidr: the ClusterIPs. node_address: by which the other nodes reach this one.

    The truth is on the machine and in the address journal: a successor of a killed agent goes on from there.
    """

    def __init__(
        self,
        *,
        state_dir: Path | str,
        name_prefix: str = "procorch",
        pod_cidr: str,
        cluster_cidr: str,
        service_cidr: str,
        node_address: str,
    ) -> None:
        self.state_dir = Path(state_dir)
        self.name_prefix = name_prefix
        self.pod_cidr = pod_cidr
        self.cluster_cidr = cluster_cidr
        self.service_cidr = service_cidr
        self.node_address = node_address
        self.bridge = f"{name_prefix}0"
        self.gateway = str(ipaddress.IPv4Network(pod_cidr)[1])
        self.proxy_table = nftables.Table(f"{name_prefix}-proxy")
        self.served = self.state_dir / "services.json"  # the proxy's, but `reset` removes it with the rest
        self._table = nftables.Table(name_prefix)
        self.sysctls = Sysctls(self.state_dir / "sysctl.json")  # to be used by `call`
        self._addresses: Addresses | None = None
        self._bridge_index = 0
        self._mtu = 1500
        # One thread for the conversation with the kernel, as it enters pods' namespaces; started here, so that it is
        # in the namespace of whoever makes the object.
        self._thread = ThreadPoolExecutor(1, f"{name_prefix}-network")
        self._netlink: Netlink | None = None
        self._home = self._thread.submit(netns.current).result()

    async def call(self, function: Callable[[], Result]) -> Result:
        """Call what talks to the kernel in the network's own thread, which is in the node's namespace."""
        return await asyncio.get_running_loop().run_in_executor(self._thread, function)

    async def start(self) -> None:
        """Make what is not there, adopt what is; pods that are attached notice nothing."""
        await self.call(self._start)

    async def attach(self, owner_id: str, pid: int) -> str:
        """Give the network namespace of process `pid` its eth0 and return its address. The same again for one owner.

        Raises ipam.Exhausted, FileNotFoundError when the process is gone, or NetlinkError.
        """
        return await self.call(lambda: self._attach(owner_id, pid))

    async def detach(self, owner_id: str) -> None:
        """Take the owner's address back. The wire goes with the pod's namespace."""
        await self.call(lambda: self._book().release(owner_id))

    def attached(self) -> dict[str, str]:
        """Who is attached, and at which address."""
        return self._book().owners()

    async def sync_routes(self, nodes: Mapping[str, str]) -> None:
        """Route each other node's pod range (`{pod_cidr: node_address}`) to that node, and no other range.

        Raises NetlinkError after all were tried: a node that is not on this network segment cannot be routed to.
        """
        await self.call(lambda: self._sync_routes(nodes))

    async def reset(self) -> None:
        """Remove everything: wires, bridge, routes, rules, the journal; settings as they were. Pods lose their eth0."""
        await self.call(self._reset)

    async def close(self) -> None:
        """Let go of threads and sockets; the network stays."""

        def close() -> None:
            if self._netlink is not None:
                self._netlink.close()
            if self._addresses is not None:
                self._addresses.close()
            self._netlink = self._addresses = None

        await self.call(close)
        self._thread.shutdown()
        os.close(self._home)

    def _book(self) -> Addresses:
        if self._addresses is None:
            raise RuntimeError("the node's network was not started")
        return self._addresses

    def _talk(self) -> Netlink:
        if self._netlink is None:
            self._netlink = Netlink(ROUTE)
        return self._netlink

    def _start(self) -> None:
        if self._addresses is None:
            self._addresses = Addresses(self.state_dir, self.pod_cidr)
        self._mtu = self._uplink_mtu()
        self._bridge_index = self._adopt_bridge()
        self._talk().send(
            links.add_route(Route(self.cluster_cidr, unreachable=True)),
            links.add_route(Route(self.service_cidr, device=self._bridge_index, source=self.gateway)),
        )
        self.sysctls.set("net.ipv4.ip_forward", "1")
        self._load_rules()
        present = {link.name for link in links.links(self._talk())}
        for owner, address in self._addresses.owners().items():
            if veth.name_of(self.name_prefix, address) not in present:
                self._addresses.release(owner)  # its pod ended while nobody looked

    def _uplink_mtu(self) -> int:
        """The MTU of the link that has the node's address: a pod's packet must fit there too."""
        index = next((row[0] for row in links.addresses(self._talk()) if row[1] == self.node_address), 0)
        link = links.link_of(self._talk(), index=index) if index else None
        return link.mtu if link and 576 <= link.mtu <= 9216 else 1500

    def _adopt_bridge(self) -> int:
        netlink = self._talk()
        network = ipaddress.IPv4Network(self.pod_cidr)
        link = links.link_of(netlink, self.bridge)
        rows = links.addresses(netlink)
        if link is not None and any(row[0] == link.index and row[1] != self.gateway for row in rows):
            netlink.send(links.delete_link(self.bridge))  # of another range, that no pod uses any more
            link = None
        if link is None:
            netlink.send(links.add_bridge(self.bridge, self._mtu, self.gateway))
            link = links.link_of(netlink, self.bridge)
        if link is None:
            raise FileNotFoundError(f"bridge {self.bridge} is gone as soon as made")
        netlink.send(
            links.change_link("lo", up=True),
            links.without_ipv6(link.index),
            links.change_link(index=link.index, up=True, mtu=self._mtu),
            links.add_address(link.index, self.gateway, network.prefixlen),
        )
        return link.index

    def _load_rules(self) -> None:
        messages = rules.node_rules(
            self._table,
            service_cidr=self.service_cidr,
            cluster_cidr=self.cluster_cidr,
            pod_cidr=self.pod_cidr,
            bridge=self.bridge,
        )
        with Netlink(NETFILTER) as netlink:
            nftables.apply(netlink, messages)

    def _attach(self, owner: str, pid: int) -> str:
        book = self._book()
        known = owner in book.owners()
        address = book.take(owner)
        wire = veth.Wire(
            veth.name_of(self.name_prefix, address),
            self._bridge_index,
            address,
            book.network.prefixlen,
            self.gateway,
            self._mtu,
            veth.group_of(self.name_prefix),
        )
        try:
            again = known and links.link_of(self._talk(), wire.name) is not None
            veth.connect(self._talk(), self._home, pid, wire, again)
        except BaseException:
            with contextlib.suppress(OSError):
                self._talk().send(links.delete_link(wire.name))
            book.release(owner)
            raise
        return address

    def _sync_routes(self, nodes: Mapping[str, str]) -> None:
        wanted = {cidr: Route(cidr, gateway) for cidr, gateway in nodes.items() if cidr != self.pod_cidr}
        seen = {route.destination: route for route in links.our_routes(self._talk()) if route.gateway}
        failure: NetlinkError | None = None
        for cidr, route in seen.items():
            if cidr not in wanted:
                self._talk().send(links.delete_route(Route(cidr, route.gateway)), ignore=[errno.ESRCH])
        for cidr, route in wanted.items():
            if cidr in seen and seen[cidr].gateway == route.gateway:
                continue
            try:
                self._talk().send(links.add_route(route))
            except NetlinkError as error:
                logger.warning("no route to a node's pods", extra={"range": cidr, "error": str(error)})
                failure = failure or error
        if failure is not None:
            raise failure

    def _reset(self) -> None:
        netlink = self._talk()
        with Netlink(NETFILTER) as netfilter:
            there = nftables.tables(netfilter)
            for table in (self.proxy_table, self._table):
                if table.name in there:
                    nftables.apply(netfilter, [table.delete()])
        bridge = links.link_of(netlink, self.bridge)
        if bridge is not None:
            netlink.send(links.delete_group(veth.group_of(self.name_prefix)), ignore=[errno.ENODEV])
            netlink.send(links.delete_link(self.bridge))
        for route in links.our_routes(netlink):
            netlink.send(links.delete_route(route), ignore=[errno.ESRCH])
        self.sysctls.restore()
        if self._addresses is not None:
            self._addresses.erase()
            self._addresses = None
        for left in (self.state_dir / "addresses.journal", self.served, self.served.with_suffix(".new")):
            left.unlink(missing_ok=True)
        with contextlib.suppress(OSError):
            self.state_dir.rmdir()
