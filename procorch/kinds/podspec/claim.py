"""What is asked of storage: in a PersistentVolumeClaim, and in the template of one.

Source: pkg/apis/core/validation (ValidatePersistentVolumeClaimSpec).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, part, same, text, texts, without
from procorch.kinds.podspec.resources import quantity_of
from procorch.kinds.podspec.scheduling import validate_selector
from procorch.names import dns_label, dns_subdomain
from procorch.objects import Cause

ACCESS_MODES = ("ReadOnlyMany", "ReadWriteMany", "ReadWriteOnce", "ReadWriteOncePod")
VOLUME_MODES = ("Block", "Filesystem")


def validate_claim_spec(spec: Fields, path: str) -> Iterator[Cause]:
    """What is asked, in a claim and in a template of claims."""
    yield from validate_access_modes(
        texts(spec.get("accessModes")), f"{path}.accessModes", "at least 1 access mode is required"
    )
    if spec.get("selector") is not None:
        yield from validate_selector(spec["selector"], f"{path}.selector")
    requests = part(spec, "resources", "requests")
    if "storage" not in requests:
        yield Cause.required(f"{path}.resources[storage]")
    else:
        yield from validate_positive(requests["storage"], f"{path}.resources[storage]")
    for field in ("storageClassName", "volumeAttributesClassName"):
        for message in dns_subdomain(text(spec[field])) if text(spec.get(field)) else ():
            yield Cause.invalid(f"{path}.{field}", text(spec[field]), message)
    if spec.get("volumeMode") is not None and spec["volumeMode"] not in VOLUME_MODES:
        yield Cause.unsupported(f"{path}.volumeMode", spec["volumeMode"], VOLUME_MODES)
    yield from _data_sources(spec, path)


def _data_sources(spec: Fields, path: str) -> Iterator[Cause]:
    source, reference = spec.get("dataSource"), spec.get("dataSourceRef")
    for field, given in (("dataSource", source), ("dataSourceRef", reference)):
        if isinstance(given, dict):
            yield from _data_source(given, f"{path}.{field}")
    if not isinstance(source, dict) or not isinstance(reference, dict):
        return
    if text(reference.get("namespace")):
        # the value is a Go path, which prints as nothing
        yield Cause.invalid(path, {}, "may not be specified when dataSourceRef.namespace is specified")
    elif not same(source, without(reference, ("namespace",))):
        yield Cause.invalid(path, {}, "must match dataSourceRef")


def _data_source(source: Fields, path: str) -> Iterator[Cause]:
    group, kind = text(source.get("apiGroup")), text(source.get("kind"))
    for field in ("name", "kind"):
        if not text(source.get(field)):
            yield Cause.required(f"{path}.{field}")
    if not group and kind != "PersistentVolumeClaim":
        yield Cause.invalid(path, kind, "must be 'PersistentVolumeClaim' when referencing the default apiGroup")
    for message in dns_subdomain(group) if group else ():
        yield Cause.invalid(f"{path}.apiGroup", group, message)
    for message in dns_label(text(source["namespace"])) if text(source.get("namespace")) else ():
        yield Cause.invalid(f"{path}.namespace", text(source["namespace"]), message)


def validate_access_modes(modes: list[str], path: str, needed: str) -> Iterator[Cause]:
    """Of a volume and of a claim. needed: what is said where there are none."""
    if not modes:
        yield Cause.required(path, needed)
    for mode in modes:
        if mode not in ACCESS_MODES:
            yield Cause.unsupported(path, mode, ACCESS_MODES)
    known = {mode for mode in modes if mode in ACCESS_MODES}
    if "ReadWriteOncePod" in known and len(known) > 1:
        yield Cause.forbidden(path, "may not use ReadWriteOncePod with other access modes")


def validate_positive(value: object, path: str) -> Iterator[Cause]:
    """A size: some, not none."""
    amount = quantity_of(value)
    if amount is not None and amount.amount <= 0:
        yield Cause.invalid(path, str(amount), "must be greater than zero")
