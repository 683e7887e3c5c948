"""Room on disk: what the files of a directory take, as `du` counts it, and what their file system has, as `df` does."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from stat import S_ISDIR

from . import syscalls

_RESOLVE = syscalls.RESOLVE_BENEATH | syscalls.RESOLVE_NO_SYMLINKS


@dataclass(frozen=True, slots=True)
class Disk:
    """bytes: what the blocks take. inodes: files, directories and links, the directory itself included."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: Disk) -> Disk:
        return Disk(self.bytes + other.bytes, self.inodes + other.inodes)


@dataclass(frozen=True, slots=True)
class FileSystem:
    """Bytes, and inodes: 0 where it has no number of its own of these. available: to those who are not root."""

    size: int
    available: int
    used: int
    inodes: int
    inodes_free: int

    @classmethod
    def of(cls, path: Path) -> FileSystem:
        """The one that the path lies on. Raises OSError."""
        found = os.statvfs(path)
        unit = found.f_frsize
        used = (found.f_blocks - found.f_bfree) * unit
        return cls(found.f_blocks * unit, found.f_bavail * unit, used, found.f_files, found.f_ffree)


def disk_of(directory: Path) -> Disk:
    """Of the directory's own file system; nothing where there is no such directory.

    What is hard-linked counts once. No link is followed, not even one that takes a directory's place meanwhile (the
    tree may be a stranger's), and what goes meanwhile, or lies too deep for a path, is left out.
    """
    try:
        top = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    except OSError:
        return Disk()
    try:
        return _beneath(top)
    finally:
        os.close(top)


def _beneath(top: int) -> Disk:
    own = os.fstat(top)
    seen: set[int] = set()
    total, count = own.st_blocks * 512, 1
    waiting = ["."]
    while waiting:
        path = waiting.pop()
        try:
            opened = syscalls.open_beneath(top, path, os.O_RDONLY | os.O_DIRECTORY, _RESOLVE)
        except OSError:
            continue
        try:
            with os.scandir(opened) as entries:
                for entry in entries:
                    try:
                        stat = entry.stat(follow_symlinks=False)
                    except OSError:
                        continue
                    if stat.st_dev != own.st_dev or stat.st_ino in seen:
                        continue
                    if S_ISDIR(stat.st_mode):
                        waiting.append(f"{path}/{entry.name}")
                    elif stat.st_nlink > 1:
                        seen.add(stat.st_ino)
                    total, count = total + stat.st_blocks * 512, count + 1
        finally:
            os.close(opened)
    return Disk(total, count)
