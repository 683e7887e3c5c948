"""Flow schemas: whose requests, and what they ask."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

ALL: Object = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"], "namespaces": ["*"], "clusterScope": True}
RULE: Object = {"subjects": [{"kind": "Group", "group": {"name": "g"}}], "resourceRules": [ALL]}


def schema(name: str = "s", **spec: Any) -> Object:
    whole = {"priorityLevelConfiguration": {"name": "level"}, **spec}
    shell = {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "FlowSchema", "metadata": {"name": name}}
    return {**shell, "spec": whole}


def rule(**fields: Any) -> Object:
    return schema(rules=[{**copy.deepcopy(RULE), **fields}])


def test_a_schema_is_of_middling_precedence(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter({**schema(rules=[RULE]), "status": {"conditions": [{"type": "Dangling"}]}})

    assert problems == []
    assert (made["spec"]["matchingPrecedence"], made["status"]) == (1000, {})


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            schema(matchingPrecedence=1),
            "matchingPrecedence: Invalid value: 1: only the schema named 'exempt' may have matchingPrecedence 1",
        ),
        (schema(matchingPrecedence=-1), "matchingPrecedence: Invalid value: -1: must be a positive value"),
        (schema(matchingPrecedence=10001), "matchingPrecedence: Invalid value: 10001: must not be greater than 10000"),
        (
            schema(priorityLevelConfiguration={}),
            "priorityLevelConfiguration.name: Required value: must reference a priority level",
        ),
        (
            schema(distinguisherMethod={"type": "ByMood"}),
            'distinguisherMethod.type: Unsupported value: {"Type":"ByMood"}: supported values: "ByNamespace", "ByUser"',
        ),
        (rule(subjects=[]), "rules[0].subjects: Required value: subjects must contain at least one value"),
        (
            rule(resourceRules=[]),
            "rules[0]: Required value: at least one of resourceRules and nonResourceRules has to be non-empty",
        ),
        (
            rule(subjects=[{"kind": "Robot"}]),
            'rules[0].subjects[0].kind: Unsupported value: "Robot": '
            'supported values: "Group", "ServiceAccount", "User"',
        ),
        (
            rule(subjects=[{"kind": "User", "user": {"name": "u"}, "group": {"name": "g"}}]),
            "rules[0].subjects[0].group: Forbidden: group is forbidden when subject kind is not 'Group'",
        ),
        (
            rule(subjects=[{"kind": "ServiceAccount", "serviceAccount": {"name": "*"}}]),
            "rules[0].subjects[0].serviceAccount.namespace: Required value: must specify namespace for service account",
        ),
        (
            rule(resourceRules=[{**ALL, "verbs": ["*", "get"]}]),
            'rules[0].resourceRules[0].verbs: Invalid value: ["*","get"]: '
            "if '*' is present, must not specify other verbs",
        ),
        (
            rule(resourceRules=[{**ALL, "namespaces": [], "clusterScope": False}]),
            "rules[0].resourceRules[0].namespaces: Required value: "
            "resource rules that are not cluster scoped must supply at least one namespace",
        ),
        (
            rule(nonResourceRules=[{"verbs": ["get"], "nonResourceURLs": ["/a*"]}]),
            'rules[0].nonResourceRules[0].nonResourceURLs[0]: Invalid value: "/a*": '
            "wildcard can only do suffix matching",
        ),
    ],
)
def test_a_bad_schema_is_named(enter, given: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(given)[1] == [f"spec.{problem}"]


def test_verbs_are_those_of_the_api(enter) -> None:  # type: ignore[no-untyped-def]
    (problem,) = enter(rule(resourceRules=[{**ALL, "verbs": ["sing"]}]))[1]

    assert problem.startswith(
        'spec.rules[0].resourceRules[0].verbs: Unsupported value: ["sing"]: supported values: "create"'
    )


def test_what_lets_the_administrator_in_is_fixed(enter) -> None:  # type: ignore[no-untyped-def]
    everything = {"resourceRules": [ALL], "nonResourceRules": [{"verbs": ["*"], "nonResourceURLs": ["*"]}]}
    fixed = {
        "priorityLevelConfiguration": {"name": "exempt"},
        "matchingPrecedence": 1,
        "rules": [{"subjects": [{"kind": "Group", "group": {"name": "system:masters"}}], **everything}],
    }

    assert enter(schema("exempt", **fixed))[1] == []
    (problem,) = enter(schema("exempt", **{**fixed, "matchingPrecedence": 2}))[1]
    assert problem.endswith(": spec of 'exempt' must equal the fixed value")


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(schema(rules=[RULE]))
    columns = KINDS["FlowSchema"].columns

    assert [column.cell(made, 0.0) for column in columns] == ["s", "level", 1000, "<none>", "<unknown>", "?"]
    made["status"] = {"conditions": [{"type": "Dangling", "status": "False"}]}
    assert columns[-1].cell(made, 0.0) == "False"
