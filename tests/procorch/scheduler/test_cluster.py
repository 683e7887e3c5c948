"""What pods ask for, and the sums over a node."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.objects import Object
from procorch.scheduler.cluster import Cluster, pod_info, requests_of


def container(cpu: str, **more: Any) -> Object:
    return {"name": "c", "resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("spec", "millicores"),
    [
        pytest.param({"containers": [container("100m"), container("200m")]}, 300, id="containers run together"),
        pytest.param(
            {"containers": [container("100m")], "initContainers": [container("1"), container("500m")]}, 1000,
            id="init containers run one after the other",
        ),
        pytest.param(
            {"containers": [container("100m")], "initContainers": [container("50m", restartPolicy="Always")]}, 150,
            id="a sidecar runs beside the containers",
        ),
        pytest.param(
            {
                "containers": [container("100m")],
                "initContainers": [container("200m", restartPolicy="Always"), container("300m")],
            },
            500,
            id="an init container runs beside the sidecars before it",
        ),
        pytest.param({"containers": [container("100m")], "overhead": {"cpu": "5m"}}, 105, id="overhead is added"),
        pytest.param(
            {"containers": [container("100m")], "resources": {"requests": {"cpu": "1"}}}, 1000,
            id="what the pod as a whole asks for counts instead",
        ),
    ],
)  # fmt: skip
def test_a_pod_asks_for(spec: Object, millicores: int) -> None:
    assert requests_of(spec)["cpu"] == millicores


def pod(uid: str, cpu: int) -> Object:
    return {"metadata": {"name": uid, "namespace": "d", "uid": uid}, "spec": {"containers": [container(f"{cpu}m")]}}


@given(st.lists(st.tuples(st.sampled_from("abcde"), st.sampled_from(["n1", "n2", None]), st.integers(0, 900))))
def test_sums_are_always_those_of_the_pods_that_are_there(moves: list[tuple[str, str | None, int]]) -> None:
    cluster = Cluster()
    where: dict[str, tuple[str, int]] = {}
    for uid, node, cpu in moves:
        if node is None:
            cluster.remove(uid)
            where.pop(uid, None)
        else:
            cluster.put(pod_info(pod(uid, cpu)), node)
            where[uid] = (node, cpu)

    for name in ("n1", "n2"):
        wanted = sum(cpu for node, cpu in where.values() if node == name)
        info = cluster.nodes.get(name)
        assert (info.requested.get("cpu", 0) if info else 0) == wanted


def test_a_pod_is_on_one_node_only() -> None:
    cluster = Cluster()
    cluster.put(pod_info(pod("a", 100)), "n1")
    cluster.put(pod_info(pod("a", 100)), "n2")

    assert "n1" not in cluster.nodes
    assert cluster.nodes["n2"].requested["cpu"] == 100


def test_a_node_that_is_gone_is_no_candidate_but_its_pods_are_remembered() -> None:
    cluster = Cluster()
    cluster.set_node({"metadata": {"name": "n1"}, "status": {"allocatable": {"cpu": "1"}}})
    cluster.put(pod_info(pod("a", 100)), "n1")
    cluster.remove_node("n1")

    assert cluster.ready_nodes() == []
    assert cluster.nodes["n1"].requested["cpu"] == 100
