"""What of a pod changes through a subresource alone: ephemeral containers are added, resources change.

Nodes do not act on ephemeral containers yet. What a resize becomes on the node: procorch/kubelet/resizing.py.
Source: pkg/registry/core/pod (strategies), pkg/apis/core/validation (ValidatePodEphemeralContainersUpdate,
ValidatePodResize).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, mapping, part, rows, same, text
from procorch.kinds.kind import Part
from procorch.kinds.podspec.resources import qos_class
from procorch.kinds.podspec.status import prepare_status, validate_status
from procorch.kinds.podspec.update import difference
from procorch.kinds.podspec.validation import validate_spec
from procorch.objects import Cause, Object

_GROUPS = ("containers", "initContainers")
_CHANGEABLE = ("cpu", "memory")


def prepare_ephemeral(pod: Object, old: Object, now: str) -> None:
    added = part(pod, "spec").get("ephemeralContainers")
    _keep(pod, old)
    if added is not None:
        part(pod, "spec")["ephemeralContainers"] = added


def validate_added(pod: Object, old: Object) -> Iterator[Cause]:
    path, spec = "spec.ephemeralContainers", part(pod, "spec")
    yield from validate_spec(spec, "spec", pod=text(part(pod, "metadata").get("name")))
    now = {text(row.get("name")): row for row in rows(spec.get("ephemeralContainers"))}
    for before in rows(part(old, "spec").get("ephemeralContainers")):
        name = text(before.get("name"))
        if name not in now:
            yield Cause.forbidden(path, f'existing ephemeral containers "{name}" may not be removed\n')
        elif not same(now[name], before):
            shown = difference(before, now[name])
            yield Cause.forbidden(path, f'existing ephemeral containers "{name}" may not be changed\n{shown}')


def prepare_resize(pod: Object, old: Object, now: str) -> None:
    asked = {group: rows(part(pod, "spec").get(group)) for group in _GROUPS}
    whole = part(pod, "spec").get("resources")
    _keep(pod, old)
    if whole is not None and part(pod, "spec").get("resources") is not None:
        part(pod, "spec")["resources"] = whole
    for group in _GROUPS:
        by_name = {text(row.get("name")): row for row in asked[group]}
        for container in rows(part(pod, "spec").get(group)):
            wanted = by_name.get(text(container.get("name")), {}).get("resources")
            if wanted is not None:
                container["resources"] = wanted


def validate_resize(pod: Object, old: Object) -> Iterator[Cause]:
    spec, before = part(pod, "spec"), part(old, "spec")
    yield from validate_spec(spec, "spec", pod=text(part(pod, "metadata").get("name")))
    for group in _GROUPS:
        for (where, container), former in zip(indexed(spec.get(group), f"spec.{group}"), rows(before.get(group)),
                                              strict=False):  # fmt: skip
            yield from _resources(part(container, "resources"), part(former, "resources"), f"{where}.resources")
    yield from _resources(part(spec, "resources"), part(before, "resources"), "spec.resources")
    was = part(old, "status").get("qosClass")
    if was is not None and qos_class(pod) != was:
        yield Cause.invalid("spec", was, "Pod QOS Class may not change as a result of resizing")


def _resources(new: Fields, old: Fields, path: str) -> Iterator[Cause]:
    for side in ("requests", "limits"):
        asked, before = mapping(new.get(side)), mapping(old.get(side))
        if set(before) - set(asked):
            yield Cause.forbidden(f"{path}.{side}", f"resource {side} cannot be removed")
    if not same(_fixed(new), _fixed(old)):
        yield Cause.forbidden("spec", "only cpu and memory resources are mutable")


def _fixed(resources: Fields) -> Fields:
    """What of a container's resources stays."""
    return {side: {name: value for name, value in mapping(resources.get(side)).items() if name not in _CHANGEABLE}
            for side in ("requests", "limits")}  # fmt: skip


def _keep(pod: Object, old: Object) -> None:
    """Everything stays, but for who manages what: who writes a subresource writes nothing else."""
    managed = mapping(pod.get("metadata")).get("managedFields")
    for field in [field for field in pod if field not in ("apiVersion", "kind")]:
        del pod[field]
    pod.update(copy.deepcopy({name: value for name, value in old.items() if name not in ("apiVersion", "kind")}))
    if managed is not None:
        pod["metadata"]["managedFields"] = managed


PARTS = {
    "status": Part(prepare_status, validate_status),
    "ephemeralcontainers": Part(prepare_ephemeral, validate_added),
    "resize": Part(prepare_resize, validate_resize),
}
