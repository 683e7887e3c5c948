"""Debian's kubectl, 1.20: seventeen minor versions older than the API that it speaks with, and of use all the same."""

from __future__ import annotations

import pytest

from tests import debian
from tests.e2e.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]

MANIFEST = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: %s}
---
apiVersion: apps/v1
kind: ReplicaSet
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: web, image: host, command: [sleep, infinity]}]
"""


@pytest.fixture(scope="module")
def old(cluster: Cluster) -> Cluster:
    try:
        return cluster.with_kubectl(str(debian.program("kubernetes-client", "/usr/bin/kubectl")))
    except debian.Missing as error:
        pytest.skip(str(error))


def test_objects_are_made_changed_shown_and_deleted(old: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    assert old.kubectl("apply", "-f", "-", *n, input=MANIFEST % "red") == (
        "configmap/settings created\nreplicaset.apps/web created\n"
    )
    assert "configmap/settings unchanged" in old.kubectl("apply", "-f", "-", *n, input=MANIFEST % "red")
    assert "+  colour: blue" in old.run(old.program, "diff", "-f", "-", *n, input=MANIFEST % "blue").stdout
    assert "configmap/settings configured" in old.kubectl("apply", "-f", "-", *n, input=MANIFEST % "blue")
    old.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", *n, input=MANIFEST % "green")
    old.ready(2, "-l", "app=web", *n)

    old.environment["KUBE_EDITOR"] = "sed -i s/replicas:.2/replicas:\\ 1/"
    assert old.kubectl("edit", "rs", "web", *n) == "replicaset.apps/web edited\n"
    old.ready(1, "-l", "app=web", *n)
    head, row = old.kubectl("get", "rs", *n, "-o", "wide").splitlines()
    assert head.split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE", "CONTAINERS", "IMAGES", "SELECTOR"]
    assert row.split()[:4] == ["web", "1", "1", "1"]
    assert old.path("{.data.colour}", "cm", "settings", *n) == "green"
    assert "1 current / 1 desired" in old.kubectl("describe", "rs", "web", *n)
    old.kubectl("create", "secret", "generic", "password", *n, "--from-literal=root=geheim")
    old.kubectl("create", "ingress", "web", *n, "--rule=a.example.com/b=web:80")
    assert old.kubectl("patch", "cm", "settings", *n, "-p", '{"data":{"size":"3"}}') == "configmap/settings patched\n"
    old.kubectl("scale", "rs", "web", *n, "--replicas=0")
    old.kubectl("delete", "-f", "-", *n, input=MANIFEST % "any", timeout=60)
    assert old.kubectl("get", "cm/settings", *n, code=1) == (
        'Error from server (NotFound): configmaps "settings" not found\n'
    )


def test_a_pod_is_run_waited_for_and_its_log_followed(old: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    script = "for i in 1 2 3 4 5; do echo line $i; sleep 0.2; done"
    old.kubectl("run", "talker", "--image=host", *n, "--restart=Never", "--command", "--", "sh", "-c", script)
    old.until(lambda: old.path("{.status.phase}", "pod", "talker", *n) != "Pending", "it runs")

    assert old.kubectl("logs", "-f", "talker", *n) == "".join(f"line {i}\n" for i in range(1, 6))
    old.until(lambda: "Completed" in old.kubectl("get", "pods", *n), "it has ended")
    assert "Successfully assigned" in old.kubectl("describe", "pod", "talker", *n)
    old.kubectl("wait", "--for=condition=Initialized", "pod/talker", *n, "--timeout=10s")


def test_what_it_asks_about_the_server(old: Cluster) -> None:
    assert 'Major:"1", Minor:"37"' in old.kubectl("version")
    assert "endpointslices" in old.kubectl("api-resources") and "apps/v1" in old.kubectl("api-versions")
    assert "restartPolicy\t<string>" in old.kubectl("explain", "pod.spec")
    assert old.kubectl("auth", "can-i", "create", "pods") == "yes\n"
    assert [line.split()[1] for line in old.kubectl("get", "cs").splitlines()[1:]] == ["Healthy"] * 3
