"""The table a proxy mode serves: which address and port leads to which backends."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Protocol

TCP = "TCP"
UDP = "UDP"


@dataclass(frozen=True, slots=True, order=True)
class Backend:
    """Where one connection may end: an IPv4 address and a port."""

    address: str
    port: int


@dataclass(frozen=True, slots=True)
class ServicePort:
    """One row: what comes to `address:port` (and to `node_port` on every address of the node) goes to a backend.

    address: the ClusterIP, or None for a row that is reached by its node port alone.
    protocol: "TCP" or "UDP".
    affinity_seconds: a client's address stays with its backend until it was away that long; None: round robin.
    name: for people and logs only, e.g. `default/mysql:3306`.
    """

    address: str | None
    port: int
    protocol: str = TCP
    node_port: int | None = None
    backends: tuple[Backend, ...] = ()
    affinity_seconds: int | None = None
    name: str = ""

    @property
    def key(self) -> Key:
        """What makes two rows the same service port, whatever their backends: protocol, address (or ""), port."""
        return (self.protocol, self.address or "", self.port if self.address else self.node_port or 0)


Key = tuple[str, str, int]


class Mode(Protocol):
    """A way to serve the table; the rows of MODES make one from a NodeNetwork.

    busy: node ports that are wanted and could not be bound, with the reason.
    """

    @property
    def busy(self) -> dict[int, str]: ...

    async def start(self) -> None: ...

    async def sync(self, wanted: Iterable[ServicePort]) -> None:
        """Serve exactly `wanted`; connections whose backend is still wanted are not touched."""

    async def close(self) -> None: ...
