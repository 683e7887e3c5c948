"""How an agent and a pause speak: JSON messages on a stream socket, each behind its length (4 bytes, big-endian).

Both may be of different versions of this program (a pause outlives its agent's upgrade), so: plain names and values,
unknown fields are ignored.
"""

from __future__ import annotations

import json
from typing import Any

Message = dict[str, Any]
LONGEST = 64 * 1024 * 1024


def pack(message: Message) -> bytes:
    data = json.dumps(message, separators=(",", ":")).encode()
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
            messages.append(json.loads(self._data[4 : 4 + length]))
            self._data = self._data[4 + length :]
        return messages
