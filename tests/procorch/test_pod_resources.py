"""What a pod asks for in all."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.objects import Object
from procorch.pod_resources import quantities_of, read_list


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
