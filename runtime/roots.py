# pathlib would be loaded into, and carried by, every pause.
# ruff: noqa: PTH101, PTH102, PTH112, PTH116, PTH208
"""What becomes `/`: the machine's own tree with its secrets masked, or a directory; both under a private layer.

The mask is one more overlay layer on top of the machine's tree: a whiteout (a character device 0:0) makes a file
absent, an opaque directory makes a directory empty. It lies on a tmpfs in the zygote's mount namespace, so nothing of
it is seen on the machine, and one mask serves every sandbox.
Source: Documentation/filesystems/overlayfs.rst, "whiteouts and opaque directories".
"""

from __future__ import annotations

import os
import stat

from . import syscalls

# Directories that exist in a root but are empty, and what does not exist; `*` stands for anything in a last name.
EMPTY = ("/root", "/home", "/run", "/var/run", "/tmp", "/var/tmp", "/etc/ssl/private")
ABSENT = (
    "/etc/shadow*", "/etc/gshadow*", "/etc/ssh/*key", "/etc/krb5.keytab", "/etc/sudoers", "/etc/sudoers.d",
    "/var/spool/cron", "/var/lib/sudo", "/.dockerenv",
)  # fmt: skip


def escape(path: str) -> str:
    """A path as one of overlay's comma- and colon-separated mount options."""
    return path.replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def overlay_data(lower: str, directory: str, mask: str = "") -> str:
    """The mount options of a root whose layer lies in `directory`."""
    layers = ":".join(escape(path) for path in (mask, lower) if path)
    return f"lowerdir={layers},upperdir={escape(directory)}/upper,workdir={escape(directory)}/work"


def _mirror(mask: str, path: str) -> str:
    """The mask's own `path`, made with its parents; owner and mode as on the machine: the topmost layer's are seen."""
    here = mask
    walked = ""
    for step in path.strip("/").split("/"):
        if not step:
            continue
        here, walked = f"{here}/{step}", f"{walked}/{step}"
        if not os.path.isdir(here):
            os.mkdir(here)
            shown = os.stat(walked)
            os.chown(here, shown.st_uid, shown.st_gid)
            os.chmod(here, stat.S_IMODE(shown.st_mode))
    return here


def _covered(mask: str, path: str) -> bool:
    """Whether the mask hides `path` already because it hides a directory above it."""
    here = mask
    for step in path.strip("/").split("/"):
        here = f"{here}/{step}"
        if not os.path.lexists(here):
            return False
        if not os.path.isdir(here) or b"trusted.overlay.opaque" in map(os.fsencode, os.listxattr(here)):
            return True
    return False


def _matching(pattern: str) -> list[str]:
    """The paths that are there; a glob with one `*`, since the zygote does without the module."""
    directory, _, name = pattern.rpartition("/")
    begin, star, end = name.partition("*")
    if not star:
        return [pattern] if os.path.lexists(pattern) else []
    try:
        names = sorted(os.listdir(directory))
    except OSError:
        return []
    return [f"{directory}/{one}" for one in names if one.startswith(begin) and one.endswith(end)]


def build_mask(mask: str, hidden: tuple[str, ...] = ()) -> None:
    """Fill the directory `mask`, an empty tmpfs. hidden: more paths that must not be seen (the state directory)."""
    for path in map(os.path.realpath, EMPTY):
        if os.path.isdir(path) and path != "/" and not _covered(mask, path):
            os.setxattr(_mirror(mask, path), "trusted.overlay.opaque", b"y")
    found = [one for pattern in ABSENT for one in _matching(pattern)]
    for path in sorted([*found, *map(os.path.realpath, hidden)]):  # what is above others comes first, and covers them
        parent, _, name = path.rpartition("/")
        while parent and not os.path.isdir(parent):  # not there yet: the way to it is hidden, whenever it is made
            parent, _, name = parent.rpartition("/")
        if not _covered(mask, f"{parent}/{name}"):
            os.mknod(f"{_mirror(mask, parent)}/{name}", stat.S_IFCHR, os.makedev(0, 0))


def mount_mask(mask: str, hidden: tuple[str, ...]) -> None:
    """Make the mask at the existing directory `mask`, in the caller's mount namespace."""
    syscalls.mount("tmpfs", mask, "tmpfs", syscalls.MS_NOSUID, "mode=755,size=1m")
    build_mask(mask, hidden)
