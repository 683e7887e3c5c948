"""Network namespaces: make one, and do something inside one.

setns(2) moves the calling thread alone. So what must happen inside happens in a thread that was started for it and
ends with it; a socket opened there stays in its namespace and may be used from any thread afterwards.
"""

from __future__ import annotations

import ctypes
import os
import threading
from collections.abc import Callable
from typing import TypeVar

CLONE_NEWNET = 0x40000000

_libc = ctypes.CDLL(None, use_errno=True)

Result = TypeVar("Result")


def setns(fd: int, kinds: int = CLONE_NEWNET) -> None:
    """Move the calling thread into the namespaces behind `fd` (an nsfs file, or a pidfd and several kinds)."""
    if _libc.setns(fd, kinds) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"setns: {os.strerror(number)}")


def unshare(kinds: int) -> None:
    """Give the calling thread namespaces of its own."""
    if _libc.unshare(kinds) != 0:
        number = ctypes.get_errno()
        raise OSError(number, f"unshare: {os.strerror(number)}")


def in_thread(function: Callable[[], Result], name: str = "netns") -> Result:
    """Call `function` in a thread of its own and return what it returns, or raise what it raises."""
    outcome: list[Result] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, name=name)
    thread.start()
    thread.join()
    if failure:
        raise failure[0]
    return outcome[0]


def inside(fd: int, function: Callable[[], Result]) -> Result:
    """Call `function` in a thread that has entered the network namespace `fd`."""

    def run() -> Result:
        setns(fd)
        return function()

    return in_thread(run)


def create() -> int:
    """A new network namespace as a file descriptor: it lives as long as the descriptor or what runs inside."""

    def run() -> int:
        unshare(CLONE_NEWNET)
        return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)

    return in_thread(run)


def of_process(pid: int) -> int:
    """The network namespace of a process, as a file descriptor. Raises FileNotFoundError when the process is gone."""
    return os.open(f"/proc/{pid}/ns/net", os.O_RDONLY | os.O_CLOEXEC)


def current() -> int:
    """The calling thread's network namespace, as a file descriptor."""
    return os.open("/proc/thread-self/ns/net", os.O_RDONLY | os.O_CLOEXEC)
