"""LimitRange: between what one container, pod or claim of a namespace may ask for, and what it asks by default.

Source: pkg/apis/core/v1/defaults.go (SetDefaults_LimitRangeItem), pkg/apis/core/validation (ValidateLimitRange).
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from procorch.kinds.cells import CREATED, NAME
from procorch.kinds.fields import Fields, indexed, made, mapping, part, rows, text
from procorch.kinds.kind import Kind
from procorch.kinds.podspec.defaults import default_resource_list
from procorch.kinds.podspec.resources import quantity_of
from procorch.kinds.resource_names import may_overcommit, validate_container_resource, validate_resource_name
from procorch.names import label_key
from procorch.objects import Cause, Object

_TYPES = ("Pod", "Container", "PersistentVolumeClaim")
_LISTS = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
#: (the list that is named, the lower, the higher, what is said)
_ORDER = (
    ("min", "min", "max", "min value {} is greater than max value {}"),
    ("defaultRequest", "min", "defaultRequest", "min value {} is greater than default request value {}"),
    ("defaultRequest", "defaultRequest", "max", "default request value {} is greater than max value {}"),
    ("defaultRequest", "defaultRequest", "default", "default request value {} is greater than default limit value {}"),
    ("default", "min", "default", "min value {} is greater than default value {}"),
    ("default", "default", "max", "default value {} is greater than max value {}"),
)


def default(limit_range: Object) -> None:
    """A container's default limit is the maximum, its default request the default limit, or the minimum."""
    for limit in rows(part(limit_range, "spec").get("limits")):
        if limit.get("type") == "Container":
            for field, source in (("default", "max"), ("defaultRequest", "default"), ("defaultRequest", "min")):
                for name, value in mapping(limit.get(source)).items():
                    made(limit, field).setdefault(name, value)
        for field in _LISTS:
            default_resource_list(limit, field)


def validate(limit_range: Object, old: Object | None) -> Iterator[Cause]:
    taken: set[str] = set()
    for where, limit in indexed(part(limit_range, "spec").get("limits"), "spec.limits"):
        kind = text(limit.get("type"))
        problems = label_key(kind)
        for message in problems:
            yield Cause.invalid(f"{where}.type", kind, message)
        if not problems and "/" not in kind and kind not in _TYPES:
            yield Cause.invalid(f"{where}.type", kind, "must be a standard limit type or fully qualified")
        if kind in taken:
            yield Cause.duplicate(f"{where}.type", kind)
        taken.add(kind)
        yield from _limit(limit, kind, where)


def _limit(limit: Fields, kind: str, path: str) -> Iterator[Cause]:
    check = validate_container_resource if kind in ("Pod", "Container") else validate_resource_name
    names: dict[str, None] = {}
    for field in _LISTS:
        given = mapping(limit.get(field))
        if kind == "Pod" and field in ("default", "defaultRequest"):
            if given:
                yield Cause.forbidden(f"{path}.{field}", "may not be specified when `type` is 'Pod'")
            continue
        for name, value in given.items():
            yield from check(str(name), f"{path}.{field}[{name}]")
            if quantity_of(value) is not None:
                names[str(name)] = None
    if kind == "PersistentVolumeClaim" and not {"storage"} & {*mapping(limit.get("min")), *mapping(limit.get("max"))}:
        yield Cause.required(
            f"{path}.limits", "either minimum or maximum storage value is required, but neither was provided"
        )
    for name in names:
        yield from _amounts(limit, kind, name, path)


def _amounts(limit: Fields, kind: str, name: str, path: str) -> Iterator[Cause]:
    """Whether the numbers of one resource fit each other."""
    found = {field: quantity_of(mapping(limit.get(field)).get(name)) for field in _LISTS}
    if kind == "Pod":
        found["default"] = found["defaultRequest"] = None
    for field, lower, higher, message in _ORDER:
        low, high = found[lower], found[higher]
        if low is not None and high is not None and low.amount > high.amount:
            shown = {("default", "max"): high, ("default", "default"): low, ("defaultRequest", "defaultRequest"): high}
            value = shown.get((field, higher), found[field])
            yield Cause.invalid(f"{path}.{field}[{name}]", str(value), message.format(low, high))
    yield from _ratio(limit, name, f"{path}.maxLimitRequestRatio[{name}]")
    default_, request = found["default"], found["defaultRequest"]
    if default_ is not None and request is not None and default_.amount != request.amount and not may_overcommit(name):
        yield Cause.invalid(
            f"{path}.defaultRequest[{name}]",
            str(request),
            f"default value {default_} must equal to defaultRequest value {request} in {name}",
        )


def _ratio(limit: Fields, name: str, path: str) -> Iterator[Cause]:
    low, high, ratio = (quantity_of(mapping(limit.get(field)).get(name)) for field in
                        ("min", "max", "maxLimitRequestRatio"))  # fmt: skip
    if ratio is None:
        return
    if ratio.amount < 1:
        yield Cause.invalid(path, str(ratio), f"ratio {ratio} is less than 1")
    if low is not None and high is not None and low.amount:
        largest = Fraction(high.amount, low.amount)
        if ratio.amount > largest:
            yield Cause.invalid(path, str(ratio), f"ratio {ratio} is greater than max/min = {float(largest):f}")


KIND = Kind(
    "LimitRange", "limitranges",
    short_names=("limits",), put_creates=True,
    default=default, validate=validate,
    columns=(NAME, CREATED),
)  # fmt: skip
