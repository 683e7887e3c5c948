"""Volumes that are disks and shares of somebody else: what each must name, in a pod and in a PersistentVolume.

Source: pkg/apis/core/validation (the validation of each source; the two differ by secrets, which have a namespace
only in a PersistentVolume).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from procorch.kinds.fields import Fields, labels, mapping, number, text, texts
from procorch.names import dns_label, dns_subdomain
from procorch.objects import Cause

_LONGEST_DRIVER = 63
_LONGEST_ISCSI = 64  # characters of "volume:portal"
_PARTITION = "must be between 1 and 255, inclusive"  # so it says, and takes 0, too
_LUN = "must be between 0 and 255, inclusive"
_ISCSI_NAMES = {
    "iqn": re.compile(r"iqn\.\d{4}-\d{2}\.([a-zA-Z0-9.-]+)(:[^,;*&$|\s]+)\Z", re.ASCII),
    "eui": re.compile(r"\Aeui.[a-zA-Z0-9]{16}\Z", re.ASCII),
    "naa": re.compile(r"\Anaa.[a-zA-Z0-9]{32}\Z", re.ASCII),
}
#: source → the text fields that must be there
_REQUIRED: dict[str, tuple[str, ...]] = {
    "gcePersistentDisk": ("pdName",),
    "awsElasticBlockStore": ("volumeID",),
    "glusterfs": ("endpoints", "path"),
    "cinder": ("volumeID",),
    "flexVolume": ("driver",),
    "azureFile": ("secretName", "shareName"),
    "azureDisk": ("diskName", "diskURI"),
    "vsphereVolume": ("volumePath",),
    "photonPersistentDisk": ("pdID",),
    "portworxVolume": ("volumeID",),
    "scaleIO": ("gateway", "system", "volumeName"),
    "nfs": ("server", "path"),
    "iscsi": ("targetPortal",),
}
#: source → its last step in paths, where that is not its name
_SHOWN = {"gcePersistentDisk": "persistentDisk"}
#: references to secrets that a CSI volume of a PersistentVolume may have, and whose names are checked
_CSI_SECRETS = ("controllerPublishSecretRef", "controllerExpandSecretRef", "nodePublishSecretRef",
                "nodeExpandSecretRef")  # fmt: skip
_DISK_KINDS = ("Dedicated", "Managed", "Shared")
_CACHING = ("None", "ReadOnly", "ReadWrite")
_MANAGED = (
    "/subscriptions/{sub-id}/resourcegroups/{group-name}/providers/microsoft.compute/disks/{disk-id}"
)  # fmt: skip
_BLOB = "https://{account-name}.blob.core.windows.net/{container-name}/{disk-name}.vhd"


def validate_disk(name: str, source: Fields, where: str, *, volume: str, persistent: bool) -> Iterator[Cause]:
    """One source by its field's name. where: what it is in. volume: that one's name. persistent: of a
    PersistentVolume, not of a pod."""
    path = f"{where}.{_SHOWN.get(name, name)}"
    for field in _REQUIRED.get(name, ()):
        if not text(source.get(field)):
            yield Cause.required(f"{path}.{field}")
    if name == "iscsi":
        yield from _iscsi(source, path, volume=volume, persistent=persistent)
    if check := (_PERSISTENT.get(name) if persistent else None) or _CHECKS.get(name):
        yield from check(source, path)


def validate_driver_name(name: str, path: str) -> Iterator[Cause]:
    """The name by which volumes, nodes and attachments refer to a driver."""
    if not name:
        yield Cause.required(path)
        return
    if len(name.encode(errors="replace")) > _LONGEST_DRIVER:
        yield Cause.too_long(path, _LONGEST_DRIVER)
    for message in dns_subdomain(name.lower()):
        yield Cause.invalid(path, name, message)


def _partition(source: Fields, path: str) -> Iterator[Cause]:
    partition = number(source.get("partition")) or 0
    if not 0 <= partition <= 255:
        yield Cause.invalid(f"{path}.partition", partition, _PARTITION)


def _iscsi(source: Fields, path: str, *, volume: str, persistent: bool) -> Iterator[Cause]:
    portal, initiator = text(source.get("targetPortal")), source.get("initiatorName")
    too_long = initiator is not None and len(f"{volume}:{portal}") > _LONGEST_ISCSI
    message = (
        "Total length of <volume name>:<iscsi.targetPortal> must be under 64 characters "
        "if iscsi.initiatorName is specified."
    )
    if too_long and persistent:
        yield Cause.invalid(f"{path}.targetportal", portal, message)
    if not text(source.get("iqn")):
        yield Cause.required(f"{path}.iqn")
    else:
        yield from _iscsi_name(text(source["iqn"]), f"{path}.iqn", persistent=persistent)
    lun = number(source.get("lun")) or 0
    if not 0 <= lun <= 255:
        yield Cause.invalid(f"{path}.lun", lun, _LUN)
    secret = source.get("secretRef")
    if secret is None and (source.get("chapAuthDiscovery") is True or source.get("chapAuthSession") is True):
        yield Cause.required(f"{path}.secretRef")
    if persistent and isinstance(secret, dict) and not text(secret.get("name")):
        yield Cause.required(f"{path}.secretRef.name")
    if initiator is not None:
        yield from _iscsi_name(text(initiator), f"{path}.initiatorname", persistent=persistent)
    if too_long and not persistent:
        yield Cause.invalid(f"{path.rpartition('.')[0]}.name", volume, message)


def _iscsi_name(name: str, path: str, *, persistent: bool) -> Iterator[Cause]:
    form = _ISCSI_NAMES.get(name[:3])
    if form is None:
        beginnings = "" if persistent else " starting with iqn, eui, or naa"
        yield Cause.invalid(path, name, f"must be valid format{beginnings}")
    elif not form.search(name):
        yield Cause.invalid(path, name, "must be valid format")


def _fc(source: Fields, path: str) -> Iterator[Cause]:
    targets, ids = texts(source.get("targetWWNs")), texts(source.get("wwids"))
    if not targets and not ids:
        yield Cause.required(f"{path}.targetWWNs", "must specify either targetWWNs or wwids, but not both")
    if targets and ids:
        yield Cause.invalid(
            f"{path}.targetWWNs", targets, "targetWWNs and wwids can not be specified simultaneously"
        )  # fmt: skip
    if targets:
        lun = number(source.get("lun"))
        if lun is None:
            yield Cause.required(f"{path}.lun", "lun is required if targetWWNs is specified")
        elif not 0 <= lun <= 255:
            yield Cause.invalid(f"{path}.lun", lun, _LUN)


def _quobyte(source: Fields, path: str) -> Iterator[Cause]:
    registry = text(source.get("registry"))
    form = "must be a host:port pair or multiple pairs separated by commas"
    if not registry:
        yield Cause.required(f"{path}.registry", form)
    elif len(text(source.get("tenant"))) > 64:
        yield Cause.required(f"{path}.tenant", "must be a UUID and may not exceed a length of 64 characters")
    else:
        for pair in registry.split(","):
            if not re.fullmatch(r"(\[[^\[\]]*\]|[^:\[\]]*):[^:\[\]]*", pair):
                yield Cause.invalid(f"{path}.registry", registry, form)
    if not text(source.get("volume")):
        yield Cause.required(f"{path}.volume")


def _glusterfs_of_the_cluster(source: Fields, path: str) -> Iterator[Cause]:
    namespace = source.get("endpointsNamespace")
    if namespace == "":
        message = "if the endpointnamespace is set, it must be a valid namespace name"
        yield Cause.invalid(f"{path}.endpointsNamespace", namespace, message)
    elif namespace is not None:
        for message in dns_label(text(namespace)):
            yield Cause.invalid(f"{path}.endpointsNamespace", text(namespace), message)


def _flocker(source: Fields, path: str) -> Iterator[Cause]:
    name, uuid = text(source.get("datasetName")), text(source.get("datasetUUID"))
    if not name and not uuid:
        yield Cause.required(path, "one of datasetName and datasetUUID is required")
    if name and uuid:
        yield Cause.invalid(path, "resource", "datasetName and datasetUUID can not be specified simultaneously")
    if "/" in name:
        yield Cause.invalid(f"{path}.datasetName", name, "must not contain '/'")


def _rbd(source: Fields, path: str) -> Iterator[Cause]:
    yield from _monitors(source, path)
    if not text(source.get("image")):
        yield Cause.required(f"{path}.image")


def _monitors(source: Fields, path: str) -> Iterator[Cause]:
    if not source.get("monitors"):
        yield Cause.required(f"{path}.monitors")


def _flex(source: Fields, path: str) -> Iterator[Cause]:
    for key in labels(source.get("options")):
        group = f".{key.partition('/')[0].lower()}"
        if group.endswith((".kubernetes.io", ".k8s.io")):
            message = "kubernetes.io and k8s.io namespaces are reserved"
            yield Cause.invalid(f"{path}.options[{key}]", key, message)


def _azure_file_of_the_cluster(source: Fields, path: str) -> Iterator[Cause]:
    if source.get("secretNamespace") == "":
        yield Cause.required(f"{path}.secretNamespace")


def _azure_disk(source: Fields, path: str) -> Iterator[Cause]:
    uri, kind = text(source.get("diskURI")), source.get("kind")
    for field, choice in (("cachingMode", _CACHING), ("kind", _DISK_KINDS)):
        if source.get(field) is not None and source[field] not in choice:
            yield Cause.unsupported(f"{path}.{field}", source[field], choice)
    if kind == "Managed" and not uri.startswith("/subscriptions/"):
        yield Cause.unsupported(f"{path}.diskURI", uri, (_MANAGED,))
    if kind is not None and kind != "Managed" and not uri.startswith("https://"):
        yield Cause.unsupported(f"{path}.diskURI", uri, (_BLOB,))


def _storageos(source: Fields, path: str) -> Iterator[Cause]:
    if not text(source.get("volumeName")):
        yield Cause.required(f"{path}.volumeName")
    for field in ("volumeName", "volumeNamespace"):
        if given := text(source.get(field)):
            for message in dns_label(given):
                yield Cause.invalid(f"{path}.{field}", given, message)


def _secret(*fields: str) -> Callable[[Fields, str], Iterator[Cause]]:
    """secretRef, if it is there, has these."""

    def check(source: Fields, path: str) -> Iterator[Cause]:
        for field in fields if isinstance(source.get("secretRef"), dict) else ():
            if not text(source["secretRef"].get(field)):
                yield Cause.required(f"{path}.secretRef.{field}")

    return check


def _storageos_and(*fields: str) -> Callable[[Fields, str], Iterator[Cause]]:
    secret = _secret(*fields)

    def check(source: Fields, path: str) -> Iterator[Cause]:
        yield from _storageos(source, path)
        yield from secret(source, path)

    return check


def _nfs(source: Fields, path: str) -> Iterator[Cause]:
    if not text(source.get("path")).startswith("/"):
        yield Cause.invalid(f"{path}.path", text(source.get("path")), "must be an absolute path")


def _csi(source: Fields, path: str) -> Iterator[Cause]:
    yield from validate_driver_name(text(source.get("driver")), f"{path}.driver")
    secret = source.get("nodePublishSecretRef")
    if isinstance(secret, dict):
        if not text(secret.get("name")):
            yield Cause.required(f"{path}.nodePublishSecretRef.name")
        else:
            for message in dns_subdomain(text(secret["name"])):
                yield Cause.invalid(f"{path}.name", text(secret["name"]), message)


def _csi_of_the_cluster(source: Fields, path: str) -> Iterator[Cause]:
    yield from validate_driver_name(text(source.get("driver")), f"{path}.driver")
    if not text(source.get("volumeHandle")):
        yield Cause.required(f"{path}.volumeHandle")
    for secret in _CSI_SECRETS:
        if isinstance(source.get(secret), dict):
            yield from _secret_reference(mapping(source[secret]), f"{path}.{secret}")


def _secret_reference(secret: Fields, path: str) -> Iterator[Cause]:
    for field, form in (("name", dns_subdomain), ("namespace", dns_label)):
        given = text(secret.get(field))
        if not given:
            yield Cause.required(f"{path}.{field}")
        else:
            for message in form(given):
                yield Cause.invalid(f"{path}.{field}", given, message)


_CHECKS: dict[str, Callable[[Fields, str], Iterator[Cause]]] = {
    "gcePersistentDisk": _partition,
    "awsElasticBlockStore": _partition,
    "fc": _fc,
    "quobyte": _quobyte,
    "flocker": _flocker,
    "rbd": _rbd,
    "cephfs": _monitors,
    "cinder": _secret("name"),
    "flexVolume": _flex,
    "azureDisk": _azure_disk,
    "storageos": _storageos_and("name"),
    "nfs": _nfs,
    "csi": _csi,
}
#: what is asked instead, of a PersistentVolume
_PERSISTENT: dict[str, Callable[[Fields, str], Iterator[Cause]]] = {
    "glusterfs": _glusterfs_of_the_cluster,
    "cinder": _secret("name", "namespace"),
    "azureFile": _azure_file_of_the_cluster,
    "storageos": _storageos_and("name", "namespace"),
    "csi": _csi_of_the_cluster,
}
