"""Which process a pid means: a number is used again, so the start time and the boot belong to the name."""

from __future__ import annotations

import os
from dataclasses import dataclass


def boot_id() -> str:
    with open("/proc/sys/kernel/random/boot_id") as file:
        return file.read().strip()


def start_ticks(pid: int) -> int | None:
    """Clock ticks from boot to the start of this process; None if there is none, or only a zombie."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in (b"Z", b"X") else int(fields[19])


@dataclass(frozen=True, slots=True)
class Identity:
    """One process of one boot."""

    pid: int
    start: int
    boot: str

    @classmethod
    def of(cls, pid: int) -> Identity:
        """Raises ProcessLookupError if there is no such process."""
        start = start_ticks(pid)
        if start is None:
            raise ProcessLookupError(f"no process {pid}")
        return cls(pid, start, boot_id())

    def open(self) -> int:
        """A pidfd of exactly this process; raises ProcessLookupError if it is gone."""
        if self.boot != boot_id():
            raise ProcessLookupError(f"process {self.pid} was of another boot")
        fd = os.pidfd_open(self.pid)
        # Asked after opening: from here on the fd cannot come to mean another process.
        if start_ticks(self.pid) == self.start:
            return fd
        os.close(fd)
        raise ProcessLookupError(f"process {self.pid} is another one by now")
