"""Roles and bindings: rules that say what, subjects that say who."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

GROUP = "rbac.authorization.k8s.io"


def of(kind: str, **fields: Any) -> Object:
    metadata = {"name": "a:b"} if kind.startswith("Cluster") else {"name": "a:b", "namespace": "default"}
    return {"apiVersion": f"{GROUP}/v1", "kind": kind, "metadata": metadata, **fields}


RULE = {"verbs": ["get"], "apiGroups": [""], "resources": ["pods"]}
ROLE = {"kind": "ClusterRole", "name": "view"}


@pytest.mark.parametrize("kind", ["Role", "ClusterRole"])
def test_a_role_is_stored_as_it_is(enter, kind: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(of(kind, rules=[RULE])) == (of(kind, rules=[RULE]), [])


def test_a_role_that_gathers_others_keeps_saying_so(enter) -> None:  # type: ignore[no-untyped-def]
    rule = {"clusterRoleSelectors": [{"matchLabels": {"aggregate": "true"}}]}

    assert enter(of("ClusterRole", aggregationRule=rule))[0]["aggregationRule"] == rule
    assert enter(of("ClusterRole", aggregationRule={}))[1] == [
        "aggregationRule.clusterRoleSelectors: Required value: "
        "at least one clusterRoleSelector required if aggregationRule is non-nil"
    ]


@pytest.mark.parametrize(
    ("kind", "rule", "problem"),
    [
        ("Role", {**RULE, "verbs": []}, "verbs: Required value: verbs must contain at least one value"),
        (
            "Role",
            {**RULE, "apiGroups": []},
            "apiGroups: Required value: resource rules must supply at least one api group",
        ),
        (
            "Role",
            {**RULE, "resources": []},
            "resources: Required value: resource rules must supply at least one resource",
        ),
        (
            "Role",
            {"verbs": ["get"], "nonResourceURLs": ["/x"]},
            'nonResourceURLs: Invalid value: ["/x"]: namespaced rules cannot apply to non-resource URLs',
        ),
        (
            "ClusterRole",
            {**RULE, "nonResourceURLs": ["/x"]},
            'nonResourceURLs: Invalid value: ["/x"]: '
            "rules cannot apply to both regular resources and non-resource URLs",
        ),
    ],
)
def test_a_bad_rule_is_named(enter, kind: str, rule: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(of(kind, rules=[rule]))[1] == [f"rules[0].{problem}"]


def test_a_binding_gets_the_groups_of_what_it_names(enter) -> None:  # type: ignore[no-untyped-def]
    subjects = [{"kind": "User", "name": "jane"}, {"kind": "ServiceAccount", "name": "robot", "namespace": "default"}]
    made, problems = enter(of("RoleBinding", roleRef=ROLE, subjects=subjects))

    assert problems == []
    assert made["roleRef"]["apiGroup"] == GROUP
    assert [row.get("apiGroup") for row in made["subjects"]] == [GROUP, None]


@pytest.mark.parametrize(
    ("kind", "fields", "problem"),
    [
        (
            "ClusterRoleBinding",
            {"roleRef": {"kind": "Role", "name": "r"}},
            'roleRef.kind: Unsupported value: "Role": supported values: "ClusterRole"',
        ),
        ("RoleBinding", {"roleRef": {"kind": "Role"}}, "roleRef.name: Required value"),
        (
            "RoleBinding",
            {"roleRef": {**ROLE, "apiGroup": "x"}},
            f'roleRef.apiGroup: Unsupported value: "x": supported values: "{GROUP}"',
        ),
        (
            "RoleBinding",
            {"roleRef": ROLE, "subjects": [{"kind": "Robot", "name": "r"}]},
            'subjects[0].kind: Unsupported value: "Robot": supported values: "ServiceAccount", "User", "Group"',
        ),
        (
            "ClusterRoleBinding",
            {"roleRef": ROLE, "subjects": [{"kind": "ServiceAccount", "name": "r"}]},
            "subjects[0].namespace: Required value",
        ),
    ],
)
def test_a_bad_binding_is_named(enter, kind: str, fields: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(of(kind, **fields))[1] == [problem]


def test_a_binding_is_to_one_role_for_ever(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(of("RoleBinding", roleRef=ROLE))

    assert enter(of("RoleBinding", roleRef=ROLE, subjects=[{"kind": "Group", "name": "g"}]), old)[1] == []
    (problem,) = enter(of("RoleBinding", roleRef={**ROLE, "name": "edit"}), old)[1]
    assert problem.startswith("roleRef: Invalid value: ") and problem.endswith(": cannot change roleRef")


def test_the_columns_are_kubectls() -> None:
    subjects = [{"kind": "User", "name": "a"}, {"kind": "User", "name": "b"}, {"kind": "Group", "name": "g"},
                {"kind": "ServiceAccount", "name": "s", "namespace": "n"}]  # fmt: skip
    binding = of("RoleBinding", roleRef=ROLE, subjects=subjects)
    role = of("Role")
    role["metadata"]["creationTimestamp"] = "2026-11-25T00:00:00Z"

    assert [column.cell(binding, 0.0) for column in KINDS["RoleBinding"].columns] == [
        "a:b", "ClusterRole/view", "<unknown>", "a, b", "g", "n/s",
    ]  # fmt: skip
    assert [column.cell(role, 0.0) for column in KINDS["Role"].columns] == ["a:b", "2026-11-25T00:00:00Z"]
