"""Which node is better, wish by wish."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.objects import Object
from procorch.scheduler.cluster import NodeInfo, pod_info
from procorch.scheduler.scores import balanced, least_allocated, preferred_affinity, preferred_taints, spread


def pod(uid: str = "p", cpu: str = "100m", memory: str = "100Mi", owner: str = "", **spec: Any) -> Object:
    metadata: Object = {"name": uid, "namespace": "d", "uid": uid}
    if owner:
        metadata["ownerReferences"] = [{"uid": owner, "controller": True}]
    requests = {"cpu": cpu, "memory": memory}
    return {"metadata": metadata, "spec": {"containers": [{"resources": {"requests": requests}}], **spec}}


def node(name: str, *pods: Object, labels: Any = None, **spec: Any) -> NodeInfo:
    info = NodeInfo(name)
    allocatable = {"cpu": "1", "memory": "1000Mi", "pods": "10"}
    metadata = {"name": name, "labels": labels or {}}
    info.set_node({"metadata": metadata, "spec": spec, "status": {"allocatable": allocatable}})
    for one in pods:
        info.put(pod_info(one))
    return info


PREFERRED = {
    "nodeAffinity": {
        "preferredDuringSchedulingIgnoredDuringExecution": [
            {"weight": 10, "preference": {"matchExpressions": [{"key": "ssd", "operator": "Exists"}]}}
        ]
    }
}


@pytest.mark.parametrize(
    ("score", "asking", "better", "worse"),
    [
        pytest.param(least_allocated, pod(), node("a"), node("b", pod("q")), id="the emptier node"),
        pytest.param(
            balanced, pod(cpu="500m", memory="100Mi"), node("a", pod("q", "0", "400Mi")), node("b"),
            id="the node that ends up with cpu and memory used alike",
        ),
        pytest.param(
            spread, pod(owner="rs"), node("a", pod("q", owner="other")), node("b", pod("r", owner="rs")),
            id="the node without a sister",
        ),
        pytest.param(
            preferred_taints, pod(), node("a"), node("b", taints=[{"key": "k", "effect": "PreferNoSchedule"}]),
            id="the node that would not rather have others",
        ),
        pytest.param(
            preferred_affinity, pod(affinity=PREFERRED), node("a", labels={"ssd": ""}), node("b"),
            id="the node that the pod prefers",
        ),
    ],
)  # fmt: skip
def test_a_score_prefers(score: Any, asking: Object, better: NodeInfo, worse: NodeInfo) -> None:
    points = score(pod_info(asking), [better, worse])

    assert points[0] > points[1]
    assert all(0 <= one <= 100 for one in points)
