"""How much room the files of a directory take, as `du` counts it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Disk:
    """bytes: what the blocks take. inodes: files, directories and links, the directory itself included."""

    bytes: int = 0
    inodes: int = 0

    def __add__(self, other: Disk) -> Disk:
        return Disk(self.bytes + other.bytes, self.inodes + other.inodes)


def disk_of(directory: Path) -> Disk:
    """Of the directory's own file system; nothing where there is no such directory.

    What is hard-linked counts once. No link is followed, and a file that goes meanwhile is left out.
    """
    try:
        top = os.lstat(directory)
    except OSError:
        return Disk()
    seen: set[int] = set()
    total, count = top.st_blocks * 512, 1
    waiting = [str(directory)]
    while waiting:
        try:
            entries = list(os.scandir(waiting.pop()))
        except OSError:
            continue
        for entry in entries:
            try:
                stat = entry.stat(follow_symlinks=False)
            except OSError:
                continue
            if stat.st_dev != top.st_dev or (stat.st_nlink > 1 and stat.st_ino in seen):
                continue
            if entry.is_dir(follow_symlinks=False):
                waiting.append(entry.path)
            elif stat.st_nlink > 1:
                seen.add(stat.st_ino)
            total, count = total + stat.st_blocks * 512, count + 1
    return Disk(total, count)
