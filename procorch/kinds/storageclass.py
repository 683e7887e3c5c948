"""StorageClass and VolumeAttributesClass: kinds of volumes that somebody can make, and what of them can be changed.

Source: pkg/apis/storage/v1/defaults.go, pkg/apis/storage/validation, pkg/printers (printStorageClass).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, fill, indexed, labels, mapping, part, same, text, texts
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.warnings import DEPRECATED_LABELS
from procorch.names import label_key
from procorch.objects import Cause, Object

_GROUP = "storage.k8s.io"
#: annotations by which claims that name no class get this one
DEFAULT_MARKS = ("storageclass.kubernetes.io/is-default-class", "storageclass.beta.kubernetes.io/is-default-class")
_ATTRIBUTES_DEFAULT = ("volumeattributesclass.alpha.kubernetes.io/is-default-class",)
_RECLAIM_POLICIES = ("Delete", "Retain")
_BINDING_MODES = ("Immediate", "WaitForFirstConsumer")
_MOST_PARAMETERS, _LARGEST_PARAMETERS = 512, 256 * 1024


def _is_marked(obj: Object, marks: tuple[str, ...]) -> bool:
    annotations = labels(part(obj, "metadata").get("annotations"))
    return any(annotations.get(mark) == "true" for mark in marks)


def default(storage_class: Object) -> None:
    fill(storage_class, "reclaimPolicy", "Delete")
    fill(storage_class, "volumeBindingMode", "Immediate")


def validate(storage_class: Object, old: Object | None) -> Iterator[Cause]:
    yield from _provisioner(text(storage_class.get("provisioner")), "provisioner")
    yield from _parameters(mapping(storage_class.get("parameters")))
    policy, mode = text(storage_class.get("reclaimPolicy")), text(storage_class.get("volumeBindingMode"))
    if policy and policy not in _RECLAIM_POLICIES:
        yield Cause.unsupported("reclaimPolicy", policy, _RECLAIM_POLICIES)
    if mode not in _BINDING_MODES:
        yield Cause.unsupported("volumeBindingMode", mode, _BINDING_MODES)
    yield from _topologies(storage_class.get("allowedTopologies"))
    if old is None:
        return
    for field in ("parameters", "provisioner", "reclaimPolicy"):
        if not same(storage_class.get(field), old.get(field)):
            shown = storage_class.get(field, "" if field == "provisioner" else None)
            yield Cause.invalid(field, shown, "field is immutable")
    if mode != old.get("volumeBindingMode"):
        yield Cause.invalid("volumeBindingMode", mode, "field is immutable")


def warn(storage_class: Object, old: Object | None) -> Iterator[str]:
    for where, term in indexed(storage_class.get("allowedTopologies"), "allowedTopologies"):
        for at, row in indexed(term.get("matchLabelExpressions"), f"{where}.matchLabelExpressions"):
            if message := DEPRECATED_LABELS.get(text(row.get("key"))):
                yield f"{at}.key: {message}"


def _provisioner(name: str, path: str) -> Iterator[Cause]:
    if not name:
        yield Cause.required(path)
    for message in label_key(name.lower()) if name else ():
        yield Cause.invalid(path, name.lower(), message)


def _parameters(parameters: Fields) -> Iterator[Cause]:
    if len(parameters) > _MOST_PARAMETERS:
        yield Cause.too_long("parameters", _MOST_PARAMETERS)
        return
    if "" in parameters:
        yield Cause.invalid("parameters", "", "field can not be empty.")
    size = sum(len(str(one).encode(errors="replace")) for pair in parameters.items() for one in pair)
    if size > _LARGEST_PARAMETERS:
        yield Cause.too_long("parameters", _LARGEST_PARAMETERS)


def _topologies(value: object) -> Iterator[Cause]:
    seen: list[dict[str, set[str]]] = [{}]  # a term without any is taken for one that was there, as by Kubernetes
    for where, term in indexed(value, "allowedTopologies"):
        path, found = f"{where}.matchLabelExpressions", dict[str, set[str]]()
        for at, row in indexed(term.get("matchLabelExpressions"), path):
            key, values = text(row.get("key")), texts(row.get("values"))
            if not values:
                yield Cause.required(f"{at}.values")
            for index, one in enumerate(values):
                if one in values[:index]:
                    yield Cause.duplicate(f"{at}.values[{index}]", one)
            for message in label_key(key):
                yield Cause.invalid(f"{at}.key", key, message)
            if key in found:
                yield Cause.duplicate(f"{at}.key", key)
            found[key] = set(values)
        if found in seen:
            yield Cause.duplicate(path, "")
        seen.append(found)


def validate_attributes(attributes: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None:
        for field in ("driverName", "parameters"):
            if not same(attributes.get(field), old.get(field)):
                yield Cause.forbidden(field, f"updates to {field} are forbidden.")
    yield from _provisioner(text(attributes.get("driverName")), "driverName")
    parameters = mapping(attributes.get("parameters"))
    yield from _parameters(parameters)
    if not parameters:
        yield Cause.required("parameters", "must contain at least one key/value pair")


def _name(marks: tuple[str, ...]) -> Column:
    def cell(obj: Object, now: float) -> str:
        name = text(part(obj, "metadata").get("name"))
        return f"{name} (default)" if _is_marked(obj, marks) else name

    return Column(NAME.name, cell, format=NAME.format)


KIND = Kind(
    "StorageClass", "storageclasses", shows_deleted=True, group=_GROUP, namespaced=False,
    short_names=("sc",),
    default=default, validate=validate, warn=warn,
    columns=(
        _name(DEFAULT_MARKS),
        Column("Provisioner", ".provisioner"),
        Column("ReclaimPolicy", ".reclaimPolicy"),
        Column("VolumeBindingMode", ".volumeBindingMode"),
        Column("AllowVolumeExpansion", lambda obj, now: obj.get("allowVolumeExpansion") is True),
        AGE,
    ),
)  # fmt: skip
ATTRIBUTES = Kind(
    "VolumeAttributesClass", "volumeattributesclasses", shows_deleted=True, group=_GROUP, namespaced=False,
    short_names=("vac",),
    validate=validate_attributes,
    columns=(_name(_ATTRIBUTES_DEFAULT), Column("DriverName", ".driverName"), AGE),
)  # fmt: skip
