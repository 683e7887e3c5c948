"""Memory that ended connections leave behind goes back to the system.

A connection over TLS is some 50 kB in a hundred pieces, and what ends leaves holes between what stays: the C library
keeps them for later. After ten thousand watches that was half a gigabyte for good. `malloc_trim` gives whole pages of
it back, in 0.02 s after two thousand connections, for which everybody waits: so it is called when many have ended, a
moment later, and not for each.
"""

from __future__ import annotations

import asyncio
import ctypes
import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

MANY = 1_000  # connections
DELAY = 2.0  # seconds, in which the others that ended with them end too


class Heap:
    """trim: gives the memory back."""

    def __init__(self, trim: Callable[[], None] | None = None) -> None:
        self._trim = trim or trim_of_libc()
        self._ended = 0
        self._timer: asyncio.TimerHandle | None = None

    def ended(self) -> None:
        """A connection has."""
        self._ended += 1
        if self._ended >= MANY and self._timer is None and self._trim is not None:
            self._timer = asyncio.get_running_loop().call_later(DELAY, self._give_back)

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _give_back(self) -> None:
        assert self._trim is not None
        self._timer = None
        connections, self._ended = self._ended, 0
        began = asyncio.get_running_loop().time()
        self._trim()
        took = asyncio.get_running_loop().time() - began
        logger.info("memory given back", extra={"connections": connections, "ms": round(took * 1000)})


def trim_of_libc() -> Callable[[], None] | None:
    """glibc's malloc_trim; None with a C library that has none (musl, which gives back by itself)."""
    try:
        malloc_trim = ctypes.CDLL(None).malloc_trim
    except AttributeError:
        return None
    return lambda: malloc_trim(0)
