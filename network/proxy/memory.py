"""The last table that was served, on disk: a successor serves it at once, also while no master can be reached.

It counts for one boot of the machine: after that no backend of it need be where it was.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from network.proxy.table import Backend, ServicePort

_BOOT = Path("/proc/sys/kernel/random/boot_id")


class Memory:
    """path: the file. boot: what tells this boot from the one before; the kernel's boot id where left out."""

    def __init__(self, path: Path, boot: str = "") -> None:
        self._path = path
        self._boot = boot or _BOOT.read_text().strip()

    def write(self, rows: Iterable[ServicePort]) -> None:
        """Put the table in the old one's place, all or nothing for a process that is killed meanwhile."""
        fresh = self._path.with_suffix(".new")
        fresh.write_text(json.dumps({"boot": self._boot, "rows": [_values(row) for row in rows]}))
        fresh.replace(self._path)

    def read(self) -> list[ServicePort]:
        """The table of this boot, or nothing."""
        try:
            document = json.loads(self._path.read_text())
            if document["boot"] != self._boot:
                return []
            return [_row(*values) for values in document["rows"]]
        except (OSError, ValueError, KeyError, TypeError):
            return []


def _values(row: ServicePort) -> tuple[object, ...]:
    """In the order of the fields; dataclasses.astuple copies deeply and takes ten times as long."""
    backends = [(one.address, one.port) for one in row.backends]
    return row.address, row.port, row.protocol, row.node_port, backends, row.affinity_seconds, row.name


def _row(
    address: str | None,
    port: int,
    protocol: str,
    node_port: int | None,
    backends: list[tuple[str, int]],
    affinity: int | None,
    name: str,
) -> ServicePort:
    return ServicePort(address, port, protocol, node_port, tuple(Backend(*one) for one in backends), affinity, name)
