"""What a plan's actions do to the machine; the plans themselves are tables in test_plan.py."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from procorch.kubelet.pod_actions import duration
from procorch.objects import Object

from .conftest import Cluster, is_ready, state_of, status_of

pytestmark = pytest.mark.kernel


def config_map(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": {}}


def with_volume(name: str) -> dict[str, Any]:
    mounts = [{"name": "v", "mountPath": "/v"}]
    container = {"name": "a", "image": "host", "command": ["/bin/sleep", "100"], "volumeMounts": mounts}
    return {"containers": [container], "volumes": [{"name": "v", "configMap": {"name": name}}]}


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "0s"), (10, "10s"), (59.6, "1m0s"), (80, "1m20s"), (300, "5m0s"), (3600, "60m0s")]
)
def test_a_duration_is_written_as_go_does(seconds: float, text: str) -> None:
    assert duration(seconds) == text


async def test_what_cannot_be_mounted_keeps_neither_a_sandbox_nor_an_address(running: Cluster) -> None:
    pod = await running.pod("web", **with_volume("late"))
    await running.until_event("FailedMount")

    async with asyncio.timeout(5):
        while running.sandboxes(pod["metadata"]["uid"]) or running.network.attached():
            await asyncio.sleep(0.01)
    found = await running.until(lambda pod: "hostIP" in pod["status"])
    assert "podIP" not in found["status"]
    assert state_of(found)["waiting"]["reason"] == "ContainerCreating"

    await running.client.create(config_map("late"))
    found = await running.until(is_ready)
    assert status_of(found)["restartCount"] == 0
    assert len(running.sandboxes(pod["metadata"]["uid"])) == 1


async def test_a_network_that_fails_leaves_no_sandbox_and_is_tried_again(
    running: Cluster, monkeypatch: pytest.MonkeyPatch
) -> None:
    attach, failures = running.network.attach, iter([OSError(28, "no address is left")])

    async def failing(owner_id: str, pid: int) -> str:
        if (failure := next(failures, None)) is not None:
            raise failure
        return await attach(owner_id, pid)

    monkeypatch.setattr(running.network, "attach", failing)

    pod = await running.pod("web", "exec sleep 100")

    assert "no address is left" in await running.until_event("FailedCreatePodSandBox")
    await running.until(is_ready)
    assert len(running.sandboxes(pod["metadata"]["uid"])) == 1
