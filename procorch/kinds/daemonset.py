"""DaemonSet: a pod on every node that fits.

Source: pkg/apis/apps/v1/defaults.go and conversion.go, pkg/apis/apps/validation (ValidateDaemonSet),
pkg/registry/apps/daemonset.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME, label_text
from procorch.kinds.fields import Fields, fill, fill_text, labels, made, part, same, text
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import default_template
from procorch.kinds.podspec.scheduling import selects, validate_selector
from procorch.kinds.podspec.validation import validate_lasting, validate_match, validate_template
from procorch.kinds.workload import (
    chosen_by,
    keeps_status,
    not_fewer_collisions,
    not_negative,
    pod_columns,
    selector_column,
    share,
    shown_strategy,
    validate_share,
    workload_warnings,
)
from procorch.objects import Cause, Object

#: Counts the templates that there were. Older clients had it as a field; the server alone writes it.
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"

_SHOWN = ("currentNumberScheduled", "numberMisscheduled", "desiredNumberScheduled", "numberReady")
_COUNTS = (*_SHOWN, "observedGeneration", "updatedNumberScheduled", "numberAvailable", "numberUnavailable",
           "collisionCount")  # fmt: skip
_keep_status = keeps_status(**dict.fromkeys(_SHOWN, 0))


def default(daemon_set: Object) -> None:
    spec = made(daemon_set, "spec")
    strategy = made(spec, "updateStrategy")
    fill_text(strategy, "type", "RollingUpdate")
    if strategy.get("type") == "RollingUpdate":
        rolling = made(strategy, "rollingUpdate")
        fill(rolling, "maxUnavailable", 1)
        fill(rolling, "maxSurge", 0)
    fill(spec, "revisionHistoryLimit", 10)
    default_template(spec)


def prepare(daemon_set: Object, old: Object | None) -> None:
    _keep_status(daemon_set, old)
    count = _template_generation(daemon_set if old is None else old)
    if old is not None and not same(part(daemon_set, "spec", "template"), part(old, "spec", "template")):
        count += 1
    made(daemon_set, "metadata", "annotations")[TEMPLATE_GENERATION] = str(max(count, 1))


def _template_generation(daemon_set: Object) -> int:
    said = labels(part(daemon_set, "metadata").get("annotations")).get(TEMPLATE_GENERATION, "")
    return int(said) if said.isascii() and said.isdigit() and len(said) < 19 else 0


def validate(daemon_set: Object, old: Object | None) -> Iterator[Cause]:
    spec, before = part(daemon_set, "spec"), part(old, "spec")
    if old is None or spec != before:
        yield from _spec(spec)
        if old is not None and not same(spec.get("selector"), before.get("selector")):
            yield Cause.invalid("spec.selector", spec.get("selector"), "field is immutable")
    status, former = part(daemon_set, "status"), part(old, "status")
    if old is not None and status != former:
        yield from not_negative(status, "status", *_COUNTS)
        yield from not_fewer_collisions(status, former)


def _spec(spec: Fields) -> Iterator[Cause]:
    selector, template = spec.get("selector"), part(spec, "template")
    yield from validate_selector(selector, "spec.selector")
    yield from validate_match(template, "spec.template", chosen_by(selector))
    if isinstance(selector, dict) and not selects(selector):
        yield Cause.invalid("spec.selector", selector, "empty selector is invalid for daemonset")
    yield from validate_template(template, "spec.template")
    yield from validate_lasting(template, "spec.template", "DaemonSet")
    yield from not_negative(spec, "spec", "minReadySeconds")
    yield from _strategy(part(spec, "updateStrategy"))
    yield from not_negative(spec, "spec", "revisionHistoryLimit")


def _strategy(strategy: Fields) -> Iterator[Cause]:
    kind = text(strategy.get("type"))
    if kind == "RollingUpdate":
        where, rolling = "spec.updateStrategy.rollingUpdate", part(strategy, "rollingUpdate")
        unavailable, surge = rolling.get("maxUnavailable"), rolling.get("maxSurge")
        yield from validate_share(unavailable, f"{where}.maxUnavailable")
        yield from validate_share(surge, f"{where}.maxSurge")
        if share(unavailable) and share(surge):
            yield Cause.invalid(f"{where}.maxSurge", surge, "may not be set when maxUnavailable is non-zero")
        elif not share(unavailable) and not share(surge):
            yield Cause.required(f"{where}.maxUnavailable", "cannot be 0 when maxSurge is 0")
    elif kind != "OnDelete":
        shown = shown_strategy(strategy, "maxUnavailable", "maxSurge")
        yield Cause.unsupported("spec.updateStrategy", shown, ("RollingUpdate", "OnDelete"))


def _node_selector(daemon_set: Object, now: float) -> str:
    return label_text(part(daemon_set, "spec", "template", "spec").get("nodeSelector"))


KIND = Kind(
    "DaemonSet", "daemonsets", group="apps",
    short_names=("ds",), categories=("all",), subresources=("status",),
    default=default, prepare=prepare, validate=validate, warn=workload_warnings,
    columns=(
        NAME,
        Column("Desired", ".status.desiredNumberScheduled", "integer"),
        Column("Current", ".status.currentNumberScheduled", "integer"),
        Column("Ready", ".status.numberReady", "integer"),
        Column("Up-to-date", ".status.updatedNumberScheduled", "integer"),
        Column("Available", ".status.numberAvailable", "integer"),
        Column("Node Selector", _node_selector),
        AGE,
        *pod_columns("spec", "template", "spec"),
        selector_column("spec"),
    ),
    generation=True,
)  # fmt: skip
