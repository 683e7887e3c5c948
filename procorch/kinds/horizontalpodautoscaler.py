"""HorizontalPodAutoscaler: as many pods as measurements ask for. v2 is stored; v1 says the same in other words.

Source: pkg/apis/autoscaling/v2/defaults.go, pkg/apis/autoscaling/validation, pkg/registry/autoscaling.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.autoscaling_v1 import in_old_words, in_stored_words
from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, fill, indexed, made, mapping, number, part, rows, text
from procorch.kinds.kind import Column, Kind
from procorch.kinds.metric import default_metric, metrics_text, validate_metric, validate_reference
from procorch.kinds.podspec.resources import quantity_of
from procorch.kinds.workload import keeps_status, not_negative
from procorch.objects import Cause, Object

_USUAL_UTILIZATION = 80  # percent of the cpu that was requested
_SELECT = ("Disabled", "Max", "Min")
_POLICY_TYPES = ("Percent", "Pods")
_LONGEST_PERIOD, _LONGEST_WINDOW = 1800, 3600  # seconds
_UP: Fields = {"type": "Pods", "value": 4, "periodSeconds": 15}
_BOTH: Fields = {"type": "Percent", "value": 100, "periodSeconds": 15}


def default(scaler: Object) -> None:
    spec = made(scaler, "spec")
    fill(spec, "minReplicas", 1)
    if not spec.get("metrics"):
        target = {"type": "Utilization", "averageUtilization": _USUAL_UTILIZATION}
        spec["metrics"] = [{"type": "Resource", "resource": {"name": "cpu", "target": target}}]
    for metric in rows(spec["metrics"]):
        default_metric(metric)
    if isinstance(behavior := spec.get("behavior"), dict):
        up, down = made(behavior, "scaleUp"), made(behavior, "scaleDown")
        fill(up, "stabilizationWindowSeconds", 0)
        for rules, policies in ((up, (_UP, _BOTH)), (down, (_BOTH,))):
            fill(rules, "selectPolicy", "Max")
            fill(rules, "policies", [dict(one) for one in policies])


def validate(scaler: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(scaler, "spec")
    if old is None or spec != old.get("spec"):
        yield from _spec(spec, least=0 if part(old, "spec").get("minReplicas") == 0 else 1)
    if old is not None and scaler.get("status") != old.get("status"):
        yield from not_negative(part(scaler, "status"), "status", "currentReplicas", "desiredReplicas")


def _spec(spec: Fields, least: int) -> Iterator[Cause]:
    low, high = number(spec.get("minReplicas")), number(spec.get("maxReplicas")) or 0
    if low is not None and low < least:
        yield Cause.invalid("spec.minReplicas", low, f"must be greater than or equal to {least}")
    if high == 0:
        yield Cause.required("spec.maxReplicas", "must be set and greater than 0")
    elif high < 0:
        yield Cause.invalid("spec.maxReplicas", high, "must be greater than or equal to 1")
    if low is not None and high < low:
        yield Cause.invalid("spec.maxReplicas", high, "must be greater than or equal to `minReplicas`")
    target = part(spec, "scaleTargetRef")
    yield from validate_reference(target, "spec.scaleTargetRef")
    version = text(target.get("apiVersion"))
    if target.get("kind") != "ReplicationController" and "/" not in version:  # the only one that has no group
        yield Cause.invalid("spec.scaleTargetRef.apiVersion", version, "apiVersion must specify API group")
    for where, metric in indexed(spec.get("metrics"), "spec.metrics"):
        yield from validate_metric(metric, where)
    if low == 0 and not any(one.get("type") in ("Object", "External") for one in rows(spec.get("metrics"))):
        detail = "must specify at least one Object or External metric to support scaling to zero replicas"
        yield Cause.forbidden("spec.metrics", detail)
    for name in ("scaleUp", "scaleDown"):
        if isinstance(rules := part(spec, "behavior").get(name), dict):
            yield from _rules(rules, f"spec.behavior.{name}")


def _rules(rules: Fields, path: str) -> Iterator[Cause]:
    window = number(rules.get("stabilizationWindowSeconds"))
    if window is not None and window < 0:
        yield Cause.invalid(f"{path}.stabilizationWindowSeconds", window, "must be greater than or equal to zero")
    if window is not None and window > _LONGEST_WINDOW:
        detail = f"must be less than or equal to {_LONGEST_WINDOW}"
        yield Cause.invalid(f"{path}.stabilizationWindowSeconds", window, detail)
    if (select := rules.get("selectPolicy")) is not None and select not in _SELECT:
        yield Cause.unsupported(f"{path}.selectPolicy", select, _SELECT)
    if not rows(rules.get("policies")):
        yield Cause.required(f"{path}.policies", "must specify at least one Policy")
    for where, policy in indexed(rules.get("policies"), f"{path}.policies"):
        if policy.get("type") not in _POLICY_TYPES:
            yield Cause.unsupported(f"{where}.type", text(policy.get("type")), _POLICY_TYPES)
        for field in ("value", "periodSeconds"):
            if (number(policy.get(field)) or 0) <= 0:
                yield Cause.invalid(f"{where}.{field}", number(policy.get(field)) or 0, "must be greater than zero")
        if (number(policy.get("periodSeconds")) or 0) > _LONGEST_PERIOD:
            detail = f"must be less than or equal to {_LONGEST_PERIOD}"
            yield Cause.invalid(f"{where}.periodSeconds", policy["periodSeconds"], detail)
    tolerance = quantity_of(rules.get("tolerance"))
    if tolerance is not None and tolerance.amount < 0:
        yield Cause.invalid(f"{path}.tolerance", str(tolerance), "must be greater than or equal to 0")


def _reference(scaler: Object, now: float) -> str:
    target = part(scaler, "spec", "scaleTargetRef")
    return f"{text(target.get('kind'))}/{text(target.get('name'))}"


def _targets(scaler: Object, now: float) -> str:
    spec, status = part(scaler, "spec"), part(scaler, "status")
    return metrics_text(rows(spec.get("metrics")), rows(status.get("currentMetrics")))


def _least(scaler: Object, now: float) -> str:
    low = number(part(scaler, "spec").get("minReplicas"))
    return "<unset>" if low is None else str(low)


KIND = Kind(
    "HorizontalPodAutoscaler", "horizontalpodautoscalers", group="autoscaling", version="v2",
    short_names=("hpa",), categories=("all",), subresources=("status",),
    default=default, prepare=keeps_status(desiredReplicas=0), validate=validate,
    columns=(
        NAME,
        Column("Reference", _reference),
        Column("Targets", _targets),
        Column("MinPods", _least),
        Column("MaxPods", lambda obj, now: number(mapping(obj.get("spec")).get("maxReplicas")) or 0),
        Column("Replicas", lambda obj, now: number(mapping(obj.get("status")).get("currentReplicas")) or 0),
        AGE,
    ),
)  # fmt: skip

OLD_KIND = Kind(
    "HorizontalPodAutoscaler", "horizontalpodautoscalers", group="autoscaling",
    short_names=("hpa",), categories=("all",), subresources=("status",),
    guise_of=KIND, shown=in_old_words, stored=in_stored_words,
    columns=KIND.columns,
)  # fmt: skip
