"""Namespaces and service accounts."""

from __future__ import annotations

import copy

from procorch.kinds import KINDS
from procorch.objects import Object

NAMESPACE: Object = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}


def test_a_namespace_carries_its_name_as_a_label_and_is_active(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(NAMESPACE)

    assert problems == []
    assert made == {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": "shop", "labels": {"kubernetes.io/metadata.name": "shop"}},
        "spec": {"finalizers": ["kubernetes"]},
        "status": {"phase": "Active"},
    }


def test_an_update_neither_ends_a_namespace_nor_takes_its_finalizer(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(NAMESPACE)
    new = {**copy.deepcopy(NAMESPACE), "spec": {"finalizers": []}, "status": {"phase": "Terminating"}}

    made, problems = enter(new, old)

    assert problems == []
    assert made == old


def test_a_namespace_is_a_label(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter({**NAMESPACE, "metadata": {"name": "a.b"}})[1] == [
        'metadata.name: Invalid value: "a.b": must not contain dots'
    ]


def test_namespaces_are_never_deleted_all_at_once() -> None:
    assert "deletecollection" not in KINDS["Namespace"].verbs


def test_a_service_account_may_name_secrets_and_pull_secrets(enter) -> None:  # type: ignore[no-untyped-def]
    account = {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": {"name": "a", "namespace": "n"}}

    made, problems = enter({**account, "secrets": [{"name": "s", "namespace": "elsewhere"}], "imagePullSecrets": [{}]})

    assert problems == []
    assert made["secrets"] == [{"name": "s"}]
