"""SQLite's write-ahead log as its file format says it is: only to find out whether its end was lost.

SQLite reads frames until one does not fit the sum of all before it, and takes that for the end. After a crash that is
right for the transaction that was being written, of which nobody was told. It is wrong when whole transactions follow:
each began after the one before was synced. Source: sqlite.org/fileformat2.html, "The Write-Ahead Log"; of the shared
memory sqlite.org/walformat.html.
"""

import struct
from pathlib import Path

HEADER, FRAME_HEADER = 32, 24
_MAGIC = (0x377F0682, 0x377F0683)
_INDEX_FRAMES = 16  # where the shared memory has the number of frames that were read


def frames_read(shared: Path) -> int:
    """How many frames SQLite, which has the database open, takes for valid."""
    with shared.open("rb") as file:
        file.seek(_INDEX_FRAMES)
        return int(struct.unpack("=I", file.read(4))[0])


def lost(path: Path, read: int) -> str:
    """What SQLite, which reads the journal's first `read` frames, does not see though it was committed.

    One line; empty where nothing is lost, as far as the journal itself can tell.
    """
    size = path.stat().st_size
    if size < HEADER:
        return ""  # nothing has been written, or it was cut off: then the mark knows
    with path.open("rb") as file:
        head = file.read(HEADER)
        magic, _, page, _, salt_1, salt_2, sum_1, sum_2 = struct.unpack(">8I", head)
        order = ">" if magic & 1 else "<"
        if magic not in _MAGIC or _sum(head[:24], (0, 0), order) != (sum_1, sum_2):
            return "its header is damaged" if size > HEADER + FRAME_HEADER else ""
        whole = (size - HEADER) // (FRAME_HEADER + page)
        last = b""  # the head of a frame that ends a transaction, while the next one is looked at
        for number in range(read, whole):
            file.seek(HEADER + number * (FRAME_HEADER + page))
            frame = file.read(FRAME_HEADER)
            _, commits, *salt = struct.unpack_from(">4I", frame)
            if salt != [salt_1, salt_2]:  # of an earlier turn, or damaged itself
                last = b""
                continue
            if last:
                first, second = struct.unpack_from(">2I", last, 16)
                if _sum(frame[:8] + file.read(page), (first, second), order) == struct.unpack_from(">2I", frame, 16):
                    return f"frame {read + 1} of {whole} is damaged, and a transaction after it is whole"
            last = frame if commits else b""
    return ""


def _sum(data: bytes, start: tuple[int, int], order: str) -> tuple[int, int]:
    """The running checksum of the format, over a multiple of 8 bytes."""
    first, second = start
    words = struct.unpack(f"{order}{len(data) // 4}I", data)
    for index in range(0, len(words), 2):
        first = (first + words[index] + second) & 0xFFFFFFFF
        second = (second + words[index + 1] + first) & 0xFFFFFFFF
    return first, second
