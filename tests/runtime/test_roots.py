"""The mask over the machine's tree."""

from __future__ import annotations

import os
import stat

import pytest

from runtime import roots

pytestmark = pytest.mark.kernel


@pytest.fixture
def machine(tmp_path, monkeypatch):
    """A small tree that stands for the machine's, and an empty mask. On a tmpfs: opaque marks are trusted xattrs."""
    for name in ("home/me", "etc/ssh", "var/lib/state"):
        (tmp_path / name).mkdir(parents=True)
    for name in ("etc/shadow", "etc/shadow-", "etc/ssh/host_key", "etc/passwd"):
        (tmp_path / name).write_text("")
    (tmp_path / "etc").chmod(0o750)
    monkeypatch.setattr(roots, "EMPTY", (f"{tmp_path}/home", f"{tmp_path}/none"))
    monkeypatch.setattr(roots, "ABSENT", (f"{tmp_path}/etc/shadow*", f"{tmp_path}/etc/ssh/*key", f"{tmp_path}/home/me"))
    mask = tmp_path / "mask"
    mask.mkdir()
    return tmp_path, mask


def test_directories_become_empty_and_files_absent(machine):
    tree, mask = machine
    roots.build_mask(str(mask), (f"{tree}/var/lib/state", f"{tree}/home/me/hidden"))
    below = mask / str(tree).lstrip("/")

    assert os.getxattr(below / "home", "trusted.overlay.opaque") == b"y"
    assert list((below / "home").iterdir()) == []
    whiteouts = [one for one in below.rglob("*") if stat.S_ISCHR(one.lstat().st_mode)]
    assert sorted(str(one.relative_to(below)) for one in whiteouts) == [
        "etc/shadow", "etc/shadow-", "etc/ssh/host_key", "var/lib/state",
    ]  # fmt: skip
    assert stat.S_IMODE((below / "etc").stat().st_mode) == 0o750


def test_what_is_not_there_yet_is_hidden_all_the_same(machine):
    tree, mask = machine
    roots.build_mask(str(mask), (f"{tree}/later/pki/ca.key",))

    assert stat.S_ISCHR((mask / str(tree).lstrip("/") / "later").lstat().st_mode)


def test_mount_options_are_escaped():
    assert roots.overlay_data("/a:b", "/c,d", "/m") == "lowerdir=/m:/a\\:b,upperdir=/c\\,d/upper,workdir=/c\\,d/work"


def test_a_hidden_directory_may_stand_in_another(machine):
    """As the state of a node does in the state of the whole cluster."""
    tree, mask = machine
    (tree / "var/lib/state/node").mkdir()
    roots.build_mask(str(mask), (f"{tree}/var/lib/state/node", f"{tree}/var/lib/state"))

    assert stat.S_ISCHR((mask / str(tree).lstrip("/") / "var/lib/state").lstat().st_mode)
