"""Pods that become larger and smaller while they run: by the real kernel, and through the API."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kubelet.resizing import allocated_pod, allocation_of, must_restart
from procorch.objects import Object
from tests.procorch.kubelet.conftest import Cluster, status_of

pytestmark = pytest.mark.kernel

WAIT = "exec sleep 1000"


def sizes(cpu: str, memory: str, most_cpu: str = "", most_memory: str = "") -> dict[str, Any]:
    limits = {"cpu": most_cpu or cpu, "memory": most_memory or memory}
    return {"requests": {"cpu": cpu, "memory": memory}, "limits": limits}


def condition(pod: Object, type_: str) -> dict[str, Any]:
    return next((row for row in pod["status"].get("conditions", []) if row["type"] == type_), {})


async def sized(cluster: Cluster, name: str, *commands: str, resources: dict[str, Any], **spec: Any) -> Object:
    policy = spec.pop("resizePolicy", None)
    rows = [
        {"name": letter, "image": "host", "command": ["/bin/sh", "-c", command], "resources": resources}
        | ({"resizePolicy": policy} if policy else {})
        for letter, command in zip("abc", commands, strict=False)
    ]
    await cluster.pod(name, containers=rows, **spec)
    return await cluster.until(lambda pod: pod["status"].get("phase") == "Running", name)


async def resize(cluster: Cluster, name: str, resources: dict[str, Any], container: str = "a") -> Object:
    body = {"spec": {"containers": [{"name": container, "resources": resources}]}}
    return await cluster.client.patch("Pod", f"default/{name}", body, type="strategic", subresource="resize")


def is_through(resources: dict[str, Any]) -> Any:
    """The status tells these sizes, and that no resize goes on."""

    def through(pod: Object) -> bool:
        told = status_of(pod).get("resources") == resources
        return told and not condition(pod, "PodResizeInProgress") and not condition(pod, "PodResizePending")

    return through


def kernel(cluster: Cluster, pod: Object, container: str = "") -> tuple[int | None, int | None]:
    """(millicores, bytes) that the kernel allows the container, or the pod."""
    sandbox = cluster.sandboxes(pod["metadata"]["uid"])[0]
    limits = sandbox.limits(f"{container}.0" if container else "")
    return limits.cpu_limit_millis, limits.memory_limit_bytes


async def test_a_pod_grows_and_shrinks_in_place(running: Cluster) -> None:
    pod = await sized(running, "web", WAIT, WAIT, resources=sizes("100m", "32Mi", "200m", "64Mi"))
    assert kernel(running, pod) == (400, 128 << 20)
    assert status_of(pod)["allocatedResources"] == {"cpu": "100m", "memory": "32Mi"}

    larger = sizes("300m", "64Mi", "600m", "128Mi")
    await resize(running, "web", larger)
    pod = await running.until(is_through(larger))
    assert (kernel(running, pod), kernel(running, pod, "a"), kernel(running, pod, "b")) == (
        (800, 192 << 20), (600, 128 << 20), (200, 64 << 20),
    )  # fmt: skip

    smaller = sizes("50m", "16Mi", "100m", "32Mi")
    await resize(running, "web", smaller)
    pod = await running.until(is_through(smaller))
    assert (kernel(running, pod), kernel(running, pod, "a")) == ((300, 96 << 20), (100, 32 << 20))
    assert status_of(pod)["restartCount"] == 0
    assert status_of(pod)["allocatedResources"] == {"cpu": "50m", "memory": "16Mi"}
    told = await running.until_event("ResizeCompleted")
    assert told.startswith('Pod resize completed: {"containers":[{"name":"a","resources":{')


async def test_a_container_that_wants_to_be_restarted_for_memory_is_and_for_cpu_is_not(running: Cluster) -> None:
    policy = [
        {"resourceName": "memory", "restartPolicy": "RestartContainer"},
        {"resourceName": "cpu", "restartPolicy": "NotRequired"},
    ]
    command = "trap 'exit 0' TERM; sleep 1000 & wait"
    await sized(
        running, "web", command, resources=sizes("100m", "32Mi", "200m", "64Mi"), resizePolicy=policy,
        restartPolicy="OnFailure",
    )  # fmt: skip

    more_cpu = sizes("200m", "32Mi", "400m", "64Mi")
    await resize(running, "web", more_cpu)
    pod = await running.until(is_through(more_cpu))
    assert status_of(pod)["restartCount"] == 0

    more_memory = sizes("200m", "48Mi", "400m", "96Mi")
    await resize(running, "web", more_memory)
    pod = await running.until(lambda pod: is_through(more_memory)(pod) and status_of(pod)["state"].get("running"))
    assert status_of(pod)["restartCount"] == 1
    sandbox = running.sandboxes(pod["metadata"]["uid"])[0]
    assert sandbox.limits("a.1").memory_limit_bytes == sandbox.limits().memory_limit_bytes == 96 << 20
    assert await running.until_event("Killing") == "Container a resize requires restart"


async def test_what_the_node_cannot_give_is_told_and_changes_nothing(running: Cluster) -> None:
    small, half = sizes("500m", "32Mi"), sizes("1500m", "32Mi")
    first = await sized(running, "web", WAIT, resources=small)
    await sized(running, "other", WAIT, resources=sizes("1", "32Mi"))

    await resize(running, "web", sizes("3", "32Mi"))
    pod = await running.until(lambda pod: condition(pod, "PodResizePending").get("reason") == "Infeasible")
    told = condition(pod, "PodResizePending")
    assert told["message"] == "Node didn't have enough capacity: cpu, requested: 3000, capacity: 2000"
    assert kernel(running, first, "a") == (500, 32 << 20)

    await resize(running, "web", half)
    pod = await running.until(lambda pod: condition(pod, "PodResizePending").get("reason") == "Deferred")
    told = condition(pod, "PodResizePending")
    assert told["message"] == "Node didn't have enough resource: cpu, requested: 1500, used: 1000, capacity: 2000"
    assert status_of(pod)["allocatedResources"] == small["requests"]

    await running.client.delete("Pod", "default/other", grace=0)
    pod = await running.until(is_through(half))
    assert kernel(running, pod, "a") == (1500, 32 << 20)


async def test_memory_in_use_is_not_taken_away(running: Cluster) -> None:
    """What holds 40 MiB lets go of them when it is told so."""
    program = "x = bytearray(40 << 20); print('up', flush=True); signal.sigwait([10]); del x; time.sleep(1000)"
    block = f"import signal, time; signal.pthread_sigmask(signal.SIG_BLOCK, [10]); {program}"
    pod = await sized(running, "web", f'exec python3 -S -c "{block}"', resources=sizes("100m", "64Mi", "200m", "128Mi"))
    sandbox = next(iter(running.runtime.sandboxes.values()))  # type: ignore[union-attr]
    await running.until_said(pod, "up\n")

    smaller = sizes("100m", "32Mi", "200m", "32Mi")
    await resize(running, "web", smaller)
    pod = await running.until(lambda pod: condition(pod, "PodResizeInProgress").get("reason") == "Error")
    told = condition(pod, "PodResizeInProgress")["message"]
    assert told.startswith('attempting to set container "a" memory limit (33554432) below current usage (')
    assert status_of(pod)["resources"]["limits"]["memory"] == "128Mi"

    await sandbox.signal("a.0", 10)
    pod = await running.until(is_through(smaller))
    assert (kernel(running, pod, "a")[1], status_of(pod)["restartCount"]) == (32 << 20, 0)


async def test_an_agent_that_is_killed_in_the_middle_goes_on(cluster: Cluster) -> None:
    """The allocation is on disk, and the kernel was told nothing yet."""
    larger = sizes("200m", "64Mi", "400m", "128Mi")
    async with cluster.running() as kubelet:
        pod = await sized(cluster, "web", WAIT, resources=sizes("100m", "32Mi", "200m", "64Mi"))
        sandbox = cluster.sandboxes(pod["metadata"]["uid"])[0]
        pid = sandbox.processes()["a.0"].pid

        def killed(limits: object, name: str = "") -> None:
            raise ProcessLookupError("killed")

        sandbox.limit = killed  # type: ignore[method-assign]
        await resize(cluster, "web", larger)
        worker = next(iter(kubelet.workers.values()))
        await cluster.until(lambda pod: worker.record.allocated["containers"]["a"] == larger)  # type: ignore[index]
        assert sandbox.limits("a.0").memory_limit_bytes == 64 << 20

    async with cluster.running():
        pod = await cluster.until(is_through(larger))
        sandbox = cluster.sandboxes(pod["metadata"]["uid"])[0]
        assert (kernel(cluster, pod, "a"), kernel(cluster, pod)) == ((400, 128 << 20), (400, 128 << 20))
        assert sandbox.processes()["a.0"].pid == pid


async def test_a_pod_that_asks_as_a_whole_is_limited_and_resized_as_a_whole(running: Cluster) -> None:
    whole = sizes("300m", "64Mi", "500m", "128Mi")
    rows = [{"name": one, "image": "host", "command": ["/bin/sh", "-c", WAIT]} for one in "ab"]
    await running.pod("web", containers=rows, resources=whole)
    pod = await running.until(lambda pod: pod["status"].get("phase") == "Running")
    assert (kernel(running, pod), kernel(running, pod, "a")) == ((500, 128 << 20), (500, 128 << 20))
    assert pod["status"]["qosClass"] == "Burstable"
    assert pod["status"]["allocatedResources"] == whole["requests"]

    larger = sizes("600m", "64Mi", "900m", "256Mi")
    await running.client.patch("Pod", "default/web", {"spec": {"resources": larger}}, subresource="resize")
    pod = await running.until(
        lambda pod: pod["status"].get("resources") == larger and not condition(pod, "PodResizeInProgress")
    )
    assert (kernel(running, pod), kernel(running, pod, "b")) == ((900, 256 << 20), (900, 256 << 20))


def test_a_pod_is_as_large_as_it_was_allocated() -> None:
    small, large = {"requests": {"cpu": "1"}}, {"requests": {"cpu": "2"}}
    before: Object = {"spec": {"containers": [{"name": "a", "resources": small}], "initContainers": [{"name": "i"}]}}
    asks: Object = {"spec": {"containers": [{"name": "a", "resources": large}], "initContainers": [{"name": "i"}]}}

    assert allocated_pod(asks, allocation_of(asks)) is asks
    assert allocated_pod(asks, allocation_of(before))["spec"]["containers"][0]["resources"] == small


@pytest.mark.parametrize(("changed", "restarts"), [((), False), (("cpu",), False), (("cpu", "memory"), True)])
def test_one_resource_that_wants_a_restart_is_enough(changed: tuple[str, ...], restarts: bool) -> None:
    policy = [{"resourceName": "memory", "restartPolicy": "RestartContainer"}]

    assert must_restart({"resizePolicy": policy}, changed) is restarts
