"""Images as kubectl shows them: from registries, loaded on the node, and what is said where one cannot be had."""

from __future__ import annotations

import contextlib
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procorch.hosts import Lab
from tests.e2e.cluster import ROOT, Cluster, bring_up, take_down
from tests.runtime.registry.servers import Made, make, real_registry
from tests.runtime.test_archives import layout, tar_of
from tests.runtime.test_images import shell_root

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]

OPEN, PRIVATE, SLOW = 5000, 5001, 5002
# A registry that gives half of a layer and then waits until a file is there: argv is address, port, tar, file.
SLOW_REGISTRY = """
import asyncio, pathlib, sys
from aiohttp import web
from tests.runtime.registry.servers import Hostile, make

async def main(address, port, tar, gate):
    registry = Hostile()
    layer = pathlib.Path(tar).read_bytes()
    made = registry.put("app", "1", make(layer, Cmd=["/bin/sh", "-c", "echo hello from a slow one"]))
    data = made.blobs[made.layers[0]]

    async def slow(request):
        if not request.path.endswith(made.layers[0]) or pathlib.Path(gate).exists():
            return None
        answer = web.StreamResponse(headers={"Content-Length": str(len(data))})
        await answer.prepare(request)
        await answer.write(data[: len(data) // 2])
        while not pathlib.Path(gate).exists():
            await asyncio.sleep(0.05)
        await answer.write(data[len(data) // 2 :])
        return answer

    registry.always = slow
    runner = web.ServerRunner(web.Server(registry.handle))
    await runner.setup()
    await web.TCPSite(runner, address, int(port)).start()
    await asyncio.Event().wait()

asyncio.run(main(*sys.argv[1:]))
"""


class Site:
    """A cluster on a host with two registries: an open mirror of docker.io, and a private one."""

    def __init__(self, cluster: Cluster, address: str, made: Made, layer: bytes, gate: Path) -> None:
        self.cluster, self.made, self.layer = cluster, made, layer
        self.private, self.slow = f"{address}:{PRIVATE}", f"{address}:{SLOW}"
        self.gate = gate  # the slow registry goes on when this file is there

    def pod(self, name: str, image: str, policy: str = "IfNotPresent", **spec: Any) -> None:
        row = {"name": "c", "image": image, "imagePullPolicy": policy}
        body = {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name},
            "spec": {"restartPolicy": "Never", "containers": [row], **spec},
        }  # fmt: skip
        self.cluster.kubectl("create", "-f", "-", input=json.dumps(body))

    def until(self, name: str, template: str, value: str, seconds: float = 30) -> None:
        self.cluster.until(lambda: self.cluster.path(template, "pod", name) == value, f"{name} is {value}", seconds)

    def ended(self, name: str) -> str:
        """What it said, once it has ended well."""
        self.until(name, "{.status.phase}", "Succeeded")
        return self.cluster.kubectl("logs", name)

    def waits(self, name: str, reason: str) -> str:
        """The message with which it waits."""
        self.until(name, "{.status.containerStatuses[0].state.waiting.reason}", reason)
        return self.cluster.path("{.status.containerStatuses[0].state.waiting.message}", "pod", name)


@pytest.fixture(scope="module")
def site(lab: Lab, kubectls: list[str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    host, directory = lab.host("images"), tmp_path_factory.mktemp("registries")
    layer = shell_root(directory).read_bytes()
    made = make(layer, Entrypoint=["/bin/sh", "-c"], Cmd=["echo hello from $WHERE"], Env=["WHERE=a registry"])
    # Pushed from this machine's loopback, then served on the host, which this machine does not reach.
    with real_registry(directory / "open") as registry:
        registry.push("library/app", "1.0", made)
        registry.push("library/app", "1.1", made)
    with real_registry(directory / "private", private=True) as registry:
        registry.push("team/app", "1.0", made)
    with contextlib.ExitStack() as stack:
        for name, port in (("open", OPEN), ("private", PRIVATE)):
            place, private = directory / name, name == "private"
            stack.enter_context(
                real_registry(place, private=private, address=host.address, port=port, popen=host.popen)
            )
        argv = [sys.executable, "-c", SLOW_REGISTRY, host.address, SLOW, directory / "layer.tar", directory / "gate"]
        slow = host.popen([str(word) for word in argv], cwd=ROOT)
        stack.callback(slow.wait)
        stack.callback(slow.kill)
        options = ["--registry", f"docker.io=http://{host.address}:{OPEN}"]
        options += ["--registry", f"http://{host.address}:{PRIVATE}", "--registry", f"http://{host.address}:{SLOW}"]
        cluster = bring_up(host, kubectls[0], *options)
        stack.callback(take_down, cluster)
        yield Site(cluster, host.address, made, layer, directory / "gate")


def test_a_pod_runs_from_a_registry_by_a_short_name(site: Site) -> None:
    cluster = site.cluster
    site.pod("pulled", "app:1.0")

    assert site.ended("pulled") == "hello from a registry\n"
    image_id = f"docker.io/library/app@{site.made.digest}"
    assert cluster.path("{.status.containerStatuses[0].imageID}", "pod", "pulled") == image_id
    told = cluster.kubectl("describe", "pod", "pulled")
    assert 'Pulling image "app:1.0"' in told and 'Successfully pulled image "app:1.0" in ' in told
    names = "{.items[0].status.images[*].names[*]}"
    cluster.until(lambda: image_id in cluster.path(names, "nodes").split(), "the node tells the image", 5)
    assert all(int(size) > 100_000 for size in cluster.path("{.items[0].status.images[*].sizeBytes}", "nodes").split())
    listed = cluster.procorch("image", "list")
    assert "docker.io/library/app:1.0" in listed and image_id in listed


def test_a_wrong_tag_says_which_there_are(site: Site) -> None:
    site.pod("wrong", "app:2.0")

    said = site.waits("wrong", "ImagePullBackOff")
    assert "it has no library/app:2.0; the tags there are 1.0, 1.1" in said
    assert "ImagePullBackOff" in site.cluster.kubectl("get", "pod", "wrong")
    site.cluster.kubectl("delete", "pod", "wrong")


def test_a_private_image_runs_with_the_secret_of_the_service_account(site: Site) -> None:
    cluster = site.cluster
    site.pod("stranger", f"{site.private}/team/app:1.0")
    assert "give the pod or its ServiceAccount imagePullSecrets" in site.waits("stranger", "ImagePullBackOff")

    cluster.kubectl(
        "create", "secret", "docker-registry", "regcred", f"--docker-server={site.private}", "--docker-username=me",
        "--docker-password=secret",
    )  # fmt: skip
    cluster.kubectl("create", "serviceaccount", "puller")
    cluster.kubectl("patch", "serviceaccount", "puller", "-p", '{"imagePullSecrets": [{"name": "regcred"}]}')
    site.pod("known", f"{site.private}/team/app:1.0", serviceAccountName="puller")

    assert site.ended("known") == "hello from a registry\n"
    site.pod("second-stranger", f"{site.private}/team/app:1.0")
    assert "does not let in" in site.waits("second-stranger", "ImagePullBackOff"), "though it is on the node"
    cluster.kubectl("delete", "pod", "stranger", "second-stranger")


def test_loading_an_image_wakes_the_pod_that_must_not_pull_it(site: Site, tmp_path: Path) -> None:
    cluster = site.cluster
    site.pod("waiting", "mine:1", policy="Never")
    assert "is not present with pull policy of Never" in site.waits("waiting", "ErrImageNeverPull")
    assert "ErrImageNeverPull" in cluster.kubectl("get", "pod", "waiting")

    config = {"Entrypoint": ["/bin/sh", "-c", "echo hello from an archive"]}
    (tmp_path / "image.tar").write_bytes(tar_of(layout(site.layer, config=config, name="mine:1")))
    cluster.procorch("image", "load", tmp_path / "image.tar")

    site.until("waiting", "{.status.phase}", "Succeeded", seconds=5)  # the back-off is ten
    assert cluster.kubectl("logs", "waiting") == "hello from an archive\n"


def test_creating_an_image_object_wakes_the_pod_that_waits(site: Site, tmp_path: Path) -> None:
    cluster = site.cluster
    site.pod("named", "own.example/app:1")
    assert "no registry is configured for own.example" in site.waits("named", "ImagePullBackOff")
    (tmp_path / "root.tar").write_bytes(site.layer)
    spec = {
        "patterns": ["own.example/app:*"], "root": f"tar://{tmp_path}/root.tar",
        "entrypoint": ["/bin/sh", "-c", "echo hello from an object"],
    }  # fmt: skip
    body = {"apiVersion": "procorch.dev/v1", "kind": "Image", "metadata": {"name": "own"}, "spec": spec}
    cluster.kubectl("create", "-f", "-", input=json.dumps(body))

    site.until("named", "{.status.phase}", "Succeeded", seconds=5)
    image_id = cluster.path("{.status.containerStatuses[0].imageID}", "pod", "named")
    assert image_id.startswith("image.procorch.dev/own@sha256:") and "+tar@sha256:" in image_id


def test_an_agent_that_is_killed_while_it_pulls_leaves_nothing_and_pulls_again(site: Site) -> None:
    cluster, images = site.cluster, site.cluster.data_dir / "node/images"

    def agent() -> int:
        return int(json.loads((cluster.data_dir / "run/up.json").read_text())["programs"]["agent"]["pid"])

    site.pod("slow", f"{site.slow}/app:1")
    parts = ".pull-*/blobs/sha256/*"
    cluster.until(lambda: len(list(images.glob(parts))) == 3, "manifest and config are there, and the layer comes")
    (begun,) = images.glob(".pull-*")
    killed = agent()
    cluster.run("kill", "-KILL", killed)
    cluster.until(lambda: agent() != killed, "the agent is started again")
    cluster.until(lambda: not begun.exists(), "what the first one left is cleared")
    site.gate.touch()

    assert site.ended("slow") == "hello from a slow one\n"
    assert list(images.glob(".*.partial")) == []
