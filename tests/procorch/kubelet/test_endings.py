# A test may look at the machine again and again until a deadline.
"""Containers are asked to end before they are made to: with the real runtime and the real API."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.procorch.kubelet.conftest import Cluster, is_ready, state_of, status_of

pytestmark = pytest.mark.kernel


async def test_deleted_with_grace_it_is_asked_before_it_is_killed(running: Cluster) -> None:
    pod = await running.pod("web", "trap 'echo asked; exit 0' TERM; while :; do sleep 0.05; done")
    await running.until(is_ready)

    await running.client.delete("Pod", "default/web", grace=20)

    await running.gone(seconds=5)
    await running.cleared(pod["metadata"]["uid"])
    assert await running.until_event("Killing") == "Stopping container a"


async def test_what_does_not_listen_is_killed_when_its_grace_is_over(running: Cluster) -> None:
    pod = await running.pod("web", "trap '' TERM; while :; do sleep 0.05; done")
    await running.until(is_ready)

    await running.client.delete("Pod", "default/web", grace=1)

    await running.gone(seconds=8)
    await running.cleared(pod["metadata"]["uid"])


async def test_what_is_being_ended_is_ready_for_as_long_as_it_runs(running: Cluster) -> None:
    await running.pod("web", "trap '' TERM; while :; do sleep 0.05; done")
    began = await running.until(is_ready)

    await running.client.delete("Pod", "default/web", grace=2)

    seen = began["metadata"]["generation"]
    ending = await running.until(lambda pod: pod["status"].get("observedGeneration", 0) > seen)
    assert is_ready(ending)
    assert status_of(ending)["ready"] is True
    await running.gone(seconds=8)


async def test_a_sidecar_ends_after_the_containers_it_serves(running: Cluster) -> None:
    sidecar = {
        "name": "s",
        "image": "host",
        "restartPolicy": "Always",
        "command": ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 0.05; done"],
    }
    await running.pod("web", "exit 0", initContainers=[sidecar], restartPolicy="Never")

    pod = await running.until(lambda pod: pod["status"]["phase"] == "Succeeded")

    assert state_of(pod, "a")["terminated"]["exitCode"] == 0


async def test_the_hook_of_a_sidecar_begins_with_the_end_of_the_pod(running: Cluster, tmp_path: Path) -> None:
    mounts = [{"name": "v", "mountPath": "/v"}]

    def program(at_end: str) -> list[str]:
        return ["/bin/sh", "-c", f"trap '{at_end} >> /v/log; exit 0' TERM; touch /v/$0; while :; do sleep 0.05; done"]

    sidecar = {
        "name": "s", "image": "host", "restartPolicy": "Always", "command": [*program("echo sidecar"), "s"],
        "lifecycle": {"preStop": {"exec": {"command": ["/bin/sh", "-c", "echo hook >> /v/log"]}}},
        "volumeMounts": mounts,
    }  # fmt: skip
    main = {"name": "a", "image": "host", "command": [*program("sleep 1; echo main"), "a"], "volumeMounts": mounts}
    volumes = [{"name": "v", "hostPath": {"path": str(tmp_path)}}]
    await running.pod(
        "web", containers=[main], initContainers=[sidecar], volumes=volumes, terminationGracePeriodSeconds=20
    )
    await running.until(is_ready)
    async with asyncio.timeout(10):
        while not (tmp_path / "s").exists() or not (tmp_path / "a").exists():
            await asyncio.sleep(0.02)

    await running.client.delete("Pod", "default/web")
    await running.gone()

    assert (tmp_path / "log").read_text().split() == ["hook", "main", "sidecar"]
