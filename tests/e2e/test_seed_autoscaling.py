"""S113, S120–S123: an autoscaler follows the load of a controller's pods, or what they say of themselves."""

from __future__ import annotations

import itertools
import json
import time

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.manifests import controller, create, deployment, pod_spec, shell

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]
# Burns while it is told to.
BURNS = "while :; do if [ -e /go ]; then i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; else sleep 0.1; fi; done"
SAYS = "mkdir /srv; cd /srv; echo 'queue 30' > metrics; exec python3 -Im http.server 9100"
RESOURCES = {"requests": {"cpu": "50m"}, "limits": {"cpu": "150m"}}


def reason(cluster: Cluster, name: str, type_: str, *n: str) -> str:
    return cluster.path(f"{{.status.conditions[?(@.type=='{type_}')].reason}}", "hpa", name, *n)


def follows(cluster: Cluster, name: str, replicas: int, *n: str) -> None:
    """Waits for the size. An autoscaler is looked at every 15 seconds, but at once when it has been changed."""
    windows = itertools.cycle((0, 1))

    def is_so() -> bool:
        rules = {"scaleDown": {"stabilizationWindowSeconds": next(windows)}}
        cluster.kubectl("patch", "hpa", name, *n, "-p", json.dumps({"spec": {"behavior": rules}}))
        time.sleep(1)  # a measurement holds for five: no need to ask without a pause
        return cluster.path("{.spec.replicas}", "rc", name, *n) == str(replicas)

    cluster.until(is_so, f"{name} has {replicas}", 60)


def test_pods_follow_their_load_up_and_down(cluster: Cluster, namespace: str) -> None:
    """S113, S120, S121, S122: under `kubectl autoscale`, the CPU in percent of what was requested."""
    n = ("-n", namespace)
    create(cluster, namespace, controller("web", 1, pod_spec(shell(BURNS, resources=RESOURCES))))
    cluster.ready(1, *n)
    (first,) = cluster.path("{.items[*].metadata.name}", "pods", *n).split()
    cluster.kubectl("autoscale", "rc", "web", *n, "--min=1", "--max=2", "--cpu=80%")
    cluster.until(lambda: "%/80%" in cluster.kubectl("get", "hpa", "web", *n), "its load is shown")
    assert cluster.path("{.spec.replicas}", "rc", "web", *n) == "1"

    cluster.kubectl("exec", first, *n, "--", "touch", "/go")
    follows(cluster, "web", 2, *n)
    assert reason(cluster, "web", "ScalingActive", *n) == "ValidMetricFound"
    told = cluster.path("{.items[*].message}", "events", *n, "--field-selector=reason=SuccessfulRescale")
    assert told == "New size: 2; reason: cpu resource utilization (percentage of request) above target"
    described = cluster.kubectl("describe", "hpa", "web", *n)
    assert "resource cpu on pods" in described and "SuccessfulRescale" in described

    cluster.kubectl("exec", first, *n, "--", "rm", "/go")
    follows(cluster, "web", 1, *n)


def test_pods_follow_what_they_say_of_themselves(cluster: Cluster, namespace: str) -> None:
    """S113, S123: a metric of the program's own, from its Prometheus page; through a Deployment's ReplicaSet."""
    n = ("-n", namespace)
    says = deployment("queue", 1, pod_spec(shell(SAYS)))
    annotations = {"prometheus.io/scrape": "true", "prometheus.io/port": "9100"}
    says["spec"]["template"]["metadata"]["annotations"] = annotations
    create(cluster, namespace, says)
    cluster.ready(1, *n)
    path = f"/apis/custom.metrics.k8s.io/v1beta2/namespaces/{namespace}"
    asked = f"{path}/pods/*/queue"
    cluster.until(lambda: '"value":"30"' in cluster.kubectl("get", "--raw", asked), "the pod says it")
    assert '"value":"30"' in cluster.kubectl("get", "--raw", f"{path}/deployments.apps/queue/queue")
    target = {"type": "AverageValue", "averageValue": "10"}
    scaler = {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {"name": "queue"},
        "spec": {
            "maxReplicas": 3,
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "queue"},
            "metrics": [{"type": "Pods", "pods": {"metric": {"name": "queue"}, "target": target}}],
        },
    }
    create(cluster, namespace, scaler)
    cluster.ready(3, *n)
    assert "30/10" in cluster.kubectl("get", "hpa", "queue", *n)
