"""How a child of the pause comes to be, and what the pause holds of it."""

from __future__ import annotations

import os

from . import process, syscalls
from .syscalls import read_file

TYPE_CHECKING = False  # `typing` would be loaded into every pause; type checkers know this name
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from typing import Any

    from .logwriter import LogWriter
    from .wire import Message


class Running:
    """A child of the pause: a process of the sandbox, or a command run beside one (`run` holds its request)."""

    def __init__(self, name: str, pid: int, pidfd: int) -> None:
        self.name, self.pid, self.pidfd = name, pid, pidfd
        self.streams: dict[int, str] = {}
        self.told = -1
        self.error = b""
        self.log: LogWriter | None = None
        self.stdin = -1
        self.oom_file = ""
        self.answer: Callable[[Message], None] | None = None
        self.run: dict[str, Any] | None = None
        self.attached: list[dict[str, int]] = []  # of each who is attached, where a copy of a stream goes

    def copy(self, stream: str, data: bytes) -> None:
        """To those who are attached. Who does not read is let go: the program must not wait for him."""
        for row in list(self.attached):
            fd = row.get(stream, -1)
            if fd < 0:
                continue
            try:
                if os.write(fd, data) == len(data):
                    continue
            except OSError:
                pass
            self.let_go(row)

    def let_go(self, row: dict[str, int]) -> None:
        """One who is attached hears no more."""
        self.attached.remove(row)
        for fd in row.values():
            os.close(fd)


class PidNamespaces:
    """Which pid namespace the next child is born in. shared: the pidfd of the one that all share, or -1.

    host: this pause is in the machine's, and so are all its children.
    """

    def __init__(self, *, host: bool, shared: int) -> None:
        self.host, self.shared = host, shared
        self._own = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)

    def flags(self, beside: int) -> int:
        """What clone is told. beside: the pidfd of a process whose namespace it is to be, or -1."""
        return 0 if self.host or beside >= 0 or self.shared >= 0 else syscalls.CLONE_NEWPID

    def join(self, beside: int) -> None:
        """Until `leave`, children are born in the namespace of this process, or in the shared one."""
        if (pidfd := beside if beside >= 0 else self.shared) >= 0:
            syscalls.setns(pidfd, syscalls.CLONE_NEWPID)

    def leave(self) -> None:
        syscalls.setns(self._own, syscalls.CLONE_NEWPID)


def clone(steps: list[Any], stdio: Sequence[int], flags: int, cgroup: int = -1, more: int = -1) -> tuple[int, int]:
    """A child that carries out the steps on these three fds: its pidfd, and the pipe on which it tells."""
    told = os.pipe2(os.O_CLOEXEC)
    try:
        pid, pidfd = syscalls.clone(flags, cgroup)
        if pid == 0:
            process.carry_out(steps, stdio, told[1], more)
    except OSError:
        os.close(told[0])
        raise
    finally:
        os.close(told[1])
    return pidfd, told[0]


def clone_with_pipes(
    steps: list[Any], stdin: tuple[int, int], flags: int, cgroup: int = -1, more: int = -1
) -> tuple[int, int, int, int, int]:
    """Such a child, and our ends: its pidfd, what it tells, output, errors, and its input (or -1)."""
    out, err = (os.pipe2(os.O_CLOEXEC) for _ in range(2))
    try:
        child = clone(steps, (stdin[0], out[1], err[1]), flags, cgroup, more)
    except OSError:
        for fd in (out[0], err[0], stdin[1]):
            if fd >= 0:
                os.close(fd)
        raise
    finally:
        for fd in (out[1], err[1]):
            os.close(fd)
    return *child, out[0], err[0], stdin[1]


def host_pid(pidfd: int) -> int:
    """The pid as the machine sees it: our /proc is the machine's."""
    told = read_file(f"/proc/self/fdinfo/{pidfd}")
    return int(told.partition(b"Pid:")[2].split(None, 1)[0])
