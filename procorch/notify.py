"""Telling whoever started a program how it stands, by systemd's notification protocol, and listening to it.

Source: sd_notify(3). Under systemd a unit of Type=notify works; `procorch up` listens in systemd's place.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Mapping
from pathlib import Path


def notify(state: str, environ: Mapping[str, str] = os.environ) -> None:
    """Sends `READY=1`, `STATUS=…` or the like to $NOTIFY_SOCKET; does nothing where nobody asked.

    A program in another pid namespace cannot be told by its pid: it says the name that it was given.
    """
    address = environ.get("NOTIFY_SOCKET", "")
    if not address:
        return
    if name := environ.get("PROCORCH_PROGRAM"):
        state = f"X_PROCORCH_PROGRAM={name}\n{state}"
    if address.startswith("@"):
        address = "\0" + address[1:]
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
        try:
            sock.sendto(state.encode(), address)
        except OSError:
            return  # whoever wanted to know is gone; that is not a reason to stop


class Listener:
    """The other end: a datagram socket at `path` on which programs say how they stand."""

    def __init__(self, path: Path) -> None:
        self.path = path
        path.unlink(missing_ok=True)
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC)
        self.sock.bind(str(path))
        path.chmod(0o600)
        self.sock.setblocking(False)

    def received(self) -> list[dict[str, str]]:
        """All messages that wait, each as its fields (`{"READY": "1", "STATUS": "…"}`)."""
        messages: list[dict[str, str]] = []
        while True:
            try:
                data = self.sock.recv(4096)
            except BlockingIOError:
                return messages
            lines = data.decode("utf-8", "replace").splitlines()
            messages.append(dict(line.split("=", 1) for line in lines if "=" in line))

    def close(self) -> None:
        self.sock.close()
        self.path.unlink(missing_ok=True)
