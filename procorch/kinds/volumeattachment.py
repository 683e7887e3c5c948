"""VolumeAttachment: a volume is to be attached to a node, or is.

Source: pkg/apis/storage/validation, pkg/registry/storage/volumeattachment, pkg/printers (printVolumeAttachment).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import made, mapping, number, part, same, text
from procorch.kinds.kind import ALL_METADATA, Column, Kind
from procorch.kinds.persistentvolume import default_spec, validate_spec
from procorch.kinds.podspec.disks import validate_driver_name
from procorch.names import dns_subdomain
from procorch.objects import Cause, Object

_LARGEST_METADATA, _LONGEST_MESSAGE = 256 * 1024, 1024


def default(attachment: Object) -> None:
    source = part(made(attachment, "spec"), "source")
    if isinstance(source.get("inlineVolumeSpec"), dict):
        default_spec(source["inlineVolumeSpec"])


def prepare(attachment: Object, old: Object | None) -> None:
    """The status is the attacher's."""
    attachment["status"] = {"attached": False} if old is None else old.get("status", {"attached": False})


def validate(attachment: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(attachment, "spec")
    if old is not None:
        if not same(spec, part(old, "spec")):
            yield Cause.invalid("spec", spec, "field is immutable")
    else:
        yield from _spec(attachment)
    status = part(attachment, "status")
    metadata = mapping(status.get("attachmentMetadata"))
    size = sum(len(str(one).encode(errors="replace")) for pair in metadata.items() for one in pair)
    if size > _LARGEST_METADATA:
        yield Cause.too_long("status.attachmentMetadata", _LARGEST_METADATA)
    for field in ("attachError", "detachError"):
        error = part(status, field)
        if len(text(error.get("message")).encode(errors="replace")) > _LONGEST_MESSAGE:
            yield Cause.too_long(f"status.{field}.message", _LARGEST_METADATA)  # Kubernetes names this limit
        code = number(error.get("errorCode"))
        if code is not None and code < 0:
            yield Cause.invalid(f"status.{field}.errorCode", code, "must be between 0 and 2147483647, inclusive")


def _spec(attachment: Object) -> Iterator[Cause]:
    spec, source = part(attachment, "spec"), part(attachment, "spec", "source")
    attacher, node = text(spec.get("attacher")), text(spec.get("nodeName"))
    yield from validate_driver_name(attacher, "spec.attacher")
    named, inline = source.get("persistentVolumeName"), source.get("inlineVolumeSpec")
    only_one = "must specify exactly one of inlineVolumeSpec and persistentVolumeName"
    if inline is None and named is None:
        yield Cause.required("spec.source", only_one)
    elif inline is not None and named is not None:
        yield Cause.forbidden("spec.source", only_one)
    elif named == "":
        yield Cause.required("spec.source.persistentVolumeName", "must specify non empty persistentVolumeName")
    elif inline is not None:
        yield from validate_spec(mapping(inline), "spec.source.inlineVolumeSpec", inline=True)
    for message in dns_subdomain(node):
        yield Cause.invalid("spec.nodeName", node, message)
    for message in dns_subdomain(text(named)) if named is not None else ():
        yield Cause.invalid("spec.source.persistentVolumeName", text(named), message)


def _volume(attachment: Object, now: float) -> str:
    return text(part(attachment, "spec", "source").get("persistentVolumeName"))


KIND = Kind(
    "VolumeAttachment", "volumeattachments", shows_deleted=True, group="storage.k8s.io", namespaced=False,
    subresources=("status",), unconditional=False, status_keeps=ALL_METADATA,
    default=default, prepare=prepare, validate=validate,
    columns=(
        NAME,
        Column("Attacher", ".spec.attacher", format="name"),
        Column("PV", _volume),
        Column("Node", ".spec.nodeName"),
        Column("Attached", lambda obj, now: part(obj, "status").get("attached") is True, "boolean"),
        AGE,
    ),
)  # fmt: skip
