"""Roots by their schemes."""

from __future__ import annotations

from pathlib import Path

import pytest

from procorch.kubelet.images import PATH, ImageProblem, Resolved
from procorch.kubelet.images.roots import Archive, root_of
from runtime import Mount, Root


def environment(path: Path) -> Resolved:
    found = root_of(f"venv://{path}", "here")
    assert isinstance(found, Resolved)
    return found


def test_an_archive_is_for_later() -> None:
    assert root_of("oci:///srv/a.tar", "here") == Archive("oci", Path("/srv/a.tar"), "here")


@pytest.mark.parametrize("text", ["nginx", "exec:///bin/true", "ftp:///x", "/srv"])
def test_what_is_no_root(text: str) -> None:
    with pytest.raises(ImageProblem, match="here: this is no root; use host") as caught:
        root_of(text, "here")

    assert caught.value.reason == "InvalidImageName"


def test_an_environment_is_seen_at_its_own_place(tmp_path: Path) -> None:
    place = tmp_path / "venv"
    (place / "bin").mkdir(parents=True)
    (place / "pyvenv.cfg").write_text("home = /usr/bin\n")

    found = environment(place)

    assert (found.root, found.image_id) == (Root("host"), f"venv://{place}")
    assert found.mounts == (Mount(str(place), place, read_only=True),)
    assert {row["name"]: row["value"] for row in found.env} == {
        "PATH": f"{place}/bin:{PATH}",
        "VIRTUAL_ENV": str(place),
    }


def test_the_python_of_an_environment_is_seen_where_its_place_is_hidden(tmp_path: Path) -> None:
    assert tmp_path.is_relative_to("/tmp")  # a directory that the host root hides
    place, base = tmp_path / "venv", tmp_path / "python"
    (place / "bin").mkdir(parents=True)
    (base / "bin").mkdir(parents=True)
    (base / "bin/python3").touch()
    (place / "pyvenv.cfg").write_text(f"home = {base}/bin\n")

    found = environment(place)

    assert [mount.target for mount in found.mounts] == [str(place), str(base)]


def test_a_conda_prefix_is_no_venv(tmp_path: Path) -> None:
    (tmp_path / "bin").mkdir()
    (tmp_path / "conda-meta").mkdir()

    found = environment(tmp_path)

    assert [row["name"] for row in found.env] == ["PATH", "CONDA_PREFIX"]
