"""Pipes for streams: bytes go through one from socket to socket without being copied."""

from __future__ import annotations

import contextlib
import fcntl
import os

SIZE = 1 << 20
_KEPT = 64
Pipe = tuple[int, int]


class Pipes:
    """Empty pipes that wait to be used again."""

    def __init__(self) -> None:
        self._free: list[Pipe] = []

    def take(self) -> Pipe | None:
        """A pipe; None when the process has no descriptors left."""
        if self._free:
            return self._free.pop()
        try:
            pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None
        with contextlib.suppress(OSError):  # an unprivileged user has so many of that size; a smaller one works, too
            fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, SIZE)
        return pipe

    def give_back(self, pipe: Pipe, empty: bool) -> None:
        if empty and len(self._free) < _KEPT:
            self._free.append(pipe)
        else:
            _close(pipe)

    def close(self) -> None:
        for pipe in self._free:
            _close(pipe)
        self._free.clear()


def _close(pipe: Pipe) -> None:
    os.close(pipe[0])
    os.close(pipe[1])
