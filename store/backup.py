"""A backup: one file that says of itself what it is, of no database's format, so that one restores into the other.

    procorch backup 1\\n
    block*      kind (1 byte), length of the content (4), CRC-32 of all three (4), content
      H         once, first: what it is a backup of, as JSON (Header)
      F         a file beside the store: length of the name (2), name, content
      R         rows, in order of their revisions: for each revision (8), created (8), lengths (4, 4), key, value
      E         once, last: counts, and the SHA-256 of every byte before this block, as JSON; nothing follows

Numbers are little-endian. So a flipped bit is found in its block, and a lost end or a lost block by the last one.
"""

import asyncio
import hashlib
import json
import struct
from collections.abc import AsyncIterator, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import BinaryIO, NamedTuple, Self
from zlib import crc32

from store.errors import LogError
from store.rows import Row

MAGIC = b"procorch backup 1\n"
BLOCK = 1 << 20
"""Bytes from which a block of rows is closed."""
LARGEST = 256 << 20
"""Bytes of a block that is believed: the largest value, its row and more."""
HEADER, FILE, ROWS, END = b"H", b"F", b"R", b"E"
_BLOCK = struct.Struct("<cII")
_NAME = struct.Struct("<H")
_ROW = struct.Struct("<QQII")


class NotWhole(LogError):
    """The bytes are no backup, or not all of one; one line."""


@dataclass(frozen=True, slots=True)
class Header:
    """store: the identity of the store it is of. revision: everything up to it is in, nothing after it.

    oldest: what could be read of the past then (a backup holds the present alone). made: seconds since 1970.
    """

    store: int
    revision: int
    oldest: int
    made: float

    @classmethod
    def decoded(cls, content: bytes) -> Self:
        """Raises ValueError, TypeError for what is none."""
        found = cls(**json.loads(content))
        if not all(isinstance(number, int | float) for number in asdict(found).values()):
            raise ValueError("a header is four numbers")
        return found


@dataclass(frozen=True, slots=True)
class Summary:
    """What a whole backup holds. size, sha256: of the whole file."""

    header: Header
    objects: int
    files: tuple[str, ...]
    size: int
    sha256: str


class Snapshot(NamedTuple):
    """What a backup is made of. rows: in any order."""

    header: Header
    rows: Sequence[Row]

    async def stream(self) -> AsyncIterator[bytes]:
        """The bytes of the backup; the work is done on another thread, piece by piece as they are taken."""
        encoder = Encoder(self.header)
        yield encoder.begin()
        ordered = await asyncio.to_thread(sorted, self.rows, key=lambda row: row.revision)
        pieces = encoder.rows(ordered)
        while piece := await asyncio.to_thread(next, pieces, b""):
            yield piece
        yield encoder.end()


class Block(NamedTuple):
    kind: bytes
    content: bytes


class Encoder:
    """Makes the bytes of a backup, piece by piece; knows their number and digest at any moment."""

    def __init__(self, header: Header) -> None:
        self.header = header
        self.objects = 0
        self.files: list[str] = []
        self.size = 0
        self._digest = hashlib.sha256()

    def begin(self) -> bytes:
        return self._counted(MAGIC) + self._block(HEADER, json.dumps(asdict(self.header)).encode())

    def file(self, name: str, content: bytes) -> bytes:
        self.files.append(name)
        return self._block(FILE, _NAME.pack(len(name.encode())) + name.encode() + content)

    def rows(self, rows: Iterable[Row]) -> Iterator[bytes]:
        """Blocks of about BLOCK bytes."""
        parts: list[bytes] = []
        size = count = 0
        for key, value, revision, created in rows:
            name = key.encode()
            parts += (_ROW.pack(revision, created, len(name), len(value)), name, value)
            size += _ROW.size + len(name) + len(value)
            count += 1
            if size >= BLOCK:
                yield self._rows(b"".join(parts), count)
                parts, size, count = [], 0, 0
        if parts:
            yield self._rows(b"".join(parts), count)

    def rows_encoded(self, content: bytes) -> bytes:
        """A block of rows as another backup has it."""
        return self._rows(content, sum(1 for _ in rows_of(Block(ROWS, content))))

    def _rows(self, content: bytes, count: int) -> bytes:
        self.objects += count
        return self._block(ROWS, content)

    def end(self) -> bytes:
        said = {"objects": self.objects, "files": len(self.files), "sha256": self._digest.hexdigest()}
        return self._block(END, json.dumps(said).encode())

    def summary(self) -> Summary:
        return Summary(self.header, self.objects, tuple(self.files), self.size, self._digest.hexdigest())

    def _block(self, kind: bytes, content: bytes) -> bytes:
        return self._counted(_head(kind, content)) + self._counted(content)

    def _counted(self, data: bytes) -> bytes:
        self.size += len(data)
        self._digest.update(data)
        return data


class Decoder:
    """Takes the bytes of a backup as they come and gives its blocks, each proved. `finish` proves that it was all."""

    def __init__(self) -> None:
        self._rest = bytearray()
        self._digest = hashlib.sha256()
        self._size = 0
        self._header: Header | None = None
        self._objects = 0
        self._files: list[str] = []
        self._began = self._ended = False

    def feed(self, data: bytes) -> Iterator[Block]:
        """Raises NotWhole."""
        self._rest += data
        if not self._began:
            if len(self._rest) < len(MAGIC) and MAGIC.startswith(self._rest):
                return
            if not self._rest.startswith(MAGIC):
                raise NotWhole(_foreign(bytes(self._rest[: len(MAGIC)])))
            self._take(len(MAGIC))
            self._began = True
        while len(self._rest) >= _BLOCK.size:
            kind, length, check = _BLOCK.unpack_from(self._rest)
            if length > LARGEST or self._ended:
                raise self._damage()
            if len(self._rest) < _BLOCK.size + length:
                return
            content = bytes(self._rest[_BLOCK.size : _BLOCK.size + length])
            if _check(kind, content) != check:
                raise self._damage()
            block = Block(kind, content)
            self._prove(block)
            self._take(_BLOCK.size + length)
            yield block

    def finish(self) -> Summary:
        """Raises NotWhole unless everything has come."""
        if not self._ended or self._rest or self._header is None:
            raise NotWhole(f"the backup is cut off after {self._size + len(self._rest)} bytes")
        return Summary(self._header, self._objects, tuple(self._files), self._size, self._digest.hexdigest())

    def _prove(self, block: Block) -> None:
        """What each block must be at its place."""
        try:
            if (self._header is None) != (block.kind == HEADER):
                raise self._damage()
            if block.kind == HEADER:
                self._header = Header.decoded(block.content)
            elif block.kind == FILE:
                self._files.append(file_of(block)[0])
            elif block.kind == ROWS:
                self._objects += sum(1 for _ in rows_of(block))
            elif block.kind == END:
                said = json.loads(block.content)
                found = {"objects": self._objects, "files": len(self._files), "sha256": self._digest.hexdigest()}
                if said != found:
                    raise NotWhole("the backup is damaged: its blocks are whole, but not all of them are there")
                self._ended = True
            else:
                raise self._damage()
        except (ValueError, TypeError, struct.error):
            raise self._damage() from None

    def _take(self, count: int) -> None:
        self._digest.update(memoryview(self._rest)[:count])
        self._size += count
        del self._rest[:count]

    def _damage(self) -> NotWhole:
        return NotWhole(f"the backup is damaged behind byte {self._size}")


def check(file: BinaryIO) -> Summary:
    """Reads a backup to its end, from where the file stands, and holds on to nothing. Raises NotWhole, OSError."""
    decoder = Decoder()
    while data := file.read(BLOCK):
        for _ in decoder.feed(data):
            pass
    return decoder.finish()


def blocks(file: BinaryIO) -> Iterator[Block]:
    """Raises NotWhole, OSError."""
    decoder = Decoder()
    while data := file.read(BLOCK):
        yield from decoder.feed(data)
    decoder.finish()


def rows(file: BinaryIO) -> Iterator[Row]:
    """In order of their revisions. Raises NotWhole, OSError."""
    for block in blocks(file):
        if block.kind == ROWS:
            yield from rows_of(block)


def rows_of(block: Block) -> Iterator[Row]:
    """Raises ValueError, struct.error for what is none."""
    content, at = block.content, 0
    while at < len(content):
        revision, created, key, value = _ROW.unpack_from(content, at)
        at += _ROW.size
        end = at + key + value
        if end > len(content):
            raise ValueError("a row is longer than its block")
        yield Row(content[at : at + key].decode(), content[at + key : end], revision, created)
        at = end


def file_of(block: Block) -> tuple[str, bytes]:
    """Name and content. Raises ValueError, struct.error for what is none."""
    (length,) = _NAME.unpack_from(block.content)
    return block.content[_NAME.size : _NAME.size + length].decode(), block.content[_NAME.size + length :]


def _head(kind: bytes, content: bytes) -> bytes:
    return _BLOCK.pack(kind, len(content), _check(kind, content))


def _check(kind: bytes, content: bytes) -> int:
    return crc32(content, crc32(struct.pack("<cI", kind, len(content))))


def _foreign(beginning: bytes) -> str:
    if beginning.startswith(MAGIC[:-2]):
        version = beginning[len(MAGIC) - 2 :].decode("ascii", "replace").strip()
        return f"a backup of format {version}, this version knows 1; upgrade"
    return "not a backup of procorch"
