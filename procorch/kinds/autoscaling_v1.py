"""autoscaling/v1: the same HorizontalPodAutoscaler in fewer words. What those cannot say stands in annotations.

v1 knows one measurement, the use of cpu. The others, their values, the conditions and the behaviour are JSON in
`autoscaling.alpha.kubernetes.io/…`; read back from there, so that a v1 client takes nothing away.
Source: pkg/apis/autoscaling/v1/conversion.go.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

import orjson

from procorch.kinds.fields import Fields, labels, mapping, part, rows, text
from procorch.objects import Object

_PREFIX = "autoscaling.alpha.kubernetes.io/"
METRICS, CURRENT, CONDITIONS, BEHAVIOR = (
    f"{_PREFIX}{name}" for name in ("metrics", "current-metrics", "conditions", "behavior")
)
_RESOURCES = ("resource", "containerResource")


def in_old_words(scaler: Object) -> Object:
    """A stored autoscaler as autoscaling/v1 shows it."""
    spec, status = part(scaler, "spec"), part(scaler, "status")
    metrics, current = rows(spec.get("metrics")), rows(status.get("currentMetrics"))
    plain = next((one for one in metrics if _is_cpu(one) and _utilization(one, "target") is not None), None)
    shown = {**scaler, "apiVersion": "autoscaling/v1"}
    shown["spec"] = {field: value for field, value in spec.items() if field not in ("metrics", "behavior")}
    if plain is not None:
        shown["spec"]["targetCPUUtilizationPercentage"] = _utilization(plain, "target")
    if "status" in scaler:
        kept = {field: value for field, value in status.items() if field not in ("currentMetrics", "conditions")}
        shown["status"] = {"currentReplicas": 0, "desiredReplicas": 0, **kept}
        for metric in filter(_is_cpu, current):
            if (percent := _utilization(metric, "current")) is not None:
                shown["status"]["currentCPUUtilizationPercentage"] = percent
    notes = {
        METRICS: [_old(metric, "target") for metric in metrics if metric is not plain],
        CURRENT: [_old(metric, "current") for metric in current],
        CONDITIONS: rows(status.get("conditions")),
        BEHAVIOR: _capitalised(spec.get("behavior")) if isinstance(spec.get("behavior"), dict) else None,
    }
    said = {key: orjson.dumps(value).decode() for key, value in notes.items() if value}
    if said:
        metadata = part(scaler, "metadata")
        shown["metadata"] = {**metadata, "annotations": {**labels(metadata.get("annotations")), **said}}
    return shown


def in_stored_words(scaler: Object) -> Object:
    """And back. An annotation that nobody can read is dropped."""
    stored = copy.deepcopy(scaler)
    stored["apiVersion"] = "autoscaling/v2"
    spec, status = part(stored, "spec"), part(stored, "status")
    notes = _taken_notes(stored)
    metrics = [_new(metric, "target") for metric in rows(notes[METRICS])]
    percent = spec.pop("targetCPUUtilizationPercentage", None)
    if percent is not None:
        target = {"type": "Utilization", "averageUtilization": percent}
        metrics.append({"type": "Resource", "resource": {"name": "cpu", "target": target}})
    if metrics:
        spec["metrics"] = metrics
    if isinstance(behavior := notes[BEHAVIOR], dict) and behavior:
        spec["behavior"] = _uncapitalised(behavior)
    percent = status.pop("currentCPUUtilizationPercentage", None)
    if rows(notes[CURRENT]):
        status["currentMetrics"] = [_new(metric, "current") for metric in rows(notes[CURRENT])]
    elif percent is not None:
        current = {"averageUtilization": percent}
        status["currentMetrics"] = [{"type": "Resource", "resource": {"name": "cpu", "current": current}}]
    if rows(notes[CONDITIONS]):
        status["conditions"] = rows(notes[CONDITIONS])
    return stored


def _taken_notes(scaler: Object) -> dict[str, Any]:
    """What the annotations said, which are taken off."""
    metadata = part(scaler, "metadata")
    annotations = mapping(metadata.get("annotations"))
    said = {key: annotations.pop(key, None) for key in (METRICS, CURRENT, CONDITIONS, BEHAVIOR)}
    if "annotations" in metadata and not annotations:
        del metadata["annotations"]
    found = {}
    for key, value in said.items():
        try:
            found[key] = orjson.loads(text(value)) if value else None
        except orjson.JSONDecodeError:
            found[key] = None
    return found


def _is_cpu(metric: Fields) -> bool:
    return metric.get("type") == "Resource" and part(metric, "resource").get("name") == "cpu"


def _utilization(metric: Fields, side: str) -> object:
    return part(metric, "resource", side).get("averageUtilization")


def _kept(fields: Fields) -> Fields:
    return {name: value for name, value in fields.items() if value is not None}


def _old(metric: Fields, side: str) -> Fields:
    """One measurement in v1's words. side: "target" of a specification, "current" of a status."""
    found: Fields = {"type": metric.get("type")}
    for field in ("object", "pods", "external", *_RESOURCES):
        source = metric.get(field)
        if not isinstance(source, dict):
            continue
        amounts, name = part(source, side), part(source, "metric")
        value, average = amounts.get("value"), amounts.get("averageValue")
        named = {"metricName": name.get("name"), "selector": name.get("selector")}
        if field == "object":
            about = {"target": source.get("describedObject"), "averageValue": average}
            found[field] = _kept({**about, **named, f"{side}Value": value or "0"})
        elif field == "pods":
            found[field] = _kept({**named, f"{side}AverageValue": average or "0"})
        elif field == "external":
            chosen = {"metricName": name.get("name"), "metricSelector": name.get("selector")}
            found[field] = _kept({**chosen, f"{side}Value": value, f"{side}AverageValue": average})
        else:
            use = {f"{side}AverageUtilization": amounts.get("averageUtilization"), f"{side}AverageValue": average}
            found[field] = _kept({"name": source.get("name"), "container": source.get("container"), **use})
    return found


def _new(metric: Fields, side: str) -> Fields:
    """And back."""
    found: Fields = {"type": metric.get("type")}
    for field in ("object", "pods", "external", *_RESOURCES):
        source = metric.get(field)
        if not isinstance(source, dict):
            continue
        average = source.get("averageValue") if field == "object" else source.get(f"{side}AverageValue")
        use, value = source.get(f"{side}AverageUtilization"), source.get(f"{side}Value")
        if field in _RESOURCES:
            amounts = {"averageUtilization": use, "averageValue": average}
            type_ = "AverageValue" if use is None else "Utilization"
            about = {"name": source.get("name"), "container": source.get("container")}
        else:
            type_ = "Value" if average is None else "AverageValue"
            amounts = {"averageValue": average, "value": None if field == "object" and value == "0" else value}
            selector = source.get("metricSelector" if field == "external" else "selector")
            about = {"metric": _kept({"name": source.get("metricName"), "selector": selector})}
            if field == "object":
                about["describedObject"] = source.get("target")
        found[field] = _kept({**about, side: _kept({"type": type_ if side == "target" else None, **amounts})})
    return found


def _renamed(value: Any, rename: Callable[[str], str]) -> Any:
    if isinstance(value, dict):
        return {rename(str(key)): _renamed(one, rename) for key, one in value.items()}
    return [_renamed(one, rename) for one in value] if isinstance(value, list) else value


def _capitalised(value: Any) -> Any:
    """Kubernetes writes the behaviour with Go's names of the fields."""
    return _renamed(value, lambda key: key[:1].upper() + key[1:])


def _uncapitalised(value: Any) -> Any:
    return _renamed(value, lambda key: key[:1].lower() + key[1:])
