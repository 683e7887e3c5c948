"""The images of a pod's containers, and what its events say of them."""

from __future__ import annotations

import threading
from pathlib import Path

import pytest

from runtime.images import Image, ImageStore
from tests.procorch.kubelet.conftest import Cluster, is_ready, state_of
from tests.runtime.test_archives import tar_of
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
        await running.until(lambda pod: slow.begun.is_set() and state_of(pod))
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
