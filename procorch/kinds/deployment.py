"""Deployment: like pods, replaced step by step when their template changes.

Source: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation (ValidateDeployment), pkg/registry/apps/deployment.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, fill, fill_text, made, number, part, same, text
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.defaults import default_template
from procorch.kinds.workload import (
    at_most,
    keeps_status,
    not_fewer_collisions,
    not_negative,
    pod_columns,
    selector_column,
    share,
    shown_strategy,
    validate_chosen,
    validate_share,
    workload_warnings,
)
from procorch.objects import Cause, Object

_TYPES = ("Recreate", "RollingUpdate")
_COUNTS = ("replicas", "updatedReplicas", "readyReplicas", "availableReplicas", "unavailableReplicas")


def default(deployment: Object) -> None:
    spec = made(deployment, "spec")
    fill(spec, "replicas", 1)
    strategy = made(spec, "strategy")
    fill_text(strategy, "type", "RollingUpdate")
    if strategy.get("type") == "RollingUpdate":
        rolling = made(strategy, "rollingUpdate")
        fill(rolling, "maxUnavailable", "25%")
        fill(rolling, "maxSurge", "25%")
    fill(spec, "revisionHistoryLimit", 10)
    fill(spec, "progressDeadlineSeconds", 600)
    default_template(spec)


def validate(deployment: Object, old: Object | None) -> Iterator[Cause]:
    spec, before = part(deployment, "spec"), part(old, "spec")
    if old is None or spec != before:
        yield from _spec(spec)
        if old is not None and not same(spec.get("selector"), before.get("selector")):
            yield Cause.invalid("spec.selector", spec.get("selector"), "field is immutable")
    if old is not None:
        yield from _status(part(deployment, "status"), part(old, "status"))


def _spec(spec: Fields) -> Iterator[Cause]:
    yield from not_negative(spec, "spec", "replicas")
    yield from validate_chosen(spec, "deployment", lasting="ReplicaSet")  # whose pods they are
    yield from _strategy(part(spec, "strategy"))
    yield from not_negative(spec, "spec", "minReadySeconds", "revisionHistoryLimit", "progressDeadlineSeconds")
    deadline = number(spec.get("progressDeadlineSeconds"))
    if deadline is not None and deadline <= (number(spec.get("minReadySeconds")) or 0):
        yield Cause.invalid("spec.progressDeadlineSeconds", deadline, "must be greater than minReadySeconds")


def _strategy(strategy: Fields) -> Iterator[Cause]:
    kind, rolling = text(strategy.get("type")), strategy.get("rollingUpdate")
    if kind == "Recreate":
        if rolling is not None:
            detail = "may not be specified when strategy `type` is 'Recreate'"
            yield Cause.forbidden("spec.strategy.rollingUpdate", detail)
    elif kind == "RollingUpdate":
        where, steps = "spec.strategy.rollingUpdate", part(strategy, "rollingUpdate")
        unavailable, surge = steps.get("maxUnavailable"), steps.get("maxSurge")
        yield from validate_share(unavailable, f"{where}.maxUnavailable")
        yield from validate_share(surge, f"{where}.maxSurge", whole=False)
        if not share(unavailable) and not share(surge):
            yield Cause.invalid(f"{where}.maxUnavailable", unavailable, "may not be 0 when `maxSurge` is 0")
    else:
        yield Cause.unsupported("spec.strategy", shown_strategy(strategy, "maxUnavailable", "maxSurge"), _TYPES)


def _status(status: Fields, before: Fields) -> Iterator[Cause]:
    if status == before:
        return
    yield from not_negative(status, "status", "observedGeneration", *_COUNTS, "collisionCount", "terminatingReplicas")
    yield from at_most(status, "replicas", *_COUNTS[1:4], words="status.replicas")
    yield from at_most(status, "readyReplicas", "availableReplicas", words="readyReplicas")
    yield from not_fewer_collisions(status, before)


def _ready(deployment: Object, now: float) -> str:
    ready = number(part(deployment, "status").get("readyReplicas")) or 0
    return f"{ready}/{number(part(deployment, 'spec').get('replicas')) or 0}"


KIND = Kind(
    "Deployment", "deployments", group="apps",
    short_names=("deploy",), categories=("all",), subresources=("status", "scale"),
    default=default, prepare=keeps_status(), validate=validate, warn=workload_warnings,
    columns=(
        NAME,
        Column("Ready", _ready),
        Column("Up-to-date", lambda obj, now: number(part(obj, "status").get("updatedReplicas")) or 0),
        Column("Available", lambda obj, now: number(part(obj, "status").get("availableReplicas")) or 0),
        AGE,
        *pod_columns("spec", "template", "spec"),
        selector_column("spec"),
    ),
    generation=True, counts_annotations=True, status_keeps=("labels",),
)  # fmt: skip
