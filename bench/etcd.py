"""etcd beside our store: Debian's server on the same disk, and a client that costs less than any gRPC library.

The client must not be what is measured. A put is two HTTP/2 frames whose headers never change, an answer three; so
it sends prepared bytes over plain sockets and reads only the frames' nine-byte heads: about 20 µs a put, where
grpcio takes 150. Whether every put arrived is asked of the server at the end: its revision must have grown by as
many (`Etcd.revision`).

Sources: RFC 9113 (HTTP/2), the gRPC documentation's "gRPC over HTTP2", etcd's rpc.proto.
"""

from __future__ import annotations

import asyncio
import base64
import json
import shutil
import socket
import struct
import subprocess
import time
import urllib.request
from collections import deque
from pathlib import Path

STREAMS = 32
"""Puts under way on one connection: of 1 KiB each they stay within the 64 KiB that HTTP/2 grants at first."""
_DATA, _HEADERS, _SETTINGS, _PING, _GOAWAY, _WINDOW_UPDATE = 0x0, 0x1, 0x4, 0x6, 0x7, 0x8
_END_STREAM, _ACK, _END_HEADERS = 0x1, 0x1, 0x4
_HEADER_TABLE_SIZE, _INITIAL_WINDOW_SIZE = 1, 4


class Etcd:
    """A server of its own in a directory, on two free ports of the loopback; everything else as it comes."""

    @staticmethod
    def is_installed() -> bool:
        return shutil.which("etcd") is not None

    def __init__(self, directory: Path) -> None:
        self.port, peer = _free_port(), _free_port()
        self._url = f"http://127.0.0.1:{self.port}"
        others = f"http://127.0.0.1:{peer}"
        self._log = directory / "etcd.log"
        arguments = {
            "name": "bench", "data-dir": str(directory / "etcd"), "log-level": "error",
            "listen-client-urls": self._url, "advertise-client-urls": self._url,
            "listen-peer-urls": others, "initial-advertise-peer-urls": others, "initial-cluster": f"bench={others}",
        }  # fmt: skip
        with self._log.open("wb") as log:
            command = ["etcd", *(f"--{name}={value}" for name, value in arguments.items())]
            self._process = subprocess.Popen(command, stdout=log, stderr=log, cwd=directory)
        self._wait()

    @property
    def pid(self) -> int:
        return self._process.pid

    def _wait(self) -> None:
        end = time.monotonic() + 15
        while True:
            try:
                self.revision()
                return
            except OSError:
                if self._process.poll() is not None or time.monotonic() > end:
                    self.stop()
                    raise RuntimeError(f"etcd does not answer: {self._log.read_text()[-500:]}") from None
                time.sleep(0.05)

    def revision(self) -> int:
        """The newest revision, asked through the JSON gateway."""
        body = json.dumps({"key": base64.b64encode(b"none").decode()}).encode()
        with urllib.request.urlopen(f"{self._url}/v3/kv/range", body, timeout=5) as answer:
            return int(json.load(answer)["header"].get("revision", 0))

    def version(self) -> str:
        with urllib.request.urlopen(f"{self._url}/version", timeout=5) as answer:
            return str(json.load(answer)["etcdserver"])

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(10)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        return int(taken.getsockname()[1])


class Puts(asyncio.Protocol):
    """One HTTP/2 connection on which puts are made, at most STREAMS at a time."""

    @classmethod
    async def connect(cls, port: int) -> Puts:
        _, made = await asyncio.get_running_loop().create_connection(cls, "127.0.0.1", port)
        return made

    def __init__(self) -> None:
        self._transport: asyncio.Transport
        self._next = 1  # the next stream's number: odd ones are a client's
        self._granted = 65_535  # bytes of DATA that the server still takes
        self._held: deque[tuple[bytes, int]] = deque()  # what waits for that: frames, bytes of DATA in them
        self._answers: dict[int, asyncio.Future[None]] = {}
        self._answered: set[int] = set()  # streams on which a message has come
        self._rest = b""
        self._headers = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport  # type: ignore[assignment]  # a TCP connection's has write
        host, port = transport.get_extra_info("peername")
        self._headers = _request_headers("/etcdserverpb.KV/Put", f"{host}:{port}")
        settings = struct.pack(">HIHI", _HEADER_TABLE_SIZE, 0, _INITIAL_WINDOW_SIZE, 2**31 - 1)
        window = struct.pack(">I", 2**31 - 1 - 65_535)
        hello = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
        transport.write(hello + _frame(_SETTINGS, 0, 0, settings) + _frame(_WINDOW_UPDATE, 0, 0, window))

    def put(self, key: bytes, value: bytes) -> asyncio.Future[None]:
        """Done when the server has acknowledged it; fails where it did not."""
        stream, self._next = self._next, self._next + 2
        answer: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._answers[stream] = answer
        request = b"\x0a%b%b\x12%b%b" % (_varint(len(key)), key, _varint(len(value)), value)
        message = b"\0%b%b" % (struct.pack(">I", len(request)), request)  # not compressed
        frames = _frame(_HEADERS, _END_HEADERS, stream, self._headers) + _frame(_DATA, _END_STREAM, stream, message)
        self._held.append((frames, len(message)))
        self._send()
        return answer

    def _send(self) -> None:
        while self._held and self._held[0][1] <= self._granted:
            frames, size = self._held.popleft()
            self._granted -= size
            self._transport.write(frames)

    def data_received(self, data: bytes) -> None:
        data = self._rest + data
        at, end = 0, len(data)
        while end - at >= 9:
            size = int.from_bytes(data[at : at + 3], "big")
            if end - at - 9 < size:
                break
            stream = int.from_bytes(data[at + 5 : at + 9], "big")
            self._take(data[at + 3], data[at + 4], stream, data[at + 9 : at + 9 + size])
            at += 9 + size
        self._rest = data[at:]

    def _take(self, kind: int, flags: int, stream: int, payload: bytes) -> None:
        if kind == _DATA:
            self._answered.add(stream)
        elif kind == _HEADERS:
            if flags & _END_STREAM:
                self._end(stream)
        elif kind == _WINDOW_UPDATE:
            if stream == 0:
                self._granted += int.from_bytes(payload, "big")
                self._send()
        elif kind in (_SETTINGS, _PING):
            if not flags & _ACK:
                self._transport.write(_frame(kind, _ACK, 0, payload if kind == _PING else b""))
        elif kind != _GOAWAY and stream in self._answers:  # RST_STREAM, say
            self._end(stream)

    def _end(self, stream: int) -> None:
        """A success has a message before its trailers, a failure has trailers alone."""
        answer = self._answers.pop(stream)
        if stream in self._answered:
            self._answered.discard(stream)
            answer.set_result(None)
        else:
            answer.set_exception(RuntimeError("etcd refused a put"))

    def connection_lost(self, exc: Exception | None) -> None:
        for answer in self._answers.values():
            answer.set_exception(ConnectionError("etcd closed the connection"))
        self._answers.clear()

    def close(self) -> None:
        self._transport.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack(">HBBBI", len(payload) >> 8, len(payload) & 0xFF, kind, flags, stream) + payload


def _request_headers(path: str, authority: str) -> bytes:
    """A request's header block (HPACK) in which nothing is to be remembered: :method POST and :scheme http are
    numbers 3 and 6 of the static table, :path's and :authority's names 4 and 1."""

    def text(value: str) -> bytes:
        return bytes([len(value)]) + value.encode()  # below 127 a length is one byte

    named = b"".join(b"\0" + text(name) + text(value) for name, value in _NAMED)
    return b"\x83\x86\x04" + text(path) + b"\x01" + text(authority) + named


_NAMED = (("content-type", "application/grpc"), ("te", "trailers"))


def _varint(number: int) -> bytes:
    parts = bytearray()
    while number > 0x7F:
        parts.append(number & 0x7F | 0x80)
        number >>= 7
    parts.append(number)
    return bytes(parts)
