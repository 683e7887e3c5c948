"""A kubelet that runs short ends pods, and says so; what the machine has left is the test's to say."""

from __future__ import annotations

from dataclasses import replace

import pytest

from procorch.kubelet.eviction import evictor
from procorch.objects import Object, condition_of
from tests.procorch.kubelet.conftest import NODE, PLENTY, Cluster, is_ready, status_of

pytestmark = pytest.mark.kernel

WAIT = "exec sleep 1000"
HEAVY = "exec python3 -S -c \"x = bytearray(60 << 20); import time; print('up', flush=True); time.sleep(1000)\""


def is_over(pod: Object) -> bool:
    return pod["status"].get("phase") == "Failed"


async def test_a_node_without_memory_ends_the_heaviest_pod_and_takes_no_more_of_the_least_class(
    running: Cluster,
) -> None:
    await running.pod("light", WAIT)
    pod = await running.pod("heavy", HEAVY)
    await running.until(is_ready, "light")
    await running.until(is_ready, "heavy")
    await running.until_said(pod, "up\n")

    running.measured = replace(PLENTY, memory_available=50 << 20)
    assert running.kubelet is not None
    pod = await running.until(is_over, "heavy")
    running.measured = PLENTY
    assert (pod["status"]["reason"], status_of(pod)["state"]["terminated"]["exitCode"]) == ("Evicted", 137)
    message = pod["status"]["message"]
    assert message.startswith(
        "The node was low on resource: memory. Threshold quantity: 100Mi, available: 50Mi. Container a was using "
    )
    assert message.endswith(", request is 0, has larger consumption of memory. ")
    disruption = condition_of(pod, "DisruptionTarget") or {}
    assert (disruption["status"], disruption["reason"]) == ("True", "TerminationByKubelet")
    assert disruption["message"] == message
    assert ("Evicted", message) in await running.events("heavy")
    assert is_ready(await running.get("light"))

    assert running.kubelet.evictor.pressure.conditions == {"MemoryPressure"}
    await running.pod("late", WAIT)
    pod = await running.until(is_over, "late")
    assert pod["status"]["reason"] == "Evicted"
    assert pod["status"]["message"] == "Pod was rejected: The node had condition: [MemoryPressure]. "
    resources = {"requests": {"memory": "1Mi"}}
    container = {"name": "a", "image": "host", "command": ["sleep", "1000"], "resources": resources}
    await running.pod("asks", containers=[container])
    await running.until(is_ready, "asks")


async def test_the_node_says_that_it_runs_short(running: Cluster) -> None:
    told = []
    assert running.kubelet is not None
    running.kubelet.on_pressure_changed = lambda: told.append(running.kubelet.evictor.pressure.conditions)  # type: ignore[union-attr]

    running.measured = replace(PLENTY, pids_left=10, disk_available=1)
    await running.until_true(lambda: told)
    assert told == [{"PIDPressure", "DiskPressure"}]


async def test_a_pod_that_fills_the_disk_beyond_its_limit_goes(
    running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(evictor, "STORAGE_SECONDS", 0.0)
    write = "head -c 3000000 /dev/zero > /v/file; exec sleep 1000"
    container = {"name": "a", "image": "host", "command": ["/bin/sh", "-c", write]}
    mounts = [{"name": "v", "mountPath": "/v"}]
    volumes = [{"name": "v", "emptyDir": {"sizeLimit": "1Mi"}}]
    await running.pod("filler", containers=[{**container, "volumeMounts": mounts}], volumes=volumes)
    limited = {"limits": {"ephemeral-storage": "1Mi"}}
    write = write.replace("/v/file", "/srv/file")
    await running.pod("writer", containers=[{**container, "command": ["/bin/sh", "-c", write], "resources": limited}])
    await running.pod("modest", WAIT, volumes=volumes)

    filler, writer = await running.until(is_over, "filler"), await running.until(is_over, "writer")
    assert filler["status"]["message"] == 'Usage of EmptyDir volume "v" exceeds the limit "1Mi". '
    whole = "Pod ephemeral local storage usage exceeds the total limit of containers 1Mi. "
    assert (writer["status"]["reason"], writer["status"]["message"]) == ("Evicted", whole)
    assert is_ready(await running.get("modest"))


async def test_what_the_cluster_needs_is_not_evicted(running: Cluster) -> None:
    name = "system-node-critical"
    made = {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}}
    await running.client.create(made | {"value": 2_000_001_000})
    await running.pod("critical", WAIT, priorityClassName=name)
    await running.pod("plain", WAIT)
    await running.until(is_ready, "critical")
    await running.until(is_ready, "plain")

    running.measured = replace(PLENTY, memory_available=1)
    await running.until(is_over, "plain")
    assert running.kubelet is not None
    await running.kubelet.evictor.look()
    assert is_ready(await running.get("critical"))


async def test_a_pod_for_which_there_is_no_room_is_not_taken(running: Cluster) -> None:
    resources = {"requests": {"cpu": "1500m"}}
    container = {"name": "a", "image": "host", "command": ["sleep", "1000"], "resources": resources}
    await running.pod("first", containers=[container])
    await running.until(is_ready, "first")
    await running.pod("second", containers=[container])

    pod = await running.until(is_over, "second")
    assert pod["spec"]["nodeName"] == NODE
    assert pod["status"]["reason"] == "OutOfcpu"
    message = "Node didn't have enough resource: cpu, requested: 1500, used: 1500, capacity: 2000"
    assert pod["status"]["message"] == f"Pod was rejected: {message}"
    assert ("OutOfcpu", message) in await running.events("second")
