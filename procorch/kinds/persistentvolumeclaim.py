"""PersistentVolumeClaim: somebody asks for a piece of storage.

Source: pkg/apis/core/v1/defaults.go, pkg/api/persistentvolumeclaim (data sources), pkg/apis/core/validation
(ValidatePersistentVolumeClaim and its updates), pkg/printers (printPersistentVolumeClaim).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from fractions import Fraction

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, fill, fill_text, labels, made, mapping, part, same, text, without
from procorch.kinds.kind import Column, Kind
from procorch.kinds.persistentvolume import (
    BETA_CLASS,
    class_of,
    phase,
    short_modes,
    unset,
)
from procorch.kinds.podspec.claim import validate_claim_spec
from procorch.kinds.podspec.defaults import default_resource_list
from procorch.kinds.podspec.resources import quantity_of
from procorch.kinds.podspec.update import difference
from procorch.kinds.podspec.warnings import claim_warnings
from procorch.names import label_key
from procorch.objects import Cause, Object

_SNAPSHOTS = "snapshot.storage.k8s.io"
_RESIZE_STATES = (
    "ControllerResizeInProgress", "ControllerResizeInfeasible", "NodeResizeInProgress", "NodeResizeInfeasible",
    "NodeResizePending",
)  # fmt: skip


def default(claim: Object) -> None:
    spec = made(claim, "spec")
    fill(spec, "volumeMode", "Filesystem")
    for field in ("requests", "limits"):
        default_resource_list(made(spec, "resources"), field)
    status = made(claim, "status")
    fill_text(status, "phase", "Pending")
    for field in ("capacity", "allocatedResources"):
        default_resource_list(status, field)


def prepare(claim: Object, old: Object | None) -> None:
    """The status is a controller's; where the data come from has an older and a newer field, kept alike."""
    claim["status"] = {"phase": "Pending"} if old is None else old.get("status", {"phase": "Pending"})
    spec = part(claim, "spec")
    source = spec.get("dataSource")
    if isinstance(source, dict) and not _is_known(source) and (old is None or not part(old, "spec").get("dataSource")):
        del spec["dataSource"]  # the older field means nothing else, and never did
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    if isinstance(source, dict) and reference is None:
        spec["dataSourceRef"] = copy.deepcopy(source)
    elif isinstance(reference, dict) and source is None and not text(reference.get("namespace")):
        spec["dataSource"] = without(copy.deepcopy(reference), ("namespace",))


def _is_known(source: Fields) -> bool:
    group, kind = text(source.get("apiGroup")), source.get("kind")
    return (group, kind) in (("", "PersistentVolumeClaim"), (_SNAPSHOTS, "VolumeSnapshot"))


def validate(claim: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(claim, "spec")
    if old is not None and spec == old.get("spec"):
        yield from _status(part(claim, "status"))
        return
    yield from validate_claim_spec(spec, "spec")
    if old is not None:
        yield from _update(claim, old)


def warn(claim: Object, old: Object | None) -> Iterator[str]:
    """Source: pkg/api/persistentvolumeclaim/util.go."""
    if BETA_CLASS in labels(part(claim, "metadata").get("annotations")):
        detail = 'deprecated since v1.8; use "storageClassName" attribute instead'
        yield f"metadata.annotations[{BETA_CLASS}]: {detail}"
    yield from claim_warnings(part(claim, "spec"), "spec")


def _update(claim: Object, old: Object) -> Iterator[Cause]:
    """A claim asks once: its size may grow when it is bound, and its class be named by who gives it a volume."""
    new, before = copy.deepcopy(part(claim, "spec")), copy.deepcopy(part(old, "spec"))
    if not text(before.get("volumeName")):
        before["volumeName"] = new.get("volumeName")
    annotation, former = (labels(part(one, "metadata").get("annotations")).get(BETA_CLASS) for one in (claim, old))
    if before.get("storageClassName") is None and former in (None, new.get("storageClassName")):
        before["storageClassName"] = new.get("storageClassName")
    elif annotation != former:
        yield Cause.invalid(f"metadata.annotations.{BETA_CLASS}", annotation or "", "field is immutable")
    requested, asked = part(new, "resources", "requests"), part(before, "resources", "requests")
    size, less = (_storage(one) for one in (requested, asked))
    bound = part(claim, "status").get("phase") == "Bound"
    if bound and isinstance(part(new, "resources").get("requests"), dict):
        requested["storage"] = asked.get("storage")
    bare, fixed = (without(one, *((("volumeAttributesClassName",),) if bound else ())) for one in (new, before))
    if not same(bare, fixed):
        yield Cause.forbidden(
            "spec",
            "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims"
            f"\n{difference(fixed, bare)}",
        )
    if size < less and size <= _storage(part(old, "status", "capacity")):
        yield Cause.forbidden("spec.resources.requests.storage", "field can not be less than status.capacity")
    if new.get("volumeMode") != before.get("volumeMode"):
        yield Cause.invalid("volumeMode", new.get("volumeMode"), "field is immutable")
    current = part(old, "status").get("currentVolumeAttributesClassName")
    if current is not None and not text(new.get("volumeAttributesClassName")):
        what = "nil" if new.get("volumeAttributesClassName") is None else "empty string"
        detail = f"update to {what} is forbidden when status.currentVolumeAttributesClassName is not nil"
        yield Cause.forbidden("spec.volumeAttributesClassName", detail)


def _storage(amounts: Fields) -> Fraction:
    """How much storage is asked for or there, in bytes."""
    given = quantity_of(amounts.get("storage"))
    return given.amount if given is not None else Fraction(0)


def _status(status: Fields) -> Iterator[Cause]:
    """Source: ValidatePersistentVolumeClaimStatusUpdate."""
    for name, value in mapping(status.get("capacity")).items():
        amount = quantity_of(value)
        if amount is not None and amount.amount < 0:
            yield Cause.invalid(f"status.capacity[{name}]", str(amount), "must be a valid resource quantity")
    path = "status.allocatedResourceStatuses"
    for name, state in mapping(status.get("allocatedResourceStatuses")).items():
        yield from _resource(str(name), path)
        if state not in _RESIZE_STATES:
            yield Cause.unsupported(path, str(name), _RESIZE_STATES)
    path = "status.allocatedResources"
    for name, value in mapping(status.get("allocatedResources")).items():
        amount, causes = quantity_of(value), [*_resource(str(name), path)]
        yield from causes
        if not causes and amount is not None and amount.amount < 0:
            yield Cause.invalid(f"{path}[{name}]", str(amount), "must be a valid resource quantity")


def _resource(name: str, path: str) -> Iterator[Cause]:
    """Storage, and what a driver calls its own. Source: validatePersistentVolumeClaimResourceKey."""
    for message in label_key(name):
        yield Cause.invalid(path, name, message)
    if name != "storage" and ("/" not in name or name.split("/")[0].endswith("kubernetes.io")):
        yield Cause.unsupported(path, name, ("storage",))


def _size(claim: Object, now: float) -> str:
    if not text(part(claim, "spec").get("volumeName")):
        return ""
    return str(part(claim, "status", "capacity").get("storage", "0"))


def _modes(claim: Object, now: float) -> str:
    return short_modes(part(claim, "status").get("accessModes")) if part(claim, "spec").get("volumeName") else ""


KIND = Kind(
    "PersistentVolumeClaim", "persistentvolumeclaims", shows_deleted=True,
    short_names=("pvc",), subresources=("status",),
    default=default, prepare=prepare, validate=validate, warn=warn,
    columns=(
        NAME,
        Column("Status", phase),
        Column("Volume", ".spec.volumeName"),
        Column("Capacity", _size),
        Column("Access Modes", _modes),
        Column("StorageClass", lambda obj, now: class_of(obj)),
        unset("volumeAttributesClassName"),
        AGE,
        unset("volumeMode"),
    ),
)  # fmt: skip
