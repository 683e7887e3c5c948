# pathlib would be loaded into, and carried by, every pause.
# ruff: noqa: PTH101, PTH103, PTH113, PTH116, PTH208
"""The steps that a cloned child carries out until it is the program: a list made beforehand, nothing decided here.

`carry_out` runs in the child of a raw clone. Each step is a row `[name, arguments...]` of plain values (plan.py makes
them); a step that fails ends the child, and its own words go to the pause through a pipe that a good exec closes.
Order and reasons are in plan.py. What is masked in /proc and /sys is what OCI runtimes mask: config-linux.md of the
runtime specification, and the defaults of container engines.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import stat

from . import syscalls
from .syscalls import MS_NODEV, MS_NOEXEC, MS_NOSUID, MS_RDONLY, quiet
from .wire import loads, rights

TYPE_CHECKING = False  # `typing` would be loaded into every pause; type checkers know this name
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence
    from typing import Any

    Step = Sequence[Any]
else:
    import _signal as signal  # without the module's enums

_DEVICES = (
    ("null", 1, 3), ("zero", 1, 5), ("full", 1, 7), ("random", 1, 8), ("urandom", 1, 9), ("tty", 5, 0),
)  # fmt: skip
# Source: include/uapi/asm-generic/ioctls.h, and Documentation/admin-guide/devices.txt of Linux.
TIOCSCTTY, TIOCSPTLCK, TIOCGPTPEER = 0x540E, 0x40045431, 0x5441
PTMX = os.makedev(5, 2)
TERMINALS = range(136, 144)  # majors of /dev/pts
_LINKS = (("ptmx", "pts/ptmx"), ("fd", "/proc/self/fd"), ("stdin", "fd/0"), ("stdout", "fd/1"), ("stderr", "fd/2"))
_MASKED_FILES = ("/proc/kcore", "/proc/keys", "/proc/timer_list", "/proc/sched_debug", "/proc/latency_stats")
_MASKED_DIRECTORIES = ("/proc/acpi", "/proc/asound", "/proc/scsi", "/sys/firmware", "/sys/devices/virtual/powercap")
_READ_ONLY = ("/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger")


class NotStarted(Exception):
    """Why the program does not run, in the words that a user should read."""


def _through(fd: int) -> str:
    """A path that names what is open and nothing else, whoever renames directories meanwhile."""
    return f"/proc/self/fd/{fd}"


class Child:
    """What the steps know of each other: the open root."""

    def __init__(self) -> None:
        self.root = -1

    # --- before there is a root -------------------------------------------------------------------------------------

    def join_tasks(self, files: Sequence[str]) -> None:
        """cgroup v1: a thread that writes 0 to `tasks` moves itself, without the lock that cgroup.procs waits for."""
        for file in files:
            syscalls.write_file(file, b"0")

    def oom_score(self, value: int) -> None:
        """Below its parent's only with CAP_SYS_RESOURCE: who has it not keeps what it inherited."""
        with quiet(PermissionError):
            syscalls.write_file("/proc/self/oom_score_adj", b"%d" % value)

    def own_hostname(self, name: str) -> None:
        syscalls.unshare(syscalls.CLONE_NEWUTS)
        syscalls.set_hostname(name)

    def enter(self, pidfd: int, pid: int) -> None:
        """Join a running process's mount namespace (its pid namespace was joined by the parent, for its children).

        Its root is taken too: where all of this runs in a chroot, the namespace's own root is another directory.
        """
        root = os.open(f"/proc/{pid}/root", syscalls.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
        syscalls.setns(pidfd, syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS | syscalls.CLONE_NEWIPC)
        os.fchdir(root)
        os.chroot(".")
        os.close(root)

    # --- the root ---------------------------------------------------------------------------------------------------

    def overlay(self, lower: str, directory: str, data: str) -> None:
        """A private layer over `lower`; its parts lie in `directory`: upper, work, and root where it is mounted."""
        for part in ("upper", "work", "root"):
            os.makedirs(f"{directory}/{part}", 0o755, exist_ok=True)
        shown = os.stat(lower)
        os.chown(f"{directory}/upper", shown.st_uid, shown.st_gid)
        os.chmod(f"{directory}/upper", stat.S_IMODE(shown.st_mode))
        syscalls.mount("overlay", f"{directory}/root", "overlay", 0, data)
        self.root = os.open(f"{directory}/root", os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)

    def _place(self, path: str, *, directory: bool = True) -> int:
        return place_in(self.root, path, directory=directory)

    def _mount_at(self, target: str, source: str, kind: str, flags: int, data: str = "") -> None:
        fd = self._place(target)
        try:
            syscalls.mount(source, _through(fd), kind, flags, data)
        finally:
            os.close(fd)

    def kernel_mounts(self, shm: str) -> None:
        """/proc of the new pid namespace, /sys of the network's, and a /dev of its own; shm: the sandbox's."""
        self._mount_at("/proc", "proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        self._mount_at("/sys", "sysfs", "sysfs", MS_NOSUID | MS_NODEV | MS_NOEXEC | MS_RDONLY)
        self._mount_at("/dev", "tmpfs", "tmpfs", MS_NOSUID, "mode=755,size=65536k")
        dev = self._place("/dev")
        for name, major, minor in _DEVICES:
            os.mknod(name, stat.S_IFCHR | 0o666, os.makedev(major, minor), dir_fd=dev)
        for name, target in _LINKS:
            os.symlink(target, name, dir_fd=dev)
        for name in ("pts", "shm", "mqueue"):
            os.mkdir(name, 0o755, dir_fd=dev)
        here = _through(dev)
        pts = "newinstance,ptmxmode=0666,mode=0620,gid=5"
        syscalls.mount("devpts", f"{here}/pts", "devpts", MS_NOSUID | MS_NOEXEC, pts)
        syscalls.mount(shm, f"{here}/shm", "", syscalls.MS_BIND)
        with quiet(OSError):  # a kernel without POSIX message queues has nothing to show
            syscalls.mount("mqueue", f"{here}/mqueue", "mqueue", MS_NOSUID | MS_NODEV | MS_NOEXEC)
        os.close(dev)

    def open_kernel(self) -> None:
        """/sys can be written, and what the machine has in /dev is here, too; instead of `mask`."""
        # The file system as a whole, and this mount of it: others of the sandbox's network stay read-only by theirs.
        self._mount_at("/sys", "", "", syscalls.MS_REMOUNT | MS_NOSUID | MS_NODEV | MS_NOEXEC)
        dev = self._place("/dev")
        copy_devices("/dev", dev)
        os.close(dev)

    def bind(self, source: str, sub_path: str, target: str, read_only: bool) -> None:
        """Another tree at `target`, both ends held by fd while they are joined; no mount event passes through it."""
        fd = os.open(source, syscalls.O_PATH | os.O_CLOEXEC)
        if sub_path:
            outer, fd = fd, place_in(fd, sub_path, directory=True, resolve=syscalls.RESOLVE_BENEATH)
            os.close(outer)
        tree = syscalls.open_tree(fd)
        syscalls.set_mount(tree, read_only=read_only)
        place = self._place(target, directory=stat.S_ISDIR(os.fstat(fd).st_mode))
        syscalls.move_mount(tree, place)
        for one in (fd, tree, place):
            os.close(one)

    def tmpfs(self, target: str, options: str, read_only: bool) -> None:
        flags = MS_NOSUID | MS_NODEV | (MS_RDONLY if read_only else 0)
        self._mount_at(target, "tmpfs", "tmpfs", flags, options)

    def read_only(self, target: str) -> None:
        """The mount at `target`, not what is mounted in it."""
        fd = self._place(target)
        syscalls.set_mount(fd, read_only=True, recursive=False)
        os.close(fd)

    def pivot(self, cwd: str, read_only: bool) -> None:
        """The root becomes `/`, and everything of the machine that is not in it goes."""
        os.fchdir(self.root)
        syscalls.pivot_root(".", ".")  # the old root now lies over the new one at "."
        syscalls.umount(".")
        os.chdir("/")
        os.close(self.root)
        os.makedirs(cwd, 0o755, exist_ok=True)
        if read_only:
            fd = os.open("/", syscalls.O_PATH | os.O_CLOEXEC)
            syscalls.set_mount(fd, read_only=True, recursive=False)
            os.close(fd)

    def mask(self) -> None:
        """Hide, or make read-only, what OCI runtimes do; before any other mount, and through the root's own links."""
        for path in _MASKED_FILES:
            self._mount_over(path, "/dev/null", "", syscalls.MS_BIND)
        for path in _MASKED_DIRECTORIES:
            self._mount_over(path, "tmpfs", "tmpfs", MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "size=0k")
        for path in _READ_ONLY:
            if self._mount_over(path, "", "", syscalls.MS_BIND):
                flags = syscalls.MS_BIND | syscalls.MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC
                self._mount_over(path, "", "", flags)

    def _mount_over(self, path: str, source: str, kind: str, flags: int, data: str = "") -> bool:
        """source "": the path itself. False if there is no such path in this kernel."""
        try:
            fd = syscalls.open_beneath(self.root, path, syscalls.O_PATH, syscalls.RESOLVE_IN_ROOT)
        except FileNotFoundError:
            return False
        try:
            syscalls.mount(source or _through(fd), _through(fd), kind, flags, data)
        finally:
            os.close(fd)
        return True

    def with_parent(self) -> None:
        """Where no pid namespace ends it with its pause, the kernel still does."""
        syscalls.prctl(syscalls.PR_SET_PDEATHSIG, signal.SIGKILL)

    # --- who it is --------------------------------------------------------------------------------------------------

    def limits(self, rows: Sequence[tuple[int, int, int]]) -> None:
        import resource

        for kind, soft, hard in rows:
            resource.setrlimit(kind, (soft, hard))

    def terminal(self, sock: int) -> None:
        """A terminal of this root's own /dev/pts is input, output and errors; its other end goes through `sock`."""
        # The tenant may have put anything there: what is opened does not block and takes nothing over by that alone.
        ours = os.open("/dev/ptmx", os.O_RDWR | os.O_NOCTTY | os.O_NONBLOCK | os.O_CLOEXEC)
        if os.fstat(ours).st_rdev != PTMX:
            raise NotStarted("/dev/ptmx: no terminal can be made: it is another file here")
        fcntl.ioctl(ours, TIOCSPTLCK, bytes(4))
        theirs = fcntl.ioctl(ours, TIOCGPTPEER, os.O_RDWR | os.O_NOCTTY)
        fcntl.ioctl(theirs, TIOCSCTTY, 0)
        for fd in (0, 1, 2):
            os.dup2(theirs, fd)
        os.close(theirs)
        way = _socket.socket(fileno=sock)
        way.sendmsg([b"t"], rights([ours]))
        way.close()
        os.close(ours)

    def identity(self, uid: int, gid: int, groups: Sequence[int], keep: int, no_new_privs: bool) -> None:
        """keep: capabilities as a bit mask. A user that is not root has them only as a bound, as with OCI runtimes."""
        for fd in (0, 1, 2):
            # So that the program can open /dev/stdout again: a pipe or terminal belongs to its maker. /dev/null stays
            # root's.
            about = os.fstat(fd)
            if stat.S_ISFIFO(about.st_mode):
                os.fchown(fd, uid, gid)
            elif os.major(about.st_rdev) in TERMINALS:
                os.fchown(fd, uid, -1)
        held = capabilities_held()
        for bit in held:
            if not keep >> bit & 1:
                syscalls.prctl(syscalls.PR_CAPBSET_DROP, bit)
        keep &= sum(1 << bit for bit in held)  # what the runtime itself was not given cannot be handed on
        os.setgroups(list(groups))
        os.setresgid(gid, gid, gid)
        os.setresuid(uid, uid, uid)
        kept = keep if uid == 0 else 0
        syscalls.set_capabilities(kept, kept, 0)
        if no_new_privs:
            syscalls.prctl(syscalls.PR_SET_NO_NEW_PRIVS, 1)

    def directory(self, cwd: str) -> None:
        try:
            os.chdir(cwd)
        except OSError as error:
            raise NotStarted(f'chdir to cwd ("{cwd}"): {_words(error)}') from error

    def execute(self, argv: Sequence[str], env: dict[str, str]) -> None:
        program = find_program(argv[0], env.get("PATH", ""))
        try:
            os.execve(program, list(argv), env)
        except OSError as error:
            raise NotStarted(f'exec: "{argv[0]}": {_words(error)}') from error


def copy_devices(source: str, target: int) -> None:
    """Every device of the directory `source` and below, in the directory `target` (an fd) where it has none so named.

    Not what is mounted below it (terminals, shared memory, queues): those are the root's own.
    """
    for name in os.listdir(source):
        try:
            about = os.lstat(f"{source}/{name}")
        except FileNotFoundError:
            continue  # unplugged meanwhile
        if stat.S_ISDIR(about.st_mode) and not os.path.ismount(f"{source}/{name}"):
            with quiet(FileExistsError):
                os.mkdir(name, 0o755, dir_fd=target)
            inner = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=target)
            copy_devices(f"{source}/{name}", inner)
            os.close(inner)
        elif stat.S_ISCHR(about.st_mode) or stat.S_ISBLK(about.st_mode):
            with quiet(FileExistsError):
                os.mknod(name, about.st_mode, about.st_rdev, dir_fd=target)
                os.chown(name, about.st_uid, about.st_gid, dir_fd=target)


def _words(error: OSError) -> str:
    return os.strerror(error.errno or 0).lower()


def place_in(root: int, path: str, *, directory: bool, resolve: int = syscalls.RESOLVE_IN_ROOT) -> int:
    """An O_PATH fd of `path` beneath `root` (an fd), made with its parents if missing: a directory or an empty file.

    Symbolic links are followed inside the root only (or refused where they lead out, with RESOLVE_BENEATH).
    """
    path = path.strip("/") or "."
    try:
        return syscalls.open_beneath(root, path, syscalls.O_PATH, resolve)
    except FileNotFoundError:
        parent, _, name = path.rpartition("/")
    if name in ("", ".", ".."):
        raise NotStarted(f"{path}: does not exist and cannot be made")
    above = place_in(root, parent, directory=True, resolve=resolve)
    try:
        with quiet(FileExistsError):
            if directory:
                os.mkdir(name, 0o755, dir_fd=above)
            else:
                os.close(os.open(name, os.O_CREAT | os.O_EXCL | os.O_WRONLY | os.O_CLOEXEC, 0o644, dir_fd=above))
    finally:
        os.close(above)
    return syscalls.open_beneath(root, path, syscalls.O_PATH, resolve)


_held: list[int] = []


def capabilities_held() -> list[int]:
    """The numbers of this process's bounding set; asked once, in the zygote, for all that are forked from it."""
    if not _held:
        for bit in range(64):
            try:
                if syscalls.prctl(syscalls.PR_CAPBSET_READ, bit):
                    _held.append(bit)
            except OSError:
                break  # the kernel knows no capability of this number
    return _held


def find_program(name: str, path: str) -> str:
    """The file that `name` means, as execvp finds it; raises NotStarted in the words of OCI runtimes."""
    if "/" in name:
        try:
            mode = os.stat(name).st_mode
        except OSError as error:
            raise NotStarted(f'exec: "{name}": stat {name}: {_words(error)}') from error
        if stat.S_ISDIR(mode):
            raise NotStarted(f'exec: "{name}": is a directory')
        if not os.access(name, os.X_OK):
            raise NotStarted(f'exec: "{name}": permission denied')
        return name
    for directory in path.split(":"):
        candidate = f"{directory or '.'}/{name}"
        if name and os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    raise NotStarted(f'exec: "{name}": executable file not found in $PATH')


def reset_signals() -> None:
    """As a shell's child has them: Python ignores SIGPIPE and SIGXFSZ, and an ignored signal survives exec."""
    for number in (signal.SIGPIPE, signal.SIGXFSZ, signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    signal.pthread_sigmask(signal.SIG_SETMASK, ())


def carry_out(steps: Sequence[Step], stdio: Sequence[int], told: int, more: int = -1) -> None:
    """Become the program on these three fds, or write why not to `told` (an fd) and exit with 127. Never returns.

    more: an fd from which, after these steps, the others come as JSON up to its end: a child that is made ready before
    it is known what it will be.
    """
    done = ["begin"]
    try:
        os.setsid()
        reset_signals()
        for target, fd in enumerate(stdio):
            os.dup2(fd, target)
        os.umask(0)
        child = Child()
        if more >= 0:
            # Nothing of the pause's stays open in a child that waits: its connections' ends would not be seen.
            told, more = os.dup2(told, 3, False), os.dup2(more, 4, False)
            os.closerange(5, 256)
        _run(child, steps, done)
        if more >= 0:
            os.write(more, b".")
            parts = []
            while data := os.read(more, 65536):
                parts.append(data)
            if not parts:
                os._exit(0)  # never needed
            _run(child, loads(b"".join(parts).decode()), done)
    except NotStarted as error:
        os.write(told, str(error).encode(errors="surrogateescape"))
    except BaseException as error:
        os.write(told, f"{done[-1]}: {error}".encode(errors="surrogateescape"))
    finally:
        os._exit(127)


def _run(child: Child, steps: Sequence[Step], done: list[str]) -> None:
    """done: takes the names of the steps that were begun."""
    for name, *arguments in steps:
        done.append(name)
        if name in ("directory", "execute"):
            os.umask(0o022)
            syscalls.close_on_exec_from(3)
        step: Callable[..., None] = getattr(child, name)
        step(*arguments)
