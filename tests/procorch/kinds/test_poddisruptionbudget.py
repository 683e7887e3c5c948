"""A PodDisruptionBudget: what may be asked of it, and what kubectl shows."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

BUDGET: Object = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"minAvailable": "50%", "selector": {"matchLabels": {"app": "web"}}},
}


def test_it_waits_for_who_counts_the_pods(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter({**BUDGET, "status": {"disruptionsAllowed": 9}})

    assert problems == [] and made["spec"] == BUDGET["spec"]
    assert made["status"] == {"disruptionsAllowed": 0, "currentHealthy": 0, "desiredHealthy": 0, "expectedPods": 0}


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        pytest.param({"minAvailable": None, "maxUnavailable": 1}, [], id="so many may be away"),
        pytest.param({"selector": {}}, [], id="all pods of the namespace"),
        pytest.param({"unhealthyPodEvictionPolicy": "AlwaysAllow"}, [], id="who is not ready may always go"),
        pytest.param(
            {"maxUnavailable": 1, "selector": None},
            ['spec: Invalid value: {"MinAvailable":"50%","Selector":null,"MaxUnavailable":1,'
             '"UnhealthyPodEvictionPolicy":null}: '
             "minAvailable and maxUnavailable cannot be both set"],
            id="both",
        ),
        pytest.param(
            {"minAvailable": "101%"},
            ['spec.minAvailable: Invalid value: "101%": must not be greater than 100%'],
            id="more than all",
        ),
        pytest.param(
            {"minAvailable": -1},
            ["spec.minAvailable: Invalid value: -1: must be greater than or equal to 0"],
            id="fewer than none",
        ),
        pytest.param(
            {"unhealthyPodEvictionPolicy": "Never"},
            ['spec.unhealthyPodEvictionPolicy: Unsupported value: "Never": '
             'supported values: "AlwaysAllow", "IfHealthyBudget"'],
            id="a policy that there is not",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(enter, spec: dict[str, Any], problems: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert enter(BUDGET, **spec)[1] == problems


def test_a_status_that_cannot_be(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(BUDGET)
    new = {**old, "status": {"disruptionsAllowed": -1, "conditions": [{"type": "A", "status": "True", "reason": "B"}]}}

    assert [cause.field for cause in KINDS["PodDisruptionBudget"].validate(new, old)] == [
        "status.conditions[0].lastTransitionTime", "status.disruptionsAllowed",
    ]  # fmt: skip


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    columns = KINDS["PodDisruptionBudget"].columns

    assert [column.name for column in columns] == [
        "Name", "Min Available", "Max Unavailable", "Allowed Disruptions", "Age",
    ]  # fmt: skip
    assert [column.cell(enter(BUDGET)[0], 0.0) for column in columns] == ["web", "50%", "N/A", 0, "<unknown>"]
    assert columns[2].cell({"spec": {"maxUnavailable": 1}}, 0.0) == "1"
