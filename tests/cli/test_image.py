"""`procorch image`, on data directories without an agent."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

import cli
from cli.image import stores
from tests.runtime.test_archives import layout, tar_of

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="the store is root's")


def image(data: Path, *arguments: str) -> Result:
    return CliRunner().invoke(cli.procorch, ["image", *arguments, "--data-dir", str(data)])


@pytest.fixture
def file(tmp_path: Path) -> str:
    path = tmp_path / "image.tar"
    path.write_bytes(tar_of(layout(tar_of({"a": b"1"}), name="app:1")))
    return str(path)


def test_load_list_remove(tmp_path: Path, file: str) -> None:
    assert "loaded docker.io/library/app:1 (sha256:" in image(tmp_path, "load", file).output
    assert image(tmp_path, "list").output.splitlines()[1].startswith("docker.io/library/app:1   sha256:")
    assert image(tmp_path, "remove", "app:1").output == "removed app:1\n"
    assert image(tmp_path, "list").output.splitlines() == ["NAME   IMAGE ID   SIZE"]


def test_what_cannot_be_done_is_one_line(tmp_path: Path, file: str) -> None:
    (tmp_path / "plain.tar").write_bytes(tar_of({"a": b"1"}))

    for arguments, said in (
        (["load", str(tmp_path / "plain.tar")], "give --name"),
        (["load", str(tmp_path)], f"use image: dir://{tmp_path}"),
        (["load", file, "--name", "a b"], "is no image name"),
        (["remove", "app"], 'no image is called "app"'),
    ):
        result = image(tmp_path, *arguments)
        assert result.exit_code == 1 and said in result.output and result.output.count("\n") == 1


def test_every_node_of_this_machine_gets_it(tmp_path: Path, file: str) -> None:
    for name in ("node1", "node2"):
        (tmp_path / "nodes" / name).mkdir(parents=True)

    assert [line.rpartition(" on ")[2] for line in image(tmp_path, "load", file).output.splitlines()] == [
        "node1",
        "node2",
    ]
    assert len(image(tmp_path, "list").output.splitlines()) == 2
    assert image(tmp_path, "remove", "app:1").exit_code == 0


def test_where_the_store_is(tmp_path: Path) -> None:
    assert [one.directory for one in stores(tmp_path).values()] == [tmp_path / "node/images"]
    (tmp_path / "agent").mkdir()
    assert [one.directory for one in stores(tmp_path).values()] == [tmp_path / "images"]
