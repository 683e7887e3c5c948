"""Layers, which are tars, become one file tree beneath a directory; nothing in them can reach out of it.

    tar entry ──▶ inside()  a path without `..`, beneath the root by openat2, no symbolic link followed
        .wh.name         the lower layers' `name` goes        .wh..wh..opq   all of lower layers in this directory goes
        hard link        source opened the same way           symbolic link  made as it is, never followed here
        device           left out: a container's /dev is the runtime's own
        setuid, setgid   kept, as is security.capability: they work only without no_new_privs, and the store that holds
                         the tree is closed to all but root. Every other extended attribute is dropped.

Source of the whiteouts: the OCI image specification, "Image Layer Filesystem Changeset".
"""

from __future__ import annotations

import bz2
import errno
import gzip
import hashlib
import importlib
import io
import lzma
import os
import shutil
import stat
import sys
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import BinaryIO, cast

from . import syscalls

CHUNK = 1 << 20
DEEPEST = 256  # directories within each other
HEADER_BYTES = 1 << 20  # a long name or a set of pax attributes; tarfile reads them whole
NO_SYMLINKS = 0x04  # openat2's RESOLVE_NO_SYMLINKS
_ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"  # loaded where a layer needs it
ZSTD = b"\x28\xb5\x2f\xfd"
_CAPABILITY = "security.capability"
_DAMAGED = (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile, ValueError, OverflowError)


class Refused(Exception):
    """The archive is not taken; the text says why."""


@dataclass(frozen=True, slots=True)
class Bounds:
    """What one image may take. size: bytes, of its unpacked layers; entries: files, directories and links."""

    size: int = 64 << 30
    entries: int = 1_000_000


class Entry(tarfile.TarInfo):
    """A tar's header that is refused where tarfile would read endless attributes into memory.

    Every version of tarfile comes through `_proc_member`; the later ones, and Debian's with its security fixes,
    no longer call `frombuf`.
    """

    def _proc_member(self, tar: tarfile.TarFile) -> tarfile.TarInfo:
        if self.type in (b"x", b"g", b"X", b"L", b"K") and not 0 <= self.size <= HEADER_BYTES:
            raise Refused(f"a header of {self.size} bytes")
        return super()._proc_member(tar)  # type: ignore[misc, no-any-return]


class Measured(io.RawIOBase):
    """Reads through to `source`, and knows how many bytes passed and their SHA-256; at most `limit`."""

    def __init__(self, source: BinaryIO, limit: int, algorithm: str = "sha256") -> None:
        self._source, self._limit = source, limit
        self._hash = hashlib.new(algorithm)
        self.algorithm, self.size, self.last = algorithm, 0, b""

    @property
    def digest(self) -> str:
        return f"{self.algorithm}:{self._hash.hexdigest()}"

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]
        data = self._source.read(len(buffer))
        self.size += len(data)
        if self.size > self._limit:
            raise Refused(f"larger than the {self._limit} bytes that an image may have")
        self._hash.update(data)
        self.last = (self.last + data[-512:])[-512:]
        buffer[: len(data)] = data
        return len(data)


@contextmanager
def damage(what: str) -> Iterator[None]:
    """What broken or hostile input raises becomes Refused."""
    try:
        yield
    except _damages() as error:
        raise Refused(f"{what} is damaged or cut off: {error or type(error).__name__}") from error
    except RecursionError:
        raise Refused(f"{what} is nested too deeply") from None


def _damages() -> tuple[type[Exception], ...]:
    zstd = sys.modules.get(_ZSTD)
    return (*_DAMAGED, zstd.ZstdError) if zstd is not None else _DAMAGED


def decompressed(source: BinaryIO) -> BinaryIO:
    """Plain, gzip, bzip2, xz and zstd. source: has `peek`."""
    magic = cast(io.BufferedReader, source).peek(6)[:6]
    if magic.startswith(b"\x1f\x8b"):
        return cast(BinaryIO, gzip.GzipFile(fileobj=source))
    if magic.startswith(b"BZh"):
        return cast(BinaryIO, bz2.BZ2File(source))
    if magic.startswith(b"\xfd7zXZ\x00"):
        return cast(BinaryIO, lzma.LZMAFile(source))
    if magic.startswith(ZSTD):
        return cast(BinaryIO, importlib.import_module(_ZSTD).ZstdFile(source))
    return source


def apply(tree: Tree, source: BinaryIO, algorithm: str = "sha256", *, whole: bool = False) -> tuple[str, str]:
    """One layer, compressed or not, into the tree: the digests of its stored bytes and of the tar in it.

    whole: the tar must end as tars do, since no digest would tell that it is cut off.
    """
    stored = Measured(source, tree.bounds.size, algorithm)
    with damage("the layer"), io.BufferedReader(stored, CHUNK) as outer:
        plain = Measured(decompressed(cast(BinaryIO, outer)), tree.bounds.size, "sha256")
        with io.BufferedReader(plain, CHUNK) as inner:
            tree.take(cast(BinaryIO, inner))
            for stream in (inner, outer):
                while stream.read(CHUNK):
                    pass
        if whole and plain.last.strip(b"\0"):
            raise Refused("the tar has no end: it is cut off")
    return stored.digest, plain.digest


def inside(name: str) -> str:
    """A name in an archive as a path relative to the root, empty for the root itself. Raises Refused for `..`."""
    parts = [part for part in name.split("/") if part not in ("", ".")]
    if ".." in parts:
        raise Refused(f'"{name}" leads out of the image')
    if len(parts) > DEEPEST:
        raise Refused(f'"{name[:80]}…" is too deep')
    return "/".join(parts)


class Tree:
    """The tree below the directory that the fd `root` opens; layers are taken in order, the lowest first."""

    def __init__(self, root: int, bounds: Bounds) -> None:
        self.bounds = bounds
        self.size = self.entries = 0
        self._root = root
        self._written: set[str] = set()  # by this layer, with all directories above

    def take(self, stream: BinaryIO) -> None:
        """One layer: an uncompressed tar. Raises Refused, OSError, and what tarfile raises for damage."""
        self._written = set()
        with tarfile.open(fileobj=stream, mode="r|", tarinfo=Entry) as tar:
            while (entry := tar.next()) is not None:
                tar.members = []  # type: ignore[attr-defined]  # they would all be kept
                self._count(entry)
                try:
                    self._take(tar, entry)
                except OSError as error:
                    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EIO):
                        raise
                    raise Refused(f'"{entry.name}": {os.strerror(error.errno or 0)}') from error

    def _count(self, entry: tarfile.TarInfo) -> None:
        self.entries += 1
        if self.entries > self.bounds.entries:
            raise Refused(f"more than the {self.bounds.entries} entries that an image may have")
        if entry.size < 0:
            raise Refused(f'"{entry.name}" has a negative size')

    def _take(self, tar: tarfile.TarFile, entry: tarfile.TarInfo) -> None:
        path = inside(entry.name)
        parent, _, name = path.rpartition("/")
        if name.startswith(".wh."):
            self._whiteout(parent, name)
        elif entry.isblk() or entry.ischr():
            return
        elif path:
            directory = self._open(parent, make=True)
            try:
                self._put(tar, entry, directory, name)
            finally:
                os.close(directory)
            self._note(path)
        elif entry.isdir():
            _own(self._root, entry)
        else:
            raise Refused("the root is no directory")

    def _put(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, directory: int, name: str) -> None:
        if entry.isdir():
            if not _is_directory(directory, name):
                _remove(directory, name)
                os.mkdir(name, 0o700, dir_fd=directory)
            fd = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=directory)
            try:
                _own(fd, entry)
            finally:
                os.close(fd)
        elif entry.islnk():
            self._link(entry, directory, name)
        elif entry.issym():
            _remove(directory, name)
            os.symlink(entry.linkname, name, dir_fd=directory)
            if os.geteuid() == 0:
                os.chown(name, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
        elif entry.isfifo():
            _remove(directory, name)
            os.mkfifo(name, entry.mode & 0o777, dir_fd=directory)
            if os.geteuid() == 0:
                os.chown(name, entry.uid, entry.gid, dir_fd=directory, follow_symlinks=False)
        elif entry.isreg():
            _remove(directory, name)
            self._file(tar, entry, directory, name)
        else:
            raise Refused(f'"{entry.name}" is of an unknown type')

    def _file(self, tar: tarfile.TarFile, entry: tarfile.TarInfo, directory: int, name: str) -> None:
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        source = tar.extractfile(entry)
        assert source is not None
        with open(os.open(name, flags, 0o600, dir_fd=directory), "wb", buffering=0) as file:
            left = entry.size
            while left and (data := source.read(min(left, CHUNK))):
                self.size += len(data)
                if self.size > self.bounds.size:
                    raise Refused(f"larger than the {self.bounds.size} bytes that an image may have")
                file.write(data)
                left -= len(data)
            if left:
                raise Refused(f'"{entry.name}" is cut off')
            _own(file.fileno(), entry)
            when = max(int(entry.mtime * 1_000_000_000), 0)
            os.utime(file.fileno(), ns=(when, when))

    def _link(self, entry: tarfile.TarInfo, directory: int, name: str) -> None:
        source = inside(entry.linkname)
        parent, _, last = source.rpartition("/")
        if not last or source == inside(entry.name):
            raise Refused(f'"{entry.name}" is a link to "{entry.linkname}"')
        fd = self._open(parent)
        try:
            if _is_directory(fd, last):
                raise Refused(f'"{entry.name}" is a hard link to a directory')
            _remove(directory, name)
            os.link(last, name, src_dir_fd=fd, dst_dir_fd=directory, follow_symlinks=False)
        finally:
            os.close(fd)

    def _open(self, path: str, *, make: bool = False) -> int:
        """A directory of the tree; raises Refused where a symbolic link is on the way."""
        flags, how = os.O_RDONLY | os.O_DIRECTORY, syscalls.RESOLVE_BENEATH | NO_SYMLINKS
        try:
            return syscalls.open_beneath(self._root, path or ".", flags, how)
        except FileNotFoundError:
            if not make:
                raise
        except OSError as error:
            if error.errno == errno.ELOOP:
                raise Refused(f'"{path}": a symbolic link is on the way') from None
            raise
        parent, _, name = path.rpartition("/")
        above = self._open(parent, make=True)
        try:
            os.mkdir(name, 0o755, dir_fd=above)
            return os.open(name, flags | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=above)
        finally:
            os.close(above)

    # Whiteouts: what is of this layer stays, in whatever order it comes

    def _note(self, path: str) -> None:
        while path and path not in self._written:
            self._written.add(path)
            path = path.rpartition("/")[0]

    def _whiteout(self, parent: str, name: str) -> None:
        hidden = name.removeprefix(".wh.")
        if hidden in ("", ".", ".."):
            raise Refused(f'"{name}" is no whiteout')
        try:
            directory = self._open(parent)
        except (FileNotFoundError, NotADirectoryError):
            return
        try:
            if name == ".wh..wh..opq":
                for one in os.listdir(directory):  # noqa: PTH208
                    self._hide(directory, parent, one)
            elif not hidden.startswith(".wh."):  # the others of that form are aufs' own notes
                self._hide(directory, parent, hidden)
        finally:
            os.close(directory)

    def _hide(self, directory: int, parent: str, name: str) -> None:
        path = f"{parent}/{name}" if parent else name
        if path not in self._written:
            _remove(directory, name)
        elif _is_directory(directory, name):
            below = self._open(path)
            try:
                for one in os.listdir(below):  # noqa: PTH208
                    self._hide(below, path, one)
            finally:
                os.close(below)


def _own(fd: int, entry: tarfile.TarInfo) -> None:
    """Owner, mode and capability; in this order, as a change of owner takes setuid and capability away."""
    if os.geteuid() == 0:
        os.fchown(fd, entry.uid, entry.gid)
    os.fchmod(fd, stat.S_IMODE(entry.mode))
    value = entry.pax_headers.get(f"SCHILY.xattr.{_CAPABILITY}")
    if value is not None and entry.isreg() and os.geteuid() == 0:
        os.setxattr(fd, _CAPABILITY, value.encode("utf-8", "surrogateescape"))


def _is_directory(directory: int, name: str) -> bool:
    try:
        return stat.S_ISDIR(os.stat(name, dir_fd=directory, follow_symlinks=False).st_mode)
    except FileNotFoundError:
        return False


def _remove(directory: int, name: str) -> None:
    if _is_directory(directory, name):
        shutil.rmtree(name, dir_fd=directory)
        return
    with suppress(FileNotFoundError):
        os.unlink(name, dir_fd=directory)
