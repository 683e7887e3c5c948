"""DaemonSets, Jobs and StatefulSets, with pods."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from procorch.client import Client
from procorch.objects import Object, annotations_of, condition_of, controller_of, get, labels_of, uid_of
from procorch.pods import is_active, is_ready
from tests.conformance.cluster import NODE, Cluster, obj, pod_spec, running

pytestmark = pytest.mark.asyncio(loop_scope="module")

INDEX = "batch.kubernetes.io/job-completion-index"


def workload(kind: str, ns: str, labels: dict[str, str] | None = None, **spec: Any) -> Object:
    """labels: more of its pods'."""
    chosen = {"app": "x"}
    template = {"metadata": {"labels": {**chosen, **(labels or {})}}, "spec": pod_spec()}
    return obj(kind, "w", ns, spec={"selector": {"matchLabels": chosen}, "template": template, **spec})


class Pods:
    """The active pods of a namespace, and what is waited for of them."""

    def __init__(self, cluster: Cluster, ns: str) -> None:
        self.cluster, self.client, self.ns = cluster, cluster.client, ns

    async def all(self) -> list[Object]:
        return [one for one in (await self.client.items("Pod", self.ns)).objects if is_active(one)]

    async def until(self, is_so: Callable[[list[Object]], Any]) -> list[Object]:
        async def look() -> tuple[list[Object]] | None:
            found = await self.all()
            return (found,) if is_so(found) else None

        (pods,) = await self.cluster.until(look)
        return list(pods)

    async def ready(self, count: int) -> list[Object]:
        return await self.until(lambda pods: len(pods) == count and all(map(is_ready, pods)))

    async def named(self, *names: str) -> list[Object]:
        return await self.until(lambda pods: sorted(one["metadata"]["name"] for one in pods) == sorted(names))

    async def write(self, name: str, status: Object) -> None:
        await self.client.patch("Pod", f"{self.ns}/{name}", {"status": status}, subresource="status")

    async def end(self, pod: Object, code: int) -> None:
        row = {**running(pod)["containerStatuses"][0], "ready": False, "state": {"terminated": {"exitCode": code}}}
        status = {"phase": "Failed" if code else "Succeeded", "containerStatuses": [row]}
        await self.write(pod["metadata"]["name"], status)


@pytest.fixture
def pods(cluster: Cluster, ns: str) -> Pods:
    return Pods(cluster, ns)


async def set_image(client: Client, kind: str, ns: str, image: str) -> None:
    patch = [{"op": "replace", "path": "/spec/template/spec/containers/0/image", "value": image}]
    await client.patch(kind, f"{ns}/w", patch, type="json")


def images(pods: list[Object]) -> list[str]:
    ordered = sorted(pods, key=lambda one: str(one["metadata"]["name"]))
    return [one["spec"]["containers"][0]["image"] for one in ordered]


async def test_a_simple_daemon_is_run_revived_and_retried(pods: Pods, client: Client, ns: str) -> None:
    await client.create(workload("DaemonSet", ns))
    (first,) = await pods.ready(1)
    assert get(first, ".spec.nodeName") == NODE
    await client.delete("Pod", f"{ns}/{first['metadata']['name']}")
    (second,) = await pods.until(lambda found: len(found) == 1 and uid_of(found[0]) != uid_of(first))
    await pods.ready(1)
    await pods.end(second, 1)
    await pods.until(lambda found: len(found) == 1 and uid_of(found[0]) != uid_of(second))


async def test_a_complex_daemon_follows_the_nodes_labels(pods: Pods, client: Client, ns: str) -> None:
    made = workload("DaemonSet", ns)
    made["spec"]["template"]["spec"]["nodeSelector"] = {"color": "blue"}
    await client.create(made)

    async def painted(color: str | None, count: int) -> None:
        await client.patch("Node", NODE, {"metadata": {"labels": {"color": color}}})
        await pods.ready(count)

    assert await pods.all() == []
    await painted("blue", 1)
    await painted("green", 0)
    template = {"nodeSelector": {"color": "green"}}
    await client.patch("DaemonSet", f"{ns}/w", {"spec": {"template": {"spec": template}}})
    await pods.ready(1)
    await painted(None, 0)


async def test_a_daemon_is_rolled_back_without_unnecessary_restarts(pods: Pods, client: Client, ns: str) -> None:
    await client.create(workload("DaemonSet", ns))
    (first,) = await pods.ready(1)
    await set_image(client, "DaemonSet", ns, "host2")
    await pods.until(lambda found: images(found) == ["host2"] and is_ready(found[0]))
    revisions = sorted((await client.items("ControllerRevision", ns)).objects, key=lambda one: int(one["revision"]))
    assert [one["revision"] for one in revisions] == [1, 2]
    assert labels_of(first)["controller-revision-hash"] == labels_of(revisions[0])["controller-revision-hash"]
    await client.patch("DaemonSet", f"{ns}/w", revisions[0]["data"], type="strategic")
    (back,) = await pods.until(lambda found: images(found) == ["host"] and is_ready(found[0]))
    assert labels_of(back)["controller-revision-hash"] == labels_of(first)["controller-revision-hash"]


def job(ns: str, **spec: Any) -> Object:
    return obj("Job", "w", ns, spec={"template": {"spec": pod_spec(restartPolicy="Never")}, **spec})


async def test_an_indexed_job_has_pods_with_indexes_and_host_names(
    pods: Pods, cluster: Cluster, client: Client, ns: str
) -> None:
    await client.create(job(ns, completions=4, parallelism=2, completionMode="Indexed"))
    for _ in range(2):
        for one in await pods.ready(2):
            assert one["spec"]["hostname"] == f"w-{annotations_of(one)[INDEX]}"
            await pods.end(one, 0)

    async def is_complete() -> Any:
        return condition_of(await client.get("Job", f"{ns}/w"), "Complete")

    assert (await cluster.until(is_complete))["status"] == "True"
    assert get(await client.get("Job", f"{ns}/w"), ".status.completedIndexes") == "0-3"


async def test_matching_orphans_of_a_job_are_adopted_and_others_released(pods: Pods, client: Client, ns: str) -> None:
    made = await client.create(job(ns, completions=2, parallelism=2))
    first, _ = await pods.ready(2)
    key = f"{ns}/{first['metadata']['name']}"
    await client.patch("Pod", key, {"metadata": {"ownerReferences": None}})
    await pods.until(lambda found: all((controller_of(one) or {}).get("uid") == uid_of(made) for one in found))
    await client.patch("Pod", key, {"metadata": {"labels": dict.fromkeys(labels_of(first))}})
    await pods.until(lambda found: len(found) == 3 and sum(controller_of(one) is None for one in found) == 1)
    released = await client.get("Pod", key)
    assert "batch.kubernetes.io/job-tracking" not in released["metadata"].get("finalizers", [])


async def test_a_deleted_job_takes_its_pods_along(pods: Pods, cluster: Cluster, client: Client, ns: str) -> None:
    await client.create(job(ns, completions=4, parallelism=2))
    await pods.ready(2)
    await client.delete("Job", f"{ns}/w", propagation="Foreground")
    await cluster.until(lambda: cluster.gone("Job", f"{ns}/w"))
    assert await pods.all() == []


async def test_scaling_goes_in_order_and_halts_at_a_pod_that_is_not_ready(pods: Pods, client: Client, ns: str) -> None:
    await client.create(workload("StatefulSet", ns, {"unready": ""}, serviceName="s", replicas=2))
    (first,) = await pods.named("w-0")
    await pods.write("w-0", running(first))
    _, second = await pods.named("w-0", "w-1")
    await pods.write("w-1", running(second))
    await pods.write("w-0", {"conditions": [{"type": "Ready", "status": "False"}]})
    await client.patch("StatefulSet", f"{ns}/w", {"spec": {"replicas": 1}})

    async def has_seen() -> bool:
        there = await client.get("StatefulSet", f"{ns}/w")
        return bool(there["status"].get("observedGeneration") == 2 and there["status"].get("readyReplicas") == 1)

    await pods.cluster.until(has_seen)
    assert len(await pods.all()) == 2, "it waits for the first"
    await pods.write("w-0", running(first))
    await pods.named("w-0")


async def test_a_burst_scales_although_pods_are_not_ready(pods: Pods, client: Client, ns: str) -> None:
    burst = {"serviceName": "s", "podManagementPolicy": "Parallel", "replicas": 3}
    await client.create(workload("StatefulSet", ns, {"unready": ""}, **burst))
    await pods.named("w-0", "w-1", "w-2")
    await client.patch("StatefulSet", f"{ns}/w", {"spec": {"replicas": 0}})
    await pods.named()


async def test_canaries_and_phases_of_an_update_and_its_rollback(pods: Pods, client: Client, ns: str) -> None:
    def phase(number: int) -> Object:
        return {"updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"partition": number}}}

    await client.create(workload("StatefulSet", ns, serviceName="s", replicas=3, **phase(3)))
    await pods.ready(3)
    await set_image(client, "StatefulSet", ns, "host2")
    for partition, wanted in ((2, ["host", "host", "host2"]), (0, ["host2"] * 3)):
        await client.patch("StatefulSet", f"{ns}/w", {"spec": phase(partition)})
        await pods.until(lambda found, wanted=wanted: images(found) == wanted and all(map(is_ready, found)))  # type: ignore[misc]

    async def is_complete() -> Any:
        status = (await client.get("StatefulSet", f"{ns}/w"))["status"]
        return status["currentRevision"] == status["updateRevision"] and status["updatedReplicas"] == 3

    await pods.cluster.until(is_complete)
    await set_image(client, "StatefulSet", ns, "host")
    await pods.until(lambda found: images(found) == ["host"] * 3 and all(map(is_ready, found)))
    assert len((await client.items("ControllerRevision", ns)).objects) == 2
