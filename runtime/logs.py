"""Reading what a process wrote: the log files of one process, rotated or not, from an end, a time, or as they grow.

The files are `path` and, older, `path`.1, `path`.2, …; their lines are logwriter's. A damaged line (the disk was
full in the middle of it) is left out. Reading sleeps on inotify, never on a timer.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from itertools import dropwhile
from pathlib import Path

from .changes import Changes
from .logwriter import KEPT

PIECE = 256 * 1024


@dataclass(frozen=True, slots=True)
class Line:
    """One log line: stamp as written (RFC 3339 in UTC, nanoseconds), its stream, and the text it stands for.

    text: with its line end if the line is whole, without if it is a part.
    """

    stamp: bytes
    stream: str
    text: bytes

    @classmethod
    def parse(cls, row: bytes) -> Line | None:
        """A row of the file without its line end; None for what is no log line."""
        fields = row.split(b" ", 3)
        if len(fields) != 4 or fields[1] not in (b"stdout", b"stderr") or fields[2] not in (b"F", b"P"):
            return None
        return cls(fields[0], fields[1].decode(), fields[3] + (b"\n" if fields[2] == b"F" else b""))

    @property
    def time(self) -> float:
        """Seconds since the epoch. Raises ValueError for a stamp that is damaged."""
        return datetime.fromisoformat(self.stamp.decode()[:26].rstrip("Z") + "+00:00").timestamp()

    def is_since(self, since: float) -> bool:
        """since: epoch seconds. No for a line whose stamp is damaged."""
        try:
            return self.time >= since
        except ValueError:
            return False


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which lines: tail (the last so many, None = all), since (epoch seconds), stream ("" = both).

    timestamps: each line begins with its stamp. limit_bytes: of what is told, then it ends.
    follow: go on as the file grows, until `ended` says that no more comes.
    """

    tail: int | None = None
    since: float | None = None
    stream: str = ""
    timestamps: bool = False
    limit_bytes: int | None = None
    follow: bool = False


def files_of(path: Path) -> list[Path]:
    """The log's files that exist, the oldest first."""
    older = [path.with_name(f"{path.name}.{number}") for number in range(KEPT, 0, -1)]
    return [one for one in [*older, path] if one.exists()]


def _rows_from_end(path: Path) -> Iterator[bytes]:
    """Whole rows, the last first: a tail of a large file reads its end only."""
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        rest = b""
        while position > 0:
            size = min(PIECE, position)
            position -= size
            file.seek(position)
            first, *rows = (file.read(size) + rest).split(b"\n")
            rest = first
            yield from reversed(rows)
        yield rest


def tail_start(path: Path, count: int, stream: str = "") -> tuple[Path, int]:
    """The file and the offset at which the last `count` lines begin; parts of a line count with its end."""
    files = files_of(path)
    begun = count
    where = (path, path.stat().st_size if path.exists() else 0)
    for file in reversed(files):
        offset = file.stat().st_size + 1
        for row in _rows_from_end(file):
            offset -= len(row) + 1
            line = Line.parse(row)
            if line is None or (stream and line.stream != stream):
                continue
            if line.text.endswith(b"\n") or begun == count:
                # An unfinished last line counts as one of its own.
                if begun == 0:
                    return where
                begun -= 1
            where = (file, offset)
    return where


def ending(path: Path, lines: int, most: int) -> bytes:
    """The text of the last so many lines, of it the last `most` bytes."""
    first, offset = tail_start(path, lines)
    text = b""
    for file in dropwhile(lambda one: one != first, files_of(path)):
        with contextlib.suppress(FileNotFoundError), file.open("rb") as opened:  # rotated this moment
            opened.seek(offset)
            offset = 0
            rows = (Line.parse(row) for row in opened.read().split(b"\n"))
            text += b"".join(line.text for line in rows if line is not None)
    return text[-most:]


class LogReader:
    """One reading of one log. `async for piece in reader` gives bytes to send on as they are.

    ended: whether the process is over and nothing more will be written; call `poke` when that changed.
    """

    def __init__(self, path: Path, wanted: Wanted, ended: Callable[[], bool] = lambda: True) -> None:
        self._path, self._wanted, self._ended = path, wanted, ended
        self._left = wanted.limit_bytes
        self._changes: Changes | None = None
        self._begin_of_line = {"stdout": True, "stderr": True}

    def poke(self) -> None:
        """Look again: the process has ended."""
        if self._changes is not None:
            self._changes.poke()

    async def __aiter__(self) -> AsyncGenerator[bytes, None]:
        if self._wanted.follow:
            self._changes = Changes(self._path.parent)
        try:
            async for piece in self._pieces():
                if self._left is not None:
                    piece = piece[: self._left]
                    self._left -= len(piece)
                if piece:
                    yield piece
                if self._left == 0:
                    return
        finally:
            if self._changes is not None:
                self._changes.close()

    async def _pieces(self) -> AsyncIterator[bytes]:
        files = files_of(self._path)
        offset = 0
        if self._wanted.tail is not None:
            first, offset = await asyncio.to_thread(tail_start, self._path, self._wanted.tail, self._wanted.stream)
            files = files[files.index(first) :] if first in files else []
        opened = [one.open("rb") for one in files]
        try:
            for number, file in enumerate(opened):
                file.seek(offset if number == 0 else 0)
                if file is opened[-1] and self._changes is not None:
                    break
                async for piece in self._whole(file.fileno()):
                    yield piece
            if self._changes is not None:
                async for piece in self._grown(opened[-1].fileno() if opened else -1):
                    yield piece
        finally:
            for file in opened:
                file.close()

    async def _whole(self, fd: int) -> AsyncIterator[bytes]:
        rest = b""
        while data := os.read(fd, PIECE):
            *rows, rest = (rest + data).split(b"\n")
            yield self._told(rows)
            await asyncio.sleep(0)

    async def _grown(self, fd: int) -> AsyncIterator[bytes]:
        """From here on as it grows, over rotations: a file that was renamed is read to its end first."""
        assert self._changes is not None
        own = -1
        rest = b""
        try:
            while True:
                # Both asked before reading: what was written until the end, or until the rotation, is still read.
                over, newer = self._ended(), self._newer(fd)
                while fd >= 0 and (data := os.read(fd, PIECE)):
                    *rows, rest = (rest + data).split(b"\n")
                    yield self._told(rows)
                if newer >= 0:
                    if own >= 0:
                        os.close(own)
                    fd = own = newer
                    rest = b""
                elif over:
                    return
                else:
                    await self._changes.wait()
        finally:
            if own >= 0:
                os.close(own)

    def _newer(self, fd: int) -> int:
        """An fd of the file that was begun after the one that `fd` reads; -1 if there is none yet."""
        files = files_of(self._path)
        if fd >= 0:
            now = os.fstat(fd)
            for number, file in enumerate(files):
                with contextlib.suppress(FileNotFoundError):  # renamed this moment: seen at the next turn
                    if os.path.samestat(now, file.stat()):
                        files = files[number + 1 :]
                        break
        for file in files:
            with contextlib.suppress(FileNotFoundError):
                return os.open(file, os.O_RDONLY | os.O_CLOEXEC)
        return -1

    def _told(self, rows: list[bytes]) -> bytes:
        wanted = self._wanted
        out = []
        for row in rows:
            line = Line.parse(row)
            if line is None or (wanted.stream and line.stream != wanted.stream):
                continue
            if wanted.since is not None and not line.is_since(wanted.since):
                continue
            if wanted.timestamps and self._begin_of_line[line.stream]:
                out.append(line.stamp + b" ")
            self._begin_of_line[line.stream] = line.text.endswith(b"\n")
            out.append(line.text)
        return b"".join(out)
