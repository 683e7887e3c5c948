"""What a pod asks for in all."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import pytest

from procorch.objects import Object
from procorch.pod_resources import container_requests, quantities_of, read_list, sizes_told, total_of
from procorch.quantity import cpu_millis


def container(cpu: str | None = None, limit: str | None = None, **more: Any) -> Object:
    resources: Object = {}
    if cpu:
        resources["requests"] = {"cpu": cpu}
    if limit:
        resources["limits"] = {"cpu": limit}
    return {"name": "c", "resources": resources, **more}


def spec(*containers: Object, init: tuple[Object, ...] = (), **more: Any) -> Object:
    return {"containers": list(containers), "initContainers": list(init), **more}


ALWAYS = {"restartPolicy": "Always"}


@pytest.mark.parametrize(
    ("pod", "requests", "limits"),
    [
        pytest.param(spec(container("100m", "1"), container("200m")), "300m", "1", id="containers: their sum"),
        pytest.param(spec(container("100m"), init=(container("1"),)), "1", None, id="one init container may be more"),
        pytest.param(spec(container("100m"), init=(container("50m"),)), "100m", None, id="or less"),
        pytest.param(
            spec(container("100m"), init=(container("200m", **ALWAYS), container("150m"))),
            "350m",
            None,
            id="sidecars run beside what comes after them",
        ),
        pytest.param(
            spec(container("100m"), overhead={"cpu": "10m"}), "110m", None, id="overhead: no limit where there is none"
        ),
        pytest.param(spec(container("100m", "1"), overhead={"cpu": "10m"}), "110m", "1010m", id="overhead"),
        pytest.param(
            spec(container("100m"), resources={"requests": {"cpu": "2"}}), "2", None, id="said of the pod as a whole"
        ),
    ],
)
def test_all_containers_together(pod: Object, requests: str, limits: str | None) -> None:
    assert str(quantities_of(pod, "requests")["cpu"]) == requests
    found = quantities_of(pod, "limits").get("cpu")
    assert (None if found is None else str(found)) == limits


def test_what_is_no_quantity_is_left_out() -> None:
    assert {name: str(amount) for name, amount in read_list({"cpu": "1", "memory": "much"}).items()} == {"cpu": "1"}
    assert read_list(None) == read_list("text") == {}


def _told(name: str, allocated: str, actual: str) -> Object:
    return {"name": name, "allocatedResources": {"cpu": allocated}, "resources": {"requests": {"cpu": actual}}}


@pytest.mark.parametrize(
    ("asked", "allocated", "actual", "reason", "held"),
    [
        pytest.param("1", "1", "1", "", 1000, id="nothing goes on"),
        pytest.param("1", "1", "2", "", 2000, id="it shrinks and has not let go yet"),
        pytest.param("3", "1", "1", "Deferred", 3000, id="it waits to grow: its place is kept"),
        pytest.param("3", "1", "1", "Infeasible", 1000, id="what it can never have counts for nothing"),
    ],
)
def test_a_pod_that_is_resized_counts_with_the_most(
    asked: str, allocated: str, actual: str, reason: str, held: int
) -> None:
    status = {
        "containerStatuses": [_told("c", allocated, actual)],
        "conditions": [{"type": "PodResizePending", "reason": reason}],
    }

    assert total_of(spec(container(asked)), "requests", _millis, status=status) == {"cpu": held}


def test_so_does_one_that_asks_as_a_whole() -> None:
    whole = spec(container(), resources={"requests": {"cpu": "1"}})
    status = {"allocatedResources": {"cpu": "1"}, "resources": {"requests": {"cpu": "2"}}}

    assert total_of(whole, "requests", _millis, status=status) == {"cpu": 2000}
    assert sizes_told({"spec": whole, "status": status}) != sizes_told({"spec": whole})


def test_what_containers_ask_for_is_told_apart_from_what_the_pod_does() -> None:
    whole = spec(container("200m"), container("300m"), resources={"requests": {"cpu": "1"}})

    assert container_requests(whole) == {"cpu": Fraction(1, 2)}


def _millis(table: Object) -> dict[str, int]:
    return {name: cpu_millis(value) for name, value in table.items()}
