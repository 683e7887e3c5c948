"""What image archives hold, whoever wrote them."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from runtime.archives import Layout, architecture, choose, images_in, opened
from runtime.layers import Bounds, Refused


def tar_of(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, data in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


def digest_of(data: bytes) -> str:
    return "sha256:" + hashlib.sha256(data).hexdigest()


def layout(*layers: bytes, name: str = "", config: Any = None, **more: Any) -> dict[str, bytes]:
    """The files of an OCI layout with one image. more: beside `config` in the image's configuration."""
    blobs: dict[str, bytes] = {}

    def blob(data: bytes) -> dict[str, Any]:
        digest = digest_of(data)
        blobs["blobs/" + digest.replace(":", "/")] = data
        return {"digest": digest, "size": len(data)}

    about = {"os": "linux", "architecture": architecture(), "config": config or {}}
    about |= {"rootfs": {"type": "layers", "diff_ids": [digest_of(one) for one in layers]}} | more
    manifest = {
        "config": blob(json.dumps(about).encode()),
        "layers": [blob(gzip.compress(one, mtime=0)) for one in layers],
    }
    row = blob(json.dumps(manifest).encode())
    if name:
        row["annotations"] = {"org.opencontainers.image.ref.name": name}
    index = {"manifests": [row]}
    return {"oci-layout": b"{}", "index.json": json.dumps(index).encode()} | blobs


def docker(*layers: bytes, names: tuple[str, ...] = (), config: Any = None) -> dict[str, bytes]:
    """The files of what `docker save` wrote before it wrote layouts."""
    about = {"os": "linux", "config": config or {}, "rootfs": {"diff_ids": [digest_of(one) for one in layers]}}
    text = json.dumps(about).encode()
    place = f"{digest_of(text).partition(':')[2]}.json"
    row = {"Config": place, "RepoTags": list(names), "Layers": [f"{i}/layer.tar" for i in range(len(layers))]}
    files = {f"{i}/layer.tar": one for i, one in enumerate(layers)}
    return {**files, place: text, "manifest.json": json.dumps([row]).encode()}


def write(directory: Path, files: dict[str, bytes]) -> Path:
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return directory


@pytest.mark.parametrize("packed", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    "files",
    [
        pytest.param(layout(b"one", b"two", name="app:1", config={"Cmd": ["sh"]}), id="oci"),
        pytest.param(docker(b"one", b"two", names=("app:1",), config={"Cmd": ["sh"]}), id="docker"),
    ],
)
def test_an_archive_is_read(tmp_path: Path, files: dict[str, bytes], packed: bool) -> None:
    data = tar_of(files)
    (tmp_path / "image.tar").write_bytes(gzip.compress(data) if packed else data)

    with opened(tmp_path / "image.tar", tmp_path, Bounds()) as source:
        assert source is not None
        (found,) = images_in(source)
        assert source.open(found.layers[1].place).read() in (b"two", gzip.compress(b"two", mtime=0))

    assert (found.names, found.config) == (("app:1",), {"Cmd": ["sh"]})
    assert [one.diff_id for one in found.layers] == [digest_of(b"one"), digest_of(b"two")]


def test_a_tar_of_a_root_is_no_image_archive(tmp_path: Path) -> None:
    (tmp_path / "root.tar").write_bytes(tar_of({"etc/passwd": b""}))

    with opened(tmp_path / "root.tar", tmp_path, Bounds()) as source:
        assert source is None


def test_of_several_platforms_this_machines_is_taken(tmp_path: Path) -> None:
    ours, other = layout(b"ours"), layout(b"other")
    rows = [json.loads(files["index.json"])["manifests"][0] for files in (other, ours)]
    rows[0]["platform"] = {"os": "linux", "architecture": "s390x"}
    rows[1]["platform"] = {"os": "linux", "architecture": architecture()}
    inner = json.dumps({"manifests": rows}).encode()
    place = "blobs/" + digest_of(inner).replace(":", "/")
    index = json.dumps({"manifests": [{"digest": digest_of(inner)}]}).encode()
    path = write(tmp_path, {**ours, **other, place: inner, "index.json": index})

    (found,) = images_in(Layout(path))

    assert found.layers[0].diff_id == digest_of(b"ours")


def without(files: dict[str, bytes], mark: bytes) -> dict[str, bytes]:
    return {name: data for name, data in files.items() if mark not in data}


@pytest.mark.parametrize(
    ("files", "said"),
    [
        pytest.param(layout(b"", architecture="s390x"), "no image for linux/", id="another machine's"),
        pytest.param(layout(b"", rootfs={}), "does not name the layers", id="no diff_ids"),
        pytest.param(without(layout(b""), b"diff_ids"), "No such file", id="a blob is missing"),
        pytest.param(layout(b"", config={"Cmd": "sh"}), "Cmd is no list", id="a command that is none"),
        pytest.param({"index.json": b"["}, "damaged", id="no JSON"),
        pytest.param({"index.json": b"[" * 100_000}, "nested too deeply", id="JSON without end"),
        pytest.param({"index.json": b'{"manifests": 7}'}, "malformed", id="other JSON"),
        pytest.param({"index.json": b'{"manifests": [{"digest": "../../x"}]}'}, "is no digest", id="a hostile digest"),
        pytest.param({"manifest.json": b'[{"Config": "../x", "Layers": []}]'}, "leads out", id="a hostile place"),
    ],
)
def test_what_is_not_taken(tmp_path: Path, files: dict[str, bytes], said: str) -> None:
    with pytest.raises(Refused, match=said):
        images_in(Layout(write(tmp_path, files)))


def test_a_blob_that_is_not_what_its_digest_says_is_refused(tmp_path: Path) -> None:
    files = layout(b"")
    place = next(name for name, data in files.items() if b"diff_ids" in data)

    with pytest.raises(Refused, match="not what its digest says"):
        images_in(Layout(write(tmp_path, {**files, place: files[place] + b" "})))


def test_a_link_out_of_a_layout_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("{}")
    (tmp_path / "layout").mkdir()
    (tmp_path / "layout/index.json").symlink_to("../secret")

    with pytest.raises(Refused):
        images_in(Layout(tmp_path / "layout"))


def row(arch: str, variant: str = "", **more: Any) -> dict[str, Any]:
    return {"platform": {"os": "linux", "architecture": arch, "variant": variant}, "name": f"{arch}{variant}", **more}


OURS = architecture()


@pytest.mark.parametrize(
    ("rows", "chosen"),
    [
        pytest.param([row("s390x"), row(OURS)], OURS, id="this machine's"),
        pytest.param([row(OURS, "v3"), row(OURS, "v2"), row(OURS)], OURS, id="the plainest"),
        pytest.param([row(OURS, "v3"), row(OURS, "v2")], f"{OURS}v2", id="the lowest variant"),
        pytest.param([row(OURS, "v7"), row(OURS, "v8")], f"{OURS}v8", id="v8 is what every arm64 has"),
        pytest.param([7, {"name": "any"}], "any", id="one that does not say for what"),
        pytest.param(
            [row(OURS, annotations={"vnd.docker.reference.type": "x"}), row(OURS, "v2")], f"{OURS}v2",
            id="no attestation",
        ),
    ],
)  # fmt: skip
def test_of_an_index_one_manifest_is_for_this_machine(rows: list[Any], chosen: str) -> None:
    assert choose(rows)["name"] == chosen


@pytest.mark.parametrize("rows", [[], None, {}, [row("s390x")], [{"platform": {"os": "windows"}}]])
def test_an_index_that_has_none(rows: Any) -> None:
    with pytest.raises(Refused, match=f"holds no image for linux/{OURS}"):
        choose(rows)
