"""The plain kinds of core/v1: Namespace and ServiceAccount."""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import indexed, made, mapping, rows, text
from procorch.kinds.kind import Column, Kind
from procorch.names import dns_label, label_key
from procorch.objects import Cause, Object

NAME_LABEL = "kubernetes.io/metadata.name"


def default_namespace(namespace: Object) -> None:
    """Every namespace carries its name as a label, so that selectors can name it."""
    if name := text(mapping(namespace.get("metadata")).get("name")):
        made(namespace, "metadata", "labels")[NAME_LABEL] = name


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
    finalizers = mapping(namespace.get("spec")).get("finalizers")
    for one in finalizers if isinstance(finalizers, list) else ():
        for message in label_key(text(one)):
            yield Cause.invalid("spec.finalizers", text(one), message)
        if isinstance(one, str) and "/" not in one and one != "kubernetes":
            yield Cause.invalid(
                "spec.finalizers", one, "name is neither a standard finalizer name nor is it fully qualified"
            )


NAMESPACE = Kind(
    "Namespace", "namespaces",
    short_names=("ns",), namespaced=False, subresources=("status", "finalize"),
    verbs=("create", "delete", "get", "list", "patch", "update", "watch"),  # never all at once
    name_format=dns_label,
    default=default_namespace, prepare=prepare_namespace, validate=validate_namespace,
    columns=(NAME, Column("Status", ".status.phase"), AGE),
    fields={"status.phase": ".status.phase"},
)  # fmt: skip


def validate_service_account(account: Object, old: Object | None) -> Iterator[Cause]:
    for where, secret in indexed(account.get("imagePullSecrets"), "imagePullSecrets"):
        if not text(secret.get("name")):
            yield Cause.required(f"{where}.name")


SERVICE_ACCOUNT = Kind(
    "ServiceAccount", "serviceaccounts",
    short_names=("sa",), subresources=("token",),
    validate=validate_service_account,
    columns=(NAME, Column("Secrets", lambda obj, now: len(rows(obj.get("secrets"))), "integer"), AGE),
)  # fmt: skip
