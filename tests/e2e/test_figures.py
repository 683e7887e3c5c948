"""What people look at: `kubectl top`, and what a node says of itself to Prometheus and to `get --raw`."""

from __future__ import annotations

import json
import re

import pytest
from prometheus_client.parser import text_string_to_metric_families

from tests.e2e.cluster import Cluster
from tests.e2e.manifests import create, pod, shell, sleeper

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]
BURN = "echo written > /file; while :; do :; done"


def table(text: str) -> dict[tuple[str, ...], list[str]]:
    """The rows of a table by their words that are no figures."""
    rows = [line.split() for line in text.splitlines()[1:]]
    is_figure = re.compile(r"[0-9]+(m|Mi|%)?$").match
    return {
        tuple(word for word in row if not is_figure(word)): [word for word in row if is_figure(word)] for row in rows
    }


def test_top_shows_what_pods_and_nodes_use(cluster: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    limits = {"requests": {"cpu": "50m"}, "limits": {"cpu": "200m", "memory": "64Mi"}}
    probe = {"exec": {"command": ["true"]}, "periodSeconds": 1}
    create(
        cluster, namespace,
        pod("busy", shell(BURN, resources=limits), sleeper(name="idle"), labels={"app": "busy"}),
        pod("calm", sleeper(livenessProbe=probe)),
    )  # fmt: skip
    cluster.ready(2, *n)
    node = cluster.path("{.spec.nodeName}", "pod", "busy", *n)

    def settled() -> dict[tuple[str, ...], list[str]]:
        found = table(cluster.kubectl("top", "pods", "--containers", *n))
        return found if ("busy", "c0") in found and int(found["busy", "c0"][0][:-1]) > 50 else {}

    found = cluster.until(settled, "the busy one is seen")
    assert set(found) == {("busy", "c0"), ("busy", "idle"), ("calm", "c0")}
    assert int(found["busy", "c0"][0][:-1]) <= 300, "its limit is 200m"
    assert int(found["busy", "idle"][0][:-1]) < 50
    by_cpu = cluster.kubectl("top", "pods", *n, "--sort-by=cpu", "--no-headers").splitlines()
    assert [line.split()[0] for line in by_cpu] == ["busy", "calm"]
    assert set(table(cluster.kubectl("top", "pods", *n, "-l", "app=busy"))) == {("busy",)}
    assert (namespace, "busy") in table(cluster.kubectl("top", "pods", "-A"))
    nodes = table(cluster.kubectl("top", "nodes"))
    assert int(nodes[(node,)][0][:-1]) > 50 and nodes[(node,)][1].endswith("%")
    assert "NotFound" in cluster.kubectl("top", "pod", "gone", *n, code=1)

    raw = f"/api/v1/nodes/{node}/proxy"
    summary = json.loads(cluster.kubectl("get", "--raw", f"{raw}/stats/summary"))
    (busy,) = (one for one in summary["pods"] if one["podRef"]["namespace"] == namespace and "busy" in str(one))
    (c0,) = (one for one in busy["containers"] if one["name"] == "c0")
    assert c0["cpu"]["usageNanoCores"] > 50_000_000 and c0["memory"]["availableBytes"] < 64 << 20
    assert c0["rootfs"]["usedBytes"] >= 4096, "the file that it wrote lies in its layer"
    assert busy["network"]["name"] == "eth0" and busy["process_stats"]["process_count"] >= 2
    for page, name in (
        ("metrics", "kubelet_running_pods"),
        ("metrics/resource", "pod_memory_working_set_bytes"),
        ("metrics/cadvisor", "container_cpu_cfs_throttled_periods"),
        ("metrics/probes", "prober_probe"),
    ):
        families = {one.name: one for one in text_string_to_metric_families(
            cluster.kubectl("get", "--raw", f"{raw}/{page}"))}  # fmt: skip
        samples = families[name].samples
        assert page == "metrics" or any(one.labels.get("namespace") == namespace for one in samples)
    shown = json.loads(cluster.kubectl("get", "--raw", f"{raw}/configz"))["kubeletconfig"]
    assert shown["clusterDomain"] == "cluster.local" and shown["maxPods"] > 0


def test_a_pod_that_does_not_run_has_no_figures(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, pod("waits", sleeper(), nodeSelector={"no": "such"}))
    assert "metrics not available yet" in cluster.kubectl("top", "pods", "-n", namespace, code=1)
    said = f'podmetrics.metrics.k8s.io "{namespace}/waits" not found'
    assert said in cluster.kubectl("top", "pod", "waits", "-n", namespace, code=1)
