"""A command's streams between a master and a node: frames of (channel, bytes) on one two-way stream of the node's link.

Channels are numbered as in Kubernetes' v5.channel.k8s.io, which clients speak with the master: `CLOSE` holds the number
of the channel whose sender has no more. What a client speaks (WebSocket, SPDY) ends at the master.

Source: k8s.io/apimachinery pkg/util/remotecommand, k8s.io/kubelet pkg/cri/streaming/remotecommand.
"""

from __future__ import annotations

import struct
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson

from procorch.link import ProtocolError, Stream
from procorch.objects import ApiError

STDIN, STDOUT, STDERR, ERROR, RESIZE, CLOSE = 0, 1, 2, 3, 4, 255
LONGEST_FRAME = 1 << 20
NON_ZERO_EXIT = "NonZeroExitCode"

_HEAD = struct.Struct(">BI")


class Frames:
    """A stream of a link, by frames."""

    def __init__(self, stream: Stream) -> None:
        self._stream = stream
        self._unread = bytearray()

    async def read(self) -> tuple[int, bytes] | None:
        """(channel, bytes); None at the end. Raises StreamReset, LinkClosed, ProtocolError."""
        while True:
            if len(self._unread) >= _HEAD.size:
                channel, size = _HEAD.unpack_from(self._unread)
                if size > LONGEST_FRAME:
                    raise ProtocolError(f"a frame of {size} bytes")
                if len(self._unread) >= (end := _HEAD.size + size):
                    data = bytes(self._unread[_HEAD.size : end])
                    del self._unread[:end]
                    return channel, data
            if not (more := await self._stream.read()):
                return None
            self._unread += more

    async def write(self, channel: int, data: bytes) -> None:
        """Waits while the other side does not read. More than a frame takes goes in several. Raises StreamReset,
        LinkClosed."""
        for start in range(0, len(data) or 1, LONGEST_FRAME):
            piece = data[start : start + LONGEST_FRAME]
            await self._stream.write(_HEAD.pack(channel, len(piece)) + piece)


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which streams a client asked for. On a terminal errors come with the output."""

    stdin: bool = False
    stdout: bool = True
    stderr: bool = True
    tty: bool = False

    @classmethod
    def of(cls, query: Mapping[str, str]) -> Wanted:
        """PodExecOptions or PodAttachOptions as a query; output and errors are on where nothing is said."""

        def on(name: str, default: str) -> bool:
            return query.get(name, default).lower() in ("1", "t", "true")

        tty = on("tty", "false")
        return cls(on("stdin", "false"), on("stdout", "true"), on("stderr", "true") and not tty, tty)

    def query(self) -> list[tuple[str, str]]:
        rows = (("stdin", self.stdin), ("stdout", self.stdout), ("stderr", self.stderr), ("tty", self.tty))
        return [(name, "true" if value else "false") for name, value in rows]


def success() -> bytes:
    """What goes over the error channel at a good end."""
    return orjson.dumps({"metadata": {}, "status": "Success"})


def exited(code: int) -> bytes:
    """A command's exit code that is not 0, as clients read it."""
    return orjson.dumps(
        {
            "metadata": {},
            "status": "Failure",
            "message": f"command terminated with non-zero exit code: exit status {code}",
            "reason": NON_ZERO_EXIT,
            "details": {"causes": [{"reason": "ExitCode", "message": str(code)}]},
        }
    )


def failed(why: str) -> bytes:
    """It could not be run, or not to its end."""
    error = ApiError(why, 500, "InternalError")
    return orjson.dumps(error.status() | {"details": {"causes": [{"message": why}]}})


def in_words(status: bytes) -> str:
    """For clients of before v4.channel.k8s.io, which read text: empty for success."""
    told: dict[str, Any] = orjson.loads(status)
    return "" if told.get("status") == "Success" else str(told.get("message") or "unknown error")
