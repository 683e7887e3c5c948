"""Files of the API's objects on disk: never seen half written, owned and readable as asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet.volumes.volume import File, VolumeProblem, chosen, fs_group, write_files

DATA = {"a": b"one", "b": b"two"}


def content(directory: Path) -> dict[str, bytes]:
    """What a pod sees: names that do not begin with two dots."""
    names = [path for path in directory.iterdir() if not path.name.startswith("..")]
    files = [file for path in names for file in ([path] if path.is_file() else path.rglob("*")) if file.is_file()]
    return {str(file.relative_to(directory)): file.read_bytes() for file in files}


def test_every_name_goes_through_one_link(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": File(b"one"), "x/y": File(b"two")}, None)

    assert content(tmp_path) == {"a": b"one", "x/y": b"two"}
    assert (tmp_path / "a").readlink() == Path("..data/a")
    assert (tmp_path / "x").readlink() == Path("..data/x")


def test_a_change_swaps_the_link_and_leaves_nothing_behind(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": File(b"one"), "gone": File(b"")}, None)
    before = (tmp_path / "..data").readlink()
    held = (tmp_path / "a").open("rb")

    write_files(tmp_path, {"a": File(b"two")}, None)

    assert content(tmp_path) == {"a": b"two"}
    assert (tmp_path / "..data").readlink() != before
    assert sorted(path.name for path in tmp_path.iterdir()) == sorted(
        ["a", "..data", (tmp_path / "..data").readlink().name]
    )
    assert held.read() == b"one", "who has it open goes on reading what it was"
    held.close()


@pytest.mark.parametrize(
    ("then", "swapped"),
    [
        pytest.param(File(b"one", 0o600), False, id="the same"),
        pytest.param(File(b"two", 0o600), True, id="other bytes"),
        pytest.param(File(b"one", 0o640), True, id="another mode"),
    ],
)
def test_only_a_change_is_written(tmp_path: Path, then: File, swapped: bool) -> None:
    write_files(tmp_path, {"a": File(b"one", 0o600)}, None)
    before = (tmp_path / "..data").readlink()

    write_files(tmp_path, {"a": then}, None)

    assert ((tmp_path / "..data").readlink() != before) is swapped
    assert (tmp_path / "a").stat().st_mode & 0o777 == then.mode


def test_what_an_earlier_agent_left_half_done_is_finished(tmp_path: Path) -> None:
    (tmp_path / "..data_tmp").symlink_to("nowhere")

    write_files(tmp_path, {"a": File(b"one")}, None)

    assert content(tmp_path) == {"a": b"one"}


@pytest.mark.parametrize("name", ["/a", "../a", "x/../../a", "..a", "x//a"])
def test_a_path_that_leads_out_is_refused(tmp_path: Path, name: str) -> None:
    with pytest.raises(VolumeProblem, match="leads out of the volume"):
        write_files(tmp_path / "volume", {name: File(b"")}, None)


def test_two_dots_further_down_are_a_name(tmp_path: Path) -> None:
    write_files(tmp_path, {"x/..a": File(b"one")}, None)

    assert content(tmp_path) == {"x/..a": b"one"}


@pytest.mark.kernel
def test_the_pods_group_owns_and_reads_what_it_gets(tmp_path: Path) -> None:
    write_files(tmp_path, {"x/a": File(b"one", 0o400, owner=77)}, 4321)

    file, directory = (tmp_path / "x/a").stat(), (tmp_path / "x").stat()
    assert (file.st_uid, file.st_gid, file.st_mode & 0o777) == (77, 4321, 0o440)
    assert (directory.st_gid, directory.st_mode & 0o7777) == (4321, 0o2775)


@pytest.mark.parametrize(
    ("source", "files"),
    [
        pytest.param({}, {"a": File(b"one"), "b": File(b"two")}, id="all"),
        pytest.param({"items": [{"key": "a", "path": "p"}]}, {"p": File(b"one")}, id="one, elsewhere"),
        pytest.param({"items": [{"key": "a", "path": "p", "mode": 0}]}, {"p": File(b"one", 0)}, id="a mode of nothing"),
        pytest.param({"items": [{"key": "no", "path": "p"}], "optional": True}, {}, id="not there, and need not be"),
    ],
)
def test_keys_become_files(source: dict[str, Any], files: dict[str, File]) -> None:
    assert chosen(DATA, source, None, "configmap") == files


def test_a_key_that_must_be_there_is_missed() -> None:
    with pytest.raises(VolumeProblem, match="references non-existent secret key: no"):
        chosen(DATA, {"items": [{"key": "no", "path": "p"}]}, None, "secret")


@pytest.mark.parametrize(
    ("context", "group"),
    [({}, None), ({"fsGroup": 0}, 0), ({"fsGroup": 7}, 7)],
)
def test_the_group_of_volumes(context: dict[str, Any], group: int | None) -> None:
    assert fs_group({"spec": {"securityContext": context}}) == group
    assert fs_group({"spec": {}}) is None
