"""A client's side of SPDY/3.1, written from the draft for the tests alone: frames out, frames in."""

from __future__ import annotations

import struct
import zlib
from collections import defaultdict

from procorch.api.streaming.spdy import DICTIONARY


class SpdyClient:
    """`out` holds what is to be sent. data: of each stream what came; ended, reset, replied: numbers of streams."""

    def __init__(self) -> None:
        self.out = b""
        self.data: defaultdict[int, bytes] = defaultdict(bytes)
        self.ended: set[int] = set()
        self.reset: set[int] = set()
        self.replied: set[int] = set()
        self.pongs: list[int] = []
        self._pack = zlib.compressobj(zdict=DICTIONARY)
        self._unpack = zlib.decompressobj(zdict=DICTIONARY)
        self._next = 1
        self._unread = b""

    def control(self, type_: int, payload: bytes, flags: int = 0) -> None:
        self.out += struct.pack(">HHI", 0x8003, type_, flags << 24 | len(payload)) + payload

    def open(self, **headers: str) -> int:
        number, self._next = self._next, self._next + 2
        plain = struct.pack(">I", len(headers))
        for pair in headers.items():
            for text in pair:
                plain += struct.pack(">I", len(text)) + text.encode()
        block = self._pack.compress(plain) + self._pack.flush(zlib.Z_SYNC_FLUSH)
        self.control(1, struct.pack(">IIH", number, 0, 0) + block)
        return number

    def send(self, number: int, data: bytes, *, fin: bool = False) -> None:
        self.out += struct.pack(">II", number, fin << 24 | len(data)) + data

    def ping(self, number: int) -> None:
        self.control(6, struct.pack(">I", number))

    def take(self) -> bytes:
        out, self.out = self.out, b""
        return out

    def feed(self, data: bytes) -> None:
        self._unread += data
        while len(self._unread) >= 8:
            size = int.from_bytes(self._unread[5:8], "big")
            if len(self._unread) < 8 + size:
                return
            head, rest = self._unread[:8], self._unread[8 : 8 + size]
            self._unread = self._unread[8 + size :]
            number = int.from_bytes(rest[:4], "big") if head[0] & 0x80 else int.from_bytes(head[:4], "big")
            if not head[0] & 0x80:
                self.data[number] += rest
                if head[4] & 1:
                    self.ended.add(number)
            elif head[3] == 2:
                assert self._unpack.decompress(rest[4:]) == bytes(4)
                self.replied.add(number)
            elif head[3] == 3:
                self.reset.add(number)
            elif head[3] == 6:
                self.pongs.append(number)
