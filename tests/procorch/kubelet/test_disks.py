"""What pods have on disk, counted once a minute at most."""

from __future__ import annotations

from pathlib import Path

from procorch.kubelet.disks import HOLDS_SECONDS, Disks, count
from procorch.kubelet.measuring import Container, Pod


def made(tmp_path: Path) -> Pod:
    for name, size in (
        ("layer/file", 5000),
        ("pod/logs/c/0.log", 9000),
        ("pod/volumes/kubernetes.io~empty-dir/data/file", 20_000),
        ("pod/volumes/kubernetes.io~host-path/other/file", 50_000),
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(b"x" * size)
    return Pod(
        "d", "web", "u", "g", 0.0, (Container("c", "g/c", 0.0, "host", tmp_path / "layer"),), 0, tmp_path / "pod"
    )


def test_layers_logs_and_own_volumes_are_counted_apart_and_together(tmp_path: Path) -> None:
    found = count(made(tmp_path))
    assert found.layers["c"].bytes >= 5000 and found.logs["c"].bytes >= 9000
    assert list(found.volumes) == [("empty-dir", "data")], "what is the host's own is not the pod's"
    assert found.volumes["empty-dir", "data"].inodes == 2
    assert found.ephemeral.bytes == sum(
        one.bytes for one in (found.layers["c"], found.logs["c"], found.volumes["empty-dir", "data"])
    )


async def test_it_is_counted_again_after_a_minute(tmp_path: Path) -> None:
    now = 0.0
    disks, pod = Disks(lambda: now), made(tmp_path)
    before = (await disks.of([pod]))["u"].layers["c"]
    (tmp_path / "layer" / "more").write_bytes(b"y" * 100_000)
    assert (await disks.of([pod]))["u"].layers["c"] == before
    now = HOLDS_SECONDS
    assert (await disks.of([pod]))["u"].layers["c"].bytes >= before.bytes + 100_000
    assert await disks.of([]) == {}
