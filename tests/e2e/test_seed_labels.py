"""Labels and selectors: any key=value on any object, in any number, and every form of asking for them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.manifests import controller, create, pod, pod_spec, service, sleeper

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]

SETTINGS = {
    "a": {"name": "redis", "env": "dev", "release": "stable", "tier": "front"},
    "b": {"name": "redis", "env": "production", "release": "canary", "tier": "back"},
    "c": {"name": "php", "env": "production", "release": "stable", "tier": "front"},
    "d": {"env": "qa"},
    "e": {},
}


@pytest.fixture(scope="module")
def labelled(cluster: Cluster) -> Iterator[str]:
    """A namespace with one ConfigMap for each row of SETTINGS."""
    name = "seed-labels"
    cluster.kubectl("create", "namespace", name)
    objects = [
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": key, "labels": labels}}
        for key, labels in SETTINGS.items()
    ]
    create(cluster, name, *objects)
    yield name
    cluster.kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.parametrize(
    ("selector", "found"),
    [
        pytest.param("name=redis", "ab", id="S096: is"),
        pytest.param("name==redis", "ab", id="S096: is, with two signs"),
        pytest.param("env!=production", "ade", id="S097: is not; one without the key is not either"),
        pytest.param("env in (production, qa)", "bcd", id="S098: is one of"),
        pytest.param("name notin (php)", "abde", id="S099: is none of; one without the key is not either"),
        pytest.param("release", "abc", id="S099: the key is there"),
        pytest.param("!release", "de", id="S099: the key is not there"),
        pytest.param("release=stable,env=production", "c", id="S094: two dimensions"),
        pytest.param("tier in (front),release notin (canary),name!=php,env", "a", id="S094: four, of all forms"),
        pytest.param("name=nobody", "", id="nothing"),
    ],
)
def test_a_selector_finds(cluster: Cluster, labelled: str, selector: str, found: str) -> None:
    # Every namespace has the CA's certificate as a ConfigMap of its own, which has no labels.
    lines = cluster.kubectl("get", "configmaps", "-n", labelled, "-l", selector, "-o", "name").splitlines()
    names = [line.removeprefix("configmap/") for line in lines]
    assert [name for name in names if name != "kube-root-ca.crt"] == list(found)


@pytest.fixture
def example(cluster: Cluster, namespace: str) -> Iterator[str]:
    """A prefix for marks on the nodes; they are gone after the test, and so is an Image named as its namespace."""
    yield "procorch.example"
    cluster.kubectl("label", "nodes", "--all", "procorch.example/mark-")
    cluster.kubectl("annotate", "nodes", "--all", "procorch.example/note-")
    cluster.kubectl("delete", "image", namespace, "--ignore-not-found")


def test_any_kind_of_object_is_labelled_found_and_annotated(cluster: Cluster, namespace: str, example: str) -> None:
    """S091, S092, S095, S172, S173: of the namespace and of the cluster."""
    n = ("-n", namespace)
    create(
        cluster, namespace,
        pod("p", sleeper()),
        controller("rc", 0, pod_spec(sleeper())),
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "rs"}, "spec": {
            "replicas": 0, "selector": {"matchLabels": {"x": "rs"}},
            "template": {"metadata": {"labels": {"x": "rs"}}, "spec": pod_spec(sleeper())}}},
        service("svc", None, {"port": 80}),
        {"apiVersion": "v1", "kind": "Endpoints", "metadata": {"name": "ep"}},
        {"apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "metadata": {"name": "eps"},
         "addressType": "IPv4", "endpoints": []},
        {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "lease"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "cm"}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "secret"}},
        {"apiVersion": "procorch.dev/v1", "kind": "Image", "metadata": {"name": namespace},
         "spec": {"patterns": [f"{namespace}:*"], "root": "host", "entrypoint": ["true"]}},
    )  # fmt: skip
    objects = [
        "configmap/cm", "endpoints/ep", "endpointslice.discovery.k8s.io/eps", f"image.procorch.dev/{namespace}",
        "lease.coordination.k8s.io/lease", f"namespace/{namespace}", "pod/p", "replicaset.apps/rs",
        "replicationcontroller/rc", "secret/secret", "service/svc", "serviceaccount/default",
    ]  # fmt: skip
    kinds = sorted({row.partition("/")[0] for row in objects})
    mark = f"{example}/mark={namespace}"

    for row in (objects, cluster.kubectl("get", "nodes", "-o", "name").split()):
        cluster.kubectl("label", *n, *row, mark)
        cluster.kubectl("annotate", *n, *row, f"{example}/note=any text: 任意文本, {{}}")
    found = cluster.kubectl("get", ",".join([*kinds, "nodes"]), *n, "-l", mark, "-o", "name").split()
    assert sorted(name for name in found if not name.startswith("node/")) == objects
    assert [name for name in found if name.startswith("node/")], "a node too"
    for kind in (*kinds, "nodes"):
        assert cluster.kubectl("get", kind, *n, "-l", f"{example}/note", "-o", "name") == "", "an annotation"


def test_an_object_has_any_number_of_labels(cluster: Cluster, namespace: str) -> None:
    """S093."""
    cluster.kubectl("create", "configmap", "many", "-n", namespace)
    cluster.kubectl("label", "cm", "many", "-n", namespace, *(f"key{number}=value{number}" for number in range(200)))
    labels = cluster.get("cm", "many", "-n", namespace)["metadata"]["labels"]
    assert len(labels) == 200
    assert cluster.kubectl("get", "cm", "-n", namespace, "-l", "key7=value7,key199=value199", "-o", "name")


def test_labels_are_added_changed_only_when_asked_and_taken_away(cluster: Cluster, namespace: str) -> None:
    """S100."""
    n = ("-n", namespace)
    cluster.kubectl("create", "configmap", "one", *n)
    cluster.kubectl("label", "cm", "one", *n, "env=dev", "tier=front")
    assert "already has a value (dev)" in cluster.kubectl("label", "cm", "one", *n, "env=qa", code=1)
    cluster.kubectl("label", "cm", "one", *n, "env=qa", "--overwrite")
    cluster.kubectl("label", "cm", "one", *n, "tier-")
    assert json.loads(cluster.path("{.metadata.labels}", "cm", "one", *n)) == {"env": "qa"}
    assert cluster.kubectl("get", "cm", *n, "-L", "env", "-l", "env").splitlines()[1].split()[-1] == "qa"
    cluster.kubectl("delete", "cm", *n, "-l", "env=qa")
    assert cluster.kubectl("get", "cm", "one", *n, "--ignore-not-found") == ""
