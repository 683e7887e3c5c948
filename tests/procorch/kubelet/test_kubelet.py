# A test may look at the machine again and again until a deadline.
"""Pods become processes: a kubelet with the real runtime and the real API."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, cast

import pytest

from procorch.kubelet.kubelet import Kubelet
from procorch.kubelet.retries import IMAGE_FIRST, Retries
from procorch.objects import Object
from runtime import ProcessSpec, ProcessState, Runtime, RuntimeFailed, Sandbox, SandboxSpec
from tests.procorch.kubelet.conftest import is_ready, state_of, status_of
from tests.runtime.test_images import shell_root

if TYPE_CHECKING:
    from .conftest import Cluster

pytestmark = pytest.mark.kernel


async def test_a_pod_runs_and_says_so(running: Cluster) -> None:
    await running.pod("web", "echo hello from $HOSTNAME; exec sleep 100")

    pod = await running.until(is_ready)

    status = pod["status"]
    assert status["phase"] == "Running"
    assert status["podIP"] == "10.240.0.2"
    assert status["hostIP"] == "127.0.0.1"
    assert status["qosClass"] == "BestEffort"
    assert status_of(pod)["imageID"] == "host"
    assert status_of(pod)["containerID"].startswith("procorch://")
    assert status_of(pod)["restartCount"] == 0
    await running.until_said(pod, "hello from web\n")
    assert {row["type"] for row in status["conditions"]} == {
        "PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled",
    }  # fmt: skip
    assert await running.until_event("Started") == "Started container a"


@pytest.mark.parametrize(
    ("command", "code", "reason", "phase"),
    [
        pytest.param("exit 0", 0, "Completed", "Succeeded", id="it ends well"),
        pytest.param("exit 3", 3, "Error", "Failed", id="it ends badly"),
        pytest.param("sh -c 'kill -9 $$$$'; exit $?", 137, "Error", "Failed", id="it says that it was killed"),
    ],
)
async def test_a_pod_that_is_not_restarted_ends(
    running: Cluster, command: str, code: int, reason: str, phase: str
) -> None:
    await running.pod("web", command, restartPolicy="Never")

    pod = await running.until(lambda pod: pod["status"]["phase"] == phase)

    assert state_of(pod)["terminated"]["exitCode"] == code
    assert state_of(pod)["terminated"]["reason"] == reason
    assert status_of(pod)["restartCount"] == 0
    assert not is_ready(pod)


async def test_a_container_that_ends_is_restarted_and_then_backs_off(running: Cluster) -> None:
    await running.pod("web", "echo once; exit 2")

    pod = await running.until(lambda pod: "waiting" in state_of(pod) and status_of(pod)["restartCount"] == 1)

    uid = pod["metadata"]["uid"]
    waiting = state_of(pod)["waiting"]
    assert waiting["reason"] == "CrashLoopBackOff"
    assert waiting["message"] == f"back-off 10s restarting failed container=a pod=web_default({uid})"
    assert status_of(pod)["lastState"]["terminated"]["exitCode"] == 2
    assert pod["status"]["phase"] == "Running"
    await running.until_said(pod, "once\n", attempt=1)


async def test_a_program_that_is_not_there_is_told(running: Cluster) -> None:
    await running.pod("web", containers=[{"name": "a", "image": "host", "command": ["/no/such/program"]}])

    pod = await running.until(lambda pod: status_of(pod).get("lastState", {}).get("terminated"))

    last = status_of(pod)["lastState"]["terminated"]
    assert last["exitCode"] == 128
    assert last["reason"] == "StartError"
    assert "/no/such/program" in last["message"]


async def test_more_memory_than_the_limit_is_an_oom_kill(running: Cluster) -> None:
    greedy = {
        "name": "a",
        "image": "host",
        "command": ["/usr/bin/python3", "-c", "x = bytearray(200 << 20)"],
        "resources": {"limits": {"memory": "32Mi"}},
    }
    await running.pod("web", containers=[greedy], restartPolicy="Never")

    pod = await running.until(lambda pod: pod["status"]["phase"] == "Failed")

    assert state_of(pod)["terminated"]["reason"] == "OOMKilled"
    assert state_of(pod)["terminated"]["exitCode"] == 137


async def test_a_pod_that_vanishes_from_the_api_is_torn_down(running: Cluster) -> None:
    pod = await running.pod("web", "exec sleep 100")
    await running.until(is_ready)

    await running.client.delete("Pod", "default/web", grace=0)

    await running.cleared(pod["metadata"]["uid"])


async def test_after_the_kubelet_is_gone_and_back_the_same_processes_run(cluster: Cluster) -> None:
    async with cluster.running():
        pod = await cluster.pod("web", "exec sleep 100", "exec sleep 100")
        await cluster.until(is_ready)
        before = {s.name: s.pid for one in cluster.sandboxes(pod["metadata"]["uid"]) for s in one.processes().values()}
        told = (await cluster.get())["status"]

    async with cluster.running() as kubelet:
        await asyncio.sleep(0.5)
        after = {s.name: s.pid for one in cluster.sandboxes(pod["metadata"]["uid"]) for s in one.processes().values()}

        assert len(kubelet.workers) == 1
        assert after == before
        assert (await cluster.get())["status"] == told


async def test_a_process_is_known_on_disk_before_it_is_started(
    running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """An agent killed in between finds a process: it must know its environment and user, and where it is reached."""
    known: list[Any] = []
    start = Sandbox.start

    async def looking(self: Sandbox, spec: ProcessSpec) -> ProcessState:
        path = running.directory / "pods" / self.labels["uid"] / "record.json"
        known.append(json.loads(path.read_text()))
        return await start(self, spec)

    monkeypatch.setattr(Sandbox, "start", looking)
    await running.pod("web", "exec sleep 100")
    pod = await running.until(is_ready)

    assert known[0]["containers"]["a"]["launch"]["argv"] == ["/bin/sh", "-c", "exec sleep 100"]
    assert known[0]["containers"]["a"]["image_id"] == status_of(pod)["imageID"] == "host"
    assert known[0]["address"] == pod["status"]["podIP"]


async def test_a_lost_record_costs_neither_the_process_nor_the_kubelet(cluster: Cluster) -> None:
    async with cluster.running():
        pod = await cluster.pod("web", "exec sleep 100")
        told = await cluster.until(is_ready)
        (before,) = cluster.sandboxes(pod["metadata"]["uid"])
        pid = before.processes()["a.0"].pid
    (cluster.directory / "pods" / pod["metadata"]["uid"] / "record.json").unlink()

    async with cluster.running():
        await cluster.pod("other", "exec sleep 100")
        await cluster.until(is_ready, "other")
        (after,) = cluster.sandboxes(pod["metadata"]["uid"])
        assert after.processes()["a.0"].pid == pid
        found = await cluster.until(is_ready)
        assert found["status"]["podIP"] == told["status"]["podIP"]


async def test_a_lost_record_of_a_container_with_a_probe_costs_one_restart(cluster: Cluster) -> None:
    probe = {"exec": {"command": ["/bin/true"]}, "periodSeconds": 1}
    container = {"name": "a", "image": "host", "command": ["/bin/sleep", "100"], "livenessProbe": probe}
    async with cluster.running():
        pod = await cluster.pod("web", containers=[container])
        await cluster.until(is_ready)
    (cluster.directory / "pods" / pod["metadata"]["uid"] / "record.json").unlink()

    async with cluster.running():
        await cluster.until(lambda pod: is_ready(pod) and status_of(pod)["restartCount"] == 1)


async def test_what_ended_while_the_kubelet_was_away_is_dealt_with(cluster: Cluster) -> None:
    async with cluster.running():
        pod = await cluster.pod("web", "exec sleep 100")
        await cluster.until(is_ready)
        (sandbox,) = cluster.sandboxes(pod["metadata"]["uid"])
        pid = sandbox.processes()["a.0"].pid
    os.kill(pid, signal.SIGKILL)
    async with asyncio.timeout(10):
        while Path(f"/proc/{pid}").exists():
            await asyncio.sleep(0.01)

    async with cluster.running():
        found = await cluster.until(lambda pod: status_of(pod)["restartCount"] >= 1)
        assert status_of(found)["lastState"]["terminated"]["exitCode"] == 137
        assert found["metadata"]["uid"] == pod["metadata"]["uid"]


@pytest.mark.parametrize("off", [False, True], ids=["agent restarted: it goes on", "machine was off: it begins anew"])
async def test_a_back_off_ends_with_what_it_was_about(cluster: Cluster, off: bool) -> None:
    async with cluster.running() as kubelet:
        await cluster.pod("web", "exit 5")
        await cluster.until(lambda pod: state_of(pod).get("waiting", {}).get("reason") == "CrashLoopBackOff")
        [worker] = kubelet.workers.values()
        before = worker.record.of("a")
        assert (before.backoff, before.current.number) == (10.0, 1)
        assert cluster.runtime is not None
        if off:
            [sandbox] = cluster.runtime.sandboxes.values()
            os.kill(sandbox.pid, signal.SIGKILL)
    async with cluster.running() as kubelet:
        seconds = 15 if off else 1.5
        try:
            await cluster.until(lambda pod: status_of(pod)["restartCount"] == 2, seconds=seconds)
            started = True
        except AssertionError:
            started = False

    assert started is off


async def test_a_pod_deleted_while_the_kubelet_was_away_is_cleared(cluster: Cluster) -> None:
    async with cluster.running():
        pod = await cluster.pod("web", "exec sleep 100")
        await cluster.until(is_ready)
    await cluster.client.delete("Pod", "default/web", grace=0)

    async with cluster.running():
        await cluster.cleared(pod["metadata"]["uid"])


async def test_when_the_pause_dies_all_containers_run_again(running: Cluster) -> None:
    pod = await running.pod("web", "exec sleep 100", "exec sleep 100")
    await running.until(is_ready)
    (sandbox,) = running.sandboxes(pod["metadata"]["uid"])

    os.kill(sandbox.pid, signal.SIGKILL)

    found = await running.until(lambda pod: is_ready(pod) and status_of(pod, "b")["restartCount"] == 1)
    assert status_of(found, "a")["restartCount"] == 1
    assert status_of(found, "a")["lastState"]["terminated"]["exitCode"] == 137


async def test_init_containers_run_in_order_before_the_others(running: Cluster) -> None:
    def row(name: str, line: str) -> dict[str, Any]:
        mounts = [{"name": "v", "mountPath": "/v"}]
        return {"name": name, "image": "host", "command": ["/bin/sh", "-c", line], "volumeMounts": mounts}

    await running.pod(
        "web",
        volumes=[{"name": "v", "emptyDir": {}}],
        initContainers=[row("i", "echo one >> /v/f"), row("j", "echo two >> /v/f")],
        containers=[row("a", "cat /v/f; exec sleep 100")],
    )

    pod = await running.until(is_ready)

    await running.until_said(pod, "one\ntwo\n")
    assert state_of(pod, "i")["terminated"]["reason"] == "Completed"


async def test_environment_and_volumes_come_from_the_api(running: Cluster) -> None:
    metadata = {"name": "c", "namespace": "default"}
    await running.client.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"key": "value", "x.txt": "file\n"}}
    )
    running.services["MYSQL_SERVICE_HOST"] = "10.96.0.7"
    container = {
        "name": "a",
        "image": "host",
        "command": ["/bin/sh", "-c"],
        "args": ["echo $A '$(B)' $P_key $MYSQL_SERVICE_HOST; cat /c/x.txt; exec sleep 100"],
        "env": [
            {"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "key"}}},
            {"name": "B", "value": "<$(A)>"},
        ],
        "envFrom": [{"prefix": "P_", "configMapRef": {"name": "c"}}],
        "volumeMounts": [{"name": "v", "mountPath": "/c"}],
    }
    await running.pod("web", containers=[container], volumes=[{"name": "v", "configMap": {"name": "c"}}])

    pod = await running.until(is_ready)

    await running.until_said(pod, "value <value> value 10.96.0.7\nfile\n")


async def test_a_volume_follows_its_config_map(running: Cluster) -> None:
    metadata = {"name": "c", "namespace": "default"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"f": "old"}}
    await running.client.create(body)
    line = "until grep -q new /c/f; do sleep 0.05; done; echo seen; exec sleep 100"
    mounts = [{"name": "v", "mountPath": "/c"}]
    container = {"name": "a", "image": "host", "command": ["/bin/sh", "-c", line], "volumeMounts": mounts}
    await running.pod("web", containers=[container], volumes=[{"name": "v", "configMap": {"name": "c"}}])
    pod = await running.until(is_ready)

    await running.client.patch("ConfigMap", "default/c", {"data": {"f": "new"}})

    path = running.directory / "pods" / pod["metadata"]["uid"] / "logs" / "a" / "0.log"
    async with asyncio.timeout(10):
        while "seen" not in path.read_text():
            await asyncio.sleep(0.05)


async def test_a_volume_follows_the_pods_own_labels(running: Cluster) -> None:
    items = [{"path": "labels", "fieldRef": {"apiVersion": "v1", "fieldPath": "metadata.labels"}}]
    line = "until grep -q new /c/labels; do sleep 0.05; done; echo seen; exec sleep 100"
    mounts = [{"name": "v", "mountPath": "/c"}]
    container = {"name": "a", "image": "host", "command": ["/bin/sh", "-c", line], "volumeMounts": mounts}
    await running.pod("web", containers=[container], volumes=[{"name": "v", "downwardAPI": {"items": items}}])
    pod = await running.until(is_ready)

    await running.client.patch("Pod", "default/web", {"metadata": {"labels": {"is": "new"}}})

    await running.until_said(pod, "seen\n")


async def test_a_path_made_of_an_annotation_is_tried_again_when_that_is_there(running: Cluster) -> None:
    container = {
        "name": "a", "image": "host", "command": ["/bin/sh", "-c", "echo here; exec sleep 100"],
        "env": [{"name": "P", "valueFrom": {"fieldRef": {"fieldPath": "metadata.annotations['path']"}}}],
        "volumeMounts": [{"name": "v", "mountPath": "/c", "subPathExpr": "$(P)/x"}],
    }  # fmt: skip
    await running.pod("web", containers=[container], volumes=[{"name": "v", "emptyDir": {}}])
    await running.until(lambda pod: state_of(pod).get("waiting", {}).get("reason") == "CreateContainerConfigError")

    await running.client.patch("Pod", "default/web", {"metadata": {"annotations": {"path": "mine"}}})

    await running.until_said(await running.until(is_ready), "here\n")


async def test_a_volume_that_cannot_be_had_is_told_and_tried_again(running: Cluster) -> None:
    mounts = [{"name": "v", "mountPath": "/c"}]
    container = {"name": "a", "image": "host", "command": ["/bin/sleep", "100"], "volumeMounts": mounts}
    await running.pod("web", containers=[container], volumes=[{"name": "v", "configMap": {"name": "c"}}])

    message = await running.until_event("FailedMount")
    assert message == 'MountVolume.SetUp failed for volume "v" : configmap "c" not found'
    await running.until(lambda pod: state_of(pod).get("waiting", {}).get("reason") == "ContainerCreating")

    await running.client.create(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}, "data": {}}
    )
    await running.until(is_ready)


async def test_what_falls_due_while_the_worker_looks_is_tried_all_the_same(
    running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A timer may ring a millisecond early: then the try was too early, and a moment later its time is past."""
    create, may = Runtime.create, Retries.may
    failures = iter([RuntimeFailed("not now")])

    async def failing(self: Runtime, spec: SandboxSpec) -> Sandbox:
        for failure in failures:
            raise failure
        return await create(self, spec)

    def slow(self: Retries, what: str, now: float) -> bool:
        decided = may(self, what, now)
        if not decided:
            time.sleep(max(self.of(what).at - time.time(), 0) + 0.001)
        return decided

    monkeypatch.setattr(Runtime, "create", failing)
    monkeypatch.setattr(Retries, "may", slow)
    await running.pod("web", "exec sleep 100")
    await running.until_event("FailedCreatePodSandBox")
    await running.client.patch("Pod", "default/web", {"spec": {"activeDeadlineSeconds": 1000}})  # wakes the worker

    await running.until(is_ready)


async def test_an_image_without_a_meaning_is_explained_until_it_has_one(running: Cluster) -> None:
    await running.pod("web", containers=[{"name": "a", "image": "mysql"}])

    pod = await running.until(lambda pod: state_of(pod).get("waiting", {}).get("reason") == "ErrImagePull")
    assert "Image object" in state_of(pod)["waiting"]["message"]
    pod = await running.until(lambda pod: state_of(pod).get("waiting", {}).get("reason") == "ImagePullBackOff")
    assert state_of(pod)["waiting"]["message"].startswith('Back-off pulling image "mysql": ErrImagePull: ')

    spec = {"patterns": ["mysql"], "entrypoint": ["/bin/sleep"], "args": ["100"]}
    running.images["mysql"] = {"metadata": {"name": "mysql"}, "spec": spec}
    assert running.kubelet is not None
    running.kubelet.images_changed()

    pod = await running.until(is_ready)
    assert status_of(pod)["imageID"].startswith("image.procorch.dev/mysql@sha256:")


async def test_a_pod_that_waits_for_its_image_starts_when_that_is_loaded(running: Cluster, tmp_path: Path) -> None:
    """By another process, as `procorch image load` is one."""
    await running.pod("web", containers=[{"name": "a", "image": "mine", "command": ["/bin/sh", "-c", "exec 2>&1; :"]}])
    await running.until(lambda pod: state_of(pod).get("waiting", {}).get("reason") == "ImagePullBackOff")
    loading = "import sys, pathlib; from runtime.images import ImageStore as S; p = pathlib.Path(sys.argv[1])"
    loading += "; S(p / 'images').load(p / 'layer.tar', 'mine')"
    shell_root(tmp_path)

    begun = time.monotonic()
    process = await asyncio.create_subprocess_exec(sys.executable, "-c", loading, str(tmp_path))
    assert await process.wait() == 0
    await running.until(lambda pod: status_of(pod).get("imageID", "").startswith("tar@sha256:"))

    assert time.monotonic() - begun < IMAGE_FIRST / 2, "not only at the end of the back-off"


async def test_a_pod_beyond_its_deadline_fails(running: Cluster) -> None:
    await running.pod("web", "exec sleep 100", activeDeadlineSeconds=1)

    pod = await running.until(lambda pod: pod["status"]["phase"] == "Failed")

    assert pod["status"]["reason"] == "DeadlineExceeded"
    assert pod["status"]["message"] == "Pod was active on the node longer than the specified deadline"


async def test_a_pod_is_ready_when_its_probe_says_so(running: Cluster) -> None:
    probe = {"exec": {"command": ["/bin/sh", "-c", "test -f /tmp/ok"]}, "periodSeconds": 1}
    line = "sleep 1; touch /tmp/ok; exec sleep 100"
    await running.pod(
        "web", containers=[{"name": "a", "image": "host", "command": ["/bin/sh", "-c", line], "readinessProbe": probe}]
    )

    pod = await running.until(lambda pod: "running" in state_of(pod))
    assert not is_ready(pod)
    await running.until(is_ready)


async def test_a_container_that_is_not_alive_is_restarted(running: Cluster) -> None:
    probe = {"exec": {"command": ["/bin/false"]}, "periodSeconds": 1, "failureThreshold": 1}
    container = {"name": "a", "image": "host", "command": ["/bin/sleep", "100"], "livenessProbe": probe}
    await running.pod("web", containers=[container])

    pod = await running.until(lambda pod: status_of(pod).get("restartCount") == 1)

    assert status_of(pod)["lastState"]["terminated"]["exitCode"] == 137
    assert await running.until_event("Killing") == "Container a failed liveness probe, will be restarted"


async def test_a_container_is_restarted_although_the_api_is_away_and_the_kubelet_is_new(cluster: Cluster) -> None:
    container = {
        "name": "a",
        "image": "host",
        "command": ["/bin/sh", "-c", "echo $A; cat /c/A; sleep 1"],
        "env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "A"}}}],
        "volumeMounts": [{"name": "v", "mountPath": "/c"}],
    }
    metadata = {"name": "c", "namespace": "default"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"A": "kept\n"}}
    await cluster.client.create(body)
    async with cluster.running():
        await cluster.pod("web", containers=[container], volumes=[{"name": "v", "configMap": {"name": "c"}}])
        pod = await cluster.until(is_ready)

    async with cluster.running(away=True) as kubelet:
        path = cluster.directory / "pods" / pod["metadata"]["uid"] / "logs" / "a" / "1.log"
        async with asyncio.timeout(10):
            while not path.exists() or path.read_text().count("kept") < 2:
                await asyncio.sleep(0.05)
        assert list(kubelet.workers) == [pod["metadata"]["uid"]]

    await cluster.until(lambda pod: "restartCount" in status_of(pod))
    assert cluster.said(pod, attempt=1) == "kept\nkept\n"


async def test_a_worker_that_fails_is_begun_again_and_takes_nobody_with_it() -> None:
    class Failing:
        pod: ClassVar[Object] = {"metadata": {"namespace": "default", "name": "odd", "uid": "u"}}
        runs = 0

        async def run(self) -> None:
            self.runs += 1
            if self.runs == 1:
                raise ExceptionGroup("a probe's task", [RuntimeError("unexpected")])

    worker = Failing()
    await Kubelet._keep(cast(Any, None), cast(Any, worker))

    assert worker.runs == 2
