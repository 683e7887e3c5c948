"""The parts of a child's work that need no child: finding programs and places beneath a root."""

from __future__ import annotations

import os

import pytest

from runtime import syscalls
from runtime.process import NotStarted, find_program, place_in


@pytest.fixture
def root(tmp_path):
    (tmp_path / "root").mkdir()
    fd = os.open(tmp_path / "root", os.O_RDONLY)
    yield fd, tmp_path / "root"
    os.close(fd)


def test_a_missing_place_is_made_with_its_parents(root):
    fd, path = root
    os.close(place_in(fd, "/a/b/c", directory=True))
    os.close(place_in(fd, "/etc/hosts", directory=False))

    assert (path / "a/b/c").is_dir()
    assert (path / "etc/hosts").is_file()


def test_links_are_followed_inside_the_root_only(root, tmp_path):
    fd, path = root
    (path / "link").symlink_to("/target")
    (path / "target").mkdir()
    (path / "out").symlink_to(tmp_path)
    place = place_in(fd, "/link/made", directory=True)
    os.close(place)

    assert (path / "target/made").is_dir()
    with pytest.raises(OSError):
        place_in(fd, "/out/made", directory=True)
    assert [one.name for one in tmp_path.iterdir()] == ["root"]


@pytest.mark.parametrize("name", ["../x", "out/x", "absolute"])
def test_beneath_means_beneath(root, tmp_path, name):
    fd, path = root
    (path / "out").symlink_to("..")
    (path / "absolute").symlink_to(tmp_path)

    with pytest.raises(OSError):
        place_in(fd, name, directory=True, resolve=syscalls.RESOLVE_BENEATH)


def test_programs_are_found_as_execvp_finds_them(tmp_path, monkeypatch):
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
    (tmp_path / "one/tool").write_text("")
    (tmp_path / "two/tool").write_text("")
    (tmp_path / "two/tool").chmod(0o755)
    path = f"{tmp_path}/one:{tmp_path}/two"

    assert find_program("tool", path) == f"{tmp_path}/two/tool"
    assert find_program(f"{tmp_path}/two/tool", "") == f"{tmp_path}/two/tool"
    monkeypatch.chdir(tmp_path / "two")
    assert find_program("tool", "") == "./tool"
    for wrong in ("", "none"):
        with pytest.raises(NotStarted, match="executable file not found"):
            find_program(wrong, path)
