"""Volumes of a pod: their names and sources.

Sources that this node cannot mount are accepted: the pod's events tell (FailedMount), as on a node without the plugin.
Source: pkg/apis/core/validation (ValidateVolumes and the validation of each source).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from procorch.kinds.fields import Fields, indexed, mapping, number, text
from procorch.kinds.podspec.resources import quantity_of
from procorch.names import dns_label
from procorch.objects import Cause

_MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
# Sources whose fields are only checked for being there.
_REQUIRED: dict[str, tuple[str, ...]] = {
    "gitRepo": ("repository",),
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "persistentVolumeClaim": ("claimName",),
    "iscsi": ("targetPortal", "iqn"),
    "glusterfs": ("endpoints", "path"),
    "rbd": ("image",),
    "cinder": ("volumeID",),
    "flexVolume": ("driver",),
    "azureFile": ("secretName", "shareName"),
    "azureDisk": ("diskName", "diskURI"),
    "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "scaleIO": ("gateway", "system", "volumeName"),
    "csi": ("driver",),
}
_FIELD_PATHS = ("metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations")


def validate_volumes(value: object, path: str) -> Iterator[Cause]:
    """spec.volumes: each has a name of its own and exactly one source."""
    names: set[str] = set()
    for where, volume in indexed(value, path):
        name = text(volume.get("name"))
        if not name:
            yield Cause.required(f"{where}.name")
        else:
            for message in dns_label(name):
                yield Cause.invalid(f"{where}.name", name, message)
        if name in names:
            yield Cause.duplicate(f"{where}.name", name)
        names.add(name)
        sources = [field for field, one in volume.items() if field != "name" and isinstance(one, dict)]
        if not sources:
            yield Cause.required(where, "must specify a volume type")
        for source in sources[1:]:
            yield Cause.forbidden(f"{where}.{source}", "may not specify more than 1 volume type")
        for source in sources[:1]:
            yield from validate_source(source, volume[source], f"{where}.{source}")


def validate_source(name: str, source: Fields, path: str) -> Iterator[Cause]:
    """One source of a volume, by its field's name; of most only that it names what it needs."""
    for field in _REQUIRED.get(name, ()):
        if not text(source.get(field)):
            yield Cause.required(f"{path}.{field}")
    if check := _CHECKS.get(name):
        yield from check(source, path)


def _host_path(source: Fields, path: str) -> Iterator[Cause]:
    given = text(source.get("path"))
    if not given:
        yield Cause.required(f"{path}.path")
        return
    yield from no_backsteps(given, f"{path}.path")
    if source.get("type") is not None and source["type"] not in _HOST_PATH_TYPES:
        yield Cause.unsupported(f"{path}.type", source["type"], _HOST_PATH_TYPES)


def _empty_dir(source: Fields, path: str) -> Iterator[Cause]:
    if source.get("sizeLimit") is not None:
        limit = quantity_of(source["sizeLimit"])
        if limit is None or limit.amount < 0:
            yield Cause.forbidden(f"{path}.sizeLimit", "SizeLimit field must be a valid resource quantity")


def _secret(source: Fields, path: str) -> Iterator[Cause]:
    if not text(source.get("secretName")):
        yield Cause.required(f"{path}.secretName")
    yield from _files(source, path)


def _config_map(source: Fields, path: str) -> Iterator[Cause]:
    if not text(source.get("name")):
        yield Cause.required(f"{path}.name")
    yield from _files(source, path)


def _files(source: Fields, path: str) -> Iterator[Cause]:
    """defaultMode and items of what becomes files."""
    yield from _mode(source, "defaultMode", path)
    for where, item in indexed(source.get("items"), f"{path}.items"):
        if not text(item.get("key")):
            yield Cause.required(f"{where}.key")
        yield from _file_name(item, where)
        yield from _mode(item, "mode", where)


def _file_name(item: Fields, path: str) -> Iterator[Cause]:
    if not text(item.get("path")):
        yield Cause.required(f"{path}.path")
    else:
        yield from local_path(item["path"], f"{path}.path", reserved=True)


def _mode(owner: Fields, field: str, path: str) -> Iterator[Cause]:
    value = number(owner.get(field))
    if value is not None and not 0 <= value <= 0o777:
        yield Cause.invalid(f"{path}.{field}", value, _MODE_RANGE)


def _downward(source: Fields, path: str) -> Iterator[Cause]:
    from procorch.kinds.podspec.containers import field_reference, resource_reference

    yield from _mode(source, "defaultMode", path)
    for where, item in indexed(source.get("items"), path):
        yield from _file_name(item, where)
        by_field, by_resource = item.get("fieldRef"), item.get("resourceFieldRef")
        if isinstance(by_field, dict):
            yield from field_reference(by_field, _FIELD_PATHS, f"{where}.fieldRef")
            if isinstance(by_resource, dict):
                yield Cause.invalid(
                    where, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously"
                )
        elif isinstance(by_resource, dict):
            yield from resource_reference(by_resource, f"{where}.resourceFieldRef", in_volume=True)
        else:
            yield Cause.required(where, "one of fieldRef and resourceFieldRef is required")
        yield from _mode(item, "mode", where)


def _projected(source: Fields, path: str) -> Iterator[Cause]:
    yield from _mode(source, "defaultMode", path)
    taken: set[str] = set()
    for where, one in indexed(source.get("sources"), f"{path}.sources"):
        given = [field for field, value in one.items() if isinstance(value, dict)]
        for extra in given[1:]:
            yield Cause.forbidden(f"{where}.{extra}", "may not specify more than 1 volume type")
        for kind in given[:1]:
            yield from _projection(kind, mapping(one[kind]), f"{where}.{kind}", taken)


def _projection(kind: str, source: Fields, path: str, taken: set[str]) -> Iterator[Cause]:
    if kind in ("secret", "configMap"):
        if not text(source.get("name")):
            yield Cause.required(f"{path}.name")
        yield from _files(source, path)
    elif kind == "downwardAPI":
        yield from _downward(source, path)
    elif kind == "serviceAccountToken":
        seconds = number(source.get("expirationSeconds"))
        if seconds is not None and seconds < 600:
            yield Cause.invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
        yield from _file_name(source, path)
    files = [item for _, item in indexed(source.get("items"), path)] or [source]
    for name in (text(item.get("path")) for item in files):
        if name and name in taken:
            yield Cause.invalid(path, name, "conflicting duplicate paths")
        taken.add(name)


def _nfs(source: Fields, path: str) -> Iterator[Cause]:
    for field in ("server", "path"):
        if not text(source.get(field)):
            yield Cause.required(f"{path}.{field}")
    if not text(source.get("path")).startswith("/"):
        yield Cause.invalid(f"{path}.path", text(source.get("path")), "must be an absolute path")


_CHECKS: dict[str, Callable[[Fields, str], Iterator[Cause]]] = {
    "hostPath": _host_path,
    "emptyDir": _empty_dir,
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "projected": _projected,
    "nfs": _nfs,
}


def local_path(given: str, field: str, *, reserved: bool = False) -> Iterator[Cause]:
    """A relative path that stays below; reserved: names beginning with `..` are the atomic writer's."""
    if given.startswith("/"):
        yield Cause.invalid(field, given, "must be a relative path")
    yield from no_backsteps(given, field)
    if reserved and given.startswith("..") and not given.startswith("../"):
        yield Cause.invalid(field, given, "must not start with '..'")


def no_backsteps(given: str, field: str) -> Iterator[Cause]:
    """A path that does not climb."""
    if ".." in given.split("/"):
        yield Cause.invalid(field, given, "must not contain '..'")
