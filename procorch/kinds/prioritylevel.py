"""PriorityLevelConfiguration: how much of the API its requests may have; api/fairness.py keeps to it.

Source: pkg/apis/flowcontrol/v1/defaults.go, pkg/apis/flowcontrol/validation, apiserver pkg/util/shufflesharding,
pkg/printers (printPriorityLevelConfiguration).
"""

from __future__ import annotations

import math
from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, fill, made, mapping, number, part, same, text
from procorch.kinds.flowschema import prepare, validate_conditions
from procorch.kinds.kind import ALL_METADATA, Cell, Column, Kind
from procorch.objects import Cause, Object

_TYPES = ("Exempt", "Limited")
_RESPONSES = ("Queue", "Reject")
_MOST_QUEUES = 10_000_000
_MOST_BITS = 60  # of a hash that deals hands of queues
_NOT_NEGATIVE = "must be a non-negative integer"
#: what every cluster has; of `exempt` the numbers may be changed
FIXED: dict[str, Object] = {
    "exempt": {"type": "Exempt", "exempt": {"nominalConcurrencyShares": 0, "lendablePercent": 0}},
    "catch-all": {
        "type": "Limited",
        "limited": {"nominalConcurrencyShares": 5, "lendablePercent": 0, "limitResponse": {"type": "Reject"}},
    },
}


def default(level: Object) -> None:
    spec = made(level, "spec")
    if isinstance(spec.get("exempt"), dict):
        fill(spec["exempt"], "nominalConcurrencyShares", 0)
        fill(spec["exempt"], "lendablePercent", 0)
    if not isinstance(spec.get("limited"), dict):
        return
    fill(spec["limited"], "nominalConcurrencyShares", 30)
    fill(spec["limited"], "lendablePercent", 0)
    queuing = part(spec["limited"], "limitResponse").get("queuing")
    if isinstance(queuing, dict):
        for field, value in (("handSize", 8), ("queues", 64), ("queueLengthLimit", 50)):
            if not queuing.get(field):
                queuing[field] = value


def validate(level: Object, old: Object | None) -> Iterator[Cause]:
    name, spec = text(part(level, "metadata").get("name")), part(level, "spec")
    if old is None or spec != old.get("spec"):
        yield from _spec(name, spec)
        if name == "catch-all" and not same(spec, FIXED[name]):
            yield Cause.invalid("spec", spec, f"spec of '{name}' must equal the fixed value")
    yield from validate_conditions(part(level, "status"))


def _spec(name: str, spec: Fields) -> Iterator[Cause]:
    kind, limited, exempt = text(spec.get("type")), spec.get("limited"), spec.get("exempt")
    if (name == "exempt") != (kind == "Exempt"):
        yield Cause.invalid("spec.type", kind, "type must be 'Exempt' if and only if name is 'exempt'")
    if kind not in _TYPES:
        yield Cause.unsupported("spec.type", kind, _TYPES)
    elif kind == "Exempt":
        if limited is not None:
            yield Cause.forbidden("spec.limited", "must be nil if the type is not Limited")
        if exempt is None:
            yield Cause.required("spec.exempt", "must not be empty")
        yield from _shares(mapping(exempt), "spec.exempt")
    else:
        if exempt is not None:
            yield Cause.forbidden("spec.exempt", "must be nil if the type is Limited")
        if limited is None:
            yield Cause.required("spec.limited", "must not be empty when type is Limited")
        else:
            yield from _limited(mapping(limited), "spec.limited")


def _shares(level: Fields, path: str) -> Iterator[Cause]:
    shares, lendable = number(level.get("nominalConcurrencyShares")), number(level.get("lendablePercent"))
    if shares is not None and shares < 0:
        yield Cause.invalid(f"{path}.nominalConcurrencyShares", shares, _NOT_NEGATIVE)
    if lendable is not None and not 0 <= lendable <= 100:
        yield Cause.invalid(f"{path}.lendablePercent", lendable, "must be between 0 and 100, inclusive")


def _limited(limited: Fields, path: str) -> Iterator[Cause]:
    yield from _shares(limited, path)
    borrowed = number(limited.get("borrowingLimitPercent"))
    if borrowed is not None and borrowed < 0:
        yield Cause.invalid(f"{path}.borrowingLimitPercent", borrowed, f"if specified, {_NOT_NEGATIVE}")
    response, where = part(limited, "limitResponse"), f"{path}.limitResponse"
    kind, queuing = text(response.get("type")), response.get("queuing")
    if kind not in _RESPONSES:
        yield Cause.unsupported(f"{where}.type", kind, _RESPONSES)
    elif kind == "Reject" and queuing is not None:
        yield Cause.forbidden(f"{where}.queuing", "must be nil if limited.limitResponse.type is not Limited")
    elif kind == "Queue" and queuing is None:
        yield Cause.required(f"{where}.queuing", "must not be empty if limited.limitResponse.type is Limited")
    elif kind == "Queue":
        yield from _queuing(mapping(queuing), f"{where}.queuing")


def _queuing(queuing: Fields, path: str) -> Iterator[Cause]:
    length, queues, hand = (number(queuing.get(field)) or 0 for field in ("queueLengthLimit", "queues", "handSize"))
    if length <= 0:
        yield Cause.invalid(f"{path}.queueLengthLimit", length, "must be positive")
    if queues <= 0:
        yield Cause.invalid(f"{path}.queues", queues, "must be positive")
    elif queues > _MOST_QUEUES:
        yield Cause.invalid(f"{path}.queues", queues, f"must not be greater than {_MOST_QUEUES}")
    if hand <= 0:
        yield Cause.invalid(f"{path}.handSize", hand, "must be positive")
    elif hand > queues:
        yield Cause.invalid(f"{path}.handSize", hand, f"should not be greater than queues ({queues})")
    elif math.ceil(math.log2(queues) * hand) > _MOST_BITS:
        yield Cause.invalid(
            f"{path}.handSize",
            hand,
            f"required entropy bits of deckSize {queues} and handSize {hand} should not be greater than {_MOST_BITS}",
        )


def _of_limited(name: str, *path: str) -> Column:
    def cell(level: Object, now: float) -> Cell:
        value = number(part(level, "spec", "limited", *path[:-1]).get(path[-1]))
        return "<none>" if value is None else value

    return Column(name, cell)


KIND = Kind(
    "PriorityLevelConfiguration", "prioritylevelconfigurations", group="flowcontrol.apiserver.k8s.io",
    namespaced=False, subresources=("status",), status_keeps=ALL_METADATA,
    default=default, prepare=prepare, validate=validate,
    columns=(
        NAME,
        Column("Type", ".spec.type"),
        _of_limited("NominalConcurrencyShares", "nominalConcurrencyShares"),
        _of_limited("Queues", "limitResponse", "queuing", "queues"),
        _of_limited("HandSize", "limitResponse", "queuing", "handSize"),
        _of_limited("QueueLengthLimit", "limitResponse", "queuing", "queueLengthLimit"),
        AGE,
    ),
    generation=True,
)  # fmt: skip
