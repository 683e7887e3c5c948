"""Room on disk, counted as du does."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from runtime.disk import Disk, FileSystem, disk_of


def test_it_is_what_du_says(tmp_path: Path) -> None:
    (tmp_path / "a" / "b").mkdir(parents=True)
    (tmp_path / "a" / "large").write_bytes(b"x" * 300_000)
    (tmp_path / "a" / "b" / "small").write_bytes(b"y")
    os.link(tmp_path / "a" / "large", tmp_path / "a" / "b" / "twice")
    (tmp_path / "a" / "link").symlink_to("/")

    found = disk_of(tmp_path)
    said = subprocess.run(["du", "-s", "--block-size=1", tmp_path], capture_output=True, text=True, check=True).stdout
    inodes = subprocess.run(["du", "-s", "--inodes", tmp_path], capture_output=True, text=True, check=True).stdout
    assert (found.bytes, found.inodes) == (int(said.split()[0]), int(inodes.split()[0]))


def test_no_link_is_followed(tmp_path: Path) -> None:
    large, own = tmp_path / "large", tmp_path / "own"
    large.mkdir()
    own.mkdir()
    (large / "file").write_bytes(b"x" * 1_000_000)
    (own / "away").symlink_to(large)
    (own / "up").symlink_to("..")
    found = disk_of(own)
    assert found.inodes == 3 and found.bytes < 100_000


def test_a_tree_that_is_deeper_than_a_path_can_say_is_counted_as_far_as_it_goes(tmp_path: Path) -> None:
    made = subprocess.run(
        ["sh", "-c", "i=0; while [ $i -lt 1200 ]; do mkdir deep && cd -P deep; i=$((i+1)); done"], cwd=tmp_path
    )
    assert made.returncode == 0
    assert 500 < disk_of(tmp_path).inodes < 1201
    subprocess.run(["rm", "-rf", tmp_path / "deep"], check=True)


def test_nothing_takes_no_room(tmp_path: Path) -> None:
    assert disk_of(tmp_path / "gone") == Disk()
    assert sum([Disk(1, 2), Disk(3, 4)], Disk()) == Disk(4, 6)


def test_a_file_system_is_what_df_says(tmp_path: Path) -> None:
    found = FileSystem.of(tmp_path)
    said = subprocess.run(
        ["df", "--block-size=1", "--output=size,itotal", tmp_path], capture_output=True, text=True, check=True
    ).stdout.split()[-2:]
    assert (found.size, found.inodes) == tuple(int(one) if one != "-" else 0 for one in said)
    assert 0 < found.available <= found.size and 0 < found.used <= found.size
    assert 0 <= found.inodes_free <= found.inodes
