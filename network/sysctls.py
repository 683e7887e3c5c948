"""Kernel settings of the node's namespace that are ours for a time, and what they were before, on disk.

The record is complete before a setting is touched and is put in place whole, so an agent that is killed at any moment
leaves either nothing changed, or a change that `restore` undoes. It counts for one network namespace of one boot: the
settings of another were born anew, and there is nothing of ours in them.
"""

from __future__ import annotations

import json
import logging
import socket
import struct
from pathlib import Path

logger = logging.getLogger(__name__)
_BOOT = Path("/proc/sys/kernel/random/boot_id")
_SO_NETNS_COOKIE = 71  # Linux 5.14: a number that no other network namespace of this boot has or gets


class Sysctls:
    """record: the file. root: where the kernel shows the settings of the calling thread's namespace.

    Every method belongs in a thread that is in the node's network namespace.
    """

    def __init__(self, record: Path, root: Path = Path("/proc/sys")) -> None:
        self._record, self._root = record, root
        self._fresh = record.with_suffix(".new")

    def set(self, name: str, value: str) -> None:
        """Give `name` (as in `net.ipv4.ip_forward`) a value. Raises OSError when the kernel has or allows no such."""
        path = self._path(name)
        before = path.read_text().strip()
        if before == value:
            return  # ours already, or nothing to undo
        self._write({**self._read(), name: (before, value)})
        path.write_text(value)

    def restore(self) -> None:
        """Put everything back that is still as we set it; what somebody else has set since stays."""
        for name, (before, ours) in self._read().items():
            path = self._path(name)
            try:
                if path.read_text().strip() == ours:
                    path.write_text(before)
            except OSError as error:
                logger.warning("a kernel setting is not put back", extra={"name": name, "error": str(error)})
        for left in (self._fresh, self._record):
            left.unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self._root.joinpath(*name.split("."))

    def _write(self, settings: dict[str, tuple[str, str]]) -> None:
        self._fresh.write_text(json.dumps({"where": _here(), "settings": settings}))
        self._fresh.replace(self._record)

    def _read(self) -> dict[str, tuple[str, str]]:
        """What was recorded here; nothing where the record is of elsewhere, torn by a power cut, or not there."""
        try:
            document = json.loads(self._record.read_text())
            if document["where"] != _here():
                return {}
            return {str(name): (str(before), str(ours)) for name, (before, ours) in document["settings"].items()}
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            return {}


def _here() -> str:
    """This boot and the calling thread's network namespace."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
        (cookie,) = struct.unpack("Q", one.getsockopt(socket.SOL_SOCKET, _SO_NETNS_COOKIE, 8))
    return f"{_BOOT.read_text().strip()} {cookie}"
