"""One process a database: a lock file beside it that says who has it."""

import errno
import fcntl
import os
from pathlib import Path

from store.errors import StorageFull, Unusable


def own(database: Path) -> int:
    """Takes `<database>.lock` and makes the database's file, readable to its owner alone; returns the lock's fd.

    Raises Unusable, StorageFull.
    """
    lock = claim(database)
    try:
        os.close(os.open(database, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
    except OSError as error:
        os.close(lock)
        raise _refusal(database, error) from error
    return lock


def claim(database: Path) -> int:
    """Takes `<database>.lock` alone, also where there is no database yet; returns its fd. Raises Unusable, StorageFull.

    The kernel drops the lock with the process, however it ends, so a stale file means nothing. It is held by the
    open file, not the process: a second open in this process is refused too.
    """
    try:
        database.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        lock = os.open(f"{database}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise _refusal(database, error) from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        os.ftruncate(lock, 0)
        os.pwrite(lock, f"{os.getpid()}\n".encode(), 0)
    except BlockingIOError as error:
        holder = os.pread(lock, 32, 0).decode().strip() or "unknown"
        os.close(lock)
        raise Unusable(f"{database}: in use by process {holder}") from error
    except OSError as error:
        os.close(lock)
        raise _refusal(database, error) from error
    return lock


def _refusal(database: Path, error: OSError) -> StorageFull | Unusable:
    if error.errno in (errno.ENOSPC, errno.EDQUOT):
        return StorageFull(f"{database}: the disk is full")
    return Unusable(f"{database}: cannot be opened: {error.strerror}")
