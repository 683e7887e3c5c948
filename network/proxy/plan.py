"""What a table needs of the node: which targets are led to the proxy, and which node ports are listened on."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from network.proxy.table import TCP, Key, ServicePort

Port = tuple[str, int]
"""Protocol and node port."""


@dataclass(frozen=True, slots=True)
class Plan:
    """services: every row by its key. streams, datagrams: the rows whose ClusterIP is served, by TCP and by UDP.

    node_ports: whose row a node port belongs to. A row without backends is in `services` alone: what comes for it is
    refused by the kernel, at once.
    """

    services: dict[Key, ServicePort] = field(default_factory=dict)
    streams: set[Key] = field(default_factory=set)
    datagrams: set[Key] = field(default_factory=set)
    node_ports: dict[Port, Key] = field(default_factory=dict)


def plan(wanted: Iterable[ServicePort]) -> Plan:
    """The same for any order of rows that have different keys; of two with one node port the first has it."""
    result = Plan()
    for row in wanted:
        result.services[row.key] = row
    for key, row in result.services.items():
        if not row.backends:
            continue
        if row.address:
            (result.streams if row.protocol == TCP else result.datagrams).add(key)
        if row.node_port:
            result.node_ports.setdefault((row.protocol, row.node_port), key)
    return result
