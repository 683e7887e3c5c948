"""Layers become a tree, and nothing gets out of it."""

from __future__ import annotations

import gzip
import io
import os
import sys
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

from runtime.layers import HEADER_BYTES, Bounds, Refused, Tree, apply, inside

Member = tuple[str, Any]  # name → text of a file, None for a directory, ("sym" | "hard" | "chr" | "fifo", target)


def layer(*members: Member, **attributes: Any) -> bytes:
    """An uncompressed tar; attributes are set on every member."""
    buffer = io.BytesIO()
    kinds = {"sym": tarfile.SYMTYPE, "hard": tarfile.LNKTYPE, "chr": tarfile.CHRTYPE, "fifo": tarfile.FIFOTYPE}
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for name, what in members:
            entry = tarfile.TarInfo(name)
            entry.uid, entry.gid, entry.mode = os.geteuid(), os.getegid(), 0o755 if what is None else 0o644
            data = what.encode() if isinstance(what, str) else b""
            if what is None:
                entry.type = tarfile.DIRTYPE
            elif isinstance(what, tuple):
                entry.type, entry.linkname = kinds[what[0]], what[1]
            entry.size = len(data)
            for key, value in attributes.items():
                setattr(entry, key, value)
            tar.addfile(entry, io.BytesIO(data))
    return buffer.getvalue()


class Root:
    """A directory into which layers are taken. `outside` is beside it."""

    def __init__(self, directory: Path) -> None:
        self.path, self.outside = directory / "rootfs", directory / "outside"
        self.path.mkdir()
        self.outside.write_text("outside")
        self.fd = os.open(self.path, os.O_RDONLY)
        self.tree = Tree(self.fd, Bounds())

    def take(self, *members: Member, **attributes: Any) -> None:
        self.tree.take(io.BytesIO(layer(*members, **attributes)))

    def files(self) -> dict[str, str]:
        return {
            str(path.relative_to(self.path)): path.read_text()
            for path in self.path.rglob("*")
            if path.is_file() and not path.is_symlink()
        }


@pytest.fixture
def root(tmp_path: Path) -> Iterator[Root]:
    made = Root(tmp_path)
    yield made
    os.close(made.fd)
    assert made.outside.read_text() == "outside"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["outside", "rootfs"]


def test_later_layers_are_over_earlier_ones(root: Root) -> None:
    root.take(("a/one", "1"), ("a/two", "2"), ("b", "file"))
    root.take(("a", None), ("a/two", "two"), ("b", None), ("b/c", "now a directory"))

    assert root.files() == {"a/one": "1", "a/two": "two", "b/c": "now a directory"}


def test_a_whiteout_takes_away_what_lower_layers_have_and_nothing_of_its_own(root: Root) -> None:
    root.take(("a/one", "1"), ("a/two", "2"), ("d/x", "x"), ("d/y", "y"))
    root.take(("d/new", "new"), (".wh.d", ""), ("a/.wh.one", ""), ("none/.wh.x", ""), (".wh..wh.plnk", ""))

    assert root.files() == {"a/two": "2", "d/new": "new"}


@pytest.mark.parametrize("first", [True, False])
def test_an_opaque_directory_hides_what_was_in_it_wherever_its_mark_stands(root: Root, first: bool) -> None:
    mark, own = ("d/.wh..wh..opq", ""), ("d/deep/new", "new")
    root.take(("d/old", "1"), ("d/deep/old", "1"), ("e", "stays"))
    root.take(("d", None), *([mark, own] if first else [own, mark]))

    assert root.files() == {"d/deep/new": "new", "e": "stays"}


def test_links(root: Root) -> None:
    root.take(("a", "text"), ("b", ("hard", "a")), ("c", ("sym", "/etc/passwd")), ("d", ("hard", "/c")))

    assert (root.path / "a").stat().st_ino == (root.path / "b").stat().st_ino
    assert [os.readlink(root.path / name) for name in ("c", "d")] == ["/etc/passwd"] * 2  # noqa: PTH115


def test_a_symbolic_link_is_replaced_not_followed(root: Root) -> None:
    root.take(("a", ("sym", str(root.outside))), ("d", ("sym", str(root.outside.parent))))
    root.take(("a", "new"), ("d", None))

    assert root.files() == {"a": "new"}
    assert (root.path / "d").is_dir() and not (root.path / "d").is_symlink()


@pytest.mark.parametrize(
    "members",
    [
        pytest.param([("../x", "")], id="a file above"),
        pytest.param([("a/../../x", "")], id="a file above by a way round"),
        pytest.param([("l", ("sym", "/tmp")), ("l/x", "")], id="through an absolute link"),
        pytest.param([("l", ("sym", "..")), ("l/x", "")], id="through a relative link"),
        pytest.param([("l", ("sym", "..")), ("l/.wh.outside", "")], id="a whiteout through a link"),
        pytest.param([("x", ("hard", "../outside"))], id="a hard link to above"),
        pytest.param([("l", ("sym", "..")), ("x", ("hard", "l/outside"))], id="a hard link through a link"),
        pytest.param([("x", ("hard", "/etc/passwd"))], id="a hard link to what is not in the image"),
        pytest.param([("x", "1"), ("x", ("hard", "x"))], id="a hard link to itself"),
        pytest.param([(".wh...", "")], id="a whiteout of the directory above"),
        pytest.param([("/".join("d" * 300), "")], id="too deep"),
        pytest.param([(".", "")], id="the root as a file"),
    ],
)
def test_what_leads_out_is_refused(root: Root, members: list[Member]) -> None:
    with pytest.raises(Refused):
        root.take(*members)


def test_devices_are_left_out_and_absolute_names_are_below_the_root(root: Root) -> None:
    root.take(("dev/sda", ("chr", "")), ("/etc/name", "x"), ("pipe", ("fifo", "")))

    assert root.files() == {"etc/name": "x"}
    assert not (root.path / "dev/sda").exists() and (root.path / "pipe").is_fifo()


def test_modes_are_kept_with_setuid(root: Root) -> None:
    root.take(("su", "x"), mode=0o4755, mtime=1000)

    assert (root.path / "su").stat().st_mode & 0o7777 == 0o4755
    assert (root.path / "su").stat().st_mtime == 1000


@pytest.mark.parametrize(
    ("bounds", "members"),
    [
        pytest.param(Bounds(size=4), [("a", "123"), ("b", "123")], id="bytes"),
        pytest.param(Bounds(entries=1), [("a", ""), ("b", "")], id="entries"),
    ],
)
def test_sizes_are_bounded(root: Root, bounds: Bounds, members: list[Member]) -> None:
    root.tree = Tree(root.fd, bounds)

    with pytest.raises(Refused, match="that an image may have"):
        root.take(*members)


def test_a_header_that_would_fill_the_memory_is_refused(root: Root) -> None:
    entry = tarfile.TarInfo("x")
    entry.type, entry.size = b"x", HEADER_BYTES + 1

    with pytest.raises(Refused, match="a header of"):
        root.tree.take(io.BytesIO(entry.tobuf()))


@pytest.mark.parametrize("cut", [1, 600, 1200])
def test_a_tar_that_is_cut_off_is_refused(root: Root, cut: int) -> None:
    whole = layer(("a", "x" * 600), ("b", "y"))
    with pytest.raises(Refused, match="cut off"):
        apply(root.tree, io.BufferedReader(io.BytesIO(whole[:cut])), whole=True)


def test_a_tar_cut_off_between_two_files_is_refused(root: Root) -> None:
    with pytest.raises(Refused, match="no end"):
        apply(root.tree, io.BufferedReader(io.BytesIO(layer(("a", "x" * 512), ("b", "y"))[:1024])), whole=True)


def test_a_gzip_that_is_cut_off_is_refused(root: Root) -> None:
    with pytest.raises(Refused, match="cut off"):
        apply(root.tree, io.BufferedReader(io.BytesIO(gzip.compress(layer(("a", "x")))[:-9])))


def test_zstd_is_read_and_its_damage_told(root: Root) -> None:
    packed = zstd.compress(layer(("a", "x" * 10_000)))
    apply(root.tree, io.BufferedReader(io.BytesIO(packed)))
    assert (root.path / "a").read_text() == "x" * 10_000

    for broken in (packed[:-9], packed[:9] + bytes(50)):
        with pytest.raises(Refused, match="damaged or cut off"):
            apply(root.tree, io.BufferedReader(io.BytesIO(broken)))


@pytest.mark.parametrize(("name", "path"), [("./a//b/", "a/b"), ("/", ""), ("/etc/x", "etc/x"), ("a..b", "a..b")])
def test_inside(name: str, path: str) -> None:
    assert inside(name) == path
