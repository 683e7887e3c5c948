"""What a pod asks for in all, or may use in all: its containers, sidecars, init containers and overhead together.

Source: component-helpers resource.PodRequests and PodLimits.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from typing import Any, TypeVar

from procorch.kinds.fields import mapping
from procorch.kinds.podspec.resources import quantity_of
from procorch.objects import Object, get
from procorch.quantity import Quantity

Number = TypeVar("Number", int, Fraction)
_STATUSES = ("containerStatuses", "initContainerStatuses")
Read = Callable[[Object], dict[str, Number]]
"""A resource list (`{"cpu": "500m"}`) as numbers."""


def total_of(
    spec: Object,
    side: str,
    read: Read[Number],
    least: Mapping[str, Number] | None = None,
    status: Object | None = None,
) -> dict[str, Number]:
    """All its containers and sidecars together, or one init container if that is more.

    Sidecars (init containers that restart always) run beside the init containers that come after them.
    side: requests or limits. least: taken for a container that does not name the resource. status: the pod's, whose
    node may not have followed a resize yet: then the larger counts.
    """
    known = {} if status is None else {row["name"]: row for field in _STATUSES for row in status.get(field) or ()}
    refused = status is not None and is_infeasible(status)

    def of(container: Object) -> dict[str, Number]:
        named = read(get(container, f".resources.{side}", {}))
        if (row := known.get(container.get("name"))) is not None:
            named = _held(named, row, side, read, refused)
        return {**least, **named} if least else named

    total = _sum([of(one) for one in spec.get("containers") or ()])
    sidecars: dict[str, Number] = {}
    peak: dict[str, Number] = {}
    for one in spec.get("initContainers") or ():
        asked = of(one)
        if one.get("restartPolicy") == "Always":
            total = _sum((total, asked))
            sidecars = _sum((sidecars, asked))
            asked = sidecars
        else:
            asked = _sum((asked, sidecars))
        peak = _most(peak, asked)
    whole = read(get(spec, f".resources.{side}", {}))
    if whole and status is not None:
        whole = _held(whole, status, side, read, refused)
    total = _most(total, peak) | whole
    overhead = read(spec.get("overhead") or {})
    if side == "limits":  # what has no limit does not get one by the overhead
        overhead = {name: amount for name, amount in overhead.items() if name in total}
    return _sum((total, overhead)) if overhead else total


def _held(named: dict[str, Number], row: Object, side: str, read: Read[Number], refused: bool) -> dict[str, Number]:
    """What one holds until a resize is through: the most of what it asks for, what it was allocated and what it has.

    refused: what it asks for, its node can never give.
    """
    has = read(get(row, f".resources.{side}", {}))
    allocated = read(row.get("allocatedResources") or {}) if side == "requests" else {}
    told = _most(has, allocated)
    if not told:
        return named
    held = {name: told.get(name, amount) for name, amount in named.items()}
    return held if refused else _most(named, held)


def is_infeasible(status: Object) -> bool:
    """The pod asks for more than its node can ever give."""
    rows = status.get("conditions") or ()
    return any(row.get("type") == "PodResizePending" and row.get("reason") == "Infeasible" for row in rows)


def sizes_told(pod: Object) -> list[object]:
    """All of a pod's status on which `total_of` depends, for who wants to know whether it has changed."""
    status = pod.get("status") or {}
    rows = [row for field in _STATUSES for row in status.get(field) or ()]
    told: list[object] = [(row.get("name"), row.get("allocatedResources"), row.get("resources")) for row in rows]
    return [*told, status.get("allocatedResources"), status.get("resources"), is_infeasible(status)]


def container_requests(spec: Object) -> dict[str, Fraction]:
    """What the containers ask for together, whatever the pod asks for as a whole."""
    alone = {**spec, "resources": {}, "overhead": {}}
    return {name: quantity.amount for name, quantity in quantities_of(alone, "requests").items()}


def read_list(table: object) -> dict[str, Quantity]:
    """A resource list as it stands in an object; what is no quantity is left out."""
    return {str(name): found for name, value in mapping(table).items() if (found := quantity_of(value)) is not None}


def quantities_of(spec: Object, side: str) -> dict[str, Quantity]:
    """`total_of`, exactly; written in the suffixes of the first container that names the resource."""
    families: dict[str, str] = {}

    def read(table: Object) -> dict[str, Fraction]:
        found = read_list(table)
        for name, quantity in found.items():
            families.setdefault(name, quantity.family)
        return {name: quantity.amount for name, quantity in found.items()}

    return {name: Quantity(amount, families[name]) for name, amount in total_of(spec, side, read).items()}


def _sum(tables: Iterable[Mapping[str, Any]]) -> dict[str, Any]:
    total: dict[str, Any] = {}
    for table in tables:
        for name, amount in table.items():
            total[name] = total.get(name, 0) + amount
    return total


def _most(a: Mapping[str, Any], b: Mapping[str, Any]) -> dict[str, Any]:
    return {name: max(a.get(name, 0), b.get(name, 0)) for name in (*a, *b)}
