"""The plain kinds of core/v1: Namespace, ServiceAccount and ComponentStatus."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, fill_text, labels, made, mapping, part, rows, text, texts
from procorch.kinds.kind import Column, Kind, Part
from procorch.names import dns_label, label_key
from procorch.objects import Cause, Object

NAME_LABEL = "kubernetes.io/metadata.name"


def default_namespace(namespace: Object) -> None:
    """Every namespace carries its name as a label, so that selectors can name it."""
    if name := text(mapping(namespace.get("metadata")).get("name")):
        made(namespace, "metadata", "labels")[NAME_LABEL] = name
    fill_text(made(namespace, "status"), "phase", "Active")


def prepare_namespace(namespace: Object, old: Object | None) -> None:
    """Active from the first; who empties it takes the finalizer away through the finalize subresource."""
    if old is None:
        finalizers = mapping(namespace.get("spec")).get("finalizers")
        given = [one for one in finalizers if one != "kubernetes"] if isinstance(finalizers, list) else []
        made(namespace, "spec")["finalizers"] = [*given, "kubernetes"]
        namespace["status"] = {"phase": "Active"}
    else:
        made(namespace, "spec")["finalizers"] = mapping(old.get("spec")).get("finalizers", [])
        namespace["status"] = old.get("status", {"phase": "Active"})


def validate_namespace(namespace: Object, old: Object | None) -> Iterator[Cause]:
    if old is None:
        yield from _finalizers(namespace, lambda index: "spec.finalizers")


def validate_finalize(namespace: Object, old: Object) -> Iterator[Cause]:
    yield from _finalizers(namespace, lambda index: f"spec.finalizers[{index}]")


def _finalizers(namespace: Object, path: Callable[[int], str]) -> Iterator[Cause]:
    for index, one in enumerate(texts(part(namespace, "spec").get("finalizers"))):
        for message in label_key(one):
            yield Cause.invalid(path(index), one, message)
        if "/" not in one and one != "kubernetes":
            yield Cause.invalid(path(index), one, "name is neither a standard finalizer name nor is it fully qualified")


def validate_phase(namespace: Object, old: Object) -> Iterator[Cause]:
    """The phase tells only whether it is being deleted."""
    phase, deleting = part(namespace, "status").get("phase"), part(namespace, "metadata").get("deletionTimestamp")
    if deleting is None and phase != "Active":
        yield Cause.invalid("status.Phase", text(phase), "may only be 'Active' if `deletionTimestamp` is empty")
    if deleting is not None and phase != "Terminating":
        yield Cause.invalid(
            "status.Phase", text(phase), "may only be 'Terminating' if `deletionTimestamp` is not empty"
        )


NAMESPACE = Kind(
    "Namespace", "namespaces",
    short_names=("ns",), namespaced=False, subresources=("status", "finalize"),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),  # never all at once
    name_format=dns_label,
    default=default_namespace, prepare=prepare_namespace, validate=validate_namespace,
    parts={"status": Part(validate=validate_phase), "finalize": Part(validate=validate_finalize)},
    columns=(NAME, Column("Status", ".status.phase"), AGE),
    fields={"status.phase": ".status.phase"},
)  # fmt: skip


def prepare_service_account(account: Object, old: Object | None) -> None:
    """Of its Secrets only the names are kept: they are in its own namespace.

    Source: pkg/registry/core/serviceaccount/strategy.go.
    """
    for secret in rows(account.get("secrets")):
        for field in [field for field in secret if field != "name"]:
            del secret[field]


def warn_service_account(account: Object, old: Object | None) -> Iterator[str]:
    mark = "kubernetes.io/enforce-mountable-secrets"
    now, before = (labels(part(one, "metadata").get("annotations")) for one in (account, old))
    if mark in now and mark not in before:
        detail = "deprecated in v1.32+; prefer separate namespaces to isolate access to mounted secrets"
        yield f"metadata.annotations[{mark}]: {detail}"


SERVICE_ACCOUNT = Kind(
    "ServiceAccount", "serviceaccounts", shows_deleted=True,
    short_names=("sa",), subresources=("token",),
    prepare=prepare_service_account, warn=warn_service_account,
    columns=(NAME, AGE),
)  # fmt: skip


def _health(component: Object) -> Fields:
    return next((row for row in rows(component.get("conditions")) if row.get("type") == "Healthy"), {})


def _component_status(component: Object, now: float) -> str:
    health = _health(component)
    return ("Healthy" if health.get("status") == "True" else "Unhealthy") if health else "Unknown"


COMPONENT_STATUS = Kind(
    "ComponentStatus", "componentstatuses",
    short_names=("cs",), namespaced=False, verbs=("get", "list"),  # it is asked for, never stored
    columns=(
        NAME,
        Column("Status", _component_status),
        Column("Message", lambda obj, now: text(_health(obj).get("message"))),
        Column("Error", lambda obj, now: text(_health(obj).get("error"))),
    ),
)  # fmt: skip
