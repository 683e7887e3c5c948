"""The image store: whole or not there, once, under its names."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from runtime import ProcessSpec, Root
from runtime.image_names import Name, locked
from runtime.images import Image, ImageStore
from runtime.layers import Bounds, Refused
from runtime.references import Reference
from tests.runtime.test_archives import docker, layout, tar_of, write


@pytest.fixture
def store(tmp_path: Path) -> ImageStore:
    return ImageStore(tmp_path / "images")


def left(store: ImageStore) -> list[str]:
    """What is in the store, besides its own notes."""
    return sorted(path.name for path in store.directory.iterdir() if path.name not in (".locks", "names.json"))


def test_layers_lie_over_each_other(store: ImageStore, tmp_path: Path) -> None:
    below, above = (
        tar_of({"a": b"1", "d/b": b"2", "c": b"3"}),
        tar_of({".wh.a": b"", "d/.wh..wh..opq": b"", "d/n": b"n"}),
    )
    for kind, files in (("oci", layout(below, above, config={"Env": ["A=b"]})), ("docker", docker(below, above))):
        (tmp_path / f"{kind}.tar").write_bytes(tar_of(files))
        image = store.oci(tmp_path / f"{kind}.tar")

        assert sorted(str(path.relative_to(image.root)) for path in image.root.rglob("*")) == ["c", "d", "d/n"]
        assert image.id.startswith("sha256:") and image.root.parent.name == image.id.replace(":", "-")
    assert store.directory.stat().st_mode & 0o777 == 0o700
    assert len(left(store)) == 2


def test_an_image_is_unpacked_once(store: ImageStore, tmp_path: Path) -> None:
    path = write(tmp_path / "layout", layout(tar_of({"a": b"1"})))
    first = store.oci(path)
    inode = first.root.stat().st_ino

    assert store.oci(path) == first and ImageStore(store.directory).oci(path) == first
    assert first.root.stat().st_ino == inode


def test_a_tar_is_called_by_its_digest_and_a_changed_one_is_another(store: ImageStore, tmp_path: Path) -> None:
    path = tmp_path / "root.tar"
    path.write_bytes(tar_of({"a": b"1"}))
    first = store.tar(path)
    path.write_bytes(tar_of({"a": b"22"}))
    second = store.tar(path)

    assert first.id.startswith("tar@sha256:") and first.id != second.id
    assert [(one.root / "a").read_text() for one in (first, second)] == ["1", "22"]


def swapped(files: dict[str, bytes]) -> dict[str, bytes]:
    """The layer's bytes are another's."""
    place = next(name for name, data in files.items() if data.startswith(b"\x1f\x8b"))
    return {**files, place: next(data for data in layout(tar_of({"x": b""})).values() if data.startswith(b"\x1f\x8b"))}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param(swapped(layout(tar_of({"a": b"1"}))), "not what its digest says", id="another layer"),
        pytest.param(
            {**docker(tar_of({"a": b"1"})), "0/layer.tar": tar_of({"x": b""})}, "the tar of layer", id="docker's"
        ),
        pytest.param(layout(tar_of({"../x": b"1"})), "leads out", id="a layer that leads out"),
        pytest.param(layout(tar_of({"a": b"1" * 600})[:700]), "cut off", id="a layer that is cut off"),
    ],
)
def test_of_a_bad_image_nothing_stays(store: ImageStore, tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    (tmp_path / "image.tar").write_bytes(tar_of(files))

    with pytest.raises(Refused, match=said):
        store.load(tmp_path / "image.tar", "x")

    assert left(store) == [] and store.items() == []


def test_of_an_archive_that_is_cut_off_nothing_stays(store: ImageStore, tmp_path: Path) -> None:
    whole = tar_of(layout(tar_of({"a": os.urandom(9000)}), name="x"))
    (tmp_path / "image.tar").write_bytes(whole[:9000])

    with pytest.raises(Refused):
        store.load(tmp_path / "image.tar", "x")

    assert left(store) == []


def test_a_pipe_is_not_waited_for(store: ImageStore, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    for take in (store.tar, store.oci):
        with pytest.raises(Refused, match="no regular file"):
            take(tmp_path / "pipe")


def test_too_large_an_image_leaves_nothing(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"a": b"1" * 60_000}))
    small = ImageStore(tmp_path / "images", Bounds(size=50_000))

    with pytest.raises(Refused, match="50000 bytes"):
        small.tar(tmp_path / "root.tar")
    assert small.items() == []


def test_two_loads_at_once_unpack_once(store: ImageStore, tmp_path: Path) -> None:
    path = write(tmp_path / "layout", layout(tar_of({f"{i}": b"x" for i in range(300)}), name="app:1"))
    found: list[int] = []

    def load() -> None:
        ((_, image),) = ImageStore(store.directory).load(path)
        found.append(image.root.stat().st_ino)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert len(found) == 4 and len(set(found)) == 1
    assert len(left(store)) == 1


def test_killed_in_the_middle_it_is_as_if_nothing_had_been(store: ImageStore, tmp_path: Path) -> None:
    path = write(tmp_path / "layout", layout(tar_of({f"d{i}/file": b"x" * 2000 for i in range(4000)})))
    program = (
        "import sys, pathlib, runtime.images as i; "
        "i.ImageStore(pathlib.Path(sys.argv[1])).oci(*map(pathlib.Path, sys.argv[2:]))"
    )
    child = subprocess.Popen([sys.executable, "-c", program, str(store.directory), str(path)])
    wait_for(lambda: any(store.directory.glob(".sha256-*.partial/rootfs/d1")), child)
    child.send_signal(signal.SIGKILL)
    child.wait()

    assert store.items() == [] and len(left(store)) == 1  # the partial one
    image = store.oci(path)
    assert len(list(image.root.iterdir())) == 4000
    assert left(store) == [image.root.parent.name]


def wait_for(what: Callable[[], bool], child: subprocess.Popen[bytes]) -> None:
    until = time.monotonic() + 30
    while not what():
        assert child.poll() is None and time.monotonic() < until
        time.sleep(0.002)


def test_names(store: ImageStore, tmp_path: Path) -> None:
    path = write(tmp_path / "layout", layout(tar_of({"a": b"1"}), name="docker.io/library/busybox:latest"))
    ((name, image),) = store.load(path)
    store.load(path, "other:1")

    assert name == "docker.io/library/busybox:latest"
    assert store.named("busybox") == store.named("library/busybox:latest") == store.named("other:1")
    assert store.named("busybox") == (Name(image.id), image)
    assert store.named("busybox:2") is None
    assert [one for one, _ in store.items()] == [name, "docker.io/library/other:1"]


def test_the_image_goes_with_its_last_name(store: ImageStore, tmp_path: Path) -> None:
    path = write(tmp_path / "layout", layout(tar_of({"a": b"1"})))
    image = store.load(path, "one")[0][1]
    store.load(path, "two")

    assert store.remove("one") is False and image.root.exists()
    assert store.remove("two") is True and left(store) == []
    with pytest.raises(Refused, match="no image is called"):
        store.remove("two")


def test_an_image_without_a_name_goes_by_its_id(store: ImageStore, tmp_path: Path) -> None:
    image = store.oci(write(tmp_path / "layout", layout(tar_of({"a": b"1"}))))

    assert store.items() == [("", image)]
    assert store.remove(image.id) is True and store.items() == []


@pytest.mark.parametrize("name", ["latest", "evil:\x1b[2J", "/x"])
def test_an_archive_that_gives_its_image_no_proper_name_needs_one(store: ImageStore, tmp_path: Path, name: str) -> None:
    path = write(tmp_path / "layout", layout(tar_of({"a": b"1"}), name=name))

    with pytest.raises(Refused, match="give --name"):
        store.load(path)
    assert store.load(path, "app")[0][0] == "docker.io/library/app:latest"


@pytest.mark.parametrize("name", ["../x", "", "-x", "a b", "x" * 300])
def test_what_is_no_name(store: ImageStore, tmp_path: Path, name: str) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"a": b"1"}))

    with pytest.raises(Refused, match=r"no image name|give --name"):
        store.load(tmp_path / "root.tar", name)


def pull(store: ImageStore, text: str, path: Path, digest: str) -> Image:
    """As if a registry had what the archive holds."""
    image = store.oci(path)
    store.note_pull(Reference.parse(text), image, digest, "")
    return image


def test_a_pulled_tag_takes_its_digest_with_it_but_not_from_another_tag(store: ImageStore, tmp_path: Path) -> None:
    path, digest = write(tmp_path / "layout", layout(tar_of({"a": b"1"}))), f"sha256:{'1' * 64}"
    for text in ("r.local/app:1", "r.local/app:2", "r.local/other:1"):
        pull(store, text, path, digest)

    assert not store.remove("r.local/app:1")
    assert [name for name, _ in store.items()] == [
        "r.local/app:2", f"r.local/app@{digest}", "r.local/other:1", f"r.local/other@{digest}",
    ]  # fmt: skip
    assert not store.remove("r.local/app:2")
    assert [name for name, _ in store.items()] == ["r.local/other:1", f"r.local/other@{digest}"]
    assert store.remove("r.local/other:1")
    assert store.items() == []


def test_a_loaded_image_takes_the_name_of_a_pulled_one(store: ImageStore, tmp_path: Path) -> None:
    pull(store, "app:1", write(tmp_path / "layout", layout(tar_of({"a": b"1"}))), f"sha256:{'1' * 64}")
    (tmp_path / "mine.tar").write_bytes(tar_of({"a": b"mine"}))
    store.load(tmp_path / "mine.tar", "app:1")

    found = store.named("app:1")
    assert found is not None and not found[0].was_pulled
    assert store.named(f"app@sha256:{'1' * 64}") is not None


def test_it_is_known_when_an_image_was_last_used(store: ImageStore, tmp_path: Path) -> None:
    image = store.oci(write(tmp_path / "layout", layout(tar_of({"a": b"1"}))))
    os.utime(image.root.parent / "image.json", (7.0, 7.0))
    assert store.last_used(image) == 7.0

    store.note_use(tmp_path)  # no image's root: nothing happens
    begun = time.time()
    store.note_use(image.root)

    assert store.last_used(image) >= begun - 1
    assert store.by_id(image.id) == image


def test_what_killed_processes_left_is_cleared_and_not_what_others_do(store: ImageStore, tmp_path: Path) -> None:
    image = store.oci(write(tmp_path / "layout", layout(tar_of({"a": b"1"}))))
    for name in (".pull-x.partial", ".sha256-9.partial"):
        write(store.directory / name, {"rootfs/a": b"1"})
    with locked(store.directory, "sha256-9"):
        store.clear()
        assert left(store) == [".sha256-9.partial", image.root.parent.name]
    store.clear()

    assert left(store) == [image.root.parent.name]
    ImageStore(tmp_path / "no").clear()  # nothing there is nothing to clear


def test_room_is_asked_for_before_anything_is_transferred(store: ImageStore) -> None:
    store.need_room(1)
    with pytest.raises(Refused, match=r"its layers have 70368744177664 bytes, of which .* takes"):
        store.need_room(1 << 46)


def shell_root(directory: Path) -> Path:
    """A root with a shell and the libraries that it needs, as a tar."""
    linked = subprocess.run(["ldd", "/bin/sh"], capture_output=True, text=True, check=True).stdout
    with tarfile.open(directory / "layer.tar", "w", dereference=True) as tar:
        for path in ["/bin/sh", *(word for word in linked.split() if word.startswith("/"))]:
            tar.add(os.path.realpath(path), path)
    return directory / "layer.tar"


@pytest.mark.kernel
async def test_a_container_runs_from_a_loaded_archive_which_cannot_be_removed_meanwhile(bench, sandbox, tmp_path):
    files = layout(shell_root(tmp_path).read_bytes(), tar_of({"etc/hello": b"hello\n"}), name="shell:1")
    (tmp_path / "image.tar").write_bytes(tar_of(files))
    store = ImageStore(tmp_path / "images")
    ((_, image),) = store.load(tmp_path / "image.tar")
    line = "while read one; do echo $one; done < /etc/hello; echo mine > /etc/hello; read wait"
    spec = bench.shell(line, root=Root("dir", image.root), stdin=True)

    await sandbox.start(
        ProcessSpec(spec.name, ("/bin/sh", *spec.argv[1:]), log_path=spec.log_path, root=spec.root, stdin=True)
    )
    with pytest.raises(Refused, match="in use by process"):
        store.remove("shell:1")
    async with asyncio.timeout(10):
        while bench.output() != "hello":
            await asyncio.sleep(0.02)
    await sandbox.kill("main")
    await sandbox.wait("main")
    await sandbox.forget("main")

    assert (image.root / "etc/hello").read_text() == "hello\n"
    assert store.remove("shell:1")
    shutil.rmtree(store.directory)
