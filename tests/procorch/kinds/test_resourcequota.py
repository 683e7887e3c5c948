"""Quotas: what can be counted, and of which objects."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def quota(**spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "q", "namespace": "default"},
        "spec": spec,
    }


def chosen(scope: str, operator: str, *values: str) -> Object:
    row = {"scopeName": scope, "operator": operator, **({"values": list(values)} if values else {})}
    return {"matchExpressions": [row]}


def test_a_quota_begins_with_nothing_used(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter({**quota(hard={"pods": "4", "requests.cpu": "1500m"}), "status": {"used": {"pods": "9"}}})

    assert problems == []
    assert (made["spec"], made["status"]) == ({"hard": {"pods": "4", "requests.cpu": "1500m"}}, {})


def test_objects_of_any_kind_can_be_counted(enter) -> None:  # type: ignore[no-untyped-def]
    hard = {
        "count/deployments.apps": "3",
        "example.com/gpu": "1",
        "gold.storageclass.storage.k8s.io/requests.storage": "1Gi",
    }

    assert enter(quota(hard=hard))[1] == []


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        pytest.param(
            {"hard": {"storage": "1"}},
            'spec.hard[storage]: Invalid value: "storage": must be a standard resource for quota',
            id="what a quota does not count",
        ),
        pytest.param(
            {"hard": {"pods": "1500m"}}, 'spec.hard[pods]: Invalid value: "1500m": must be an integer', id="half a pod"
        ),
        pytest.param(
            {"hard": {"cpu": "-1"}},
            'spec.hard[cpu]: Invalid value: "-1": must be greater than or equal to 0',
            id="less than nothing",
        ),
        pytest.param(
            {"scopes": ["Mine"]}, 'spec.scopes: Invalid value: ["Mine"]: unsupported scope', id="an unknown scope"
        ),
        pytest.param(
            {"hard": {"services": "1"}, "scopes": ["BestEffort"]},
            'spec.scopes: Invalid value: ["BestEffort"]: unsupported scope applied to resource',
            id="services are not best effort",
        ),
        pytest.param(
            {"scopes": ["Terminating", "NotTerminating"]},
            'spec.scopes: Invalid value: ["Terminating","NotTerminating"]: conflicting scopes',
            id="scopes that no pod has",
        ),
        pytest.param(
            {"scopeSelector": chosen("PriorityClass", "In")},
            "spec.scopeSelector.matchExpressions.values: Required value: "
            "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector",
            id="in nothing",
        ),
        pytest.param(
            {"scopeSelector": chosen("PriorityClass", "Exists", "a")},
            'spec.scopeSelector.matchExpressions.values: Invalid value: ["a"]: '
            "must be no value when `operator` is 'Exist' or 'DoesNotExist' for scope selector",
            id="is there, and a value",
        ),
    ],
)
def test_a_bad_quota_is_named(enter, spec: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(quota(**spec))[1] == [problem]


def test_the_scopes_stay_and_the_numbers_may_change(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(quota(hard={"pods": "4"}, scopes=["Terminating"]))

    assert enter(quota(hard={"pods": "5"}, scopes=["Terminating"]), old)[1] == []
    assert enter(quota(hard={"pods": "4"}), old)[1] == ["spec.scopes: Invalid value: null: field is immutable"]


def test_the_columns_are_kubectls() -> None:
    status = {"hard": {"pods": "4", "limits.cpu": "2", "cpu": "1"}, "used": {"pods": "3", "cpu": "500m"}}
    seen = {**quota(), "status": status}

    assert [column.cell(seen, 0.0) for column in KINDS["ResourceQuota"].columns] == [
        "q", "cpu: 500m/1, pods: 3/4", "limits.cpu: 0/2", "<unknown>",
    ]  # fmt: skip
