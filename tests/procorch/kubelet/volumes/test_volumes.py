"""Volumes on a temporary directory: what is made, how it is mounted, and what is refused in which words."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet.environment import ConfigProblem, Facts
from procorch.kubelet.volumes import VolumeProblem, make_all, mounts_of
from procorch.objects import NotFound, Object
from runtime import Mount


class Source:
    """ConfigMaps and Secrets from a dict; a token that counts."""

    facts = Facts(("10.240.0.2",), ("10.0.0.1",), {})
    clock: Callable[[], float] = staticmethod(time.time)

    def __init__(self) -> None:
        data = {"a.txt": "one", "b.txt": "two"}
        self.objects: dict[tuple[str, str], Object] = {
            ("ConfigMap", "c"): {"kind": "ConfigMap", "metadata": {"name": "c"}, "data": data},
            ("Secret", "s"): {
                "kind": "Secret",
                "metadata": {"name": "s"},
                "data": {"key": base64.b64encode(b"\x00hidden").decode()},
            },
        }

    async def find(self, kind: str, namespace: str, name: str) -> Object:
        if (kind, name) not in self.objects:
            raise NotFound.of(kind.lower() + "s", name)
        return self.objects[kind, name]

    async def token(self, pod: Object, audience: str, seconds: int) -> tuple[str, float]:
        return f"token for {audience or 'the API'}", 500.0 + seconds


def pod(*volumes: dict[str, Any], **security: Any) -> Object:
    metadata = {"name": "p", "namespace": "n", "uid": "u", "labels": {"app": "web"}}
    return {"metadata": metadata, "spec": {"volumes": list(volumes), "containers": [], "securityContext": security}}


async def made(tmp_path: Path, volume: dict[str, Any], source: Source | None = None, **security: Any) -> Path:
    rows = await make_all(pod({"name": "v", **volume}, **security), tmp_path, source or Source())
    found = rows["v"].mount.source
    assert found is not None
    return found


def shown(directory: Path) -> dict[str, str]:
    names = (path for path in directory.rglob("*") if path.is_file() and ".." not in str(path.relative_to(directory)))
    return {str(path.relative_to(directory)): path.read_text() for path in names}


async def test_an_empty_dir_is_everybodys_and_stays_as_it_is(tmp_path: Path) -> None:
    directory = await made(tmp_path, {"emptyDir": {}})
    (directory / "kept").touch()
    again = await made(tmp_path, {"emptyDir": {}})

    assert again == directory and (again / "kept").exists()
    assert directory.stat().st_mode & 0o7777 == 0o777


async def test_an_empty_dir_in_memory_is_shared_by_its_name(tmp_path: Path) -> None:
    rows = await make_all(pod({"name": "v", "emptyDir": {"medium": "Memory", "sizeLimit": "1Mi"}}), tmp_path, Source())

    assert rows["v"].mount == Mount("", Path("volume-v"), "tmpfs", options=("mode=777", "size=1048576"))


async def test_a_config_map_is_files_and_its_change_is_one_step(tmp_path: Path) -> None:
    source = Source()
    directory = await made(tmp_path, {"configMap": {"name": "c"}}, source)
    assert shown(directory) == {"a.txt": "one", "b.txt": "two"}
    before = (directory / "..data").readlink()

    await made(tmp_path, {"configMap": {"name": "c"}}, source)
    assert (directory / "..data").readlink() == before

    source.objects["ConfigMap", "c"]["data"] = {"a.txt": "new"}
    await made(tmp_path, {"configMap": {"name": "c"}}, source)
    assert shown(directory) == {"a.txt": "new"}
    assert not (directory / before).exists()


async def test_items_choose_paths_and_modes(tmp_path: Path) -> None:
    items = [{"key": "a.txt", "path": "x/y", "mode": 0o400}, {"key": "b.txt", "path": "z"}]

    directory = await made(tmp_path, {"configMap": {"name": "c", "items": items, "defaultMode": 0o640}})

    assert shown(directory / "..data") == {"x/y": "one", "z": "two"}
    assert (directory / "x/y").stat().st_mode & 0o777 == 0o400
    assert (directory / "z").stat().st_mode & 0o777 == 0o640


async def test_a_secret_keeps_its_bytes_and_its_group_may_read_them(tmp_path: Path) -> None:
    directory = await made(tmp_path, {"secret": {"secretName": "s", "defaultMode": 0o400}}, fsGroup=4321)

    assert (directory / "key").read_bytes() == b"\x00hidden"
    assert (directory / "key").stat().st_gid == 4321
    assert (directory / "key").stat().st_mode & 0o777 == 0o440


async def test_projected_joins_its_sources(tmp_path: Path) -> None:
    labels = {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}
    sources = [
        {"serviceAccountToken": {"path": "token", "expirationSeconds": 600}},
        {"configMap": {"name": "c", "items": [{"key": "a.txt", "path": "a"}]}},
        {"downwardAPI": labels},
        {"secret": {"name": "none", "optional": True}},
    ]

    rows = await make_all(pod({"name": "v", "projected": {"sources": sources}}), tmp_path, Source())

    assert rows["v"].again == 1100.0
    assert rows["v"].mount.source is not None and rows["v"].mount.read_only
    assert shown(rows["v"].mount.source) == {"token": "token for the API", "a": "one", "labels": 'app="web"'}


@pytest.mark.parametrize(
    ("security", "users", "wanted"),
    [
        pytest.param({}, (None,), (0o644, 0, 0), id="nobody named: everybody may read it"),
        pytest.param({"runAsUser": 1000}, (None, None), (0o600, 1000, 0), id="the pod's user alone"),
        pytest.param({}, (1000, 1000), (0o600, 1000, 0), id="the user of every container"),
        pytest.param({"runAsUser": 1000}, (None, 1001), (0o644, 0, 0), id="two users: everybody"),
        pytest.param({}, (1000, None), (0o644, 0, 0), id="one as the image says: everybody"),
        pytest.param({"fsGroup": 4321}, (None,), (0o640, 0, 4321), id="the pod's group"),
        pytest.param({"runAsUser": 1000, "fsGroup": 4321}, (None,), (0o640, 1000, 4321), id="user and group"),
    ],
)
async def test_a_token_is_its_users_and_groups_alone(
    tmp_path: Path, security: dict[str, Any], users: tuple[int | None, ...], wanted: tuple[int, int, int]
) -> None:
    sources = [{"serviceAccountToken": {"path": "token"}}]
    own = pod({"name": "v", "projected": {"sources": sources, "defaultMode": 0o644}}, **security)
    own["spec"]["containers"] = [{"name": "c", "securityContext": {"runAsUser": user}} for user in users]

    await make_all(own, tmp_path, Source())

    found = next(path for path in tmp_path.rglob("token") if not path.is_symlink()).stat()
    assert (found.st_mode & 0o777, found.st_uid, found.st_gid) == wanted


@pytest.mark.parametrize(
    ("type_", "made_before", "problem"),
    [
        pytest.param("", "dir", "", id="whatever is there"),
        pytest.param("", "", "No such file or directory", id="nothing is there"),
        pytest.param("Directory", "dir", "", id="a directory"),
        pytest.param("Directory", "file", "is not a directory", id="a file is no directory"),
        pytest.param("File", "file", "", id="a file"),
        pytest.param("File", "dir", "is not a file", id="a directory is no file"),
        pytest.param("DirectoryOrCreate", "", "", id="a directory is made"),
        pytest.param("FileOrCreate", "", "", id="a file is made"),
        pytest.param("Socket", "file", "is not a socket", id="a file is no socket"),
        pytest.param("BlockDevice", "", "is not a block device", id="no device"),
    ],
)
async def test_host_path_is_what_it_says(tmp_path: Path, type_: str, made_before: str, problem: str) -> None:
    path = tmp_path / "host"
    if made_before == "dir":
        path.mkdir()
    elif made_before == "file":
        path.touch()
    volume = {"hostPath": {"path": str(path), "type": type_}}

    if problem:
        with pytest.raises(VolumeProblem, match=problem):
            await made(tmp_path, volume)
    else:
        assert await made(tmp_path, volume) == path and path.exists()


@pytest.mark.parametrize(
    ("volume", "message"),
    [
        pytest.param({"configMap": {"name": "no"}}, 'configmap "no" not found', id="no config map"),
        pytest.param({"secret": {"secretName": "no"}}, 'secret "no" not found', id="no secret"),
        pytest.param(
            {"configMap": {"name": "c", "items": [{"key": "no", "path": "x"}]}},
            "references non-existent configmap key: no",
            id="no such key",
        ),
        pytest.param({"nfs": {"server": "x"}}, "volume type nfs: not supported", id="a type of later"),
        pytest.param(
            {"gcePersistentDisk": {"pdName": "x"}},
            "volume type gcePersistentDisk: this node is no Google Compute Engine instance",
            id="away from its cloud",
        ),
    ],
)
async def test_what_cannot_be_mounted_is_told_in_kubernetes_words(
    tmp_path: Path, volume: dict[str, Any], message: str
) -> None:
    with pytest.raises(VolumeProblem) as caught:
        await made(tmp_path, volume)

    assert str(caught.value) == f'MountVolume.SetUp failed for volume "v" : {message}'


async def test_mounts_of_a_container_go_from_the_outside_in(tmp_path: Path) -> None:
    rows = await make_all(pod({"name": "v", "configMap": {"name": "c"}}, {"name": "e"}), tmp_path, Source())
    container = {
        "volumeMounts": [
            {"name": "v", "mountPath": "/data/inner/file", "subPath": "a.txt"},
            {"name": "e", "mountPath": "/data", "subPathExpr": "$(POD)", "readOnly": True},
        ]
    }

    outer, inner = mounts_of(container, rows, {"POD": "p"})

    assert (outer.target, outer.sub_path, outer.read_only) == ("/data", "p", True)
    assert inner.source is not None
    assert (inner.source / inner.sub_path).read_text() == "one"
    assert not (inner.source / inner.sub_path).is_symlink()


@pytest.mark.parametrize("sub_path", ["../x", "/etc", "a/../../x"])
async def test_a_sub_path_that_leads_out_is_refused(tmp_path: Path, sub_path: str) -> None:
    rows = await make_all(pod({"name": "e"}), tmp_path, Source())

    with pytest.raises(ConfigProblem, match="must be relative"):
        mounts_of({"volumeMounts": [{"name": "e", "mountPath": "/x", "subPath": sub_path}]}, rows, {})
