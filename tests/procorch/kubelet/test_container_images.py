"""The images of a pod's containers, and what its events say of them."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import re
import tarfile
import threading
import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from procorch.kubelet.container_images import spent
from procorch.kubelet.images import Images
from procorch.kubelet.retries import IMAGE_FIRST, SHOWN
from procorch.objects import Object
from runtime.images import Image, ImageStore
from runtime.registry import http
from runtime.registry.hosts import Registries
from runtime.registry.puller import Puller
from tests.procorch.kubelet.conftest import Cluster, is_ready, state_of, status_of
from tests.runtime.registry.servers import Hostile, Made, answers, held, hostile_registry, make
from tests.runtime.test_archives import layout, tar_of
from tests.runtime.test_images import shell_root

pytestmark = pytest.mark.kernel


class Slow:
    """Unpacking that waits until the test lets it go on."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.begun, self.go_on, self.times = threading.Event(), threading.Event(), 0
        take = ImageStore.tar

        def slow(store: ImageStore, path: Path) -> Image:
            self.times += 1
            self.begun.set()
            assert self.go_on.wait(20)
            return take(store, path)

        monkeypatch.setattr(ImageStore, "tar", slow)


async def test_a_pod_that_waits_for_its_image_can_be_deleted(
    running: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"a": b"1"}))
    slow = Slow(monkeypatch)
    try:
        pod = await running.pod("web", containers=[{"name": "a", "image": f"tar://{tmp_path}/root.tar"}])
        await running.until(state_of)
        assert await asyncio.to_thread(slow.begun.wait, 20)
        await running.client.delete("Pod", "default/web")

        await running.gone()
        await running.cleared(pod["metadata"]["uid"])
    finally:
        slow.go_on.set()


async def test_containers_do_not_wait_for_each_others_images(
    running: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = shell_root(tmp_path)
    slow = Slow(monkeypatch)
    rows = [
        {"name": "a", "image": f"tar://{path}", "command": ["/bin/sh", "-c", "read wait"], "stdin": True},
        {"name": "b", "image": "host", "command": ["/bin/sleep", "100"]},
    ]
    try:
        await running.pod("web", containers=rows)
        await running.until(lambda pod: "running" in state_of(pod, "b"))
        assert "waiting" in state_of(await running.get(), "a") and slow.times == 1
    finally:
        slow.go_on.set()
    await running.until(is_ready)


def reason(pod: dict[str, Any], name: str = "a") -> str:
    return str(state_of(pod, name).get("waiting", {}).get("reason", ""))


def config_json(host: str, password: str = "secret") -> dict[str, str]:
    text = json.dumps({"auths": {host: {"username": "me", "password": password}}})
    return {".dockerconfigjson": base64.b64encode(text.encode()).decode()}


class Pulling:
    """A cluster of one kubelet, and a registry whose images it may pull; `app:1` sleeps."""

    def __init__(self, cluster: Cluster, registry: Hostile, layer: bytes) -> None:
        self.cluster, self.registry, self._layer = cluster, registry, layer
        self.made = self.push("1")

    def push(self, tag: str, **config: Any) -> Made:
        made = make(self._layer, Entrypoint=["/bin/sh", "-c"], Cmd=["read wait || exec sleep 100"], **config)
        return self.registry.put("app", tag, made)

    async def pod(self, name: str = "web", image: str = "app:1", policy: str = "IfNotPresent", **spec: Any) -> Object:
        row = {"name": "a", "image": f"{self.registry.host}/{image}", "imagePullPolicy": policy, "stdin": True}
        return await self.cluster.pod(name, containers=[row], **spec)

    async def secret(self, password: str = "secret") -> None:
        body = {
            "apiVersion": "v1", "kind": "Secret", "metadata": {"name": "regcred", "namespace": "default"},
            "type": "kubernetes.io/dockerconfigjson", "data": config_json(self.registry.host, password),
        }  # fmt: skip
        await self.cluster.client.create(body)

    def close_the_door(self) -> None:
        """From now on only `me` gets in."""

        async def guard(request: web.Request) -> web.StreamResponse | None:
            if request.headers.get("Authorization") == "Basic bWU6c2VjcmV0":
                return None
            return web.Response(status=401, headers={"WWW-Authenticate": 'Basic realm="x"'})

        self.registry.always = guard

    async def events(self, name: str = "web") -> list[str]:
        return [f"{reason}: {message}" for reason, message in await self.cluster.events(name)]

    async def told(self, *beginnings: str) -> None:
        """As soon as there is an event for each."""
        async with asyncio.timeout(10):
            while True:
                events = await self.events()
                if all(any(one.startswith(text) for one in events) for text in beginnings):
                    return
                await asyncio.sleep(0.02)


@pytest.fixture
async def pulling(cluster: Cluster, tmp_path: Path) -> AsyncIterator[Pulling]:
    async with hostile_registry() as registry, http.session() as session, asyncio.TaskGroup() as tasks:
        store = ImageStore(tmp_path / "images")
        puller = Puller(store, Registries([registry.url]), session, tasks, pause=0.01)
        cluster.resolver = lambda: Images(store, puller)  # type: ignore[method-assign]
        async with cluster.running():
            yield Pulling(cluster, registry, shell_root(tmp_path).read_bytes())


async def test_a_pod_runs_from_a_registry_as_the_images_config_says(pulling: Pulling) -> None:
    cluster, host, made = pulling.cluster, pulling.registry.host, pulling.made
    await pulling.pod("web")
    pod = await cluster.until(is_ready)

    assert status_of(pod)["imageID"] == f"{host}/app@{made.digest}"
    said = await cluster.until_event("Pulled")
    image = f'"{host}/app:1"'
    assert re.fullmatch(
        rf"Successfully pulled image {image} in [0-9.ms]+ \([0-9.ms]+ including waiting\)\. Image size: [0-9]+ bytes\.",
        said,
    )
    events = await pulling.events()
    assert events.index(f"Pulling: Pulling image {image}") < events.index(f"Pulled: {said}")

    await pulling.pod("second")
    await cluster.until(is_ready, "second")
    there = f"Container image {image} already present on machine and can be accessed by the pod"
    assert await cluster.until_event("Pulled", "second") == there
    assert pulling.registry.asked("/manifests/") == 1


async def test_a_wrong_tag_is_told_with_what_to_do(pulling: Pulling) -> None:
    cluster, image = pulling.cluster, f"{pulling.registry.host}/app:2"
    pulling.registry.fail("/v2/app/tags/list", answers(200, b'{"tags": ["1", "latest"]}'))
    await pulling.pod("web", "app:2")

    pod = await cluster.until(lambda pod: reason(pod) == "ErrImagePull")
    assert "it has no app:2; the tags there are 1, latest" in state_of(pod)["waiting"]["message"]
    pod = await cluster.until(lambda pod: reason(pod) == "ImagePullBackOff")
    assert state_of(pod)["waiting"]["message"].startswith(f'Back-off pulling image "{image}": ErrImagePull: {image}: ')
    assert await cluster.until_event("BackOff") == f'Back-off pulling image "{image}"'
    await pulling.told(
        f'Failed: Failed to pull image "{image}": ', "Failed: Error: ErrImagePull", "Failed: Error: ImagePullBackOff"
    )


async def test_a_pod_that_must_not_pull_waits_until_the_image_is_loaded(pulling: Pulling, tmp_path: Path) -> None:
    cluster, image = pulling.cluster, f"{pulling.registry.host}/app:1"
    await pulling.pod("web", policy="Never")
    pod = await cluster.until(lambda pod: reason(pod) == "ErrImageNeverPull")
    words = f'Container image "{image}" is not present with pull policy of Never'
    assert state_of(pod)["waiting"]["message"].startswith(words)
    await pulling.told(f"ErrImageNeverPull: {words}", "Failed: Error: ErrImageNeverPull")

    await asyncio.sleep(2 * SHOWN)
    assert reason(await cluster.get()) == "ErrImageNeverPull", "it does not become a back-off of pulling"

    with tarfile.open(tmp_path / "image.tar", "w") as tar:
        for path, data in layout(pulling._layer, config={"Cmd": ["/bin/sh"]}, name=image).items():
            entry = tarfile.TarInfo(path)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    await asyncio.to_thread(ImageStore(tmp_path / "images").load, tmp_path / "image.tar")
    await cluster.until(is_ready)
    assert pulling.registry.requests == []


async def test_always_asks_each_time(pulling: Pulling) -> None:
    cluster, host = pulling.cluster, pulling.registry.host
    for number in range(2):
        made = pulling.push("1", Env=[f"N={number}"])
        await pulling.pod(f"web{number}", policy="Always")
        pod = await cluster.until(is_ready, f"web{number}")
        assert status_of(pod)["imageID"] == f"{host}/app@{made.digest}"
    assert pulling.registry.asked("/manifests/1") == 2
    assert pulling.registry.asked(f"/blobs/{pulling.made.layers[0]}") == 2, "the layer of each image"


async def test_what_was_pulled_with_credentials_is_for_those_who_have_them(pulling: Pulling) -> None:
    cluster, mine = pulling.cluster, {"imagePullSecrets": [{"name": "regcred"}]}
    pulling.close_the_door()
    await pulling.secret()
    await pulling.pod("mine", **mine)
    await cluster.until(is_ready, "mine")
    asked = len(pulling.registry.requests)

    await pulling.pod("also-mine", **mine)
    await cluster.until(is_ready, "also-mine")
    assert len(pulling.registry.requests) == asked, "the registry need not be asked about these credentials again"

    await pulling.pod("other")
    pod = await cluster.until(lambda pod: reason(pod) == "ErrImagePull", "other")
    assert "imagePullSecrets" in state_of(pod)["waiting"]["message"]
    await pulling.pod("never", policy="Never")
    await cluster.until(lambda pod: reason(pod) == "ErrImageNeverPull", "never")
    await pulling.pod("mine-never", policy="Never", **mine)
    await cluster.until(is_ready, "mine-never")


async def test_a_secret_that_is_late_is_told_and_starts_the_pod_when_it_comes(pulling: Pulling) -> None:
    cluster = pulling.cluster
    pulling.close_the_door()
    await pulling.pod("web", imagePullSecrets=[{"name": "regcred"}])
    told = "Unable to retrieve some image pull secrets (regcred); attempting to pull the image may not succeed."
    assert await cluster.until_event("FailedToRetrieveImagePullSecret") == told
    await cluster.until(lambda pod: reason(pod) == "ImagePullBackOff")

    begun = time.monotonic()
    await pulling.secret()
    await cluster.until(is_ready)

    assert time.monotonic() - begun < IMAGE_FIRST / 2


async def test_a_back_off_of_a_registry_ends_for_an_image_object_of_that_name_alone(pulling: Pulling) -> None:
    cluster, registry = pulling.cluster, pulling.registry
    await pulling.pod("web", "app:2")
    await cluster.until(lambda pod: reason(pod) == "ImagePullBackOff")
    asked = registry.asked("/manifests/2")
    assert cluster.kubelet is not None

    spec = {"patterns": ["other"], "root": "host", "entrypoint": ["/bin/sleep"], "args": ["100"]}
    cluster.images["other"] = {"metadata": {"name": "other"}, "spec": spec}
    cluster.kubelet.images_changed()
    await cluster.pod("second", "exec sleep 100")
    await cluster.until(is_ready, "second")
    assert registry.asked("/manifests/2") == asked, "what does not concern it is no reason to ask again"

    begun = time.monotonic()
    cluster.images["app"] = {"metadata": {"name": "app"}, "spec": spec | {"patterns": ["*/app:2"]}}
    cluster.kubelet.images_changed()
    await cluster.until(is_ready)
    assert time.monotonic() - begun < IMAGE_FIRST / 2


async def test_a_pod_that_is_deleted_while_its_image_comes_ends_the_pull(pulling: Pulling, tmp_path: Path) -> None:
    cluster, registry, gate = pulling.cluster, pulling.registry, asyncio.Event()
    layer = f"/v2/app/blobs/{pulling.made.layers[0]}"
    registry.fail(layer, held(gate, answers(500)))
    await pulling.pod("web")
    async with asyncio.timeout(10):
        while not registry.asked(layer):
            await asyncio.sleep(0.02)
    assert list((tmp_path / "images").glob(".pull-*"))
    await cluster.client.delete("Pod", "default/web")

    await cluster.gone()
    async with asyncio.timeout(10):
        while list((tmp_path / "images").glob(".pull-*")):
            await asyncio.sleep(0.02)
    gate.set()


async def test_a_name_that_is_none(running: Cluster) -> None:
    await running.pod("web", containers=[{"name": "a", "image": "Not_A_Name:x"}])

    pod = await running.until(lambda pod: reason(pod) == "InvalidImageName")
    assert state_of(pod)["waiting"]["message"].startswith('couldn\'t parse image name "Not_A_Name:x": ')
    assert await running.until_event("InspectFailed")


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (0.0004, "0s"), (0.3139, "313ms"), (1.661, "1.661s"), (7.5, "7.5s"), (62.5, "1m2.5s"), (60, "1m0s")],
)
def test_a_duration_is_written_as_go_does(seconds: float, text: str) -> None:
    assert spent(seconds) == text
