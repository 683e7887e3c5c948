"""One conversation with the kernel over a netlink socket: many messages in one send, every answer looked at.

Why not a library's objects: a pod's network takes 2 ms by plain messages and 6 to 21 ms by pyroute2's (measured), and
importing that costs the agent 20 MB. What is written here is the wire format and nothing else.

Source: the kernel's Documentation/userspace-api/netlink/intro.rst.
"""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from types import TracebackType

ROUTE = 0
NETFILTER = 12

REQUEST, ACK, ECHO, DUMP = 0x1, 0x4, 0x8, 0x300
REPLACE, EXCLUSIVE, CREATE, APPEND = 0x100, 0x200, 0x400, 0x800
NESTED = 0x8000

_ERROR, _DONE = 2, 3
_INTERRUPTED, _ACK_TLVS = 0x10, 0x200
_ERROR_MESSAGE = 1  # NLMSGERR_ATTR_MSG
_SOL_NETLINK, _CAP_ACK, _EXT_ACK, _STRICT = 270, 10, 11, 12
_SO_SNDBUFFORCE, _SO_RCVBUFFORCE = 32, 33
_HEADER = struct.Struct("=IHHII")
_ATTRIBUTE = struct.Struct("=HH")
_RECEIVE = 1 << 20


class NetlinkError(OSError):
    """The kernel refused a message: its errno, what was tried, and the kernel's own words where it gave some."""


@dataclass(frozen=True, slots=True)
class Message:
    """One request. what: names it in an error (`add route 10.0.0.0/8`)."""

    kind: int
    body: bytes
    flags: int = 0
    what: str = ""


def attribute(kind: int, value: bytes | int | str) -> bytes:
    """One attribute: bytes as they are, an int as a native u32, text with its closing zero."""
    if isinstance(value, int):
        value = struct.pack("=I", value)
    elif isinstance(value, str):
        value = value.encode() + b"\0"
    length = 4 + len(value)
    return _ATTRIBUTE.pack(length, kind) + value + bytes(-length % 4)


def nested(kind: int, *attributes: bytes) -> bytes:
    return attribute(kind | NESTED, b"".join(attributes))


def attributes(data: bytes | memoryview, offset: int = 0) -> Iterator[tuple[int, bytes]]:
    """The attributes from `offset` on, as (kind without flag bits, value)."""
    end = len(data)
    while offset + 4 <= end:
        length, kind = _ATTRIBUTE.unpack_from(data, offset)
        if length < 4:
            return
        yield kind & 0x3FFF, bytes(data[offset + 4 : offset + length])
        offset += (length + 3) & ~3


def text(value: bytes) -> str:
    return value.rstrip(b"\0").decode()


def number(value: bytes) -> int:
    return int(struct.unpack("=I", value)[0])


class Netlink:
    """A netlink socket in the network namespace of the thread that makes it; not for two threads at once."""

    def __init__(self, family: int = ROUTE) -> None:
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, family)
        for option in (_CAP_ACK, _EXT_ACK, _STRICT):
            with contextlib.suppress(OSError):  # an old kernel answers less, that is all
                self._socket.setsockopt(_SOL_NETLINK, option, 1)
        for option in (_SO_SNDBUFFORCE, _SO_RCVBUFFORCE):
            with contextlib.suppress(OSError):
                self._socket.setsockopt(socket.SOL_SOCKET, option, 8 << 20)
        self._socket.bind((0, 0))
        self._sequence = 0

    def __enter__(self) -> Netlink:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        self._socket.close()

    def send(self, *messages: Message, ignore: Iterable[int] = ()) -> list[bytes]:
        """Send all in one datagram, wait for all acknowledgements; the bodies of what was answered besides.

        The kernel carries out rtnetlink messages in order and goes on after one it refuses; the first refusal is
        raised when all are answered, unless its errno is in `ignore`. Raises NetlinkError.
        """
        return self._exchange([(message, message.flags | ACK) for message in messages], set(ignore))

    def transaction(self, begin: Message, messages: Iterable[Message], end: Message) -> None:
        """A netfilter batch: all or nothing. Raises NetlinkError for the first message that was refused."""
        # The first and the last are not acknowledged by the kernel unless they fail.
        rows = [(begin, begin.flags), *((one, one.flags | ACK) for one in messages), (end, end.flags)]
        if len(rows) > 2:
            self._exchange(rows, set())

    def dump(self, message: Message) -> list[bytes]:
        """Every body that the kernel lists for the request. Asks again when the list changed meanwhile."""
        while True:
            try:
                return self._exchange([(message, message.flags | DUMP)], set())
            except InterruptedError:
                continue

    def _exchange(self, rows: list[tuple[Message, int]], ignore: set[int]) -> list[bytes]:
        first = self._sequence + 1
        self._sequence += len(rows)
        parts: list[bytes] = []
        waiting: set[int] = set()
        for sequence, (message, flags) in enumerate(rows, first):
            length = _HEADER.size + len(message.body)
            parts += (
                _HEADER.pack(length, message.kind, flags | REQUEST, sequence, 0),
                message.body,
                bytes(-length % 4),
            )
            if flags & (ACK | DUMP):
                waiting.add(sequence)
        self._socket.send(b"".join(parts))
        bodies: list[bytes] = []
        failure: NetlinkError | None = None
        interrupted = False
        while waiting:
            for kind, flags, sequence, body in self._receive():
                if sequence < first:
                    continue  # the rest of a conversation that was given up
                interrupted |= bool(flags & _INTERRUPTED)
                if kind not in (_ERROR, _DONE):
                    bodies.append(body)
                    continue
                error = _refusal(flags, body, rows[sequence - first][0])
                if error is not None and sequence not in waiting:
                    raise error  # a batch refused as a whole: nothing more is answered
                waiting.discard(sequence)
                if error is not None and error.errno not in ignore:
                    failure = failure or error
        if failure is not None:
            raise failure
        if interrupted:
            raise InterruptedError("netlink: the list changed while it was read")
        return bodies

    def _receive(self) -> Iterator[tuple[int, int, int, bytes]]:
        data = self._socket.recv(_RECEIVE)
        offset = 0
        while offset + _HEADER.size <= len(data):
            length, kind, flags, sequence, _ = _HEADER.unpack_from(data, offset)
            yield kind, flags, sequence, data[offset + _HEADER.size : offset + length]
            offset += (length + 3) & ~3


def _refusal(flags: int, body: bytes, message: Message) -> NetlinkError | None:
    """The error in an acknowledgement, or None when all is well."""
    code = struct.unpack_from("=i", body)[0] if len(body) >= 4 else 0
    if code >= 0:
        return None
    said = os.strerror(-code)
    if flags & _ACK_TLVS:
        offset = 4 + _HEADER.size  # the request's header comes back, capped to that
        said += "".join(f": {text(value)}" for kind, value in attributes(body, offset) if kind == _ERROR_MESSAGE)
    return NetlinkError(-code, f"{message.what or f'netlink message {message.kind}'}: {said}")
