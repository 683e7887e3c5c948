# pathlib would be loaded into, and carried by, every pause.
# ruff: noqa: PTH104
"""A child that a pause makes before it is needed: its root and its kernel's mounts cost most of a start.

Not under cgroup v2: there a child begins in its group, or pays for moving (MEASURED: 5 to 9 ms when idle).
"""

from __future__ import annotations

import _socket
import os

from . import syscalls
from .spawning import clone_with_pipes
from .wire import dumps

TYPE_CHECKING = False  # `typing` would be loaded into every pause; type checkers know this name
if TYPE_CHECKING:
    from typing import Any

    from .wire import Message

SPAWN = syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS
READY = ".ready"  # the layer of a child that is made before its name is known
READY_WITHIN = 2.0  # seconds: then another one is cloned
LONGEST_PLAN = 60_000  # bytes: a socket takes them without waiting


class Spare:
    """steps: what can be done before it is known what the child will be. child: as `clone_with_pipes` tells of it."""

    def __init__(self, steps: list[Any]) -> None:
        self._more, theirs = _socket.socketpair()
        null = os.open("/dev/null", os.O_RDONLY | os.O_CLOEXEC)
        try:
            self.child = clone_with_pipes(steps, (null, -1), SPAWN, more=theirs.fileno())
        finally:
            os.close(null)
            theirs.close()

    def take_on(self, message: Message, layers: str, *, shares_tmpfs: bool) -> bool:
        """Make it this process, if it fits: the host's root, no mount that it was made before. It is asked once.

        Raises OSError where it has ended.
        """
        steps = [step for step in message["steps"] if step[0] not in ("overlay", "kernel_mounts", "mask")]
        lower = [step[1] for step in message["steps"] if step[0] == "overlay"]
        text = dumps(steps).encode()
        plain = not message["stdin"] and not any(step[0] == "terminal" for step in steps)
        plain = plain and not message["pids_of"] and not any(step[0] == "open_kernel" for step in steps)
        fits = lower == ["/"] and plain and not message["cgroup"] and not shares_tmpfs
        try:
            # Its one byte says that it has come so far. To wait a little holds up nobody: nothing runs here yet. No
            # byte: it has failed, as when its directory was renamed before it had mounted.
            self._more.settimeout(READY_WITHIN)
            if not (fits and len(text) < LONGEST_PLAN and self._more.recv(1)):
                return False
            os.rename(f"{layers}/{READY}", f"{layers}/{message['name']}")
            self._more.send(text)
            return True
        finally:
            self._more.close()
