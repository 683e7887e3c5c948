"""The project's own command line against a cluster: the same YAML, the same words, without kubectl."""

from __future__ import annotations

import pytest

from tests.e2e.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]

RC = """
apiVersion: v1
kind: ReplicationController
metadata: {name: web}
spec:
  replicas: 1
  selector: {app: web}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 1
      containers: [{name: c, image: host, command: [sh, -c, "echo hello; exec sleep infinity"]}]
"""


def test_a_day_of_work(cluster: Cluster, namespace: str) -> None:
    p, n = cluster.procorch, ("-n", namespace)
    assert p("create", "-f", "-", *n, input=RC) == "replicationcontroller/web created\n"
    assert "already exists" in p("create", "-f", "-", *n, input=RC, code=1)
    cluster.ready(1, "-l", "app=web", *n)
    assert p("get", "rc", *n).splitlines()[0].split() == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
    assert p("get", "rc", "web", *n, "-o", "jsonpath={.status.readyReplicas}") == "1"
    pod = p("get", "pods", "-l", "app=web", *n, "-o", "name").strip().removeprefix("pod/")
    assert p("logs", pod, *n) == "hello\n"
    assert "Events:" in p("describe", "pod", pod, *n)
    assert "Scheduled" in p("events", "--for", f"pod/{pod}", *n)

    assert p("apply", "-f", "-", *n, input=RC.replace("replicas: 1", "replicas: 2")).endswith("configured\n")
    assert p("apply", "-f", "-", *n, input=RC.replace("replicas: 1", "replicas: 2")).endswith("unchanged\n")
    assert cluster.kubectl("apply", "-f", "-", *n, input=RC.replace("replicas: 1", "replicas: 2")), "they may be mixed"
    cluster.ready(2, "-l", "app=web", *n)
    p("scale", "rc", "web", "--replicas", "3", *n)
    cluster.ready(3, "-l", "app=web", *n)
    p("label", "rc", "web", "tier=front", *n)
    assert "use --overwrite" in p("label", "rc", "web", "tier=back", *n, code=1)
    p("label", "rc", "web", "tier-", *n)
    p("annotate", "rc", "web", "note=a b", *n)
    assert cluster.get("rc", "web", *n)["metadata"]["annotations"]["note"] == "a b"

    assert p("stop", "rc", "web", *n, timeout=60) == "replicationcontroller/web stopped\n"
    assert "No resources found" in cluster.run(*_argv(cluster, "get", "pods", *n)).stderr


def _argv(cluster: Cluster, *words: str) -> list[str]:
    from tests.e2e.cluster import BIN

    return [str(BIN / "procorch"), *words]


def test_what_is_missing_and_what_is_wrong_have_exit_codes(cluster: Cluster, namespace: str) -> None:
    p = cluster.procorch
    assert '(NotFound): pods "none" not found' in p("get", "pod", "none", "-n", namespace, code=1)
    assert p("get", "pod", "none", "-n", namespace, "--ignore-not-found") == ""
    assert "resource type" in p("get", "frobs", code=1)
    assert "unknown output" in p("get", "pods", "-o", "xml", code=2)
    assert "no such kubeconfig" in p("get", "pods", "--kubeconfig", "/nowhere", code=1)
    assert "node" in p("get", "nodes", "-o", "name")


def test_help_names_every_command(cluster: Cluster) -> None:
    text = cluster.procorch("--help")
    for word in ("up", "get", "apply", "logs", "token", "completion"):
        assert f"  {word} " in text
    assert "complete" in cluster.procorch("completion", "bash")
    assert "replicationcontrollers" in cluster.procorch("api-resources")
