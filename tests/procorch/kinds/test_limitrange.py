"""Limit ranges: defaults of defaults, and numbers that fit each other."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.objects import Object


def limits(*rows: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "LimitRange",
        "metadata": {"name": "l", "namespace": "default"},
        "spec": {"limits": list(rows)},
    }


def test_a_containers_defaults_follow_from_its_bounds(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(limits({"type": "Container", "max": {"cpu": "2000m"}, "min": {"memory": "0.5Gi"}}))

    assert problems == []
    assert made["spec"]["limits"] == [
        {
            "type": "Container",
            "max": {"cpu": "2"},
            "min": {"memory": "512Mi"},
            "default": {"cpu": "2"},
            "defaultRequest": {"cpu": "2", "memory": "512Mi"},
        }
    ]


def test_a_pod_and_a_claim_have_bounds_alone(enter) -> None:  # type: ignore[no-untyped-def]
    rows = ({"type": "Pod", "max": {"cpu": "2"}}, {"type": "PersistentVolumeClaim", "min": {"storage": "1Gi"}})

    assert enter(limits(*rows)) == (limits(*rows), [])


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        pytest.param(
            {"type": "Shelf"},
            'type: Invalid value: "Shelf": must be a standard limit type or fully qualified',
            id="a type of which nobody heard",
        ),
        pytest.param(
            {"type": "Pod", "default": {"cpu": "1"}},
            "default: Forbidden: may not be specified when `type` is 'Pod'",
            id="a pod's default",
        ),
        pytest.param(
            {"type": "Pod", "max": {"storage": "1"}},
            'max[storage]: Invalid value: "storage": must be a standard resource for containers',
            id="a pod's storage",
        ),
        pytest.param(
            {"type": "PersistentVolumeClaim"},
            "limits: Required value: either minimum or maximum storage value is required, but neither was provided",
            id="a claim without bounds",
        ),
        pytest.param(
            {"type": "Pod", "min": {"cpu": "2"}, "max": {"cpu": "1"}},
            'min[cpu]: Invalid value: "2": min value 2 is greater than max value 1',
            id="more at least than at most",
        ),
        pytest.param(
            {"type": "Pod", "maxLimitRequestRatio": {"cpu": "500m"}},
            'maxLimitRequestRatio[cpu]: Invalid value: "500m": ratio 500m is less than 1',
            id="a ratio below one",
        ),
        pytest.param(
            {"type": "Pod", "min": {"cpu": "1"}, "max": {"cpu": "2"}, "maxLimitRequestRatio": {"cpu": "3"}},
            'maxLimitRequestRatio[cpu]: Invalid value: "3": ratio 3 is greater than max/min = 2.000000',
            id="a ratio that the bounds do not allow",
        ),
    ],
)
def test_what_does_not_fit_is_named(enter, row: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(limits(row))[1] == [f"spec.limits[0].{problem}"]


def test_defaults_keep_to_the_bounds(enter) -> None:  # type: ignore[no-untyped-def]
    row = {"type": "Container", "min": {"cpu": "2"}, "max": {"cpu": "3"}, "default": {"cpu": "4"},
           "defaultRequest": {"cpu": "5"}}  # fmt: skip

    assert [problem.partition(": ")[2].rpartition(": ")[2] for problem in enter(limits(row))[1]] == [
        "default request value 5 is greater than max value 3",
        "default request value 5 is greater than default limit value 4",
        "default value 4 is greater than max value 3",
    ]


def test_a_type_is_named_once(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(limits({"type": "Pod"}, {"type": "Pod"}))[1] == ['spec.limits[1].type: Duplicate value: "Pod"']


def test_devices_are_not_shared_by_default(enter) -> None:  # type: ignore[no-untyped-def]
    row = {"type": "Container", "default": {"a.b/gpu": "2"}, "defaultRequest": {"a.b/gpu": "1"}}

    assert enter(limits(row))[1] == [
        'spec.limits[0].defaultRequest[a.b/gpu]: Invalid value: "1": '
        "default value 2 must equal to defaultRequest value 1 in a.b/gpu"
    ]
