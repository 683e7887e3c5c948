"""NodeMetrics and PodMetrics as kinds: where they are, and their columns."""

from __future__ import annotations

from procorch.kinds import KINDS
from procorch.kinds.measured import NODE_METRICS, POD_METRICS


def test_they_have_the_paths_of_metrics_server_and_do_not_hide_pods() -> None:
    assert POD_METRICS.path("d", "web") == "/apis/metrics.k8s.io/v1beta1/namespaces/d/pods/web"
    assert NODE_METRICS.path(name="n1") == "/apis/metrics.k8s.io/v1beta1/nodes/n1"
    assert KINDS.get("", "v1", "pods") is KINDS["Pod"]
    assert KINDS.get("metrics.k8s.io", "v1beta1", "pods") is POD_METRICS


def test_a_pods_columns_are_the_sum_of_its_containers() -> None:
    usages = ({"cpu": "250m", "memory": "3Mi"}, {"cpu": "1", "memory": "1Mi"})
    pod = {"metadata": {"name": "web"}, "window": "15s", "containers": [{"usage": one} for one in usages]}
    assert [column.cell(pod, 0.0) for column in POD_METRICS.columns] == ["web", "1250m", "4Mi", "15s"]
    node = {"metadata": {"name": "n1"}, "window": "15s", "usage": usages[0]}
    assert [column.cell(node, 0.0) for column in NODE_METRICS.columns] == ["n1", "250m", "3Mi", "15s"]
