"""Every system call that Python has no name for: each keeps its errno and says what was tried on what.

Called in the zygote, the pauses and the children of forks: nothing here imports more than ctypes and os.
The library is opened as PyDLL, so that the interpreter's lock is not let go: after a raw clone the child must not find
it in a state that another thread left behind (there is no other thread; there is also no hook that would mend it).
"""

from __future__ import annotations

import ctypes
import os


class quiet:
    """contextlib.suppress, without what contextlib imports."""

    def __init__(self, *kinds: type[BaseException]) -> None:
        self.kinds = kinds

    def __enter__(self) -> None:
        pass

    def __exit__(self, kind: type[BaseException] | None, error: object, trace: object) -> bool:
        return kind is not None and issubclass(kind, self.kinds)


MS_RDONLY, MS_NOSUID, MS_NODEV, MS_NOEXEC = 0x1, 0x2, 0x4, 0x8
MS_REMOUNT, MS_BIND, MS_REC, MS_PRIVATE, MS_SLAVE = 0x20, 0x1000, 0x4000, 0x40000, 0x80000
MNT_DETACH = 2

CLONE_PIDFD, CLONE_NEWNS, CLONE_NEWUTS, CLONE_NEWIPC = 0x1000, 0x20000, 0x4000000, 0x8000000
CLONE_NEWPID, CLONE_NEWNET, CLONE_INTO_CGROUP = 0x20000000, 0x40000000, 0x200000000
SIGCHLD = 17

PR_SET_PDEATHSIG, PR_SET_DUMPABLE, PR_SET_NAME, PR_CAPBSET_READ, PR_CAPBSET_DROP = 1, 4, 15, 23, 24
PR_SET_NO_NEW_PRIVS, PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL = 38, 47, 4

RESOLVE_NO_MAGICLINKS, RESOLVE_NO_SYMLINKS, RESOLVE_BENEATH, RESOLVE_IN_ROOT = 0x02, 0x04, 0x08, 0x10
AT_FDCWD, AT_EMPTY_PATH, AT_RECURSIVE = -100, 0x1000, 0x8000
OPEN_TREE_CLONE, OPEN_TREE_CLOEXEC = 1, os.O_CLOEXEC
MOVE_MOUNT_F_EMPTY_PATH, MOVE_MOUNT_T_EMPTY_PATH = 0x04, 0x40
MOUNT_ATTR_RDONLY = 0x1
CLOSE_RANGE_CLOEXEC = 4
O_PATH = 0o10000000
PIDFD_SIGNAL_PROCESS_GROUP = 4

# Since 2019 new calls have one number on every architecture; only the old ones differ.
_OLD = {
    "x86_64": {"clone": 56, "pivot_root": 155, "capset": 126, "fstatfs": 138, "rt_sigaction": 13},
    "aarch64": {"clone": 220, "pivot_root": 41, "capset": 91, "fstatfs": 44, "rt_sigaction": 134},
}
_MACHINE = os.uname().machine
_NUMBER = {
    "pidfd_send_signal": 424, "open_tree": 428, "move_mount": 429, "clone3": 435, "close_range": 436, "openat2": 437,
    "mount_setattr": 442,
    **_OLD.get(_MACHINE, {}),
}  # fmt: skip

_libc = ctypes.PyDLL(None, use_errno=True)
_syscall = _libc.syscall
_syscall.restype = ctypes.c_long
_syscall.argtypes = [ctypes.c_long] * 7
_mount = _libc.mount
_mount.argtypes = [ctypes.c_char_p, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_ulong, ctypes.c_char_p]
_prctl = _libc.prctl
_prctl.argtypes = [ctypes.c_int] + [ctypes.c_ulong] * 4


def _failed(tried: str) -> OSError:
    errno = ctypes.get_errno()
    return OSError(errno, f"{tried}: {os.strerror(errno)}")


def _call(name: str, tried: str, *arguments: int) -> int:
    """The call by its number; raises OSError with errno kept and `tried` in the text."""
    number = _NUMBER.get(name)
    if number is None:
        raise OSError(38, f"{tried}: not known on {_MACHINE}")
    result: int = _syscall(number, *arguments, *([0] * (6 - len(arguments))))
    if result < 0:
        raise _failed(tried)
    return result


class _CloneArguments(ctypes.Structure):
    """struct clone_args; source: include/uapi/linux/sched.h."""

    _fields_ = [
        (name, ctypes.c_uint64)
        for name in (
            "flags", "pidfd", "child_tid", "parent_tid", "exit_signal", "stack", "stack_size", "tls",
            "set_tid", "set_tid_size", "cgroup",
        )
    ]  # fmt: skip


class _OpenHow(ctypes.Structure):
    _fields_ = [("flags", ctypes.c_uint64), ("mode", ctypes.c_uint64), ("resolve", ctypes.c_uint64)]


class _MountAttributes(ctypes.Structure):
    _fields_ = [(name, ctypes.c_uint64) for name in ("set", "clear", "propagation", "userns_fd")]


def clone(flags: int, cgroup_fd: int = -1) -> tuple[int, int]:
    """Fork with new namespaces: (pid, pidfd) in the parent, (0, -1) in the child.

    cgroup_fd: an open cgroup v2 directory in which the child begins. Only for a process with a single thread.
    """
    pidfd = ctypes.c_int(-1)
    arguments = _CloneArguments(flags=flags | CLONE_PIDFD, pidfd=ctypes.addressof(pidfd), exit_signal=SIGCHLD)
    if cgroup_fd >= 0:
        arguments.flags |= CLONE_INTO_CGROUP
        arguments.cgroup = cgroup_fd
    pid = _call("clone3", f"clone3 flags={flags:#x}", ctypes.addressof(arguments), ctypes.sizeof(arguments))
    return (pid, pidfd.value) if pid else (0, -1)


def signal_group(pidfd: int, number: int) -> None:
    """To a process and what it has started in its own process group, if they still are; kernels before 6.9 know no way
    but to itself."""
    for flags in (PIDFD_SIGNAL_PROCESS_GROUP, 0):
        try:
            _call("pidfd_send_signal", f"pidfd_send_signal {number}", pidfd, number, 0, flags)
            return
        except OSError:
            continue


def unshare(flags: int) -> None:
    if _libc.unshare(ctypes.c_int(flags)) < 0:
        raise _failed(f"unshare {flags:#x}")


def setns(fd: int, flags: int) -> None:
    """fd: a namespace file, or a pidfd with the kinds of namespaces to join in `flags`."""
    if _libc.setns(ctypes.c_int(fd), ctypes.c_int(flags)) < 0:
        raise _failed(f"setns {flags:#x}")


def mount(source: str, target: str, kind: str, flags: int = 0, data: str = "") -> None:
    arguments = (os.fsencode(source), os.fsencode(target), kind.encode() or None, flags, os.fsencode(data) or None)
    if _mount(*arguments) < 0:
        raise _failed(f"mount {kind or 'flags ' + hex(flags)} on {target}")


def umount(target: str, flags: int = MNT_DETACH) -> None:
    if _libc.umount2(ctypes.c_char_p(os.fsencode(target)), ctypes.c_int(flags)) < 0:
        raise _failed(f"umount {target}")


def hear_all_signals() -> None:
    """No signal is ignored any more, whatever the caller's parents left; SIGKILL and SIGSTOP cannot be.

    By the raw call: the C library keeps 32 and 33 for itself and refuses to touch them, yet they are inherited, too.
    """
    by_default = ctypes.create_string_buffer(64)  # struct sigaction of zeros: SIG_DFL, no flags, nothing blocked
    for number in range(1, 65):
        if number not in (9, 19):
            _call("rt_sigaction", f"sigaction {number}", number, ctypes.addressof(by_default), 0, 8)


def pivot_root(new: str, old: str) -> None:
    first, second = ctypes.create_string_buffer(os.fsencode(new)), ctypes.create_string_buffer(os.fsencode(old))
    _call("pivot_root", f"pivot_root {new}", ctypes.addressof(first), ctypes.addressof(second))


def open_beneath(directory: int, path: str, flags: int, resolve: int, mode: int = 0) -> int:
    """openat2: an fd of `path` that cannot lie outside `directory` (an fd); close-on-exec.

    resolve: RESOLVE_BENEATH refuses what leads out (EXDEV); RESOLVE_IN_ROOT treats the directory as `/`.
    A rename beside it makes the kernel say EAGAIN: asked again, 64 times at most.
    """
    text = ctypes.create_string_buffer(os.fsencode(path))
    how = _OpenHow(flags=flags | os.O_CLOEXEC, mode=mode, resolve=resolve | RESOLVE_NO_MAGICLINKS)
    arguments = (directory, ctypes.addressof(text), ctypes.addressof(how), ctypes.sizeof(how))
    for _ in range(63):
        try:
            return _call("openat2", f"open {path}", *arguments)
        except BlockingIOError:
            continue
    return _call("openat2", f"open {path}", *arguments)


def open_tree(directory: int, path: str = "") -> int:
    """A detached copy of the mounts at `path` (or at the fd itself), everything below included."""
    text = ctypes.create_string_buffer(os.fsencode(path))
    flags = OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE | (0 if path else AT_EMPTY_PATH)
    return _call("open_tree", f"copy the mounts of {path or 'an open file'}", directory, ctypes.addressof(text), flags)


def set_mount(fd: int, *, read_only: bool, recursive: bool = True, private: bool = True) -> None:
    """Make the mount that `fd` opens read-only, private, or both."""
    attributes = _MountAttributes(MOUNT_ATTR_RDONLY if read_only else 0, 0, MS_PRIVATE if private else 0, 0)
    empty = ctypes.create_string_buffer(b"")
    flags = AT_EMPTY_PATH | (AT_RECURSIVE if recursive else 0)
    tried = f"mount_setattr read_only={read_only}"
    _call("mount_setattr", tried, fd, ctypes.addressof(empty), flags, ctypes.addressof(attributes), 32)


def move_mount(tree: int, target: int) -> None:
    """Attach a detached tree (fd) at the place that `target` (fd) opens."""
    empty = ctypes.create_string_buffer(b"")
    address = ctypes.addressof(empty)
    flags = MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH
    _call("move_mount", "move_mount", tree, address, target, address, flags)


def close_on_exec_from(first: int) -> None:
    """Every fd from `first` on is closed by the next exec."""
    _call("close_range", f"close_range from {first}", first, 0xFFFFFFFF, CLOSE_RANGE_CLOEXEC)


def prctl(option: int, *arguments: int) -> int:
    result: int = _prctl(option, *arguments, *([0] * (4 - len(arguments))))
    if result < 0:
        raise _failed(f"prctl {option} {arguments}")
    return result


def set_capabilities(effective: int, permitted: int, inheritable: int) -> None:
    """The three sets of the calling thread, as bit masks of 64 bits."""
    header = (ctypes.c_uint32 * 2)(0x20080522, 0)
    words = [part >> shift & 0xFFFFFFFF for shift in (0, 32) for part in (effective, permitted, inheritable)]
    data = (ctypes.c_uint32 * 6)(*words)
    _call("capset", f"capset {permitted:#x}", ctypes.addressof(header), ctypes.addressof(data))


def set_hostname(name: str) -> None:
    text = os.fsencode(name)
    if _libc.sethostname(ctypes.c_char_p(text), ctypes.c_size_t(len(text))) < 0:
        raise _failed(f"sethostname {name}")


def filesystem_kind(path: str) -> int:
    """The magic number of the file system that holds `path` (statfs's f_type)."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        buffer = (ctypes.c_long * 32)()
        _call("fstatfs", f"statfs {path}", fd, ctypes.addressof(buffer))
        return int(buffer[0]) & 0xFFFFFFFF
    finally:
        os.close(fd)


def read_file(path: str) -> bytes:
    """The first 64 KiB; `open` would touch, and so copy, hundreds of kilobytes that a fork shares with its parent."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        return os.read(fd, 65536)
    finally:
        os.close(fd)


def write_file(path: str, data: bytes, flags: int = 0) -> None:
    """In one write. flags: as os.open's, besides O_WRONLY."""
    fd = os.open(path, os.O_WRONLY | os.O_CLOEXEC | flags, 0o600)
    try:
        os.write(fd, data)
    finally:
        os.close(fd)


_arguments: tuple[int, int] | None = None


def set_title(title: str) -> None:
    """What `ps` and `top` show for this process: the argument area is overwritten, and the short name set.

    The area has the length that exec gave it: a longer title is cut.
    """
    name = ctypes.create_string_buffer(os.fsencode(title)[:15])
    prctl(PR_SET_NAME, ctypes.addressof(name))
    global _arguments
    if _arguments is None:
        fields = read_file("/proc/self/stat").rpartition(b")")[2].split()
        _arguments = int(fields[45]), int(fields[46])  # a fork has it where its parent has it
    start, end = _arguments
    if end > start:
        ctypes.memmove(start, os.fsencode(title)[: end - start - 1].ljust(end - start, b"\0"), end - start)
