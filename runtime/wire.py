"""How an agent and a pause speak: JSON messages on a stream socket, each behind its length (4 bytes, big-endian).

Both may be of different versions of this program (a pause outlives its agent's upgrade), so: plain names and values,
unknown fields are ignored.
"""

from __future__ import annotations

import _socket
from _json import encode_basestring_ascii, make_encoder, make_scanner
from sys import byteorder

TYPE_CHECKING = False  # `typing` would be loaded into every pause; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any

    Message = dict[str, Any]
else:
    Message = dict

LONGEST = 64 * 1024 * 1024


class _Reading:
    """What the json module tells its scanner: plain values, strict strings. (Its module brings `re` and `enum`.)"""

    strict = True
    object_hook = object_pairs_hook = None
    parse_float, parse_int, parse_constant = float, int, float


_scan = make_scanner(_Reading)  # type: ignore[arg-type]  # it reads these names of any object


def _refuse(value: object) -> None:
    raise TypeError(f"{type(value).__name__} is no JSON")


_encode = make_encoder(None, _refuse, encode_basestring_ascii, None, ":", ",", False, False, True)


def dumps(value: object) -> str:
    """json.dumps in its shortest form."""
    return "".join(_encode(value, 0))


def loads(text: str) -> Any:
    """json.loads of what `dumps` wrote; raises ValueError."""
    try:
        value, end = _scan(text, 0)
    except StopIteration:
        end = -1
    if end != len(text):
        raise ValueError(f"no JSON: {text[:80]!r}")
    return value


def pack(message: Message) -> bytes:
    data = dumps(message).encode()
    return len(data).to_bytes(4, "big") + data


class Unpacker:
    """Bytes in, whole messages out. Raises ValueError for what cannot be a message."""

    def __init__(self) -> None:
        self._data = b""

    def feed(self, data: bytes) -> list[Message]:
        self._data += data
        messages: list[Message] = []
        while len(self._data) >= 4:
            length = int.from_bytes(self._data[:4], "big")
            if length > LONGEST:
                raise ValueError(f"a message of {length} bytes")
            if len(self._data) < 4 + length:
                break
            messages.append(loads(self._data[4 : 4 + length].decode()))
            self._data = self._data[4 + length :]
        return messages


def receive(sock: _socket.socket, most: int, size: int) -> tuple[bytes, list[int]]:
    """Bytes from a socket, at most `size`, and the fds that came with them, at most `most`."""
    data, parts, _, _ = sock.recvmsg(size, _socket.CMSG_SPACE(4 * most), _socket.MSG_CMSG_CLOEXEC)
    fds = []
    for level, kind, value in parts:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            fds += [int.from_bytes(value[at : at + 4], byteorder) for at in range(0, len(value) // 4 * 4, 4)]
    return data, fds


def rights(fds: Sequence[int]) -> list[tuple[int, int, bytes]]:
    """What sendmsg takes to send these."""
    return [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, b"".join(fd.to_bytes(4, byteorder) for fd in fds))] if fds else []
