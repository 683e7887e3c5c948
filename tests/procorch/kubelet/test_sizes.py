"""A pod's and its containers' limits, as the kernel is told them and as the status tells them back."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kubelet.sizes import actual, container_limits, differ, only, pod_limits
from procorch.objects import Object
from runtime import Limits


def container(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"name": name, "command": ["/bin/run"], **fields}


def limited(cpu: str = "", memory: str = "", requests: str = "", **fields: Any) -> dict[str, Any]:
    limits = {name: value for name, value in (("cpu", cpu), ("memory", memory)) if value}
    return container(resources={"limits": limits, "requests": {"cpu": requests} if requests else {}}, **fields)


def pod(*containers: dict[str, Any], **spec: Any) -> Object:
    metadata = {"name": "web", "namespace": "n", "uid": "u"}
    return {"metadata": metadata, "spec": {"containers": list(containers) or [container()], **spec}}


@pytest.mark.parametrize(
    ("given", "limits"),
    [
        pytest.param(pod(), Limits(2, None, None), id="none: the smallest share"),
        pytest.param(
            pod(limited("1", "64Mi", "500m"), limited("2", "64Mi", "250m")),
            Limits(750, 3000, 128 << 20),
            id="containers add up",
        ),
        pytest.param(
            pod(limited("1"), limited(memory="1Mi")), Limits(2, None, None), id="one without: the pod without"
        ),
        pytest.param(
            pod(limited("1", requests="100m"), initContainers=[limited("3", requests="700m")]),
            Limits(700, 3000, None),
            id="an init container runs alone",
        ),
        pytest.param(
            pod(limited("1", requests="100m"), initContainers=[limited("3", requests="700m", restartPolicy="Always")]),
            Limits(800, 4000, None),
            id="a sidecar runs beside",
        ),
        pytest.param(
            pod(limited("1"), limited(), resources={"limits": {"cpu": "3", "memory": "1Gi"}, "requests": {"cpu": "2"}}),
            Limits(2000, 3000, 1 << 30),
            id="the pod's own come before the sums",
        ),
    ],
)
def test_a_pods_limits(given: Object, limits: Limits) -> None:
    found = pod_limits(given)

    assert found.cpu_limit_millis == limits.cpu_limit_millis
    assert found.memory_limit_bytes == limits.memory_limit_bytes
    if limits.cpu_request_millis != 2:
        assert found.cpu_request_millis == limits.cpu_request_millis


def test_a_container_without_a_limit_has_its_pods() -> None:
    given = pod(limited("1"), limited(), resources={"limits": {"cpu": "3", "memory": "1Gi"}})
    first, second = given["spec"]["containers"]

    assert container_limits(given, first) == Limits(1000, 1000, 1 << 30)
    assert container_limits(given, second) == Limits(2, 3000, 1 << 30)
    assert container_limits(pod(), container(), 7) == Limits(2, None, None, 7)


@pytest.mark.parametrize(
    ("wanted", "seen", "changed"),
    [
        (Limits(100, 500, 4096), Limits(100, 500, 4096, 9), ()),
        (Limits(100, 600, 4096), Limits(100, 500, 4096), ("cpu",)),
        (Limits(101, 500, 4096), Limits(100, 500, 4096), ("cpu",)),
        (Limits(100, 500, 8192), Limits(100, 500, None), ("memory",)),
        (Limits(100, None, None), Limits(100, 500, 4096), ()),
    ],
    ids=["alike", "another quota", "another share", "a limit where none was", "a limit is never taken away"],
)
def test_what_the_kernel_has_otherwise(wanted: Limits, seen: Limits, changed: tuple[str, ...]) -> None:
    assert differ(wanted, seen) == changed


def test_what_is_told_is_as_it_was_written_unless_it_is_otherwise() -> None:
    allocated = {"limits": {"cpu": "0.5", "memory": "1Gi"}, "requests": {"cpu": "100m", "memory": "1Gi"}}
    wanted = Limits(100, 500, 1 << 30)

    assert actual(allocated, wanted, wanted) == allocated
    told = actual(allocated, wanted, Limits(200, 1000, 1 << 29))
    assert told == {"limits": {"cpu": "1", "memory": "512Mi"}, "requests": {"cpu": "200m", "memory": "1Gi"}}


def test_one_resource_at_a_time() -> None:
    assert only(Limits(1, 2, 3, 4), "cpu") == Limits(1, 2)
    assert only(Limits(1, 2, 3, 4), "memory") == Limits(memory_limit_bytes=3)
