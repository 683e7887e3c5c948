"""Whether a pod may be on a node, rule by rule."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.objects import Object
from procorch.scheduler.cluster import NodeInfo, pod_info
from procorch.scheduler.filters import FILTERS, affinity, ports, resources, schedulable, taints


def pod(uid: str = "p", requests: dict[str, Any] | None = None, host_port: int = 0, **spec: Any) -> Object:
    container: Object = {"name": "c", "resources": {"requests": requests or {}}}
    if host_port:
        container["ports"] = [{"containerPort": host_port, "hostPort": host_port}]
    return {"metadata": {"name": uid, "namespace": "d", "uid": uid}, "spec": {"containers": [container], **spec}}


def node(*pods: Object, allocatable: dict[str, Any] | None = None, labels: Any = None, **spec: Any) -> NodeInfo:
    info = NodeInfo("n")
    table = {"cpu": "1", "memory": "1Gi", "pods": "10", **(allocatable or {})}
    info.set_node({"metadata": {"name": "n", "labels": labels or {}}, "spec": spec, "status": {"allocatable": table}})
    for one in pods:
        info.put(pod_info(one))
    return info


TAINT = {"key": "k", "value": "v", "effect": "NoSchedule"}
CORDON = {"key": "node.kubernetes.io/unschedulable", "operator": "Exists"}


def required(*expressions: Object, fields: Any = ()) -> Object:
    term = {"matchExpressions": list(expressions), "matchFields": list(fields)}
    return {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": [term]}}}


@pytest.mark.parametrize(
    ("rule", "asking", "on", "reasons"),
    [
        pytest.param(schedulable, pod(), node(unschedulable=True), ("node(s) were unschedulable",), id="cordoned"),
        pytest.param(schedulable, pod(tolerations=[CORDON]), node(unschedulable=True), None, id="tolerates the cordon"),
        pytest.param(taints, pod(), node(taints=[TAINT]), ("node(s) had untolerated taint(s)",), id="a taint repels"),
        pytest.param(
            taints, pod(tolerations=[{"operator": "Exists"}]), node(taints=[TAINT]), None, id="all is tolerated"
        ),
        pytest.param(
            taints, pod(tolerations=[{"key": "k", "value": "w"}]), node(taints=[TAINT]),
            ("node(s) had untolerated taint(s)",), id="another value does not tolerate",
        ),
        pytest.param(
            taints, pod(), node(taints=[{**TAINT, "effect": "PreferNoSchedule"}]), None, id="a preference is no taboo"
        ),
        pytest.param(
            affinity, pod(nodeSelector={"disk": "ssd"}), node(labels={"disk": "hdd"}),
            ("node(s) didn't match Pod's node affinity/selector",), id="another label value",
        ),
        pytest.param(affinity, pod(nodeSelector={"a": "b"}), node(labels={"a": "b", "c": "d"}), None, id="has it"),
        pytest.param(
            affinity, pod(affinity=required({"key": "zone", "operator": "In", "values": ["a", "b"]})),
            node(labels={"zone": "b"}), None, id="affinity: value in the set",
        ),
        pytest.param(
            affinity, pod(affinity=required({"key": "zone", "operator": "NotIn", "values": ["b"]})),
            node(labels={"zone": "b"}), ("node(s) didn't match Pod's node affinity/selector",), id="affinity: excluded",
        ),
        pytest.param(
            affinity, pod(affinity=required({"key": "cores", "operator": "Gt", "values": ["4"]})),
            node(labels={"cores": "8"}), None, id="affinity: a number that is greater",
        ),
        pytest.param(
            affinity, pod(affinity=required()), node(), ("node(s) didn't match Pod's node affinity/selector",),
            id="affinity: an empty term matches nothing",
        ),
        pytest.param(
            affinity,
            pod(affinity=required(fields=[{"key": "metadata.name", "operator": "In", "values": ["n"]}])),
            node(), None, id="affinity: by the node's name",
        ),
        pytest.param(
            ports, pod(host_port=80), node(pod("q", host_port=80)),
            ("node(s) didn't have free ports for the requested pod ports",), id="the host port is taken",
        ),
        pytest.param(ports, pod(host_port=81), node(pod("q", host_port=80)), None, id="another host port is free"),
        pytest.param(
            resources, pod(requests={"cpu": "600m"}), node(pod("q", {"cpu": "500m"})), ("Insufficient cpu",),
            id="what others ask for is taken",
        ),
        pytest.param(resources, pod(requests={"cpu": "500m"}), node(pod("q", {"cpu": "500m"})), None, id="just fits"),
        pytest.param(
            resources, pod(requests={"cpu": "2", "memory": "2Gi"}), node(), ("Insufficient cpu", "Insufficient memory"),
            id="all that is short is named",
        ),
        pytest.param(
            resources, pod(), node(pod("q"), allocatable={"pods": "1"}), ("Too many pods",), id="no place for one more"
        ),
        pytest.param(
            resources, pod(requests={"example.com/gpu": "1"}), node(), ("Insufficient example.com/gpu",),
            id="what the node does not have at all",
        ),
        pytest.param(resources, pod(requests={"cpu": "0"}), node(pod("q", {"cpu": "2"})), None, id="zero always fits"),
    ],
)  # fmt: skip
def test_a_rule_refuses_in_kubernetes_words(rule: Any, asking: Object, on: NodeInfo, reasons: Any) -> None:
    refusal = rule(pod_info(asking), on)

    assert (refusal.reasons if refusal else None) == reasons


def test_asking_for_more_than_a_node_has_is_final_and_for_more_than_is_free_is_not() -> None:
    full = node(pod("q", {"cpu": "1"}))

    assert resources(pod_info(pod(requests={"cpu": "2"})), full) == (("Insufficient cpu",), True)
    assert resources(pod_info(pod(requests={"cpu": "1"})), full) == (("Insufficient cpu",), False)


def test_an_empty_node_takes_a_plain_pod() -> None:
    assert all(rule(pod_info(pod()), node()) is None for rule in FILTERS)
