"""A HorizontalPodAutoscaler: defaults, what is refused, what kubectl shows."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

SCALER: Object = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "web", "namespace": "default"},
    "spec": {"scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}, "maxReplicas": 5},
}
CPU = {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 80}}}
QUEUE = {"type": "External", "external": {"metric": {"name": "q"}, "target": {"type": "Value", "value": "30"}}}
UP = "spec.behavior.scaleUp"


def test_the_defaults_are_those_of_autoscaling_v2(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(SCALER)

    assert problems == []
    assert (made["spec"]["minReplicas"], made["spec"]["metrics"]) == (1, [CPU])
    assert "behavior" not in made["spec"] and made["status"] == {"desiredReplicas": 0}


def test_a_behaviour_that_is_begun_is_filled_in(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(SCALER, behavior={"scaleDown": {"stabilizationWindowSeconds": 60}})

    percent = {"type": "Percent", "value": 100, "periodSeconds": 15}
    assert problems == []
    assert made["spec"]["behavior"] == {
        "scaleUp": {
            "stabilizationWindowSeconds": 0,
            "selectPolicy": "Max",
            "policies": [{"type": "Pods", "value": 4, "periodSeconds": 15}, percent],
        },
        "scaleDown": {"stabilizationWindowSeconds": 60, "selectPolicy": "Max", "policies": [percent]},
    }


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        pytest.param(
            {"minReplicas": 0},
            ["spec.minReplicas: Invalid value: 0: must be greater than or equal to 1",
             "spec.metrics: Forbidden: must specify at least one Object or External metric to support scaling to zero "
             "replicas"],
            id="down to nothing",
        ),
        pytest.param(
            {"maxReplicas": 0},
            ["spec.maxReplicas: Required value: must be set and greater than 0",
             "spec.maxReplicas: Invalid value: 0: must be greater than or equal to `minReplicas`"],
            id="no room",
        ),
        pytest.param(
            {"scaleTargetRef": {"name": "a/b", "apiVersion": "a/b/c"}},
            ["spec.scaleTargetRef.kind: Required value",
             "spec.scaleTargetRef.name: Invalid value: \"a/b\": may not contain '/'",
             'spec.scaleTargetRef.apiVersion: Invalid value: "a/b/c": unexpected GroupVersion string: a/b/c'],
            id="nothing that could be scaled",
        ),
        pytest.param(
            {"metrics": [{"type": "Object", "object": {
                "metric": {"name": "m"}, "target": {"type": "Value", "value": "1"},
                "describedObject": {"kind": "A"}}}]},
            ["spec.metrics[0].object.describedObject.name: Required value"],
            id="an object without a name",
        ),
        pytest.param(
            {"behavior": {"scaleUp": {
                "stabilizationWindowSeconds": 3601, "selectPolicy": "Most", "tolerance": "-1",
                "policies": [{"type": "Nodes", "value": 0, "periodSeconds": 1801}]}}},
            [f"{UP}.stabilizationWindowSeconds: Invalid value: 3601: must be less than or equal to 3600",
             f'{UP}.selectPolicy: Unsupported value: "Most": supported values: "Disabled", "Max", "Min"',
             f'{UP}.policies[0].type: Unsupported value: "Nodes": supported values: "Percent", "Pods"',
             f"{UP}.policies[0].value: Invalid value: 0: must be greater than zero",
             f"{UP}.policies[0].periodSeconds: Invalid value: 1801: must be less than or equal to 1800",
             f'{UP}.tolerance: Invalid value: "-1": must be greater than or equal to 0'],
            id="a behaviour that cannot be",
        ),
        pytest.param(
            {"behavior": {"scaleUp": {"policies": [], "stabilizationWindowSeconds": -1}}},
            [f"{UP}.stabilizationWindowSeconds: Invalid value: -1: must be greater than or equal to zero",
             f"{UP}.policies: Required value: must specify at least one Policy"],
            id="a behaviour without a policy",
        ),
    ],
)  # fmt: skip
def test_what_is_refused(enter, spec: dict[str, Any], problems: list[str]) -> None:  # type: ignore[no-untyped-def]
    assert enter(SCALER, **spec)[1] == problems


def test_one_that_is_at_nothing_may_stay_there(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(SCALER, minReplicas=0, metrics=[QUEUE])

    assert enter(copy.deepcopy(old), old, maxReplicas=9)[1] == []


def test_a_status_that_cannot_be(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(SCALER)
    new = {**old, "status": {"currentReplicas": -1, "desiredReplicas": 1}}

    assert [cause.field for cause in KINDS["HorizontalPodAutoscaler"].validate(new, old)] == ["status.currentReplicas"]


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(SCALER)
    made["status"]["currentReplicas"] = 2
    for version in ("v1", "v2"):
        kind = KINDS.get("autoscaling", version, "horizontalpodautoscalers")
        assert kind is not None

        assert [column.name for column in kind.columns] == [
            "Name", "Reference", "Targets", "MinPods", "MaxPods", "Replicas", "Age",
        ]  # fmt: skip
        assert [column.cell(made, 0.0) for column in kind.columns] == [
            "web", "Deployment/web", "cpu: <unknown>/80%", "1", 5, 2, "<unknown>",
        ]  # fmt: skip
