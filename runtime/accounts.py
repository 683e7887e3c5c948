"""Users of a root file system by name or number, as its own /etc/passwd and /etc/group have them."""

from __future__ import annotations

import os
import stat
from pathlib import Path

from . import syscalls
from .layers import Refused

ACCOUNTS_BYTES = 1 << 20
LARGEST_ID = 2**31 - 1


def account(root: Path, user: str) -> tuple[int, int]:
    """`name|uid[:group|gid]` as uid and gid; Refused for a stranger.

    A uid without a group has the group that passwd gives it, else 0.
    """
    who, _, group = user.partition(":")
    rows = [row for row in _rows(root, "etc/passwd") if len(row) > 3 and _is_id(row[2]) and _is_id(row[3])]
    row = next((row for row in rows if row[0] == who), None) or next((row for row in rows if row[2] == who), None)
    if row is None and not _is_id(who):
        raise Refused(f'unable to find user "{who}": no matching entries in the image\'s passwd file')
    uid, gid = (row[2], row[3]) if row is not None else (who, "0")
    if group and not _is_id(group):
        found = [one[2] for one in _rows(root, "etc/group") if len(one) > 2 and one[0] == group and _is_id(one[2])]
        if not found:
            raise Refused(f'unable to find group "{group}": no matching entries in the image\'s group file')
        group = found[0]
    return int(uid), int(group or gid)


def memberships(root: Path, uid: int) -> tuple[int, ...]:
    """The groups that list this user as a member; none for a uid without a name."""
    names = {row[0] for row in _rows(root, "etc/passwd") if len(row) > 2 and row[2] == str(uid)}
    rows = [row for row in _rows(root, "etc/group") if len(row) > 3 and _is_id(row[2])]
    return tuple(int(row[2]) for row in rows if names & set(row[3].strip().split(",")))


def _is_id(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= 10 and int(text) <= LARGEST_ID


def _rows(root: Path, path: str) -> list[list[str]]:
    """Links in the image are followed inside the image."""
    fd = os.open(root, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        found = syscalls.open_beneath(fd, path, os.O_RDONLY | os.O_NONBLOCK, syscalls.RESOLVE_IN_ROOT)
    except OSError:
        return []
    finally:
        os.close(fd)
    with open(found, "rb", closefd=True) as file:
        text = file.read(ACCOUNTS_BYTES) if stat.S_ISREG(os.fstat(found).st_mode) else b""
    return [line.split(":") for line in text.decode(errors="replace").splitlines()]
