"""Files are counted as du does; groups tell the rest."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from procorch.kubelet.eviction.usage import PodUsage, count
from runtime.disk import Disk
from tests.procorch.kubelet.conftest import Cluster


def test_blocks_are_counted_once_and_links_are_not_followed(tmp_path: Path) -> None:
    place = tmp_path / "place"
    (place / "inner").mkdir(parents=True)
    (place / "inner/full").write_bytes(b"x" * 100_000)
    os.link(place / "inner/full", place / "again")
    (place / "out").symlink_to("/usr")
    with (place / "sparse").open("wb") as file:
        file.truncate(1 << 30)

    found = count([place, tmp_path / "missing"])

    assert 100_000 <= found.bytes < 200_000
    assert found.inodes == 4  # inner, full, out, sparse


def test_a_pods_disk_is_all_of_it() -> None:
    assert PodUsage(files={"a": Disk(1, 2)}, empty_dirs={"v": Disk(3, 4)}).disk == Disk(4, 6)


@pytest.mark.kernel
async def test_what_a_pod_writes_is_counted_where_it_lies(running: Cluster) -> None:
    """Into its root, into an emptyDir, and as output."""
    write = "head -c 3000000 /dev/zero >"
    command = f"{write} /srv/root; {write} /v/volume; {write} /m/memory; "
    command += "head -c 200000 /dev/zero | tr '\\0' x; sleep 999"
    container = {"name": "a", "image": "host", "command": ["/bin/sh", "-c", command]}
    container["volumeMounts"] = [{"name": "v", "mountPath": "/v"}, {"name": "m", "mountPath": "/m"}]
    volumes = [{"name": "v", "emptyDir": {}}, {"name": "m", "emptyDir": {"medium": "Memory"}}]
    await running.pod("web", containers=[container], volumes=volumes)
    await running.until(lambda pod: pod["status"].get("phase") == "Running")
    assert running.kubelet is not None
    worker = next(iter(running.kubelet.workers.values()))

    def seen() -> PodUsage:
        return worker.usage(files=True)

    await running.until_true(lambda: seen().files["a"].bytes > 3_200_000)
    usage = seen()
    assert 3_200_000 < usage.files["a"].bytes < 3_600_000
    assert 3_000_000 <= usage.empty_dirs["v"].bytes < 3_100_000
    assert list(usage.empty_dirs) == ["v"]
    assert usage.memory > 3_000_000  # of the memory that the volume has
    assert usage.memory >= usage.memory_of["a"] > 0
    assert usage.processes >= 1
    assert worker.usage(files=False).files == {}
