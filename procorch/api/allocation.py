"""ClusterIPs and NodePorts: each is a row of its own, appended together with the Service that has it.

The rows' preconditions make two Services with one address impossible, whoever writes them and from whichever
master; the sets in memory only make the choice good at the first try.
"""

from __future__ import annotations

import ipaddress
import random
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import store
from procorch.kinds.service_validation import needs_health_port
from procorch.objects import Cause, Invalid, Object

IPS, PORTS = "/allocations/clusterip/", "/allocations/nodeport/"
_TRIES = 64


class Taken(Exception):
    """Another Service got a chosen (not a requested) value first: choose again."""


class Allocations:
    """cidr: IPv4 addresses of Services. ports: first and last NodePort. draw: chooses among the free."""

    def __init__(self, log: store.Log, cidr: str, ports: tuple[int, int], draw: random.Random | None = None) -> None:
        self._log = log
        self._network = ipaddress.IPv4Network(cidr)
        self._ports = ports
        self._draw = draw or random.Random()
        self._taken: set[str] = set()
        self._unsubscribe: Callable[[], None] | None = None

    async def start(self) -> None:
        self._unsubscribe = self._log.subscribe(self._receive)
        for row in await self._log.items("/allocations/"):
            self._taken.add(row.key)

    def close(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()

    def claim(self, service: Object, old: Object | None) -> list[store.Write]:
        """Fills in what the Service has not chosen; the writes that take what is new and free what is left.

        Raises Invalid in Kubernetes' words, for a requested value that is outside or taken.
        """
        before = set(held(old)) if old is not None else set()
        owner = f"{service['metadata']['namespace']}/{service['metadata']['name']}".encode()
        causes: list[Cause] = []
        self._choose_ip(service, before, causes)
        self._choose_ports(service, before, causes)
        self._choose_health_port(service, before, causes)
        if causes:
            raise Invalid.of("Service", service["metadata"]["name"], causes)
        after = set(held(service))
        return [
            *(store.Write(key, owner, 0) for key in sorted(after - before)),
            *(store.Write(key, None) for key in sorted(before - after)),
        ]

    def clash(self, asked: Object, key: str) -> None:
        """Somebody else has `key`. asked: the Service as it was before `claim`. Raises Invalid or Taken."""
        if key not in held(asked):
            raise Taken
        if key.startswith(IPS):
            causes = [_ip_cause(key[len(IPS) :], "provided IP is already allocated")]
        else:
            port = int(key[len(PORTS) :])
            causes = [
                Cause.invalid(f"spec.ports[{index}].nodePort", port, "provided port is already allocated")
                for index, row in enumerate(asked["spec"].get("ports") or ())
                if row.get("nodePort") == port
            ]
            if asked["spec"].get("healthCheckNodePort") == port:
                causes.append(Cause.invalid("spec.healthCheckNodePort", port, "provided port is already allocated"))
        raise Invalid.of("Service", asked["metadata"]["name"], causes)

    def _choose_ip(self, service: Object, before: set[str], causes: list[Cause]) -> None:
        spec = service["spec"]
        if spec.get("type") == "ExternalName":
            for name in ("clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"):
                spec.pop(name, None)
            return
        address = spec.get("clusterIP") or next(iter(spec.get("clusterIPs") or ()), "")
        if address and address != "None":
            if IPS + address not in before and (problem := self._ip_problem(address)) is not None:
                causes.append(_ip_cause(address, problem))
        elif not address:
            address = self._free_ip()
        spec["clusterIP"], spec["clusterIPs"] = address, [address]
        spec.setdefault("ipFamilies", ["IPv4"])
        spec.setdefault("ipFamilyPolicy", "SingleStack")

    def _ip_problem(self, address: str) -> str | None:
        try:
            there = ipaddress.IPv4Address(address)
        except ValueError:
            there = None
        # Its first address and its last are nobody's.
        ends = (self._network.network_address, self._network.broadcast_address)
        if there is None or there not in self._network or there in ends:
            return "the provided network does not match the current range"
        return "provided IP is already allocated" if IPS + address in self._taken else None

    def _free_ip(self) -> str:
        """At random from the upper part: the lower one is left to those who ask for an address of their own."""
        size = self._network.num_addresses
        reserved = min(max(16, size // 16), 256)
        first = int(self._network.network_address)
        for low, high in ((reserved + 1, size - 2), (1, min(reserved, size - 2))):
            for number in self._tried(low, high):
                address = str(ipaddress.IPv4Address(first + number))
                if IPS + address not in self._taken:
                    return address
        raise Invalid.of("Service", "", [Cause("spec.clusterIPs", "Internal error: range is full")])

    def _choose_ports(self, service: Object, before: set[str], causes: list[Cause]) -> None:
        spec = service["spec"]
        rows: list[dict[str, Any]] = spec.get("ports") or []
        if not _needs_ports(spec) and spec.get("type") != "LoadBalancer":
            for row in rows:
                row.pop("nodePort", None)
            return
        mine = _node_ports(spec)
        for index, row in enumerate(rows):
            port = row.get("nodePort")
            if not port and not _needs_ports(spec):
                continue  # of a balancer that does without, those that are asked for by number
            if not port:
                row["nodePort"] = self._free_port(mine)
                mine.add(row["nodePort"])
            elif f"{PORTS}{port}" not in before and (problem := self._port_problem(port)):
                causes.append(Cause.invalid(f"spec.ports[{index}].nodePort", port, problem))

    def _choose_health_port(self, service: Object, before: set[str], causes: list[Cause]) -> None:
        spec = service["spec"]
        if not needs_health_port(spec):
            return
        port = spec.get("healthCheckNodePort")
        if not port:
            spec["healthCheckNodePort"] = self._free_port(_node_ports(spec))
        elif f"{PORTS}{port}" not in before and (problem := self._port_problem(port)):
            causes.append(Cause.invalid("spec.healthCheckNodePort", port, problem))

    def _port_problem(self, port: int) -> str:
        first, last = self._ports
        if not first <= port <= last:
            return f"provided port is not in the valid range. The range of valid ports is {first}-{last}"
        return "provided port is already allocated" if f"{PORTS}{port}" in self._taken else ""

    def _free_port(self, mine: set[int]) -> int:
        for port in self._tried(*self._ports):
            if f"{PORTS}{port}" not in self._taken and port not in mine:
                return port
        raise Invalid.of("Service", "", [Cause("spec.ports", "Internal error: range is full")])

    def _tried(self, low: int, high: int) -> Iterator[int]:
        """Some numbers at random, then, for a range that is nearly full, all of them."""
        if low > high:
            return
        for _ in range(_TRIES):
            yield self._draw.randint(low, high)
        yield from range(low, high + 1)

    def _receive(self, events: Sequence[store.Event]) -> None:
        for event in events:
            if event.key.startswith("/allocations/"):
                (self._taken.add if event.value is not None else self._taken.discard)(event.key)


def held(service: Object) -> list[str]:
    """The rows that belong to a Service as it is written."""
    spec = service.get("spec") or {}
    keys = []
    address = spec.get("clusterIP")
    if address and address != "None" and spec.get("type") != "ExternalName":
        keys.append(IPS + address)
    ports = _node_ports(spec) if spec.get("type") in ("NodePort", "LoadBalancer") else set()
    if needs_health_port(spec) and spec.get("healthCheckNodePort"):
        ports.add(spec["healthCheckNodePort"])
    return [*keys, *(f"{PORTS}{port}" for port in ports)]


def _node_ports(spec: Object) -> set[int]:
    return {row["nodePort"] for row in spec.get("ports") or () if row.get("nodePort")}


def release(service: Object) -> list[store.Write]:
    """The writes that free what a Service has, to go with its deletion."""
    return [store.Write(key, None) for key in held(service)]


def _needs_ports(spec: Object) -> bool:
    if spec.get("type") == "LoadBalancer":
        return spec.get("allocateLoadBalancerNodePorts") is not False
    return spec.get("type") == "NodePort"


def _ip_cause(address: str, problem: str) -> Cause:
    return Cause.invalid("spec.clusterIPs", [address], f"failed to allocate IP {address}: {problem}")
