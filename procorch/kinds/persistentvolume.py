"""PersistentVolume: a piece of storage of the cluster.

Source: pkg/apis/core/v1/defaults.go, pkg/apis/core/validation (ValidatePersistentVolume and its update),
pkg/printers (printPersistentVolume).
"""

from __future__ import annotations

import math
import posixpath
from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import (
    Fields,
    fill,
    fill_text,
    indexed,
    labels,
    made,
    mapping,
    part,
    same,
    text,
    texts,
    without,
)
from procorch.kinds.kind import Column, Kind, Part
from procorch.kinds.podspec.claim import VOLUME_MODES, validate_access_modes, validate_positive
from procorch.kinds.podspec.defaults import VOLUME_DEFAULTS, default_resource_list
from procorch.kinds.podspec.disks import validate_disk
from procorch.kinds.podspec.paths import no_backsteps
from procorch.kinds.podspec.resources import quantity_of
from procorch.kinds.podspec.scheduling import validate_node_selector
from procorch.kinds.podspec.update import difference
from procorch.kinds.podspec.volumes import validate_host_path
from procorch.kinds.podspec.warnings import DEPRECATED_VOLUMES, term_warnings
from procorch.names import dns_subdomain
from procorch.objects import Cause, Object

BETA_CLASS = "volume.beta.kubernetes.io/storage-class"
_SHORT_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}
_RECLAIM_POLICIES = ("Delete", "Recycle", "Retain")
_SOURCES = (
    "hostPath", "gcePersistentDisk", "awsElasticBlockStore", "glusterfs", "flocker", "nfs", "rbd", "quobyte", "cephfs",
    "iscsi", "cinder", "fc", "flexVolume", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume",
    "azureDisk", "scaleIO", "local", "storageos", "csi",
)  # fmt: skip
_DEPRECATED_SOURCES = ("cephfs", "photonPersistentDisk", "scaleIO", "storageos", "glusterfs", "rbd")
_BETA_OPTIONS = "volume.beta.kubernetes.io/mount-options"
_ONLY_INLINE = "in the context of inline volumes"


def default(volume: Object) -> None:
    spec = made(volume, "spec")
    default_spec(spec)
    fill_text(spec, "persistentVolumeReclaimPolicy", "Retain")
    fill(spec, "volumeMode", "Filesystem")
    fill_text(made(volume, "status"), "phase", "Pending")


def default_spec(spec: Fields) -> None:
    """What the source of a volume and its size get, here and inside a VolumeAttachment."""
    default_resource_list(spec, "capacity")
    for source, defaults in VOLUME_DEFAULTS.items():
        if isinstance(spec.get(source), dict):
            for field, value in defaults.items():
                fill(spec[source], field, value)


def prepare(volume: Object, old: Object | None) -> None:
    """Pending from the moment it was made; then the status is a controller's."""
    if old is not None:
        volume["status"] = old.get("status", {"phase": "Pending"})
        return
    volume["status"] = {"phase": "Pending"}
    if made_at := text(part(volume, "metadata").get("creationTimestamp")):
        volume["status"]["lastPhaseTransitionTime"] = made_at


def prepare_status(volume: Object, old: Object, now: str) -> None:
    """Since when it is in its phase, unless who says so says that, too."""
    status, before = part(volume, "status"), part(old, "status")
    since = "lastPhaseTransitionTime"
    if status.get("phase") != before.get("phase") and status.get(since) in (None, before.get(since)):
        status[since] = now


def validate(volume: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(volume, "spec")
    if old is not None and spec == old.get("spec"):
        return
    yield from validate_spec(spec, "spec", name=text(part(volume, "metadata").get("name")))
    if old is not None:
        yield from _update(spec, part(old, "spec"))


def warn(volume: Object, old: Object | None) -> Iterator[str]:
    """Source: pkg/api/persistentvolume/util.go."""
    annotations, spec = labels(part(volume, "metadata").get("annotations")), part(volume, "spec")
    for key, instead in ((BETA_CLASS, 'v1.8; use "storageClassName"'), (_BETA_OPTIONS, 'v1.31; use "mountOptions"')):
        if key in annotations:
            yield f"metadata.annotations[{key}]: deprecated since {instead} attribute instead"
    if spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield (
            "spec.persistentVolumeReclaimPolicy: The Recycle reclaim policy is deprecated. "
            "Instead, the recommended approach is to use dynamic provisioning."
        )
    path = "spec.nodeAffinity.required.nodeSelectorTerms"
    for where, term in indexed(part(spec, "nodeAffinity", "required").get("nodeSelectorTerms"), path):
        yield from term_warnings(term, where)
    for source in _DEPRECATED_SOURCES:
        if spec.get(source) is not None:
            shown = "storageOS" if source == "storageos" else source  # so Kubernetes spells it there
            yield f"spec.{shown}: {DEPRECATED_VOLUMES[source]}"


def validate_spec(spec: Fields, path: str, *, name: str = "", inline: bool = False) -> Iterator[Cause]:
    """name: the volume's. inline: of a volume that is no object of its own, but described in a VolumeAttachment."""
    if inline:
        yield from _inline(spec, path)
    yield from validate_access_modes(texts(spec.get("accessModes")), f"{path}.accessModes", "")
    if not inline:
        yield from _capacity(spec.get("capacity"), f"{path}.capacity")
        policy, affinity = text(spec.get("persistentVolumeReclaimPolicy")), spec.get("nodeAffinity")
        if policy and policy not in _RECLAIM_POLICIES:
            yield Cause.unsupported(f"{path}.persistentVolumeReclaimPolicy", policy, _RECLAIM_POLICIES)
        if isinstance(affinity, dict):
            yield from _affinity(affinity, f"{path}.nodeAffinity")
    yield from _sources(spec, name, path)
    is_all = posixpath.normpath(text(part(spec, "hostPath").get("path")) or ".") == "/"
    if is_all and spec.get("persistentVolumeReclaimPolicy") == "Recycle":
        yield Cause.forbidden(
            f"{path}.persistentVolumeReclaimPolicy", "may not be 'recycle' for a hostPath mount of '/'"
        )
    yield from _classes(spec, path, inline=inline)


def _inline(spec: Fields, path: str) -> Iterator[Cause]:
    if spec.get("claimRef") is not None:
        yield Cause.forbidden(f"{path}.claimRef", f"may not be specified {_ONLY_INLINE}")
    if mapping(spec.get("capacity")):
        yield Cause.forbidden(f"{path}.capacity", f"may not be specified {_ONLY_INLINE}")
    if spec.get("csi") is None:
        yield Cause.required(f"{path}.csi", f"has to be specified {_ONLY_INLINE}")
    if text(spec.get("persistentVolumeReclaimPolicy")) not in ("", "Retain"):
        yield Cause.forbidden(f"{path}.persistentVolumeReclaimPolicy", f"may only be Retain {_ONLY_INLINE}")
    if spec.get("nodeAffinity") is not None:
        yield Cause.forbidden(f"{path}.nodeAffinity", f"may not be specified {_ONLY_INLINE}")


def _capacity(given: object, path: str) -> Iterator[Cause]:
    capacity = mapping(given)
    if not capacity:
        yield Cause.required(path)
    if set(capacity) != {"storage"}:
        yield Cause.unsupported(path, given, ("storage",))
    for name, value in capacity.items():
        amount = quantity_of(value)
        if amount is not None and amount.amount < 0:
            yield Cause.invalid(f"{path}[{name}]", math.floor(amount.amount), "must be a valid resource quantity")
        yield from validate_positive(value, f"{path}[{name}]")


def _affinity(affinity: Fields, path: str) -> Iterator[Cause]:
    if isinstance(affinity.get("required"), dict):
        yield from validate_node_selector(affinity["required"], f"{path}.required")
    else:
        yield Cause.required(f"{path}.required", "must specify required node constraints")


def _sources(spec: Fields, name: str, path: str) -> Iterator[Cause]:
    given = [source for source in _SOURCES if isinstance(spec.get(source), dict)]
    if not given:
        yield Cause.required(path, "must specify a volume type")
    for source in given[:1]:
        match source:
            case "local":
                yield from _local(spec, spec[source], path)
            case "hostPath":
                yield from validate_host_path(spec[source], f"{path}.{source}")
            case _:
                yield from validate_disk(source, spec[source], path, volume=name, persistent=True)
    for source in given[1:]:
        shown = "cephFS" if source == "cephfs" else source  # so Kubernetes spells it there
        yield Cause.forbidden(f"{path}.{shown}", "may not specify more than 1 volume type")


def _local(spec: Fields, local: Fields, path: str) -> Iterator[Cause]:
    if not text(local.get("path")):
        yield Cause.required(f"{path}.local.path")
    else:
        yield from no_backsteps(text(local["path"]), f"{path}.local.path")
    if not mapping(part(spec, "nodeAffinity").get("required")):
        yield Cause.required(f"{path}.nodeAffinity", "Local volume requires node affinity")


def _classes(spec: Fields, path: str, *, inline: bool) -> Iterator[Cause]:
    name, mode, attributes = (
        spec.get(field) for field in ("storageClassName", "volumeMode", "volumeAttributesClassName")
    )
    if text(name) and inline:
        yield Cause.forbidden(f"{path}.storageClassName", f"may not be specified {_ONLY_INLINE}")
    elif text(name):
        for message in dns_subdomain(text(name)):
            yield Cause.invalid(f"{path}.storageClassName", text(name), message)
    if mode is not None and inline and mode != "Filesystem":
        yield Cause.forbidden(f"{path}.volumeMode", f"may not specify volumeMode other than Filesystem {_ONLY_INLINE}")
    elif mode is not None and mode not in VOLUME_MODES:
        yield Cause.unsupported(f"{path}.volumeMode", mode, VOLUME_MODES)
    if attributes is None or inline:
        return
    if not text(attributes):
        yield Cause.required(f"{path}.volumeAttributesClassName", "an empty string is disallowed")
    else:
        for message in dns_subdomain(text(attributes)):
            yield Cause.invalid(f"{path}.volumeAttributesClassName", text(attributes), message)
    if spec.get("csi") is None:
        yield Cause.required(f"{path}.csi", "has to be specified when using volumeAttributesClassName")


def _update(spec: Fields, before: Fields) -> Iterator[Cause]:
    new, old = ({source: one.get(source) for source in _SOURCES} for one in (spec, before))
    if part(before, "csi") and part(before, "csi").get("controllerExpandSecretRef") is None:
        new = without(new, ("csi", "controllerExpandSecretRef"))  # may be given later
    if not same(new, old):
        yield Cause.forbidden(
            "spec.persistentvolumesource",
            f"spec.persistentvolumesource is immutable after creation\n{difference(old, new)}",
        )
    if spec.get("volumeMode") != before.get("volumeMode"):
        yield Cause.invalid("volumeMode", spec.get("volumeMode"), "field is immutable")
    affinity = before.get("nodeAffinity")
    if affinity is not None and not same(affinity, spec.get("nodeAffinity")):
        yield Cause.invalid("nodeAffinity", spec.get("nodeAffinity"), "field is immutable")
    if before.get("volumeAttributesClassName") is not None and spec.get("volumeAttributesClassName") is None:
        yield Cause.forbidden("spec.volumeAttributesClassName", "update from non-nil value to nil is forbidden")


def short_modes(value: object) -> str:
    """`RWO,ROX`: access modes as kubectl shows them, each once, in Kubernetes' order."""
    given = texts(value)
    return ",".join(short for mode, short in _SHORT_MODES.items() if mode in given)


def class_of(obj: Object) -> str:
    """The storage class of a volume or claim; the older annotation counts first."""
    annotations = labels(part(obj, "metadata").get("annotations"))
    return annotations.get(BETA_CLASS) or text(part(obj, "spec").get("storageClassName"))


def phase(obj: Object, now: float) -> str:
    """How a volume or claim stands."""
    deleting = part(obj, "metadata").get("deletionTimestamp") is not None
    return "Terminating" if deleting else text(part(obj, "status").get("phase"))


def unset(field: str) -> Column:
    """A field of the specification that says so where it is missing."""

    def cell(obj: Object, now: float) -> str:
        found = part(obj, "spec").get(field)
        return "<unset>" if found is None else text(found)

    shown = {"volumeAttributesClassName": "VolumeAttributesClass", "volumeMode": "VolumeMode"}[field]
    return Column(shown, cell, priority=int(field == "volumeMode"))


def _claim(volume: Object, now: float) -> str:
    claim = part(volume, "spec", "claimRef")
    return f"{text(claim.get('namespace'))}/{text(claim.get('name'))}" if claim else ""


def _size(volume: Object, now: float) -> str:
    return str(part(volume, "spec", "capacity").get("storage", "0"))


KIND = Kind(
    "PersistentVolume", "persistentvolumes", shows_deleted=True, namespaced=False,
    short_names=("pv",), subresources=("status",),
    default=default, prepare=prepare, validate=validate, warn=warn, parts={"status": Part(prepare_status)},
    columns=(
        NAME,
        Column("Capacity", _size),
        Column("Access Modes", lambda obj, now: short_modes(part(obj, "spec").get("accessModes"))),
        Column("Reclaim Policy", ".spec.persistentVolumeReclaimPolicy"),
        Column("Status", phase),
        Column("Claim", _claim),
        Column("StorageClass", lambda obj, now: class_of(obj)),
        unset("volumeAttributesClassName"),
        Column("Reason", ".status.reason"),
        AGE,
        unset("volumeMode"),
    ),
)  # fmt: skip
