"""The decision where a pod goes, and the words when it goes nowhere."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from procorch.objects import Object
from procorch.scheduler.cluster import Cluster, NodeInfo, pod_info
from procorch.scheduler.plan import NO_NODES, how_many, plan


def pod(uid: str = "p", cpu: int = 100, **spec: Any) -> Object:
    container = {"resources": {"requests": {"cpu": f"{cpu}m"}}}
    return {"metadata": {"name": uid, "namespace": "d", "uid": uid}, "spec": {"containers": [container], **spec}}


def node(name: str, cpu: int = 1000, **spec: Any) -> NodeInfo:
    info = NodeInfo(name)
    status = {"allocatable": {"cpu": f"{cpu}m", "memory": "1Gi", "pods": "110"}}
    info.set_node({"metadata": {"name": name}, "spec": spec, "status": status})
    return info


def test_no_node_fits_and_each_says_why() -> None:
    full = node("c")
    full.put(pod_info(pod("q", 950)))
    taint = {"key": "k", "effect": "NoSchedule"}

    placed = plan(pod_info(pod()), [node("a", taints=[taint]), node("b", taints=[taint]), full])

    assert placed.node == ""
    assert placed.message == (
        "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) had untolerated taint(s). preemption: "
        "0/3 nodes are available: 1 No preemption victims found for incoming pod, "
        "2 Preemption is not helpful for scheduling."
    )


def test_without_nodes_there_is_one_sentence() -> None:
    assert plan(pod_info(pod()), []).message == NO_NODES


def test_a_pod_that_preempts_nobody_says_so() -> None:
    placed = plan(pod_info(pod(cpu=2000, preemptionPolicy="Never")), [node("a")])

    assert placed.message == (
        "0/1 nodes are available: 1 Insufficient cpu. preemption: not eligible due to preemptionPolicy=Never."
    )


def test_the_emptiest_of_the_possible_nodes_is_taken() -> None:
    busy = node("a")
    busy.put(pod_info(pod("q", 500)))

    assert plan(pod_info(pod()), [busy, node("b")]).node == "b"


def test_in_a_large_cluster_the_search_ends_early_and_goes_on_from_there() -> None:
    nodes = [node(str(number)) for number in range(1000)]
    placed = plan(pod_info(pod()), nodes)

    assert placed.looked_at == how_many(1000) == 420
    assert int(plan(pod_info(pod()), nodes, placed.looked_at).node) >= 420


@given(
    st.lists(st.integers(1, 1000), min_size=1, max_size=40),
    st.lists(st.integers(100, 2000), min_size=1, max_size=5),
    st.floats(0, 0.999),
)
def test_no_node_is_ever_given_more_than_it_has(pods: list[int], nodes: list[int], draw: float) -> None:
    cluster = Cluster()
    for number, cpu in enumerate(nodes):
        status = {"allocatable": {"cpu": f"{cpu}m", "memory": "9Gi", "pods": "9"}}
        cluster.set_node({"metadata": {"name": f"n{number}"}, "status": status})
    for number, cpu in enumerate(pods):
        info = pod_info(pod(f"p{number}", cpu))
        placed = plan(info, cluster.ready_nodes(), number, lambda: draw)
        if placed.node:
            cluster.put(info, placed.node)

    for number, cpu in enumerate(nodes):
        info_ = cluster.nodes[f"n{number}"]
        assert info_.requested.get("cpu", 0) <= cpu
        assert len(info_.pods) <= 9
