"""A pod that runs is made larger by the real kubectl, and its program sees it at once."""

from __future__ import annotations

import json

import pytest

from tests.e2e.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]


def sizes(cpu: str, memory: str) -> dict[str, dict[str, str]]:
    table = {"cpu": cpu, "memory": memory}
    return {"requests": table, "limits": table}


def test_a_pod_is_resized_by_kubectl(cluster: Cluster, namespace: str) -> None:
    container = {"name": "a", "image": "host", "command": ["sleep", "1000"], "resources": sizes("50m", "32Mi")}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web"}, "spec": {"containers": [container]}}
    cluster.kubectl("apply", "-n", namespace, "-f", "-", input=json.dumps(pod))
    cluster.ready(1, "-n", namespace)
    before = cluster.get("pod", "web", "-n", namespace)["status"]["containerStatuses"][0]

    larger = sizes("100m", "64Mi")
    change = {"spec": {"containers": [{"name": "a", "resources": larger}]}}
    cluster.kubectl("patch", "pod", "web", "-n", namespace, "--subresource", "resize", "-p", json.dumps(change))
    row = "{.status.containerStatuses[0].resources}"
    cluster.until(lambda: json.loads(cluster.path(row, "pod", "web", "-n", namespace)) == larger, "the kernel has it")
    after = cluster.get("pod", "web", "-n", namespace)["status"]["containerStatuses"][0]
    assert (after["containerID"], after["restartCount"]) == (before["containerID"], 0)
    assert after["allocatedResources"] == larger["requests"]
    cluster.until(lambda: "ResizeCompleted" in cluster.kubectl("get", "events", "-n", namespace), "an event tells")

    huge = {"spec": {"containers": [{"name": "a", "resources": sizes("1000", "64Mi")}]}}
    cluster.kubectl("patch", "pod", "web", "-n", namespace, "--subresource", "resize", "-p", json.dumps(huge))
    pending = "{.status.conditions[?(@.type=='PodResizePending')].reason}"
    cluster.until(lambda: cluster.path(pending, "pod", "web", "-n", namespace) == "Infeasible", "it is told why not")
