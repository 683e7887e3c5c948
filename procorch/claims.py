"""What a program has for itself while it runs: a directory, and an agent the machine, which is one node and not two.

A lock is the kernel's on an open file: it ends with the process, however that ends. What the file says is for whoever
finds it taken: a pid, a master's name. (A store's file has the store's own lock: store/dialects/ownership.py.)
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Callable, Iterator
from pathlib import Path

_PROBES = 4096  # so many may ask who is there before one of them is not told


class Taken(RuntimeError):
    """Another process has it; the text is one line that says what to do."""


@contextlib.contextmanager
def locked(file: Path, taken: Callable[[str], Exception]) -> Iterator[int]:
    """The file is this process's alone; gives its descriptor, for what the file is to say.

    taken: makes what is raised where another process has it, of what the file says. Raises OSError, too.
    """
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise taken(_said(descriptor)) from None
        yield descriptor
    finally:
        os.close(descriptor)


def holder(file: Path) -> str:
    """What the file says, where a process has it; else empty."""
    try:
        descriptor = os.open(file, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return _said(descriptor)
    finally:
        os.close(descriptor)
    return ""


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """The data directory is this agent's alone. Raises Taken."""
    directory = data_dir / "agent"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)

    def taken(pid: str) -> Taken:
        return Taken(f"{data_dir} is in use by another agent (pid {pid}): stop it first")

    with locked(directory / "lock", taken) as descriptor:
        with contextlib.suppress(OSError):  # the disk is full: the lock is what counts, not whose it is
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield


@contextlib.contextmanager
def machine(name: str) -> Iterator[None]:
    """This process is the machine's one agent of that name: bridge, tables and cgroups are named after it.

    What is claimed is a name in the network namespace, so hosts made of namespaces are machines of their own, and
    nothing is left of the claim when the process ends. Raises Taken.
    """
    address = f"\0{name}-node"
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC) as claim:
        try:
            claim.bind(address)
        except OSError:
            raise Taken(
                f"this machine is a node already (agent of pid {_listener(address)}): stop that one first, "
                "or make nodes of their own with `procorch up --nodes`"
            ) from None
        claim.listen(_PROBES)  # never accepted: whoever connects learns our pid from the kernel
        yield


def _said(descriptor: int) -> str:
    return os.pread(descriptor, 256, 0).decode(errors="replace").strip() or "unknown"


def _listener(address: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(address)
            pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return "unknown"
        return str(pid)
