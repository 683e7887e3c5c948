"""What of a pod's volumes a container sees: mounted, or as a device.

Source: pkg/apis/core/validation (ValidateVolumeMounts, ValidateVolumeDevices).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from procorch.kinds.fields import Fields, indexed, part, rows, text
from procorch.kinds.podspec.paths import local_path
from procorch.objects import Cause

_PROPAGATIONS = ("Bidirectional", "HostToContainer", "None")
_RECURSIVE = ("Disabled", "Enabled", "IfPossible")


def validate_mounts(container: Fields, volumes: Mapping[str, Fields], path: str) -> Iterator[Cause]:
    """volumeMounts and volumeDevices. volumes: the valid ones of the pod, by name."""
    mounts, devices = container.get("volumeMounts"), container.get("volumeDevices")
    as_devices = {text(row.get("name")): text(row.get("devicePath")) for row in rows(devices)}
    mounted = {text(row.get("name")): text(row.get("mountPath")) for row in rows(mounts)}
    taken: set[str] = set()
    for where, mount in indexed(mounts, f"{path}.volumeMounts"):
        yield from _mount(mount, volumes, taken, where)
        name, target = text(mount.get("name")), text(mount.get("mountPath"))
        if name in as_devices:
            yield Cause.invalid(f"{where}.name", name, "must not already exist in volumeDevices")
        if target in as_devices.values():
            yield Cause.invalid(f"{where}.mountPath", target, "must not already exist as a path in volumeDevices")
        yield from _manner(mount, container, where, f"{path}.volumeMounts")
    yield from _devices(devices, volumes, mounted, f"{path}.volumeDevices")


def _mount(mount: Fields, volumes: Mapping[str, Fields], taken: set[str], path: str) -> Iterator[Cause]:
    name, target = text(mount.get("name")), text(mount.get("mountPath"))
    if not name:
        yield Cause.required(f"{path}.name")
    if name not in volumes:
        yield Cause.not_found(f"{path}.name", name)
    if not target:
        yield Cause.required(f"{path}.mountPath")
    if target in taken:
        yield Cause.invalid(f"{path}.mountPath", target, "must be unique")
    taken.add(target)


def _manner(mount: Fields, container: Fields, where: str, path: str) -> Iterator[Cause]:
    """Which part, and how. path: of the list, by which Kubernetes names these, without the index."""
    if inner := text(mount.get("subPath")):
        yield from local_path(inner, f"{path}.subPath")
    if inner := text(mount.get("subPathExpr")):
        if text(mount.get("subPath")):
            yield Cause.invalid(f"{where}.subPathExpr", inner, "subPathExpr and subPath are mutually exclusive")
        yield from local_path(inner, f"{path}.subPathExpr")
    propagation = mount.get("mountPropagation")
    if propagation is not None and propagation not in _PROPAGATIONS:
        yield Cause.unsupported(f"{path}.mountPropagation", propagation, _PROPAGATIONS)
    if propagation == "Bidirectional" and part(container, "securityContext").get("privileged") is not True:
        message = "Bidirectional mount propagation is available only to privileged containers"
        yield Cause.forbidden(f"{path}.mountPropagation", message)
    recursive = mount.get("recursiveReadOnly")
    if recursive in ("Enabled", "IfPossible"):
        if mount.get("readOnly") is not True:
            yield Cause.forbidden(f"{path}.recursiveReadOnly", "may only be specified when readOnly is true")
        if propagation not in (None, "None"):
            message = "may only be specified when mountPropagation is None or not specified"
            yield Cause.forbidden(f"{path}.recursiveReadOnly", message)
    elif recursive is not None and recursive != "Disabled":
        yield Cause.unsupported(f"{path}.recursiveReadOnly", recursive, _RECURSIVE)


def _devices(
    value: object, volumes: Mapping[str, Fields], mounted: Mapping[str, str], path: str
) -> Iterator[Cause]:  # fmt: skip
    names: set[str] = set()
    paths: set[str] = set()
    for where, device in indexed(value, path):
        name, target = text(device.get("name")), text(device.get("devicePath"))
        if not name:
            yield Cause.required(f"{where}.name")
        if name in names:
            yield Cause.invalid(f"{where}.name", name, "must be unique")
        if name not in volumes:
            yield Cause.not_found(f"{where}.name", name)
        elif not {"persistentVolumeClaim", "ephemeral"} & set(volumes[name]):
            message = "can only use volume source type of PersistentVolumeClaim or Ephemeral for block mode"
            yield Cause.invalid(f"{where}.name", name, message)
        if not target:
            yield Cause.required(f"{where}.devicePath")
        if target in paths:
            yield Cause.invalid(f"{where}.devicePath", target, "must be unique")
        if ".." in target.split("/"):
            yield Cause.invalid(f"{where}.devicePath", target, "can not contain backsteps ('..')")
        else:
            paths.add(target)
        if name in mounted:
            yield Cause.invalid(f"{where}.name", name, "must not already exist in volumeMounts")
        if target in mounted.values():
            yield Cause.invalid(f"{where}.devicePath", target, "must not already exist as a path in volumeMounts")
        if name:
            names.add(name)
