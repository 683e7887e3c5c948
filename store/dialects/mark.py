"""What has been acknowledged, noted beside the database: how a loss that SQLite cannot see is found out.

A journal that lost its end, or whose bits flipped, ends for SQLite where it can no longer be read, without an error:
that is also how a transaction cut short by a crash looks. So after each commit the numbers that it reached are
written into a mapped page, which costs no system call and no sync. The page outlives a kill; after a power cut it may
be half a minute old, then it says less, but never anything untrue.
"""

import mmap
import os
import struct
from pathlib import Path
from zlib import crc32

PAGE = 4096
_SLOT = struct.Struct("<qqI")  # revision, reserved, CRC-32 of both
_OFFSETS = (0, 64)  # written in turns: one is whole at any moment


class Mark:
    """The newest durable change, and the highest number that is set aside. Used by one thread at a time."""

    def __init__(self, path: Path) -> None:
        """Opens or makes the file, readable to its owner alone. Raises OSError."""
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            size = os.fstat(descriptor).st_size
            if size < PAGE:  # its room is taken now: a full disk must not be met through a mapping
                os.pwrite(descriptor, bytes(PAGE - size), size)
            self._page = mmap.mmap(descriptor, PAGE)
        finally:
            os.close(descriptor)
        self.revision, self.reserved, self._next = _newest(self._page)

    def reach(self, revision: int = 0, reserved: int = 0) -> None:
        """After a commit; a number that is not given, or lower, stays."""
        self._write(max(revision, self.revision), max(reserved, self.reserved))

    def lower(self, reserved: int) -> None:
        """Before a commit that gives numbers back."""
        if reserved < self.reserved:
            self._write(self.revision, reserved)

    def close(self) -> None:
        self._page.close()

    def _write(self, revision: int, reserved: int) -> None:
        if (revision, reserved) == (self.revision, self.reserved):
            return
        head = struct.pack("<qq", revision, reserved)
        _SLOT.pack_into(self._page, _OFFSETS[self._next], revision, reserved, crc32(head))
        self.revision, self.reserved, self._next = revision, reserved, 1 - self._next


def read(path: Path) -> tuple[int, int]:
    """(revision, reserved) of the file; zeros where there is none or it cannot be read: then nothing is known."""
    try:
        revision, reserved, _ = _newest(path.read_bytes())
    except OSError:
        return 0, 0
    return revision, reserved


def _newest(page: bytes | mmap.mmap) -> tuple[int, int, int]:
    """The newest of the two slots that is whole, and the number of the other one.

    `reserved` may be lowered, so the newest is the one with the higher revision or, at the same, the later written;
    as the two are written in turns and a revision never falls, only a tie leaves a doubt, and then the lower counts.
    """
    found = []
    for number, offset in enumerate(_OFFSETS):
        if len(page) >= offset + _SLOT.size:
            revision, reserved, check = _SLOT.unpack_from(page, offset)
            if crc32(struct.pack("<qq", revision, reserved)) == check:
                found.append((revision, -reserved, number))
    if not found:
        return 0, 0, 0
    revision, negative, number = max(found)
    return revision, -negative, 1 - number
