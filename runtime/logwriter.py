# pathlib would be loaded into, and carried by, every pause.
# ruff: noqa: PTH104, PTH110
"""Output becomes log lines: what a process writes, cut at line ends and stamped, in the form that CRI readers know.

    2026-11-23T19:00:00.123456789Z stdout F text

The tag is F for a whole line and P for a part of one: a line longer than LONGEST is written in parts, and so is a last
line without an end. Bytes pass as they are. Source: the kubelet's pkg/kubelet/kuberuntime/logs, which reads this.
"""

from __future__ import annotations

import os
import time

LONGEST = 16 * 1024  # bytes of text in one log line, as containerd writes them
ROTATE_AT = 10 * 1024 * 1024
KEPT = 5  # files, the current one included


class LogWriter:
    """One log file with both of a process's streams. A disk that takes nothing costs lines, never the process."""

    def __init__(self, path: str, *, rotate_at: int = ROTATE_AT, kept: int = KEPT) -> None:
        self.path = path
        self.lost = 0  # writes that the disk refused
        self._rotate_at, self._kept = rotate_at, kept
        self._fd = -1
        self._size = 0
        self._rest = {"stdout": b"", "stderr": b""}
        self._second = (0, b"")
        self._open()

    def _open(self) -> None:
        try:
            self._fd = os.open(self.path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o640)
            self._size = os.fstat(self._fd).st_size
        except OSError:
            self._fd = -1
            self.lost += 1

    def _stamp(self, now_ns: int) -> bytes:
        second, nanosecond = divmod(now_ns, 1_000_000_000)
        if self._second[0] != second:
            self._second = (second, time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(second)).encode())
        return b"%s.%09dZ" % (self._second[1], nanosecond)

    def feed(self, stream: str, data: bytes, now_ns: int) -> None:
        """Bytes as they came from the pipe; now_ns: nanoseconds since the epoch."""
        lines = (self._rest[stream] + data).split(b"\n")
        rest = lines.pop()
        head = b"%s %s " % (self._stamp(now_ns), stream.encode())
        out = []
        for line in lines:
            while len(line) > LONGEST:
                out.append(b"%sP %s\n" % (head, line[:LONGEST]))
                line = line[LONGEST:]
            out.append(b"%sF %s\n" % (head, line))
        while len(rest) >= LONGEST:
            out.append(b"%sP %s\n" % (head, rest[:LONGEST]))
            rest = rest[LONGEST:]
        self._rest[stream] = rest
        if out:
            self._write(b"".join(out))

    def end(self, stream: str, now_ns: int) -> None:
        """The stream is over: what is left of its last line is written."""
        rest, self._rest[stream] = self._rest[stream], b""
        if rest:
            self._write(b"%s %s P %s\n" % (self._stamp(now_ns), stream.encode(), rest))

    def _write(self, data: bytes) -> None:
        if self._fd < 0:
            self._open()
        try:
            while data and self._fd >= 0:
                written = os.write(self._fd, data)
                self._size += written
                data = data[written:]
        except OSError:
            self.lost += 1
        if self._size >= self._rotate_at:
            self._rotate()

    def _rotate(self) -> None:
        """path → path.1 → … : the oldest goes. Readers that follow see the file's inode change."""
        self.close()
        try:
            for number in range(self._kept - 1, 0, -1):
                older = f"{self.path}.{number - 1}" if number > 1 else self.path
                if os.path.exists(older):
                    os.rename(older, f"{self.path}.{number}")
        except OSError:
            self.lost += 1
        self._open()

    def close(self) -> None:
        if self._fd >= 0:
            os.close(self._fd)
            self._fd = -1
