"""Hearing at once that something in a directory was written, made, renamed or removed: inotify, never a timer."""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import os
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

IN_MODIFY, IN_MOVED_FROM, IN_MOVED_TO, IN_CREATE, IN_DELETE = 0x2, 0x40, 0x80, 0x100, 0x200
_HEAD = struct.Struct("iIII")  # wd, mask, cookie, length of the name


class Changes:
    """name: only what happens to the file of that name counts. told: called at each change.

    Made in a running loop. It has to be closed. Raises OSError where the directory cannot be watched.
    """

    def __init__(self, directory: Path, name: str = "", *, told: Callable[[], object] = lambda: None) -> None:
        libc = ctypes.CDLL(None, use_errno=True)
        self._name = os.fsencode(name)
        self._told = told
        self._fd = libc.inotify_init1(os.O_NONBLOCK | os.O_CLOEXEC)
        mask = ctypes.c_uint32(IN_MODIFY | IN_MOVED_FROM | IN_MOVED_TO | IN_CREATE | IN_DELETE)
        if self._fd < 0 or libc.inotify_add_watch(self._fd, os.fsencode(directory), mask) < 0:
            errno = ctypes.get_errno()
            self.close()
            raise OSError(errno, f"inotify on {directory}: {os.strerror(errno)}")
        self._seen = asyncio.Event()
        asyncio.get_running_loop().add_reader(self._fd, self._read)

    def poke(self) -> None:
        """As if something had changed."""
        self._seen.set()
        self._told()

    async def wait(self) -> None:
        """Until something has changed since the last wait."""
        await self._seen.wait()
        self._seen.clear()

    def close(self) -> None:
        if self._fd >= 0:
            with contextlib.suppress(RuntimeError):
                asyncio.get_running_loop().remove_reader(self._fd)
            os.close(self._fd)
            self._fd = -1

    def _read(self) -> None:
        data = b""
        with contextlib.suppress(BlockingIOError):
            data = os.read(self._fd, 64 * 1024)
        if not self._name or any(name in (self._name, b"") for name in _names(data)):
            self.poke()


def _names(data: bytes) -> Iterator[bytes]:
    """Of the files, one an event; empty where the kernel lost count of the events."""
    at = 0
    while at < len(data):
        _, _, _, length = _HEAD.unpack_from(data, at)
        at += _HEAD.size + length
        yield data[at - length : at].rstrip(b"\0")
