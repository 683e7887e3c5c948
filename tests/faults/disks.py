"""What can happen to the disk under an SQLite file, each a row of `FAULTS`: it begins, lasts, and is over."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing
from dataclasses import dataclass
from pathlib import Path

from tests.faults.master import Master

SIZE = "6m"


@dataclass(frozen=True)
class Fault:
    """begin: for as long as the context lasts. codes: what clients may be answered, with a word that is in the text.

    before: a command that makes the disk, a path, for the program that follows. brief: tried in `make test`, too.
    can_start: a master that is begun meanwhile serves.
    """

    name: str
    begin: Callable[[Master], AbstractAsyncContextManager[None]]
    codes: dict[int, str]
    before: Callable[[Path], Sequence[str]] = lambda disk: ()
    brief: bool = False
    can_start: bool = False


@asynccontextmanager
async def _full(master: Master) -> AsyncIterator[None]:
    ballast = master.directory / "ballast"
    with ballast.open("wb", buffering=0) as file, contextlib.suppress(OSError):
        while True:
            file.write(bytes(4096))
    try:
        yield
    finally:
        ballast.unlink()


@asynccontextmanager
async def _locked(master: Master) -> AsyncIterator[None]:
    with closing(sqlite3.connect(master.database, isolation_level=None, timeout=10)) as other:
        other.execute("BEGIN EXCLUSIVE")
        yield
        other.execute("ROLLBACK")


def _injected(what: str) -> Callable[[Master], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def begin(master: Master) -> AsyncIterator[None]:
        call = what.partition(":")[0]
        tracer = await asyncio.create_subprocess_exec(
            *("strace", "-f", "-o", os.devnull, "-e", f"trace={call}", "-e", f"inject={what}", "-p", str(master.pid)),
            stderr=subprocess.PIPE,
        )
        assert tracer.stderr is not None
        assert b"attached" in await tracer.stderr.readline()
        try:
            yield
        finally:
            with contextlib.suppress(ProcessLookupError):  # what it traced was killed
                tracer.send_signal(signal.SIGINT)
            await tracer.wait()

    return begin


def _small(disk: Path) -> Sequence[str]:
    mount = f'mount -t tmpfs -o size={SIZE} tmpfs {disk} && exec "$@"'
    return ["unshare", "-m", "--propagation", "private", "sh", "-c", mount, "sh"]


FAULTS = (
    Fault("full", _full, {507: "full"}, _small, brief=True, can_start=True),
    Fault("held by another program", _locked, {429: "another program holds"}, brief=True),
    Fault("every third fdatasync fails", _injected("fdatasync:error=EIO:when=1+3"), {504: "cannot say"}, brief=True),
    Fault("no fdatasync succeeds", _injected("fdatasync:error=EIO"), {504: "cannot say"}),
    Fault("every fifth write fails", _injected("pwrite64:error=EIO:when=2+5"), {504: "cannot say", 429: "I/O error"}),
    Fault("no write succeeds", _injected("pwrite64:error=EIO"), {504: "cannot say", 429: "I/O error"}),
    Fault("writes find no room", _injected("pwrite64:error=ENOSPC"), {507: "full"}),
)
