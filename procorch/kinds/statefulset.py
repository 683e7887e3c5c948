"""StatefulSet: pods that keep their names and their disks.

Source: pkg/apis/apps/v1/defaults.go, pkg/apis/apps/validation (ValidateStatefulSet), pkg/registry/apps/statefulset.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import (
    Fields,
    fill,
    fill_text,
    indexed,
    made,
    mapping,
    number,
    part,
    rows,
    same,
    text,
    without,
)
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.claim import validate_claim_spec
from procorch.kinds.podspec.defaults import default_resource_list, default_template
from procorch.kinds.workload import (
    at_most,
    keeps_status,
    not_fewer_collisions,
    not_negative,
    pod_columns,
    share,
    shown_strategy,
    validate_chosen,
    validate_share,
    workload_warnings,
)
from procorch.names import dns_label
from procorch.objects import Cause, Object

_RETENTION = ("Retain", "Delete")
_COUNTS = ("replicas", "readyReplicas", "currentReplicas", "updatedReplicas", "availableReplicas")
_CHANGEABLE = (
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
)
_FIXED = (
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', "
    "'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
)


def default(stateful_set: Object) -> None:
    spec = made(stateful_set, "spec")
    fill_text(spec, "podManagementPolicy", "OrderedReady")
    strategy = made(spec, "updateStrategy")
    fill_text(strategy, "type", "RollingUpdate")
    if strategy.get("type") == "RollingUpdate":
        fill(made(strategy, "rollingUpdate"), "partition", 0)
    retention = made(spec, "persistentVolumeClaimRetentionPolicy")
    fill_text(retention, "whenDeleted", "Retain")
    fill_text(retention, "whenScaled", "Retain")
    fill(spec, "replicas", 1)
    fill(spec, "revisionHistoryLimit", 10)
    default_template(spec)
    for claim in rows(spec.get("volumeClaimTemplates")):
        _default_claim(claim)


def _default_claim(claim: Fields) -> None:
    claim["apiVersion"], claim["kind"] = "v1", "PersistentVolumeClaim"
    fill_text(made(claim, "spec"), "volumeMode", "Filesystem")
    for field in ("limits", "requests"):
        default_resource_list(part(claim, "spec", "resources"), field)
    fill_text(made(claim, "status"), "phase", "Pending")


def validate(stateful_set: Object, old: Object | None) -> Iterator[Cause]:
    spec, before = part(stateful_set, "spec"), part(old, "spec")
    if old is None:
        # Its pods are called after it, with a number, and so are their hosts; every old name may stay.
        name = text(part(stateful_set, "metadata").get("name"))
        for message in dns_label(name) if name else ():
            yield Cause.invalid("metadata.name", name, message)
    if old is None or spec != before:
        yield from _spec(spec)
        if old is None:  # afterwards they cannot be changed
            for where, claim in indexed(spec.get("volumeClaimTemplates"), "spec.volumeClaimTemplates"):
                yield from validate_claim_spec(part(claim, "spec"), f"{where}.spec")
        if old is not None and any(
            not same(spec.get(field), before.get(field)) for field in {*spec, *before} - {*_CHANGEABLE}
        ):
            yield Cause.forbidden("spec", _FIXED)
    if old is not None:
        yield from _status(part(stateful_set, "status"), part(old, "status"))


def _spec(spec: Fields) -> Iterator[Cause]:
    policy = text(spec.get("podManagementPolicy"))
    if policy not in ("OrderedReady", "Parallel"):
        yield Cause.invalid("spec.podManagementPolicy", policy, "must be 'OrderedReady' or 'Parallel'")
    yield from _strategy(part(spec, "updateStrategy"))
    for field in ("whenDeleted", "whenScaled"):
        value = text(part(spec, "persistentVolumeClaimRetentionPolicy").get(field))
        if value not in _RETENTION:
            yield Cause.unsupported(f"spec.persistentVolumeClaimRetentionPolicy.{field}", value, _RETENTION)
    yield from not_negative(spec, "spec", "replicas", "minReadySeconds")
    yield from not_negative(part(spec, "ordinals"), "spec.ordinals", "start")
    service = text(spec.get("serviceName"))
    for message in dns_label(service) if service else ():
        yield Cause.invalid("spec.serviceName", service, message)
    template = _with_claims(part(spec, "template"), spec.get("volumeClaimTemplates"))
    yield from validate_chosen(spec, "statefulset", lasting="StatefulSet", template=template)


def _with_claims(template: Fields, claims: object) -> Fields:
    """The template as its pods will be: each claim is a volume, in the place of one called like it, and where they are
    found in the network is not its to say."""
    names = [text(part(claim, "metadata").get("name")) for claim in rows(claims)]
    spec = without(part(template, "spec"), ("hostname",), ("subdomain",))
    given = spec.get("volumes")
    volumes = [
        _of_claim(name) if (name := text(mapping(one).get("name"))) in names else one
        for one in (given if isinstance(given, list) else [])
    ]
    there = {text(mapping(one).get("name")) for one in volumes}
    volumes += [_of_claim(name) for name in names if name not in there]
    return {**template, "spec": {**spec, "volumes": volumes}}


def _of_claim(name: str) -> Fields:
    return {"name": name, "persistentVolumeClaim": {"claimName": name}}


def _strategy(strategy: Fields) -> Iterator[Cause]:
    where, kind, rolling = "spec.updateStrategy", text(strategy.get("type")), strategy.get("rollingUpdate")
    if kind == "OnDelete":
        if rolling is not None:
            yield Cause.invalid(f"{where}.rollingUpdate", rolling, "only allowed for updateStrategy 'RollingUpdate'")
    elif kind == "RollingUpdate":
        yield from not_negative(mapping(rolling), f"{where}.rollingUpdate", "partition")
        unavailable = mapping(rolling).get("maxUnavailable")
        if unavailable is not None:
            yield from validate_share(unavailable, f"{where}.rollingUpdate.maxUnavailable")
            if not share(unavailable):
                yield Cause.invalid(f"{where}.rollingUpdate.maxUnavailable", unavailable, "cannot be 0")
    else:
        yield Cause.invalid(
            where, shown_strategy(strategy, "partition", "maxUnavailable"), "must be 'RollingUpdate' or 'OnDelete'"
        )


def _status(status: Fields, before: Fields) -> Iterator[Cause]:
    if status == before:
        return
    yield from not_negative(status, "status", *_COUNTS, "observedGeneration", "collisionCount")
    yield from at_most(status, "replicas", *_COUNTS[1:], words="status.replicas")
    yield from at_most(status, "readyReplicas", "availableReplicas", words="status.readyReplicas")
    yield from not_fewer_collisions(status, before)


def warn(stateful_set: Object, old: Object | None) -> Iterator[str]:
    yield from workload_warnings(stateful_set, old or {})  # of the template alone: a new one's name is a DNS label
    limit = number(part(stateful_set, "spec").get("revisionHistoryLimit"))
    if limit is not None and limit < 0:
        yield (
            "spec.revisionHistoryLimit: a negative value retains all historical revisions; a value >= 0 is recommended"
        )


def _ready(stateful_set: Object, now: float) -> str:
    ready = number(part(stateful_set, "status").get("readyReplicas")) or 0
    return f"{ready}/{number(part(stateful_set, 'spec').get('replicas')) or 0}"


KIND = Kind(
    "StatefulSet", "statefulsets", group="apps",
    short_names=("sts",), categories=("all",), subresources=("status", "scale"),
    default=default, prepare=keeps_status(replicas=0, availableReplicas=0), validate=validate, warn=warn,
    columns=(NAME, Column("Ready", _ready), AGE, *pod_columns("spec", "template", "spec")),
    generation=True,
)  # fmt: skip
