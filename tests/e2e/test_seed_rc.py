"""What keeps pods: as many as wanted, of the wanted shape, whatever happens to them behind its back."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.manifests import controller, create, pod, pod_spec, sleeper

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]


def names(cluster: Cluster, namespace: str, *selector: str) -> set[str]:
    """The pods that are there and are not on their way out."""
    items = cluster.get("pods", "-n", namespace, *selector)["items"]
    return {row["metadata"]["name"] for row in items if "deletionTimestamp" not in row["metadata"]}


def owner(cluster: Cluster, namespace: str, name: str) -> str:
    return cluster.path("{.metadata.ownerReferences[0].name}", "pod", name, "-n", namespace)


def test_the_number_of_pods_is_kept_whatever_happens_to_them(cluster: Cluster, namespace: str) -> None:
    """S101–S105, S107, S025: adopted, replaced, released, and too many are deleted."""
    n = ("-n", namespace)
    create(cluster, namespace, pod("orphan", sleeper(), labels={"app": "keep", "extra": "yes"}))
    create(cluster, namespace, controller("keep", 2, pod_spec(sleeper())))
    cluster.ready(2, "-l", "app=keep", *n)
    assert owner(cluster, namespace, "orphan") == "keep", "an orphan that matches is adopted, and counts"
    (made,) = names(cluster, namespace, "-l", "app=keep") - {"orphan"}
    assert made.startswith("keep-") and len(made) == len("keep-xxxxx")

    cluster.kubectl("delete", "pod", made, *n, "--wait=false")
    cluster.until(
        lambda: len(now := names(cluster, namespace, "-l", "app=keep")) == 2 and made not in now, "it is replaced"
    )

    cluster.kubectl("label", "pod", "orphan", *n, "app=debug", "--overwrite")
    cluster.until(lambda: len(names(cluster, namespace, "-l", "app=keep")) == 2, "a relabelled pod is replaced")
    cluster.until(lambda: not owner(cluster, namespace, "orphan"), "and released")
    assert "orphan" in names(cluster, namespace), "it lives on"

    cluster.kubectl("label", "pod", "orphan", *n, "app=keep", "--overwrite")
    cluster.until(lambda: len(names(cluster, namespace, "-l", "app=keep")) == 2, "one too many is deleted")
    status = cluster.until(
        lambda: (found := cluster.get("rc", "keep", *n)["status"]).get("readyReplicas") == 2 and found,
        "the status tells it",
    )
    assert (status["replicas"], status["fullyLabeledReplicas"], status["availableReplicas"]) == (2, 2, 2)


def test_zero_replicas_delete_all_pods_and_delete_takes_them_along(cluster: Cluster, namespace: str) -> None:
    """S109, S110."""
    n = ("-n", namespace)
    manifest = controller("gone", 2, pod_spec(sleeper()))
    cluster.kubectl("apply", *n, "-f", "-", input=json.dumps(manifest))
    cluster.ready(2, "-l", "app=gone", *n)
    manifest["spec"]["replicas"] = 0
    cluster.kubectl("apply", *n, "-f", "-", input=json.dumps(manifest))
    cluster.ready(0, "-l", "app=gone", *n)
    assert cluster.kubectl("get", "rc", "gone", *n, "--no-headers").split()[1:4] == ["0", "0", "0"]

    manifest["spec"]["replicas"] = 1
    cluster.kubectl("apply", *n, "-f", "-", input=json.dumps(manifest))
    cluster.ready(1, "-l", "app=gone", *n)
    cluster.kubectl("delete", "rc", "gone", *n)
    cluster.ready(0, "-l", "app=gone", *n)


def _delete_by_the_api(cluster: Cluster, path: str) -> Any:
    return json.loads(cluster.kubectl("delete", "--raw", path))


def test_the_api_alone_leaves_the_pods_of_a_deleted_controller(cluster: Cluster, namespace: str) -> None:
    """S108: without a word about dependents, a controller's pods stay as they are; the next one adopts them."""
    create(cluster, namespace, controller("left", 2, pod_spec(sleeper())))
    cluster.ready(2, "-l", "app=left", "-n", namespace)
    before = names(cluster, namespace)
    _delete_by_the_api(cluster, f"/api/v1/namespaces/{namespace}/replicationcontrollers/left")
    cluster.until(lambda: not any(owner(cluster, namespace, name) for name in before), "they have no owner")
    assert names(cluster, namespace) == before

    create(cluster, namespace, controller("left", 2, pod_spec(sleeper())))
    cluster.until(lambda: all(owner(cluster, namespace, name) == "left" for name in before), "they are adopted")
    assert names(cluster, namespace) == before


def _replica_set(replicas: int, labels: dict[str, str]) -> dict[str, Any]:
    selector = {
        "matchLabels": {"app": "set"},
        "matchExpressions": [
            {"key": "tier", "operator": "In", "values": ["front", "middle"]},
            {"key": "env", "operator": "NotIn", "values": ["production"]},
            {"key": "release", "operator": "Exists"},
            {"key": "retired", "operator": "DoesNotExist"},
        ],
    }
    template = {"metadata": {"labels": labels}, "spec": pod_spec(sleeper())}
    spec = {"replicas": replicas, "selector": selector, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "set"}, "spec": spec}


def test_a_replica_set_selects_by_sets(cluster: Cluster, namespace: str) -> None:
    """S100, S111: every operator, all of them at once; for it, deleting takes the pods along by default."""
    n = ("-n", namespace)
    labels = {"app": "set", "tier": "front", "env": "dev", "release": "canary"}
    for odd in ({"tier": "back"}, {"env": "production"}, {"retired": "yes"}, {"app": "other"}):
        error = create(cluster, namespace, _replica_set(1, labels | odd), code=1)
        assert "`selector` does not match template `labels`" in error
    create(cluster, namespace, pod("old", sleeper(), labels={**labels, "retired": "yes"}))
    create(cluster, namespace, _replica_set(2, labels))
    cluster.ready(3, *n)
    assert not owner(cluster, namespace, "old"), "one that does not match is left alone"
    table = [line.split() for line in cluster.kubectl("get", "rs", *n).splitlines()]
    assert table[0] == ["NAME", "DESIRED", "CURRENT", "READY", "AGE"]
    cluster.until(
        lambda: cluster.kubectl("get", "rs", "set", *n, "--no-headers").split()[:4] == ["set", "2", "2", "2"],
        "the set is complete",
    )

    first = sorted(names(cluster, namespace) - {"old"})[0]
    cluster.kubectl("label", "pod", first, *n, "retired=yes")
    cluster.until(lambda: len(names(cluster, namespace, "-l", "!retired")) == 2, "a pod that leaves is replaced")
    cluster.kubectl("scale", "rs", "set", *n, "--replicas=1")
    cluster.until(lambda: len(names(cluster, namespace, "-l", "!retired")) == 1, "S119: scaled")
    _delete_by_the_api(cluster, f"/apis/apps/v1/namespaces/{namespace}/replicasets/set")
    cluster.until(lambda: names(cluster, namespace) == {"old", first}, "its pods go with it")
