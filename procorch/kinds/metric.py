"""One measurement that a HorizontalPodAutoscaler goes by, in the words of autoscaling/v2.

Source: pkg/apis/autoscaling/validation (validateMetricSpec), pkg/printers (formatHPAMetrics).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, number, part, text
from procorch.kinds.podspec.resources import quantity_of
from procorch.kinds.resource_names import validate_container_resource
from procorch.names import dns_label, path_segment
from procorch.objects import Cause
from procorch.quantity import canonical

#: type → the field that tells of it, in the order in which they are judged
SOURCES = {
    "Object": "object",
    "External": "external",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
}
_TYPES = sorted(SOURCES)
_TARGETS = ("Utilization", "Value", "AverageValue")
_SHOWN = 2
_UNKNOWN = "<unknown>"


def default_metric(metric: Fields) -> None:
    """Quantities in their canonical form."""
    for source in SOURCES.values():
        target = part(metric, source, "target")
        for field in ("value", "averageValue"):
            if quantity_of(target.get(field)) is not None:
                target[field] = canonical(target[field])


def validate_metric(metric: Fields, path: str) -> Iterator[Cause]:
    type_ = text(metric.get("type"))
    if not type_:
        yield Cause.required(f"{path}.type", "must specify a metric source type")
    if type_ not in SOURCES:
        yield Cause.unsupported(f"{path}.type", type_, _TYPES)
    present = [field for field in SOURCES.values() if isinstance(metric.get(field), dict)]
    if present[:1] == ["object"]:
        yield from validate_reference(part(metric, "object", "describedObject"), f"{path}.object.describedObject")
    if present:
        yield from _source(metric[present[0]], present[0], f"{path}.{present[0]}")
    expected = SOURCES.get(type_)
    if expected is not None and expected not in present:
        yield Cause.required(f"{path}.{expected}", "must populate information for the given metric source")
    if len(present) != 1:
        for field in present:
            if field != expected:
                yield Cause.forbidden(f"{path}.{field}", "must populate the given metric source only")


def validate_reference(target: Fields, path: str) -> Iterator[Cause]:
    """What is to be scaled, or measured."""
    for field in ("kind", "name"):
        value = text(target.get(field))
        if not value:
            yield Cause.required(f"{path}.{field}")
        for message in path_segment(value):
            yield Cause.invalid(f"{path}.{field}", value, message)
    if (version := text(target.get("apiVersion"))).count("/") > 1:
        yield Cause.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")


def _source(source: Fields, field: str, path: str) -> Iterator[Cause]:
    target = part(source, "target")
    if field in ("resource", "containerResource"):
        yield from _resource(source, field, path)
    else:
        name = text(part(source, "metric").get("name"))
        if not name:
            yield Cause.required(f"{path}.metric.name", "must specify a metric name")
        for message in path_segment(name):
            yield Cause.invalid(f"{path}.metric.name", name, message)
    yield from _target(target, f"{path}.target")
    value, average, utilization = (target.get(one) for one in ("value", "averageValue", "averageUtilization"))
    match field:
        case "object" if value is None and average is None:
            yield Cause.required(f"{path}.target.averageValue", "must set either a target value or averageValue")
        case "external" if value is None and average is None:
            detail = "must set either a target value for metric or a per-pod target"
            yield Cause.required(f"{path}.target.averageValue", detail)
        case "external" if value is not None and average is not None:
            detail = "may not set both a target value for metric and a per-pod target"
            yield Cause.forbidden(f"{path}.target.value", detail)
        case "pods" if average is None:
            yield Cause.required(f"{path}.target.averageValue", "must specify a positive target averageValue")
        case "resource" | "containerResource" if utilization is None and average is None:
            detail = "must set either a target raw value or a target utilization"
            yield Cause.required(f"{path}.target.averageUtilization", detail)
        case "resource" | "containerResource" if utilization is not None and average is not None:
            detail = "may not set both a target raw value and a target utilization"
            yield Cause.forbidden(f"{path}.target.averageValue", detail)


def _resource(source: Fields, field: str, path: str) -> Iterator[Cause]:
    name, container = text(source.get("name")), text(source.get("container"))
    if not name:
        yield Cause.required(f"{path}.name", "must specify a resource name")
    if field == "resource":
        return
    if name:
        yield from validate_container_resource(name, f"{path}.name")
    if not container:
        yield Cause.required(f"{path}.container", "must specify a container")
    for message in dns_label(container) if container else ():
        yield Cause.invalid(f"{path}.container", container, message)


def _target(target: Fields, path: str) -> Iterator[Cause]:
    type_ = text(target.get("type"))
    if not type_:
        yield Cause.required(f"{path}.type", "must specify a metric target type")
    if type_ not in _TARGETS:
        yield Cause.invalid(f"{path}.type", type_, "must be either Utilization, Value, or AverageValue")
    for field in ("value", "averageValue"):
        quantity = quantity_of(target.get(field))
        if quantity is not None and quantity.amount <= 0:
            yield Cause.invalid(f"{path}.{field}", str(quantity), "must be positive")
    utilization = number(target.get("averageUtilization"))
    if utilization is not None and utilization < 1:
        yield Cause.invalid(f"{path}.averageUtilization", utilization, "must be greater than 0")


def metrics_text(metrics: list[Fields], statuses: list[Fields]) -> str:
    """`cpu: 12%/80%, <unknown>/10k (avg) + 1 more...`: each as it is and as it should be."""
    if not metrics:
        return "<none>"
    shown = []
    for index, metric in enumerate(metrics):
        field = SOURCES.get(text(metric.get("type")))
        if field is None:
            shown.append("<unknown type>")
            continue
        current = part(statuses[index], field, "current") if index < len(statuses) else {}
        shown.append(_text(field, part(metric, field), current))
    more = len(shown) - _SHOWN
    return f"{', '.join(shown[:_SHOWN])} + {more} more..." if more > 0 else ", ".join(shown)


def _text(field: str, source: Fields, current: Fields) -> str:
    target = part(source, "target")
    average = target.get("averageValue")
    if field == "pods":
        return f"{_quantity(current.get('averageValue'))}/{_quantity(average, '0')}"
    if field in ("object", "external"):
        if average is not None:
            return f"{_quantity(current.get('averageValue'))}/{_quantity(average)} (avg)"
        return f"{_quantity(current.get('value'))}/{_quantity(target.get('value'), '0')}"
    name = text(source.get("name"))
    if average is not None:
        return f"{name}: {_quantity(current.get('averageValue'))}/{_quantity(average)}"
    now, wanted = number(current.get("averageUtilization")), number(target.get("averageUtilization"))
    return f"{name}: {_UNKNOWN if now is None else f'{now}%'}/{'<auto>' if wanted is None else f'{wanted}%'}"


def _quantity(value: object, missing: str = _UNKNOWN) -> str:
    quantity = quantity_of(value)
    return missing if quantity is None else str(quantity)
