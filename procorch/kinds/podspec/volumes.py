"""Volumes of a pod: their names and sources.

Sources that this node cannot mount are accepted: the pod's events tell (FailedMount), as on a node without the plugin.
Source: pkg/apis/core/validation (ValidateVolumes and the validation of each source).
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator

from procorch.kinds.fields import Fields, indexed, mapping, number, rows, text
from procorch.kinds.metadata import validate_annotations, validate_labels
from procorch.kinds.podspec.claim import validate_claim_spec
from procorch.kinds.podspec.containers import PULL_POLICIES
from procorch.kinds.podspec.disks import validate_disk
from procorch.kinds.podspec.environment import field_reference, resource_reference
from procorch.kinds.podspec.paths import local_path, no_backsteps
from procorch.kinds.podspec.resources import quantity_of
from procorch.names import dns_label, dns_subdomain
from procorch.objects import Cause

_MODE_RANGE = "must be a number between 0 and 0777 (octal), both inclusive"
_HOST_PATH_TYPES = (
    "", "BlockDevice", "CharDevice", "Directory", "DirectoryOrCreate", "File", "FileOrCreate", "Socket",
)  # fmt: skip
#: in the order in which Kubernetes looks at them: the first that is there is the one
_SOURCES = (
    "emptyDir", "hostPath", "gitRepo", "gcePersistentDisk", "awsElasticBlockStore", "secret", "nfs", "iscsi",
    "glusterfs", "flocker", "persistentVolumeClaim", "rbd", "cinder", "cephfs", "quobyte", "downwardAPI", "fc",
    "flexVolume", "configMap", "azureFile", "vsphereVolume", "photonPersistentDisk", "portworxVolume", "azureDisk",
    "storageos", "projected", "scaleIO", "csi", "ephemeral", "image",
)  # fmt: skip
#: paths in which Kubernetes misspells a second source
_MISSPELLED = {"cephfs": "cephFS", "downwardAPI": "downwarAPI"}
_LONGEST_TOKEN = 2**32  # seconds
#: fields that Go names otherwise
_GO_NAMES = {"uid": "uID"}
_FIELD_PATHS = ("metadata.name", "metadata.namespace", "metadata.uid", "metadata.labels", "metadata.annotations")


def validate_volumes(value: object, path: str, pod: str, valid: dict[str, Fields]) -> Iterator[Cause]:
    """spec.volumes: each has a name of its own and exactly one source.

    pod: its name, "" in a template. valid: gets those in which nothing is wrong, by name: only they can be mounted.
    """
    claims = {f"{pod}-{text(one.get('name'))}" for one in rows(value) if pod and one.get("ephemeral") is not None}
    for where, volume in indexed(value, path):
        name = text(volume.get("name"))
        causes = [*_sources(volume, where, pod), *_name(name, f"{where}.name", valid)]
        yield from causes
        if not causes:
            valid[name] = volume
        claim = text(mapping(volume.get("persistentVolumeClaim")).get("claimName"))
        if claim in claims:
            message = "must not reference a PVC that gets created for an ephemeral volume"
            yield Cause.invalid(f"{where}.persistentVolumeClaim.claimName", claim, message)


def _name(name: str, path: str, taken: Collection[str]) -> Iterator[Cause]:
    if not name:
        yield Cause.required(path)
    else:
        for message in dns_label(name):
            yield Cause.invalid(path, name, message)
    if name in taken:
        yield Cause.duplicate(path, name)


def _sources(volume: Fields, path: str, pod: str) -> Iterator[Cause]:
    found = [source for source in _SOURCES if isinstance(volume.get(source), dict)]
    if not found:
        yield Cause.required(path, "must specify a volume type")
    for source in found[:1]:
        yield from _source(source, volume, path, pod)
    for source in found[1:]:
        yield Cause.forbidden(f"{path}.{_MISSPELLED.get(source, source)}", "may not specify more than 1 volume type")


def _source(source: str, volume: Fields, path: str, pod: str) -> Iterator[Cause]:
    name = text(volume.get("name"))
    if source == "image" and pod and not text(volume[source].get("reference")):
        yield Cause.required(f"{path}.image.reference")
    if check := _CHECKS.get(source):
        yield from check(volume[source], f"{path}.{source}")
    else:
        yield from validate_disk(source, volume[source], path, volume=name, persistent=False)
    if source == "ephemeral" and pod and name:
        for message in dns_subdomain(f"{pod}-{name}"):
            yield Cause.invalid(f"{path}.name", name, f'PVC name "{pod}-{name}": {message}')


def _git(source: Fields, path: str) -> Iterator[Cause]:
    if not text(source.get("repository")):
        yield Cause.required(f"{path}.repository")
    yield from local_path(text(source.get("directory")), f"{path}.directory")


def _claim(source: Fields, path: str) -> Iterator[Cause]:
    if not text(source.get("claimName")):
        yield Cause.required(f"{path}.claimName")


def _ephemeral(source: Fields, path: str) -> Iterator[Cause]:
    template, where = source.get("volumeClaimTemplate"), f"{path}.volumeClaimTemplate"
    if not isinstance(template, dict):
        yield Cause.required(where)
        return
    metadata = mapping(template.get("metadata"))
    yield from validate_annotations(metadata.get("annotations"), f"{where}.metadata.annotations")
    yield from validate_labels(metadata.get("labels"), f"{where}.metadata.labels")
    for field in metadata:
        if field not in ("labels", "annotations"):
            yield Cause.forbidden(f"{where}.metadata.{_GO_NAMES.get(field, field)}", "cannot be set")
    yield from validate_claim_spec(mapping(template.get("spec")), f"{where}.spec")


def _image(source: Fields, path: str) -> Iterator[Cause]:
    policy = text(source.get("pullPolicy"))
    if not policy:
        yield Cause.required(f"{path}.pullPolicy")
    elif policy not in PULL_POLICIES:
        yield Cause.unsupported(f"{path}.pullPolicy", policy, PULL_POLICIES)


def validate_host_path(source: Fields, path: str) -> Iterator[Cause]:
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
        yield from _key_to_path(item, where)


def _key_to_path(item: Fields, path: str) -> Iterator[Cause]:
    if not text(item.get("key")):
        yield Cause.required(f"{path}.key")
    yield from _file_name(item, path)
    yield from _mode(item, "mode", path)


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
    yield from _mode(source, "defaultMode", path)
    for item in rows(source.get("items")):
        yield from _downward_file(item, path)


def _downward_file(item: Fields, path: str) -> Iterator[Cause]:
    """path: of the source: Kubernetes leaves out which item it is."""
    yield from _file_name(item, path)
    by_field, by_resource = item.get("fieldRef"), item.get("resourceFieldRef")
    if isinstance(by_field, dict):
        yield from field_reference(by_field, _FIELD_PATHS, f"{path}.fieldRef")
        if isinstance(by_resource, dict):
            yield Cause.invalid(path, "resource", "fieldRef and resourceFieldRef can not be specified simultaneously")
    elif isinstance(by_resource, dict):
        yield from resource_reference(by_resource, f"{path}.resourceFieldRef", in_volume=True)
    else:
        yield Cause.required(path, "one of fieldRef and resourceFieldRef is required")
    yield from _mode(item, "mode", path)


def _projected(source: Fields, path: str) -> Iterator[Cause]:
    yield from _mode(source, "defaultMode", path)
    taken: set[str] = set()
    for where, one in indexed(source.get("sources"), f"{path}.sources"):
        given = [kind for kind in _PROJECTIONS if isinstance(one.get(kind), dict)]
        for kind in given:
            yield from _PROJECTIONS[kind](one[kind], f"{where}.{kind}", path, taken)
        if len(given) > 1:
            yield Cause.forbidden(where, "may not specify more than 1 volume type per source")


def _no_conflict(file: str, shown: str, volume: str, taken: set[str]) -> Iterator[Cause]:
    """Two sources do not make the same file. shown: what the message names. volume: the volume's path."""
    if file in taken:
        yield Cause.invalid(volume, shown, "conflicting duplicate paths")
    taken.add(file)


def _projected_files(source: Fields, path: str, volume: str, taken: set[str]) -> Iterator[Cause]:
    name = text(source.get("name"))
    if not name:
        yield Cause.required(f"{path}.name")
    for where, item in indexed(source.get("items"), f"{path}.items"):
        yield from _key_to_path(item, where)
        if file := text(item.get("path")):
            yield from _no_conflict(file, name, volume, taken)


def _projected_downward(source: Fields, path: str, volume: str, taken: set[str]) -> Iterator[Cause]:
    for item in rows(source.get("items")):
        yield from _downward_file(item, path)
        if file := text(item.get("path")):
            yield from _no_conflict(file, file, volume, taken)


def _projected_token(source: Fields, path: str, volume: str, taken: set[str]) -> Iterator[Cause]:
    seconds, file = number(source.get("expirationSeconds")) or 0, text(source.get("path"))
    if seconds < 600:
        yield Cause.invalid(f"{path}.expirationSeconds", seconds, "may not specify a duration less than 10 minutes")
    if seconds > _LONGEST_TOKEN:
        message = "may not specify a duration larger than 2^32 seconds"
        yield Cause.invalid(f"{path}.expirationSeconds", seconds, message)
    if not file:
        yield Cause.required(f"{volume}.path")
    else:
        yield from local_path(file, f"{volume}.path", reserved=True)


_PROJECTIONS: dict[str, Callable[[Fields, str, str, set[str]], Iterator[Cause]]] = {
    "secret": _projected_files,
    "configMap": _projected_files,
    "downwardAPI": _projected_downward,
    "serviceAccountToken": _projected_token,
}
_CHECKS: dict[str, Callable[[Fields, str], Iterator[Cause]]] = {
    "hostPath": validate_host_path,
    "emptyDir": _empty_dir,
    "gitRepo": _git,
    "secret": _secret,
    "configMap": _config_map,
    "downwardAPI": _downward,
    "projected": _projected,
    "persistentVolumeClaim": _claim,
    "ephemeral": _ephemeral,
    "image": _image,
}
