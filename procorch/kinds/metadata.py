"""The metadata of every object: names, labels, annotations, owners, finalizers; and names made by the server.

Source: apimachinery pkg/api/validation/objectmeta.go; pkg/apis/core/validation (ValidateObjectMeta); apiserver
pkg/storage/names (generateName).
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, islice
from random import Random
from typing import Any

from procorch.kinds.fields import Fields, labels, mapping, number, rows, same, text, texts
from procorch.kinds.kind import Kind
from procorch.names import NameFormat, dns_label, label_key, label_value
from procorch.objects import MOST_CAUSES, Cause, Object

ANNOTATIONS_LIMIT = 256 * 1024
LETTERS = "bcdfghjklmnpqrstvwxz2456789"  # no vowels: no words by accident
_SUFFIX, _LONGEST = 5, 63
_OWN_GROUP = "procorch.dev"
_STANDARD_FINALIZERS = ("kubernetes", "orphan", "foregroundDeletion")
_IMMUTABLE = ("name", "namespace", "uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds")


def generated_name(base: str, random: Random) -> str:
    """A name for metadata.generateName: the base, cut to 58 characters, and five letters."""
    return base[: _LONGEST - _SUFFIX] + "".join(random.choice(LETTERS) for _ in range(_SUFFIX))


def validate_metadata(kind: Kind, obj: Object, old: Object | None) -> list[Cause]:
    """What is wrong with an object's metadata; `old` is the object as it stands for an update, None for a create.

    Names must have been generated and the namespace been filled in from the URL before.
    """
    metadata = mapping(obj.get("metadata"))
    first = _names(kind, metadata) if old is None else _update(metadata, mapping(old.get("metadata")))
    return list(islice(chain(first, _common(kind, metadata)), MOST_CAUSES + 1))  # of 100,000 bad labels not all


def validate_name(field: str, name: str, format: NameFormat, *, prefix: bool = False) -> list[Cause]:
    """prefix: the name is only a beginning, so that a dash may end it."""
    if prefix and len(name) > 1 and name.endswith("-"):
        name_checked = name[:-1] + "a"
        return [Cause.invalid(field, name, message) for message in format(name_checked)]
    return [Cause.invalid(field, name, message) for message in format(name)]


def _names(kind: Kind, metadata: Fields) -> Iterator[Cause]:
    name, base, namespace = (text(metadata.get(field)) for field in ("name", "generateName", "namespace"))
    if base:
        yield from validate_name("metadata.generateName", base, kind.name_format, prefix=True)
    if not name:
        yield Cause.required("metadata.name", "name or generateName is required")
    else:
        yield from validate_name("metadata.name", name, kind.name_format)
    if not kind.namespaced:
        if namespace:
            yield Cause.forbidden("metadata.namespace", "not allowed on this type")
    elif not namespace:
        yield Cause.required("metadata.namespace")
    else:
        yield from validate_name("metadata.namespace", namespace, dns_label)


def _update(new: Fields, old: Fields) -> Iterator[Cause]:
    if old.get("deletionTimestamp"):
        added = sorted(set(texts(new.get("finalizers"))) - set(texts(old.get("finalizers"))))
        if added:
            listed = ", ".join(f'"{one}"' for one in added)
            yield Cause.forbidden(
                "metadata.finalizers",
                "no new finalizers can be added if the object is being deleted, "
                f"found new finalizers []string{{{listed}}}",
            )
    before, after = number(old.get("generation")) or 0, number(new.get("generation")) or 0
    if after < before:
        yield Cause.invalid("metadata.generation", after, "must not be decremented")
    for field in _IMMUTABLE:
        if not same(new.get(field), old.get(field)):
            yield Cause.invalid(f"metadata.{field}", new.get(field), "field is immutable")


def _common(kind: Kind, metadata: Fields) -> Iterator[Cause]:
    if (number(metadata.get("generation")) or 0) < 0:
        yield Cause.invalid("metadata.generation", metadata["generation"], "must be greater than or equal to 0")
    yield from validate_labels(metadata.get("labels"), "metadata.labels")
    yield from validate_annotations(metadata.get("annotations"), "metadata.annotations")
    yield from _owners(metadata.get("ownerReferences"))
    yield from _finalizers(kind, metadata.get("finalizers"))


def validate_labels(value: object, path: str) -> Iterator[Cause]:
    """Every key and value of labels, a node selector or a selector's map."""
    for key, one in labels(value).items():
        for message in label_key(key):
            yield Cause.invalid(path, key, message)
        for message in label_value(one):
            yield Cause.invalid(path, one, message)


def validate_annotations(value: object, path: str) -> Iterator[Cause]:
    """Keys as labels' but in any case; values are free, all together 256 KiB."""
    pairs = labels(value)
    for key in pairs:
        for message in label_key(key.lower()):
            yield Cause.invalid(path, key, message)
    size = sum(len(key.encode(errors="replace")) + len(one.encode(errors="replace")) for key, one in pairs.items())
    if size > ANNOTATIONS_LIMIT:
        yield Cause.too_long(path, ANNOTATIONS_LIMIT)


def _owners(value: object) -> Iterator[Cause]:
    first = ""
    path = "metadata.ownerReferences"  # Kubernetes does not say which
    for owner in rows(value):
        version = text(owner.get("apiVersion"))
        if version.count("/") > 1:
            yield Cause.invalid(f"{path}.apiVersion", version, f"unexpected GroupVersion string: {version}")
        elif not version.rpartition("/")[2]:
            yield Cause.invalid(f"{path}.apiVersion", version, "version must not be empty")
        for field in ("kind", "name", "uid"):
            if not text(owner.get(field)):
                yield Cause.invalid(f"{path}.{field}", "", "must not be empty")
        if version == "v1" and owner.get("kind") == "Event":
            yield Cause.invalid(path, owner, "/v1, Kind=Event is disallowed from being an owner")
        if owner.get("controller") is True:
            this = f"{owner.get('kind')}/{owner.get('name')}"
            if first:
                yield Cause.invalid(
                    path,
                    rows(value),
                    "Only one reference can have Controller set to true. "
                    f'Found "true" in references for {first} and {this}',
                )
            first = first or this


def _finalizers(kind: Kind, value: object) -> Iterator[Cause]:
    names: list[Any] = texts(value)
    for name in names:
        for message in label_key(name):
            yield Cause.invalid("metadata.finalizers", name, message)
    if "orphan" in names and "foregroundDeletion" in names:
        yield Cause.invalid("metadata.finalizers", names, "finalizer orphan and foregroundDeletion cannot be both set")
    if kind.group != _OWN_GROUP:  # Kubernetes is as strict with its own kinds, not with those that are added to it
        for index, name in enumerate(names):
            if "/" not in name and name not in _STANDARD_FINALIZERS:
                message = "name is neither a standard finalizer name nor is it fully qualified"
                yield Cause.invalid(f"metadata.finalizers[{index}]", name, message)
