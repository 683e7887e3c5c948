"""PodDisruptionBudget: how many of an application's pods may be away at once of somebody's own free will.

Source: pkg/apis/policy/validation, pkg/registry/policy/poddisruptionbudget, pkg/printers (printPodDisruptionBudget).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.conditions import validate_conditions
from procorch.kinds.fields import part
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.scheduling import validate_selector
from procorch.kinds.workload import keeps_status, not_negative, validate_share
from procorch.objects import Cause, Object, Struct

_COUNTS = ("disruptionsAllowed", "currentHealthy", "desiredHealthy", "expectedPods")
_FIELDS = ("minAvailable", "selector", "maxUnavailable", "unhealthyPodEvictionPolicy")  # in Go's order
_POLICIES = ("AlwaysAllow", "IfHealthyBudget")


def validate(budget: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(budget, "spec")
    if old is None or spec != old.get("spec"):
        least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
        if least is not None and most is not None:
            shown = {field[:1].upper() + field[1:]: spec.get(field) for field in _FIELDS}
            yield Cause.invalid("spec", Struct(shown), "minAvailable and maxUnavailable cannot be both set")
        for field, value in (("minAvailable", least), ("maxUnavailable", most)):
            if value is not None:
                yield from validate_share(value, f"spec.{field}")
        yield from validate_selector(spec.get("selector"), "spec.selector")
        policy = spec.get("unhealthyPodEvictionPolicy")
        if policy is not None and policy not in _POLICIES:
            yield Cause.unsupported("spec.unhealthyPodEvictionPolicy", policy, _POLICIES)
    status = part(budget, "status")
    if old is not None and status != old.get("status"):
        yield from validate_conditions(status.get("conditions"), "status.conditions")
        yield from not_negative(status, "status", *_COUNTS)


def _share(field: str) -> Column:
    name = {"minAvailable": "Min Available", "maxUnavailable": "Max Unavailable"}[field]

    def cell(budget: Object, now: float) -> str:
        value = part(budget, "spec").get(field)
        return "N/A" if value is None else str(value)

    return Column(name, cell)


KIND = Kind(
    "PodDisruptionBudget", "poddisruptionbudgets", group="policy",
    short_names=("pdb",), subresources=("status",),
    prepare=keeps_status(**dict.fromkeys(_COUNTS, 0)), validate=validate,
    columns=(
        NAME,
        _share("minAvailable"),
        _share("maxUnavailable"),
        Column("Allowed Disruptions", ".status.disruptionsAllowed", "integer"),
        AGE,
    ),
    generation=True, unconditional=False,
)  # fmt: skip
