"""Deployments, as their users see them: rolled out, watched, undone, paused, scaled."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from tests.e2e.cluster import ROOT, Cluster
from tests.e2e.load import load
from tests.e2e.manifests import PORT, create, deployment, pod_spec, service, sleeper, web

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]

_VERSIONS = ("1", "2", "3")


@pytest.fixture(scope="module")
def versions(cluster: Cluster) -> Iterator[None]:
    """Images that are the host's own programs, so that an update is one of the image, as in the notes."""
    image = {"apiVersion": "procorch.dev/v1", "kind": "Image", "metadata": {"name": "rolled"},
             "spec": {"patterns": [f"rolled:{number}" for number in _VERSIONS], "root": "host"}}  # fmt: skip
    cluster.kubectl("create", "-f", "-", input=json.dumps(image))
    yield
    cluster.kubectl("delete", "image.procorch.dev", "rolled")


def rollout(cluster: Cluster, namespace: str, *words: object, code: int = 0) -> str:
    return cluster.kubectl("rollout", *words, "-n", namespace, code=code)


def images(cluster: Cluster, namespace: str) -> list[str]:
    """Of the pods that are there and not on their way out."""
    items = cluster.get("pods", "-n", namespace)["items"]
    return sorted(row["spec"]["containers"][0]["image"] for row in items if "deletionTimestamp" not in row["metadata"])


def sizes(cluster: Cluster, namespace: str) -> list[int]:
    """Of the ReplicaSets, the greatest first."""
    return sorted((row["spec"]["replicas"] for row in cluster.get("rs", "-n", namespace)["items"]), reverse=True)


def test_the_example_runs_through_a_replica_set(cluster: Cluster, namespace: str) -> None:
    """S112, S115, S116, S119, U10: hello-deployment.yaml as it is; pods are a ReplicaSet's."""
    n = ("-n", namespace)
    cluster.kubectl("apply", *n, "-f", ROOT / "examples/seed/hello-deployment.yaml")
    assert 'deployment "hello-deployment" successfully rolled out' in rollout(
        cluster, namespace, "status", "deployment/hello-deployment", "--timeout=60s"
    )
    (rs,) = cluster.get("rs", *n)["items"]
    (owner,) = rs["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["name"], owner["controller"]) == ("Deployment", "hello-deployment", True)
    pods = cluster.get("pods", *n)["items"]
    assert len(pods) == 3
    assert {pod["metadata"]["ownerReferences"][0]["uid"] for pod in pods} == {rs["metadata"]["uid"]}

    cluster.kubectl("scale", "deployment/hello-deployment", *n, "--replicas=5")
    cluster.ready(5, *n)
    cluster.kubectl("wait", "deployment/hello-deployment", *n, "--for=condition=Available", "--timeout=30s")
    described = cluster.kubectl("describe", "deployment/hello-deployment", *n)
    name = rs["metadata"]["name"]
    assert f"Scaled up replica set {name} from 0 to 3" in described
    assert f"Scaled up replica set {name} from 3 to 5" in described
    cluster.kubectl("delete", "deployment/hello-deployment", *n)
    cluster.until(
        lambda: all("deletionTimestamp" in row["metadata"] for row in cluster.get("rs,pods", *n)["items"]),
        "its sets and their pods go with it",  # pods that do not heed SIGTERM have their 30 seconds
    )


def test_a_new_image_rolls_out_pod_by_pod_and_no_request_is_lost(
    cluster: Cluster, namespace: str, versions: None
) -> None:
    """S114, S117: never fewer available than wanted, never more than one above; the load counts what fails."""
    n = ("-n", namespace)
    # Once ready, ready: a probe that a busy machine answers late is not what is looked at here.
    ready = {"tcpSocket": {"port": PORT}, "periodSeconds": 1, "failureThreshold": 60}
    server = {**web(readinessProbe=ready), "image": "rolled:1"}
    strategy = {"rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    create(
        cluster, namespace, service("roll", {"app": "roll"}, {"port": PORT}),
        deployment("roll", 3, pod_spec(server), strategy=strategy),
    )  # fmt: skip
    rollout(cluster, namespace, "status", "deployment/roll", "--timeout=60s")
    columns = ["NAME", "READY", "UP-TO-DATE", "AVAILABLE", "AGE"]
    heading, row = cluster.kubectl("get", "deployments", *n).splitlines()
    assert (heading.split(), row.split()[:4]) == (columns, ["roll", "3/3", "3", "3"])
    heading, row = cluster.procorch("get", "deployments", *n).splitlines()
    assert heading.split() == ["NAME", "DESIRED", "CURRENT", "UP-TO-DATE", "AVAILABLE", "AGE"]
    assert row.split()[:5] == ["roll", "3", "3", "3", "3"]

    address = cluster.path("{.spec.clusterIP}", "svc", "roll", *n)
    seen: list[dict[str, Any]] = []
    with load(cluster, address) as told:
        cluster.kubectl("set", "image", "deployment/roll", "c0=rolled:2", *n)

        def is_done() -> bool:
            status = cluster.get("deployment", "roll", *n)["status"]
            seen.append(status)
            return bool(
                status["observedGeneration"] == 2
                and status["replicas"] == status.get("updatedReplicas") == status.get("availableReplicas") == 3
            )

        cluster.until(is_done, "the second version is there", seconds=60)
        cluster.until(lambda: images(cluster, namespace) == ["rolled:2"] * 3, "and it alone")
    assert told.errors == []
    assert len(told.answers) >= 4, "pods of both versions answered"
    assert all(3 <= status["replicas"] <= 4 and status.get("availableReplicas", 0) >= 3 for status in seen), seen
    assert sizes(cluster, namespace) == [3, 0]


def test_history_status_undo_pause_resume_and_restart(cluster: Cluster, namespace: str, versions: None) -> None:
    """S118: what `kubectl rollout` offers."""
    n, name = ("-n", namespace), "deployment/told"
    server = {**sleeper(), "image": "rolled:1"}
    create(cluster, namespace, deployment("told", 2, pod_spec(server), progressDeadlineSeconds=2))
    rollout(cluster, namespace, "status", name, "--timeout=60s")
    for version in ("2", "nobody-has-it"):
        cluster.kubectl("annotate", name, *n, f"kubernetes.io/change-cause=version {version}", "--overwrite")
        cluster.kubectl("set", "image", name, f"c0=rolled:{version}", *n)
        if version == "2":
            rollout(cluster, namespace, "status", name, "--timeout=60s")
    failed = rollout(cluster, namespace, "status", name, "--timeout=60s", code=1)
    assert 'deployment "told" exceeded its progress deadline' in failed
    assert images(cluster, namespace).count("rolled:2") >= 2, "what runs is kept"
    history = [line.split(maxsplit=1) for line in rollout(cluster, namespace, "history", name).splitlines()[2:] if line]
    assert [row[0] for row in history] == ["1", "2", "3"]
    assert "rolled:1" in rollout(cluster, namespace, "history", name, "--revision=1")

    rollout(cluster, namespace, "undo", name)
    rollout(cluster, namespace, "status", name, "--timeout=60s")
    assert images(cluster, namespace) == ["rolled:2"] * 2
    rollout(cluster, namespace, "undo", name, "--to-revision=1")
    rollout(cluster, namespace, "status", name, "--timeout=60s")
    assert images(cluster, namespace) == ["rolled:1"] * 2
    history = [line.split()[0] for line in rollout(cluster, namespace, "history", name).splitlines()[2:] if line]
    assert history == ["3", "4", "5"], "what is rolled back to is the newest revision again"

    rollout(cluster, namespace, "pause", name)
    cluster.kubectl("set", "image", name, "c0=rolled:3", *n)
    paused = cluster.until(
        lambda: (
            (found := cluster.get(name, *n))["status"]["observedGeneration"] == found["metadata"]["generation"]
            and found
        ),
        "the pause is seen",
    )
    assert "DeploymentPaused" in {row["reason"] for row in paused["status"]["conditions"]}
    assert images(cluster, namespace) == ["rolled:1"] * 2
    rollout(cluster, namespace, "resume", name)
    rollout(cluster, namespace, "status", name, "--timeout=60s")
    assert images(cluster, namespace) == ["rolled:3"] * 2

    before = set(cluster.path("{.items[*].metadata.name}", "pods", *n).split())
    rollout(cluster, namespace, "restart", name)
    rollout(cluster, namespace, "status", name, "--timeout=60s")
    cluster.ready(2, *n)
    assert not before & set(cluster.path("{.items[*].metadata.name}", "pods", *n).split())


def test_recreate_lets_the_old_end_before_the_new_begin(cluster: Cluster, namespace: str, versions: None) -> None:
    """Two that must never run at once: the new ones start when the old processes are gone."""
    n = ("-n", namespace)
    server = {**sleeper(), "image": "rolled:1"}
    create(cluster, namespace, deployment("once", 2, pod_spec(server), strategy={"type": "Recreate"}))
    rollout(cluster, namespace, "status", "deployment/once", "--timeout=60s")
    cluster.kubectl("set", "image", "deployment/once", "c0=rolled:2", *n)
    together: set[frozenset[str]] = set()

    def is_done() -> bool:
        items = cluster.get("pods", *n)["items"]
        together.add(frozenset(row["spec"]["containers"][0]["image"] for row in items))
        return [row["spec"]["containers"][0]["image"] for row in items] == ["rolled:2"] * 2

    cluster.until(is_done, "the second version is there", seconds=60)
    assert frozenset({"rolled:1", "rolled:2"}) not in together


def test_created_and_exposed_by_a_few_words(cluster: Cluster, namespace: str, versions: None) -> None:
    """`kubectl create deployment`, `expose`, `set env`: no manifest at all."""
    n = ("-n", namespace)
    cluster.kubectl("create", "deployment", "words", *n, "--image=rolled:1", "--replicas=2", "--", "python3", "-ISc",
                    web()["command"][-1])  # fmt: skip
    cluster.kubectl("expose", "deployment", "words", *n, "--port=80", f"--target-port={PORT}")
    rollout(cluster, namespace, "status", "deployment/words", "--timeout=60s")
    address = cluster.path("{.spec.clusterIP}", "svc", "words", *n)
    cluster.until(lambda: cluster.fetch(f"http://{address}/").stdout.startswith("words-"), "it answers")
    cluster.kubectl("set", "env", "deployment/words", "A=1", *n)
    rollout(cluster, namespace, "status", "deployment/words", "--timeout=60s")
    assert sizes(cluster, namespace) == [2, 0]
    cluster.kubectl("delete", "deployment,service", "words", *n)
