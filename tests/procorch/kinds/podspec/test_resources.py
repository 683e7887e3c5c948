"""Requests, limits, and the class of service that follows."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.podspec.resources import qos_class

AT = "spec.containers[0].resources"


@pytest.mark.parametrize(
    ("resources", "found"),
    [
        ({"limits": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"}}, []),
        (
            {"limits": {"cpu": "500m"}, "requests": {"cpu": "1"}},
            [f'{AT}.requests: Invalid value: "1": must be less than or equal to cpu limit of 500m'],
        ),
        (
            {"limits": {"cpu": "-1"}, "requests": {"cpu": "-1"}},
            [
                f'{AT}.limits[cpu]: Invalid value: "-1": must be greater than or equal to 0',
                f'{AT}.requests[cpu]: Invalid value: "-1": must be greater than or equal to 0',
            ],
        ),
        (
            {"requests": {"cpu": "one"}},
            [
                f'{AT}.requests[cpu]: Invalid value: "one": quantities must match the regular expression '
                "'^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'"
            ],
        ),
        (
            {"requests": {"gpu": "1"}},
            [
                f'{AT}.requests[gpu]: Invalid value: "gpu": must be a standard resource type or fully qualified',
                f'{AT}.requests[gpu]: Invalid value: "gpu": must be a standard resource for containers',
            ],
        ),
        (
            {"requests": {"example.com/gpu": "1"}},
            [f"{AT}.limits: Required value: Limit must be set for non overcommitable resources"],
        ),
        (
            {"limits": {"example.com/gpu": "2"}, "requests": {"example.com/gpu": "1"}},
            [f'{AT}.requests: Invalid value: "1": must be equal to example.com/gpu limit of 2'],
        ),
        (
            {"limits": {"example.com/gpu": "1500m"}},
            [
                f'{AT}.limits[example.com/gpu]: Invalid value: "1500m": must be an integer',
                f'{AT}.requests[example.com/gpu]: Invalid value: "1500m": must be an integer',
            ],
        ),
        ({"limits": {"hugepages-2Mi": "4Mi"}}, [f"{AT}: Forbidden: HugePages require cpu or memory"]),
    ],
)
def test_resources_are_judged(problems, resources, found) -> None:  # type: ignore[no-untyped-def]
    assert problems({"resources": resources}) == found


def _pod(*resources: dict[str, Any]) -> dict[str, Any]:
    return {"spec": {"containers": [{"resources": one} for one in resources]}}


FULL = {"limits": {"cpu": "1", "memory": "1Gi"}, "requests": {"cpu": "1000m", "memory": "1024Mi"}}


@pytest.mark.parametrize(
    ("resources", "word"),
    [
        pytest.param([{}], "BestEffort", id="nobody asks"),
        pytest.param([FULL], "Guaranteed", id="requests are limits"),
        pytest.param([FULL, {}], "Burstable", id="one asks for nothing"),
        pytest.param([{"requests": {"cpu": "1"}}], "Burstable", id="requests alone"),
        pytest.param([{"limits": {"cpu": "1"}, "requests": {"cpu": "1"}}], "Burstable", id="cpu alone"),
        pytest.param([{"requests": {"ephemeral-storage": "1"}}], "BestEffort", id="neither cpu nor memory"),
        pytest.param([{"requests": {"cpu": "0"}}], "BestEffort", id="nought is nothing"),
    ],
)
def test_the_class_of_service(resources: list[dict[str, Any]], word: str) -> None:
    assert qos_class(_pod(*resources)) == word


ALL = {"limits": {"cpu": "2", "memory": "1Gi"}, "requests": {"cpu": "2", "memory": "1Gi"}}


@pytest.mark.parametrize(
    ("whole", "word"),
    [
        (ALL, "Guaranteed"),
        ({"requests": {"cpu": "1"}}, "Burstable"),
        ({"limits": {"hugepages-2Mi": "2Mi"}}, "BestEffort"),
    ],
)
def test_a_pod_that_asks_as_a_whole_is_judged_by_that(whole: dict[str, Any], word: str) -> None:
    pod = _pod({}, {"requests": {"memory": "1Mi"}})
    pod["spec"]["resources"] = whole

    assert qos_class(pod) == word


@pytest.mark.parametrize(
    ("whole", "found"),
    [
        (ALL, []),
        (
            {"limits": {"ephemeral-storage": "1Gi"}},
            [
                'spec.resources.limits[ephemeral-storage]: Unsupported value: "ephemeral-storage": supported values: '
                '"cpu", "hugepages-", "memory"'
            ],
        ),
        (
            {"requests": {"cpu": "100m"}},
            [
                'spec.resources.requests[cpu]: Invalid value: "100m": must be greater than or equal to aggregate '
                "container requests of 500m"
            ],
        ),
        (
            {"limits": {"cpu": "600m"}},
            [
                'spec.containers[0].resources.limits[cpu]: Invalid value: "1": must be less than or equal to pod '
                "limits of 600m"
            ],
        ),
        (
            {"requests": {"cpu": "3"}, "limits": {"cpu": "2"}},
            ['spec.resources.requests: Invalid value: "3": must be less than or equal to cpu limit of 2'],
        ),
    ],
)
def test_what_a_pod_asks_for_as_a_whole_is_judged(problems, whole, found) -> None:  # type: ignore[no-untyped-def]
    one = {"resources": {"requests": {"cpu": "500m"}, "limits": {"cpu": "1"}}}

    assert problems(one, resources=whole) == found
