"""Random numbers for uids, generated names, addresses and ports."""

from __future__ import annotations

import os
import random

_POOL = 4096  # bytes


class Draw(random.SystemRandom):
    """The system's own, fetched 4 KiB at a time: a system call for each uid was 4 % of what a small create costs."""

    def __init__(self) -> None:
        super().__init__()
        self._pool = b""
        self._at = 0

    def getrandbits(self, k: int) -> int:
        size = (k + 7) // 8
        if size > _POOL:
            return super().getrandbits(k)
        if self._at + size > len(self._pool):
            self._pool, self._at = os.urandom(_POOL), 0
        piece = self._pool[self._at : self._at + size]
        self._at += size
        return int.from_bytes(piece, "big") >> (size * 8 - k)

    def random(self) -> float:
        """In [0, 1), as random.SystemRandom has it."""
        return self.getrandbits(53) * 2.0**-53
