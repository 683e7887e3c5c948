"""Room on the disk that is kept for making room: on a full disk one must still be able to delete.

A file of real blocks beside the database. It is given up when a deletion or a compaction finds the disk full, and
filled up again with what that has left over. Until it is whole again nothing else is written: else what deletions
make room with would be taken by those who wait for room.
"""

import contextlib
import os
from pathlib import Path

SIZE = 2 << 20
"""Bytes. A checkpoint lets the journal begin anew, so that it is enough for thousands of deletions."""
LAST = SIZE // 2
"""Bytes that deletions leave for the compaction that makes room for more of them."""
STEP = 64 << 10
"""Bytes: where there is not enough, it is a multiple of these."""


class Reserve:
    """Of one database; used by one thread at a time. path: None where nothing is to be kept."""

    def __init__(self, path: Path | None) -> None:
        self._path = path
        self._held = 0
        self.refill()

    @property
    def is_whole(self) -> bool:
        return self._path is None or self._held == SIZE

    def spend(self, *, last: bool) -> bool:
        """Gives it up; False when there is none, or nothing but the last of it, which is not for everybody."""
        if self._path is None or self._held <= (0 if last else LAST):
            return False
        os.truncate(self._path, 0)
        self._held = 0
        return True

    def refill(self) -> None:
        """Takes as much as there is, up to SIZE. Nothing to do, nearly always."""
        if self._path is None or self._held == SIZE:
            return
        with contextlib.suppress(OSError):  # no room for a name even
            fd = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
            try:
                self._held = _allocate(fd)
            finally:
                os.close(fd)


def _allocate(fd: int) -> int:
    for size in range(SIZE, 0, -STEP):
        with contextlib.suppress(OSError):
            os.posix_fallocate(fd, 0, size)
            return size
    return 0
