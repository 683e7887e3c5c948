"""What is wrong gets a clear answer in Kubernetes' words, and changes nothing."""

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
    metadata: {labels: {app: %s}}
    spec: {containers: [{name: c, image: host, command: [sleep, inf]}]}
"""


def _pod(spec: str = "containers: [{name: c, image: host, command: [sleep, inf]}]", name: str = "p") -> str:
    return f"apiVersion: v1\nkind: Pod\nmetadata: {{name: {name}}}\nspec: {{{spec}}}\n"


def _service(port: str) -> str:
    return f"apiVersion: v1\nkind: Service\nmetadata: {{name: s}}\nspec: {{type: NodePort, ports: [{port}]}}\n"


@pytest.mark.parametrize(
    ("manifest", "words"),
    [
        pytest.param("a: [", "error parsing", id="malformed YAML"),
        pytest.param(_pod() + "  extra: 1\n", "error", id="malformed in its structure"),
        pytest.param(
            _pod("bogus: 1, containers: [{name: c, image: host}]"), 'unknown field "spec.bogus"', id="unknown"
        ),
        pytest.param(_pod(name="Not_A_Name"), "a lowercase RFC 1123 subdomain", id="a bad name"),
        pytest.param(_pod("containers: []"), "spec.containers: Required value", id="no containers"),
        pytest.param(
            _pod("containers: [{name: c, image: host, resources: {limits: {cpu: lots}}}]"), "quantit", id="bad quantity"
        ),
        pytest.param(
            _pod("containers: [{name: c, image: host, ports: [{containerPort: 70000}]}]"),
            "between 1 and 65535",
            id="a bad port",
        ),
        pytest.param(RC % "other", "`selector` does not match template `labels`", id="S026: selector and template"),
        pytest.param(_service("{port: 80, nodePort: 80}"), "30000-32767", id="S155: a node port out of range"),
    ],
)
def test_a_manifest_is_refused(cluster: Cluster, namespace: str, manifest: str, words: str) -> None:
    error = cluster.kubectl("create", "-n", namespace, "-f", "-", input=manifest, code=1)

    assert words in error
    assert cluster.kubectl("get", "pods,rc,svc", "-n", namespace, "-o", "name") == ""


def test_bad_labels_are_refused(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "configmap", "c", "-n", namespace)
    body = '{"metadata":{"labels":{"a b":"c"}}}'
    assert "Invalid value" in cluster.kubectl("patch", "cm", "c", "-n", namespace, "-p", body, code=1)


def test_the_same_name_twice_is_409(cluster: Cluster, namespace: str) -> None:
    """S009, S024."""
    cluster.kubectl("create", "configmap", "c", "-n", namespace)
    error = cluster.kubectl("create", "configmap", "c", "-n", namespace, code=1)

    assert "(AlreadyExists)" in error or "already exists" in error


def test_a_node_port_in_use_is_refused(cluster: Cluster, namespace: str) -> None:
    taken = _service("{port: 80, nodePort: 31234}")
    cluster.kubectl("create", "-n", namespace, "-f", "-", input=taken)
    error = cluster.kubectl("create", "-n", namespace, "-f", "-", input=taken.replace("name: s", "name: t"), code=1)

    assert "provided port is already allocated" in error
    cluster.kubectl("delete", "svc", "s", "-n", namespace)
    cluster.kubectl("create", "-n", namespace, "-f", "-", input=taken.replace("name: s", "name: t"))


def test_a_stale_version_is_409(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "configmap", "c", "-n", namespace)
    old = cluster.kubectl("get", "cm", "c", "-n", namespace, "-o", "yaml")
    cluster.kubectl("label", "cm", "c", "-n", namespace, "x=y")
    error = cluster.kubectl("replace", "-n", namespace, "-f", "-", input=old, code=1)

    assert "(Conflict)" in error and "the object has been modified" in error


def test_no_such_namespace_is_404(cluster: Cluster) -> None:
    error = cluster.kubectl("create", "-n", "nowhere", "-f", "-", input=_pod(), code=1)

    assert 'namespaces "nowhere" not found' in error
