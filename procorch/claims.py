"""What an agent has for itself while it runs: its data directory, and the machine, which is one node and not two."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
import struct
from collections.abc import Iterator
from pathlib import Path

_PROBES = 4096  # so many may ask who is there before one of them is not told


class Taken(RuntimeError):
    """Another agent has it; the text is one line that says what to do."""


@contextlib.contextmanager
def held(data_dir: Path) -> Iterator[None]:
    """The data directory is this process's alone. Raises Taken."""
    directory = data_dir / "agent"
    directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(descriptor, 32, 0).decode().strip() or "unknown"
            raise Taken(f"{data_dir} is in use by another agent (pid {holder}): stop it first") from None
        with contextlib.suppress(OSError):  # the disk is full: the lock is what counts, not whose it is
            os.ftruncate(descriptor, 0)
            os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
        yield
    finally:
        os.close(descriptor)


def holder(lock: Path) -> str:
    """What the lock's file says (a pid, a master's name), where a process has that lock; else empty."""
    try:
        descriptor = os.open(lock, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError:
        return ""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return os.pread(descriptor, 32, 0).decode().strip() or "unknown"
    finally:
        os.close(descriptor)
    return ""


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


def _listener(address: str) -> str:
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC | socket.SOCK_NONBLOCK) as probe:
        try:
            probe.connect(address)
            pid, _, _ = struct.unpack("3i", probe.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))
        except OSError:
            return "unknown"
        return str(pid)
