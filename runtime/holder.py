# pathlib would be loaded into, and carried by, every pause.
"""Init of the pid namespace that a sandbox's processes share, where they share one: a process that does nothing.

It is a child of the pause and not the pause itself: whoever may trace what he sees (CAP_SYS_PTRACE, which debuggers are
given) would come through the pause to the machine's root. Here he finds an empty root, no capability, no descriptor.
Orphans of the namespace become its children, and are reaped by the kernel because SIGCHLD is ignored.
"""

from __future__ import annotations

import os

from . import process, syscalls

TYPE_CHECKING = False  # `typing` would be loaded into every pause; type checkers know this name
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the module's enums

NOBODY = 65535  # as the pause of container engines
TITLE = "procorch:pause"  # what a container sees as its pid 1


def begin(place: str) -> int:
    """Start one; its pidfd, by which others join its pid namespace. place: an existing directory, to mount over."""
    told = os.pipe2(os.O_CLOEXEC)
    pid, pidfd = syscalls.clone(syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS)
    if pid == 0:
        _hold(place, told[1])
    os.close(told[1])
    heard = os.read(told[0], 4096)
    os.close(told[0])
    if heard != b".":
        raise OSError(f"no shared pid namespace: {heard.decode(errors='replace') or 'its init ended'}")
    return pidfd


def _hold(place: str, told: int) -> None:
    """Never returns."""
    try:
        os.setsid()
        signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        syscalls.set_title(TITLE)
        _leave(place)
        _give_up()
        os.write(told, b".")
        os.closerange(0, 1024)
        while True:
            signal.pause()
    except BaseException as error:
        os.write(told, str(error).encode(errors="surrogateescape"))
    finally:
        os._exit(1)


def _leave(place: str) -> None:
    """An empty root instead of the machine's."""
    syscalls.mount("", "/", "", syscalls.MS_PRIVATE | syscalls.MS_REC)
    flags = syscalls.MS_RDONLY | syscalls.MS_NOSUID | syscalls.MS_NODEV | syscalls.MS_NOEXEC
    syscalls.mount("empty", place, "tmpfs", flags)
    os.chdir(place)
    syscalls.pivot_root(".", ".")
    syscalls.umount(".")
    os.chdir("/")


def _give_up() -> None:
    for bit in process.capabilities_held():
        syscalls.prctl(syscalls.PR_CAPBSET_DROP, bit)
    os.setgroups([])
    os.setresgid(NOBODY, NOBODY, NOBODY)
    os.setresuid(NOBODY, NOBODY, NOBODY)
    syscalls.set_capabilities(0, 0, 0)
    syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)
