"""SPDY/3.1 as Kubernetes' clients speak it on an upgraded connection: streams that the client opens, and pings.

There is no socket in here: `write` carries bytes out, `feed` takes those that came. Windows are neither asked for nor
kept: Kubernetes' own library (moby/spdystream) does not know them either; a stream that is not read holds up its
connection (`congested`). Source: the SPDY protocol, draft 3.1.
"""

from __future__ import annotations

import asyncio
import struct
import zlib
from collections import deque
from collections.abc import Awaitable, Callable
from enum import IntEnum

_WORDS = (
    "options", "head", "post", "put", "delete", "trace", "accept", "accept-charset", "accept-encoding",
    "accept-language", "accept-ranges", "age", "allow", "authorization", "cache-control", "connection",
    "content-base", "content-encoding", "content-language", "content-length", "content-location", "content-md5",
    "content-range", "content-type", "date", "etag", "expect", "expires", "from", "host", "if-match",
    "if-modified-since", "if-none-match", "if-range", "if-unmodified-since", "last-modified", "location",
    "max-forwards", "pragma", "proxy-authenticate", "proxy-authorization", "range", "referer", "retry-after",
    "server", "te", "trailer", "transfer-encoding", "upgrade", "user-agent", "vary", "via", "warning",
    "www-authenticate", "method", "get", "status", "200 OK", "version", "HTTP/1.1", "url", "public", "set-cookie",
    "keep-alive", "origin",
)  # fmt: skip
_REST = (
    "100101201202205206300302303304305306307402405406407408409410411412413414415416417502504505"
    "203 Non-Authoritative Information204 No Content301 Moved Permanently400 Bad Request401 Unauthorized"
    "403 Forbidden404 Not Found500 Internal Server Error501 Not Implemented503 Service Unavailable"
    "Jan Feb Mar Apr May Jun Jul Aug Sept Oct Nov Dec 00:00:00 Mon, Tue, Wed, Thu, Fri, Sat, Sun, GMT"
    "chunked,text/html,image/png,image/jpg,image/gif,application/xml,application/xhtml+xml,text/plain,"
    "text/javascript,publicprivatemax-age=gzip,deflate,sdchcharset=utf-8charset=iso-8859-1,utf-,*,enq=0."
)
#: what both sides' header compression begins with (section 2.6.10.1): words behind their lengths, then text
DICTIONARY = b"".join(struct.pack(">I", len(word)) + word.encode() for word in _WORDS) + _REST.encode()

_VERSION = 0x8003
_FIN = 1
_CONTROL, _DATA = struct.Struct(">HHI"), struct.Struct(">II")
_LONGEST_FRAME = 1 << 20
_LONGEST_HEADERS = 64 << 10
_MOST_STREAMS = 1000
_PIECE = 32 << 10
_BACKLOG = 256 << 10  # bytes of one stream that nobody has read


class _Type(IntEnum):
    SYN_STREAM = 1
    SYN_REPLY = 2
    RST_STREAM = 3
    SETTINGS = 4
    PING = 6
    GOAWAY = 7
    HEADERS = 8
    WINDOW_UPDATE = 9


class SpdyError(ConnectionError):
    """The client sent what it must not, or the connection or stream is over."""


class SpdyStream:
    """One stream that the client opened. headers: names in lower case."""

    def __init__(self, spdy: Spdy, number: int, headers: dict[str, str]) -> None:
        self.number = number
        self.headers = headers
        self._spdy = spdy
        self._chunks: deque[bytes] = deque()
        self.buffered = 0
        self._ended_there = self._ended_here = False
        self.broken = asyncio.Event()  # reset, or its connection is over
        self._arrived = asyncio.Event()

    async def reply(self) -> None:
        """Accepts it."""
        block = self._spdy._pack({})
        await self._spdy._control(_Type.SYN_REPLY, 0, struct.pack(">I", self.number) + block)

    async def read(self) -> bytes:
        """The next bytes; b"" at the end. Raises SpdyError."""
        while not self._chunks:
            if self.broken.is_set():
                raise SpdyError("the stream is reset, or its connection is over")
            if self._ended_there:
                return b""
            self._arrived.clear()
            await self._arrived.wait()
        chunk = self._chunks.popleft()
        self.buffered -= len(chunk)
        self._spdy._look()
        return chunk

    async def write(self, data: bytes) -> None:
        """Raises SpdyError where the client wants no more of it."""
        for start in range(0, len(data), _PIECE):
            if self.broken.is_set() or self._ended_here:
                raise SpdyError("the stream is over")
            piece = data[start : start + _PIECE]
            await self._spdy._write(_DATA.pack(self.number, len(piece)) + piece)

    async def end(self) -> None:
        """No more from here; reading goes on. Twice is as good as once."""
        if not self._ended_here and not self.broken.is_set():
            self._ended_here = True
            await self._spdy._write(_DATA.pack(self.number, _FIN << 24))
            self._spdy._forget_if_over(self)

    @property
    def over(self) -> bool:
        return self.broken.is_set() or (self._ended_here and self._ended_there)

    def _take(self, data: bytes, fin: bool) -> None:
        if data and not self._ended_there:
            self._chunks.append(data)
            self.buffered += len(data)
        self._ended_there = self._ended_there or fin
        self._arrived.set()

    def _break(self) -> None:
        self.broken.set()
        self._arrived.set()


class Spdy:
    """The server's side. opened: told of each new stream, which it has yet to accept (`reply`).

    congested: set while more waits for readers than ought to: the connection should not be read meanwhile.
    """

    def __init__(self, write: Callable[[bytes], Awaitable[None]], opened: Callable[[SpdyStream], None]) -> None:
        self._send = write
        self._opened = opened
        self._streams: dict[int, SpdyStream] = {}
        self._unread = bytearray()
        self._pack_headers = zlib.compressobj(zdict=DICTIONARY)
        self._unpack_headers = zlib.decompressobj(zdict=DICTIONARY)
        self._replies: list[bytes] = []
        self._turn = asyncio.Lock()
        self._last = 0
        self.closed = False
        self._flowing = asyncio.Event()
        self._flowing.set()

    async def feed(self, data: bytes) -> None:
        """Bytes that came. Waits while too much of what came is unread. Raises SpdyError."""
        self._unread += data
        while (frame := self._next()) is not None:
            self._obey(*frame)
        while self._replies:
            await self._write(self._replies.pop(0))
        self._look()
        await self._flowing.wait()

    def close(self) -> None:
        """Every stream breaks; the connection is the caller's."""
        self.closed = True
        for stream in self._streams.values():
            stream._break()
        self._streams.clear()
        self._flowing.set()

    def _next(self) -> tuple[bytes, bytes] | None:
        """A frame: its head of 8 bytes and the rest."""
        if len(self._unread) < 8:
            return None
        size = int.from_bytes(self._unread[5:8], "big")
        if size > _LONGEST_FRAME:
            raise SpdyError(f"a frame of {size} bytes")
        if len(self._unread) < 8 + size:
            return None
        head, rest = bytes(self._unread[:8]), bytes(self._unread[8 : 8 + size])
        del self._unread[: 8 + size]
        return head, rest

    def _obey(self, head: bytes, rest: bytes) -> None:
        flags = head[4]
        if not head[0] & 0x80:
            stream = self._streams.get(int.from_bytes(head[:4], "big"))
            if stream is not None:
                stream._take(rest, bool(flags & _FIN))
                self._forget_if_over(stream)
            return
        version, type_, _ = _CONTROL.unpack(head)
        if version != _VERSION:
            raise SpdyError(f"version {version & 0x7FFF} of SPDY: 3 is spoken here")
        try:
            if type_ == _Type.SYN_STREAM:
                self._syn(rest, flags)
            elif type_ == _Type.RST_STREAM:
                self._reset(struct.unpack_from(">I", rest)[0])
            elif type_ == _Type.PING:
                number = struct.unpack(">I", rest)[0]
                if number % 2:  # the client's own
                    self._replies.append(head + rest)
            elif type_ == _Type.HEADERS:
                self._headers(rest[4:])  # nothing that is read here, but the compression goes on
        except struct.error as error:
            raise SpdyError(f"a frame of type {type_} that is too short: {error}") from None

    def _syn(self, rest: bytes, flags: int) -> None:
        number = struct.unpack_from(">I", rest)[0] & 0x7FFFFFFF
        headers = self._headers(rest[10:])
        if number % 2 == 0 or number <= self._last:
            raise SpdyError(f"stream {number} is not the client's next")
        self._last = number
        if len(self._streams) >= _MOST_STREAMS:
            self._replies.append(self._frame(_Type.RST_STREAM, 0, struct.pack(">II", number, 3)))  # refused
            return
        stream = self._streams[number] = SpdyStream(self, number, headers)
        if flags & _FIN:
            stream._take(b"", True)
        self._opened(stream)

    def _headers(self, block: bytes) -> dict[str, str]:
        try:
            plain = self._unpack_headers.decompress(block, _LONGEST_HEADERS)
        except zlib.error as error:
            raise SpdyError(f"headers: {error}") from None
        if self._unpack_headers.unconsumed_tail:
            raise SpdyError(f"headers of more than {_LONGEST_HEADERS} bytes")
        count, at, found = struct.unpack_from(">I", plain)[0], 4, {}
        for _ in range(count):
            pair = []
            for _ in range(2):
                size = struct.unpack_from(">I", plain, at)[0]
                if at + 4 + size > len(plain):
                    raise SpdyError("headers: cut off")
                pair.append(plain[at + 4 : at + 4 + size].decode("latin-1"))
                at += 4 + size
            found[pair[0].lower()] = pair[1]
        return found

    def _reset(self, number: int) -> None:
        if (stream := self._streams.pop(number & 0x7FFFFFFF, None)) is not None:
            stream._break()

    def _forget_if_over(self, stream: SpdyStream) -> None:
        if stream.over:
            self._streams.pop(stream.number, None)
            self._look()

    def _look(self) -> None:
        if any(stream.buffered > _BACKLOG for stream in self._streams.values()):
            self._flowing.clear()
        else:
            self._flowing.set()

    def _pack(self, headers: dict[str, str]) -> bytes:
        plain = struct.pack(">I", len(headers))
        for name, value in headers.items():
            for text in (name.lower(), value):
                plain += struct.pack(">I", len(text)) + text.encode("latin-1")
        return self._pack_headers.compress(plain) + self._pack_headers.flush(zlib.Z_SYNC_FLUSH)

    @staticmethod
    def _frame(type_: _Type, flags: int, payload: bytes) -> bytes:
        return _CONTROL.pack(_VERSION, type_, flags << 24 | len(payload)) + payload

    async def _control(self, type_: _Type, flags: int, payload: bytes) -> None:
        await self._write(self._frame(type_, flags, payload))

    async def _write(self, data: bytes) -> None:
        async with self._turn:
            if self.closed:
                raise SpdyError("the connection is over")
            try:
                await self._send(data)
            except OSError as error:
                self.close()
                raise SpdyError(str(error)) from error
