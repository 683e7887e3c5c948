"""Static pods on a real runtime, and what the real API shows of them."""

from __future__ import annotations

import asyncio
import json
import os
from pathlib import Path
from typing import Any

import pytest

from procorch.objects import Object, uid_of
from tests.procorch.kubelet.conftest import NODE, Cluster, is_ready, state_of, status_of

pytestmark = [
    pytest.mark.kernel,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
]
NAME = f"web-{NODE}"


def write(path: Path, script: str, **spec: Any) -> None:
    container = {"name": "a", "image": "host", "command": ["/bin/sh", "-c", script]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "web", "labels": {"app": "web"}}}
    text = json.dumps(pod | {"spec": {"terminationGracePeriodSeconds": 1, "containers": [container], **spec}})
    fresh = path.with_name(f".{path.name}")
    fresh.write_text(text)
    fresh.rename(path)


@pytest.fixture
async def static(cluster: Cluster, tmp_path: Path) -> Cluster:
    """Its node is registered, and it has a directory of manifests with one pod."""
    await cluster.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": NODE}})
    cluster.manifests = tmp_path / "manifests"
    cluster.manifests.mkdir()
    write(cluster.manifests / "web.yaml", "sleep 100")
    return cluster


async def appears(cluster: Cluster, seconds: float = 10) -> Object:
    async with asyncio.timeout(seconds):
        while not any(row["metadata"]["name"] == NAME for row in await listed(cluster)):
            await asyncio.sleep(0.02)
    return await cluster.until(is_ready, NAME)


async def listed(cluster: Cluster) -> list[Object]:
    return (await cluster.client.items("Pod", "default")).objects


def pid(cluster: Cluster) -> int:
    assert cluster.runtime is not None
    pids = [state.pid for sandbox in cluster.runtime.sandboxes.values() for state in sandbox.processes().values()]
    return pids[0] if pids else 0


async def test_a_mirror_shows_it_and_is_only_a_mirror(static: Cluster) -> None:
    async with static.running():
        mirror = await appears(static)
        metadata, node = mirror["metadata"], await static.client.get("Node", NODE)
        digest = metadata["annotations"]["kubernetes.io/config.hash"]
        assert metadata["annotations"]["kubernetes.io/config.mirror"] == digest != uid_of(mirror)
        assert metadata["labels"] == {"app": "web"}
        owner = {"apiVersion": "v1", "kind": "Node", "name": NODE, "uid": uid_of(node), "controller": True}
        assert metadata["ownerReferences"] == [owner]
        assert "serviceAccountName" not in mirror["spec"]
        running = pid(static)

        await static.client.delete("Pod", f"default/{NAME}")
        again = await static.until(lambda pod: is_ready(pod) and uid_of(pod) != uid_of(mirror), NAME)

        assert pid(static) == running, "the process did not notice"
        assert status_of(again)["containerID"] == status_of(mirror)["containerID"]


async def test_the_file_is_what_counts(static: Cluster) -> None:
    """Changed, another pod takes its place, after it; gone, its pod is gone, and its mirror."""
    assert static.manifests is not None
    async with static.running():
        first = await appears(static)
        write(static.manifests / "web.yaml", "exec sleep 200")
        second = await static.until(
            lambda pod: is_ready(pod) and pod["metadata"]["annotations"] != first["metadata"]["annotations"], NAME
        )
        assert uid_of(second) != uid_of(first)
        (static.manifests / "web.yaml").write_text("{ half a file")
        (static.manifests / "other").write_text("")
        write(static.manifests / "web.yaml", "exec sleep 200")  # as before: nothing happens
        await asyncio.sleep(0.3)
        assert uid_of(await static.get(NAME)) == uid_of(second)

        (static.manifests / "web.yaml").unlink()

        await static.gone(NAME)
        assert static.runtime is not None and not static.runtime.sandboxes


async def test_it_needs_no_master(static: Cluster) -> None:
    """It runs before the API was ever heard, goes on through the agent's end, and is shown once there is an API."""
    async with static.running(away=True):
        async with asyncio.timeout(10):
            while not pid(static):
                await asyncio.sleep(0.02)
        running = pid(static)
    async with static.running():
        await appears(static)
        assert pid(static) == running


async def test_what_was_removed_while_nobody_looked_goes(static: Cluster) -> None:
    assert static.manifests is not None
    async with static.running():
        await appears(static)
    (static.manifests / "web.yaml").unlink()

    async with static.running():
        await static.gone(NAME)
        assert static.runtime is not None and not static.runtime.sandboxes


async def test_a_mirror_that_nobody_has_is_taken_away(static: Cluster) -> None:
    annotations = {"kubernetes.io/config.mirror": "0" * 32}
    async with static.running():
        await static.pod("stray", "sleep 100", metadata={"annotations": annotations})

        await static.gone("stray")


async def test_one_that_has_done_its_work_stays_done(static: Cluster) -> None:
    assert static.manifests is not None
    write(static.manifests / "web.yaml", "exit 0", restartPolicy="OnFailure")
    async with static.running():
        async with asyncio.timeout(10):
            while not any(row["metadata"]["name"] == NAME for row in await listed(static)):
                await asyncio.sleep(0.02)
        pod = await static.until(lambda pod: pod["status"]["phase"] == "Succeeded", NAME)

    assert state_of(pod)["terminated"]["exitCode"] == 0
