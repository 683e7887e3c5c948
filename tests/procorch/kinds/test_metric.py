"""What a HorizontalPodAutoscaler may go by, and how kubectl shows it."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.metric import default_metric, metrics_text, validate_metric


def lines(metric: dict[str, Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validate_metric(metric, "m")]


def resource(**target: Any) -> dict[str, Any]:
    return {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", **target}}}


def named(field: str, type_: str, **target: Any) -> dict[str, Any]:
    return {"type": type_, field: {"metric": {"name": "queue"}, "target": target}}


TYPES = '"ContainerResource", "External", "Object", "Pods", "Resource"'


@pytest.mark.parametrize(
    ("metric", "problems"),
    [
        pytest.param(resource(averageUtilization=50), [], id="half of the cpu"),
        pytest.param(named("pods", "Pods", type="AverageValue", averageValue="1k"), [], id="of each pod"),
        pytest.param(named("external", "External", type="Value", value="30"), [], id="from elsewhere"),
        pytest.param(
            {},
            ["m.type: Required value: must specify a metric source type",
             f'm.type: Unsupported value: "": supported values: {TYPES}'],
            id="nothing",
        ),
        pytest.param(
            {"type": "Object"},
            ["m.object: Required value: must populate information for the given metric source"],
            id="a type without its source",
        ),
        pytest.param(
            {**resource(averageUtilization=50), "pods": {}},
            ["m.pods.metric.name: Required value: must specify a metric name",
             "m.pods.target.type: Required value: must specify a metric target type",
             'm.pods.target.type: Invalid value: "": must be either Utilization, Value, or AverageValue',
             "m.pods.target.averageValue: Required value: must specify a positive target averageValue",
             "m.pods: Forbidden: must populate the given metric source only"],
            id="two sources",
        ),
        pytest.param(
            resource(),
            ["m.resource.target.averageUtilization: Required value: "
             "must set either a target raw value or a target utilization"],
            id="no target",
        ),
        pytest.param(
            resource(averageUtilization=0, averageValue="-1"),
            ['m.resource.target.averageValue: Invalid value: "-1": must be positive',
             "m.resource.target.averageUtilization: Invalid value: 0: must be greater than 0",
             "m.resource.target.averageValue: Forbidden: may not set both a target raw value and a target utilization"],
            id="two targets, and both below anything",
        ),
        pytest.param(
            {"type": "ContainerResource", "containerResource": {
                "target": {"type": "Utilization", "averageUtilization": 5}, "container": "A"}},
            None,
            id="of a container that cannot be",
        ),
        pytest.param(
            named("external", "External", type="Value", value="1", averageValue="1"),
            ["m.external.target.value: Forbidden: may not set both a target value for metric and a per-pod target"],
            id="from elsewhere, both ways",
        ),
        pytest.param(
            named("object", "Object", type="Value"),
            ["m.object.describedObject.kind: Required value", "m.object.describedObject.name: Required value",
             "m.object.target.averageValue: Required value: must set either a target value or averageValue"],
            id="of an object, no way",
        ),
        pytest.param(
            {"type": "Pods", "pods": {"metric": {"name": "a/b"}, "target": {"type": "Value", "averageValue": "1"}}},
            ["m.pods.metric.name: Invalid value: \"a/b\": may not contain '/'"],
            id="a name that is a path",
        ),
    ],
)  # fmt: skip
def test_a_metric(metric: dict[str, Any], problems: list[str] | None) -> None:
    found = lines(metric)

    if problems is None:
        assert [line.partition(": ")[0] for line in found] == [
            "m.containerResource.name",
            "m.containerResource.container",
        ]
    else:
        assert found == problems


def test_quantities_are_written_in_one_way() -> None:
    metric = named("pods", "Pods", averageValue="1000")
    default_metric(metric)

    assert metric["pods"]["target"]["averageValue"] == "1k"


@pytest.mark.parametrize(
    ("metrics", "statuses", "text"),
    [
        ([], [], "<none>"),
        ([resource(averageUtilization=80)], [], "cpu: <unknown>/80%"),
        (
            [resource(averageUtilization=80)],
            [{"type": "Resource", "resource": {"name": "cpu", "current": {"averageUtilization": 12}}}],
            "cpu: 12%/80%",
        ),
        ([resource()], [], "cpu: <unknown>/<auto>"),
        (
            [resource(averageValue="500m")],
            [{"resource": {"current": {"averageValue": "100m"}}}],
            "cpu: 100m/500m",
        ),
        (
            [named("pods", "Pods", averageValue="10")],
            [{"pods": {"current": {"averageValue": "3"}}}],
            "3/10",
        ),
        (
            [named("external", "External", value="30"), named("object", "Object", averageValue="5")],
            [{"external": {"current": {"value": "7"}}}],
            "7/30, <unknown>/5 (avg)",
        ),
        ([resource(averageUtilization=1)] * 4, [], "cpu: <unknown>/1%, cpu: <unknown>/1% + 2 more..."),
        ([{"type": "Moon"}], [], "<unknown type>"),
    ],
)
def test_a_column_shows_what_is_and_what_should_be(metrics: list[Any], statuses: list[Any], text: str) -> None:
    assert metrics_text(metrics, statuses) == text
