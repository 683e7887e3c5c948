"""The ports of its node that a pod asks for, and when two of them are in each other's way."""

from __future__ import annotations

from collections.abc import Iterable

from procorch.objects import Object

HostPort = tuple[str, str, int]  # protocol, address, port


def host_ports_of(spec: Object) -> Iterable[HostPort]:
    """Of a pod's specification: those of its containers and sidecars."""
    sidecars = [one for one in spec.get("initContainers") or () if one.get("restartPolicy") == "Always"]
    for container in (*(spec.get("containers") or ()), *sidecars):
        for row in container.get("ports") or ():
            if row.get("hostPort"):
                yield row.get("protocol") or "TCP", row.get("hostIP") or "0.0.0.0", int(row["hostPort"])


def is_taken(wanted: HostPort, taken: Iterable[HostPort]) -> bool:
    """A host port is taken on the address where it is wanted, or on all addresses."""
    protocol, address, port = wanted
    return any(
        (protocol, port) == (other, number) and (address == there or "0.0.0.0" in (address, there))
        for other, there, number in taken
    )
