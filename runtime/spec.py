"""What a caller asks of the runtime and what it is told: sandboxes, processes, roots, mounts and limits as values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

# What container engines give a process run as root (OCI's default), without MKNOD: /dev is made beforehand.
DEFAULT_CAPABILITIES = frozenset(
    {
        "AUDIT_WRITE", "CHOWN", "DAC_OVERRIDE", "FOWNER", "FSETID", "KILL", "NET_BIND_SERVICE",
        "NET_RAW", "SETFCAP", "SETGID", "SETPCAP", "SETUID", "SYS_CHROOT",
    }
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Limits:
    """What a group of processes may use; None means no limit of its own.

    cpu_request_millis: its share when the processor is contended (1000 = one core).
    """

    cpu_request_millis: int | None = None
    cpu_limit_millis: int | None = None
    memory_limit_bytes: int | None = None
    pids: int | None = None


@dataclass(frozen=True, slots=True)
class User:
    """Who a process is; the numbers as the kernel knows them."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Capabilities:
    """Changes to DEFAULT_CAPABILITIES, by name without `CAP_`; "ALL" in drop or add means every one.

    add is applied after drop, as Kubernetes does.
    """

    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Root:
    """The file tree that becomes `/`: always a private copy-on-write layer over what is named here.

    kind "host": the machine's own tree, in which state, homes, keys and shadow files are absent.
    kind "dir": the directory `path`.
    read_only: nothing can be written to `/` itself; mounts have their own flag.
    """

    kind: Literal["host", "dir"] = "host"
    path: Path | None = None
    read_only: bool = False


@dataclass(frozen=True, slots=True)
class Mount:
    """One more file tree (or file) inside the root, at `target`; the target is created if missing.

    type "bind": `source` is a file or directory of the machine. `sub_path` is a path below source that a tenant may
        name: it is opened beneath source (no symbolic link leads out of it) and made as a directory if missing.
    type "tmpfs": memory. With `source` (any name, e.g. Path("cache")), one tmpfs that all processes of the sandbox
        which mount that name share and that lives as long as the sandbox; without, the process's own.
    read_only: with everything mounted below it.
    options: tmpfs options such as "size=65536k" or "mode=1777".
    """

    target: str
    source: Path | None = None
    type: Literal["bind", "tmpfs"] = "bind"
    read_only: bool = False
    options: tuple[str, ...] = ()
    sub_path: str = ""


@dataclass(frozen=True, slots=True)
class SandboxSpec:
    """A place for processes that share a network, an ipc and a host name.

    id: letters, digits, `-`, `_` and `.`; it becomes a directory's and a cgroup's name.
    labels: the caller's own notes, kept on disk with the sandbox, never read by the runtime.
    cgroup_parent: path below the runtime's cgroup ("burstable"); limits: of the sandbox as a whole.
    sysctls: set inside its namespaces, names with dots ("net.core.somaxconn").
    shared_pids: its processes are in one pid namespace and see each other; host_pids: in the machine's.
    """

    id: str
    hostname: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    host_network: bool = False
    host_ipc: bool = False
    host_pids: bool = False
    shared_pids: bool = False
    cgroup_parent: str = ""
    limits: Limits = Limits()
    sysctls: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """One program in a sandbox, pid 1 of a pid namespace of its own unless the sandbox shares one.

    name: unique in the sandbox, made as SandboxSpec.id; free again after Sandbox.forget.
    env: exactly what the program gets. argv[0] without a slash is looked up in env's PATH inside the root.
    cwd: created if missing. stdin: keep a pipe open for it; otherwise /dev/null. tty: input, output and errors are one
    terminal.
    log_path: where its output goes as CRI lines; the directory must exist. None: thrown away.
    oom_score_adj: -1000..1000. rlimits: name ("NOFILE") to (soft, hard).
    hostname: only for a "hostname" that differs from the sandbox's: the process then has its own uts namespace.
    pids_of: a running process of the sandbox whose pid namespace it joins; it ends with that one.
    open_kernel: /proc and /sys are neither masked nor read-only, and /dev has every device of the machine.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    cwd: str = "/"
    user: User = User()
    root: Root = Root()
    mounts: tuple[Mount, ...] = ()
    limits: Limits = Limits()
    log_path: Path | None = None
    capabilities: Capabilities = Capabilities()
    no_new_privs: bool = True
    stdin: bool = False
    tty: bool = False
    hostname: str = ""
    oom_score_adj: int = 0
    rlimits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    pids_of: str = ""
    open_kernel: bool = False


@dataclass(frozen=True, slots=True)
class ProcessState:
    """How a process stands. Times are seconds since the epoch; pid is the machine's view of it (0: never ran).

    Running: finished_at is None. Ended: exit_code as a shell tells it (128 + signal), signal 0 if none.
    error: why it could not be started, in the words of container engines; then exit_code is 128.
    """

    name: str
    pid: int = 0
    started_at: float | None = None
    finished_at: float | None = None
    exit_code: int | None = None
    signal: int = 0
    oom_killed: bool = False
    error: str = ""

    @property
    def running(self) -> bool:
        return self.finished_at is None


@dataclass(frozen=True, slots=True)
class Ran:
    """What a command run inside a process's namespaces did (Sandbox.exec).

    exit_code: as a shell tells it; output is cut at the bound asked for, `truncated` says so.
    timed_out: it was killed because its time was up. error: why it could not be started.
    """

    exit_code: int
    stdout: bytes = b""
    stderr: bytes = b""
    truncated: bool = False
    timed_out: bool = False
    error: str = ""


class RuntimeFailed(Exception):
    """The runtime could not do what was asked; the text says what was tried and what the machine answered."""
