"""Where a connect looks for its local port: among a few neighbours, each time others.

Left alone, the kernel tries every other port of its range (14,116 by default) and then the rest, in each connect anew.
That takes milliseconds as soon as half of them are in use towards one backend, live or resting in TIME_WAIT, and all
other connections stand still meanwhile. So each connect is shown a window of the range (IP_LOCAL_PORT_RANGE, of Linux
6.3), and the windows take turns. The last quarter is left to other programs: who binds to any free port must find one.
"""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from pathlib import Path

_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")
_IP_LOCAL_PORT_RANGE = 51
_WIDTH = 64
_TRIES = 4  # windows, before this backend counts as one without a free port


class Ports:
    """The windows of one network namespace: that of the thread that makes it. Older kernels search as they do."""

    def __init__(self, range_file: Path = _RANGE) -> None:
        self._file = range_file
        self._range = (0, 0)
        self._windows: list[bytes] = []
        self._turn = 0
        self.refresh()

    def refresh(self) -> None:
        """The range may have been changed."""
        with contextlib.suppress(OSError, ValueError):
            low, high = (int(word) for word in self._file.read_text().split())
            if (low, high) != self._range:
                self._range = (low, high)
                self._windows = windows(low, high)
                self._turn = 0

    def connect(self, one: socket.SocketType, address: tuple[str, int]) -> int:
        """As connect_ex; EADDRNOTAVAIL when no port was found in a few windows."""
        for _ in range(_TRIES):
            self._narrow(one)
            result = one.connect_ex(address)
            if result != errno.EADDRNOTAVAIL or not self._windows:
                break
        return result

    def _narrow(self, one: socket.SocketType) -> None:
        if not self._windows:
            return
        self._turn = turn = (self._turn + 1) % len(self._windows)
        try:
            one.setsockopt(socket.IPPROTO_IP, _IP_LOCAL_PORT_RANGE, self._windows[turn])
        except OSError:
            self._windows = []  # this kernel has no such option


def windows(low: int, high: int) -> list[bytes]:
    """The option's values for three quarters of a range: the upper end in the high 16 bits, the lower in the low."""
    last = low + (high - low) * 3 // 4
    return [struct.pack("=I", min(start + _WIDTH - 1, last) << 16 | start) for start in range(low, last + 1, _WIDTH)]
