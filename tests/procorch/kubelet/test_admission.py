"""Whether a node takes a pod, and whether a pod may grow."""

from __future__ import annotations

import pytest

from procorch.kubelet.admission import (
    Refusal,
    amounts,
    port_refusal,
    pressure_refusal,
    requests_of,
    resize_refusal,
    shortage,
)
from procorch.objects import Object

NODE = amounts({"cpu": "2", "memory": "1Gi", "pods": "3"})


def pod(cpu: str = "0", **more: str) -> Object:
    return {"spec": {"containers": [{"name": "a", "resources": {"requests": {"cpu": cpu, **more}}}]}}


def test_a_pod_asks_for_a_place_too() -> None:
    assert requests_of(pod("500m", memory="1Ki")) == {"cpu": 500, "memory": 1024, "pods": 1}


@pytest.mark.parametrize(
    ("asked", "others", "reason", "message"),
    [
        (pod("1500m"), [pod("1")], "OutOfcpu", "cpu, requested: 1500, used: 1000, capacity: 2000"),
        (pod(), [pod()] * 3, "OutOfpods", "pods, requested: 1, used: 3, capacity: 3"),
        (pod(**{"hugepages-2Mi": "2"}), [], "OutOfhugepages-2Mi", "hugepages-2Mi, requested: 2, used: 0, capacity: 0"),
    ],
)
def test_what_is_short_is_named(asked: Object, others: list[Object], reason: str, message: str) -> None:
    assert shortage(asked, others, NODE) == Refusal(reason, f"Node didn't have enough resource: {message}")


def test_what_fits_is_taken() -> None:
    assert shortage(pod("1", memory="1Gi"), [pod("1"), pod()], NODE) is None
    assert shortage(pod("3"), [], NODE, ("memory",)) is None
    assert shortage(pod(**{"a.b/gpu": "1"}), [], NODE) is None  # who gave the node this resource counts it


def test_a_host_port_is_one_pods() -> None:
    """A pod that names its node has met no scheduler."""
    first, second = ({"spec": {"containers": [{"ports": [{"hostPort": port}]}]}} for port in (80, 81))
    refusal = port_refusal(first, [pod(), second, first])

    assert refusal is not None and refusal.reason == "NodePorts"
    assert port_refusal(first, [second, pod()]) is None


@pytest.mark.parametrize(
    ("pressures", "given", "taken"),
    [
        ((), pod(), True),
        (("MemoryPressure",), pod(), False),
        (("MemoryPressure",), pod("1"), True),
        (("MemoryPressure", "PIDPressure"), pod("1"), False),
        (("DiskPressure",), {"spec": {"priority": 2_000_000_000, "containers": []}}, True),
        (("DiskPressure",), {"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}, **pod()}, True),
        (("MemoryPressure",), {"spec": {"containers": [], "tolerations": [{"operator": "Exists"}]}}, True),
    ],
)
def test_who_is_taken_by_a_node_that_runs_short(pressures: tuple[str, ...], given: Object, taken: bool) -> None:
    refusal = pressure_refusal(given, pressures)

    assert (refusal is None) is taken
    if refusal is not None:
        assert refusal == Refusal("Evicted", f"The node had condition: [{', '.join(pressures)}]. ")


@pytest.mark.parametrize(
    ("asked", "others", "reason"),
    [
        (pod("2"), [], None),
        (pod("2500m"), [], "Infeasible"),
        (pod("2"), [pod("1m")], "Deferred"),
        (pod("1"), [pod()] * 3, None),
    ],
    ids=["fits", "never", "not now", "its place it has already"],
)
def test_a_pod_may_grow_as_far_as_there_is_room(asked: Object, others: list[Object], reason: str | None) -> None:
    refusal = resize_refusal(asked, others, NODE)

    assert (refusal and refusal.reason) == reason
