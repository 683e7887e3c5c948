"""A ProcessSpec becomes the list of steps that its child carries out (process.py): pure, values in, values out.

The order is the point. Groups first, so that all that follows is accounted for; the root and what is mounted in it
while the machine's tree can still be reached; pivot_root; and only at the end what takes rights away.
"""

from __future__ import annotations

import resource
from typing import Any

from .roots import overlay_data
from .spare import READY
from .spec import DEFAULT_CAPABILITIES, Capabilities, Mount, ProcessSpec, RuntimeFailed, User
from .usage import MOUNT

Step = list[Any]

# By number; source: include/uapi/linux/capability.h.
CAPABILITIES = (
    "CHOWN", "DAC_OVERRIDE", "DAC_READ_SEARCH", "FOWNER", "FSETID", "KILL", "SETGID", "SETUID", "SETPCAP",
    "LINUX_IMMUTABLE", "NET_BIND_SERVICE", "NET_BROADCAST", "NET_ADMIN", "NET_RAW", "IPC_LOCK", "IPC_OWNER",
    "SYS_MODULE", "SYS_RAWIO", "SYS_CHROOT", "SYS_PTRACE", "SYS_PACCT", "SYS_ADMIN", "SYS_BOOT", "SYS_NICE",
    "SYS_RESOURCE", "SYS_TIME", "SYS_TTY_CONFIG", "MKNOD", "LEASE", "AUDIT_WRITE", "AUDIT_CONTROL", "SETFCAP",
    "MAC_OVERRIDE", "MAC_ADMIN", "SYSLOG", "WAKE_ALARM", "BLOCK_SUSPEND", "AUDIT_READ", "PERFMON", "BPF",
    "CHECKPOINT_RESTORE",
)  # fmt: skip


def capability_mask(change: Capabilities) -> int:
    """The kept capabilities as a bit mask; raises RuntimeFailed for a name that does not exist."""
    names = set(DEFAULT_CAPABILITIES)
    for wanted, chosen in ((change.drop, names.difference_update), (change.add, names.update)):
        for name in wanted:
            plain = name.upper().removeprefix("CAP_")
            if plain == "ALL":
                chosen(CAPABILITIES)
            elif plain in CAPABILITIES:
                chosen([plain])
            else:
                raise RuntimeFailed(f'capabilities: there is no "{name}"')
    return sum(1 << CAPABILITIES.index(name) for name in names)


def rlimit_rows(spec: ProcessSpec) -> list[tuple[int, int, int]]:
    rows = []
    for name, (soft, hard) in spec.rlimits.items():
        kind = getattr(resource, f"RLIMIT_{name.upper()}", None)
        if kind is None:
            raise RuntimeFailed(f'rlimits: there is no "{name}"')
        rows.append((kind, soft, hard))
    return rows


def mount_step(mount: Mount, directory: str) -> Step:
    """directory: the sandbox's, in which its shared tmpfs lie."""
    if mount.type == "tmpfs" and mount.source is not None:
        return ["bind", shared_tmpfs(mount, directory), mount.sub_path, mount.target, mount.read_only]
    if mount.type == "tmpfs":
        return ["tmpfs", mount.target, ",".join(mount.options), mount.read_only]
    if mount.source is None:
        raise RuntimeFailed(f"mount {mount.target}: a bind mount needs a source")
    return ["bind", str(mount.source), mount.sub_path, mount.target, mount.read_only]


def shared_tmpfs(mount: Mount, directory: str) -> str:
    """Where the pause mounts the tmpfs that this mount names."""
    return f"{directory}/tmpfs/{str(mount.source).strip('/').replace('/', '_')}"


def depth(mount: Mount) -> int:
    """Outer mounts come first, whatever order they are named in, as container engines do."""
    return sum(1 for part in mount.target.split("/") if part)


def group_steps(shown: dict[str, str], read_only: bool) -> list[Step]:
    """Its own group, and no other, where programs look for what they may use: they size heaps and threads by it.

    shown: see `Groups.shown`. Source: the cgroup mount of OCI runtimes without a cgroup namespace.
    """
    binds: list[Step] = [["bind", one, "", f"{MOUNT}/{name}".rstrip("/"), read_only] for name, one in shown.items()]
    if "" in shown:
        return binds
    return [["tmpfs", str(MOUNT), "mode=755,size=64k", False], *binds, ["read_only", str(MOUNT)]]


def process_steps(spec: ProcessSpec, directory: str, mask: str, tasks: list[str], shown: dict[str, str]) -> list[Step]:
    """directory: the sandbox's own; mask: what hides the machine's secrets; tasks: cgroup v1 files to join; shown: what
    it sees of its group.
    """
    layer = f"{directory}/layers/{spec.name}"
    if spec.root.kind == "host":
        lower, mask_layer = "/", mask
    elif spec.root.path is not None:
        lower, mask_layer = str(spec.root.path), ""
    else:
        raise RuntimeFailed(f"root of {spec.name}: a directory root needs a path")
    steps: list[Step] = [["join_tasks", tasks], ["oom_score", spec.oom_score_adj]]
    if spec.hostname:
        steps.append(["own_hostname", spec.hostname])
    steps.append(["overlay", lower, layer, overlay_data(lower, layer, mask_layer)])
    steps.append(["kernel_mounts", f"{directory}/shm"])
    steps.append(["open_kernel"] if spec.open_kernel else ["mask"])
    steps += group_steps(shown, read_only=not spec.open_kernel)
    steps += [mount_step(mount, directory) for mount in sorted(spec.mounts, key=depth)]
    steps += [["pivot", spec.cwd or "/", spec.root.read_only]]
    if spec.tty:
        steps.append(["terminal"])  # the pause adds the socket that its other end goes through
    if spec.rlimits:
        steps.append(["limits", rlimit_rows(spec)])
    return steps + becoming(spec.user, capability_mask(spec.capabilities), spec)


def ready_steps(directory: str, mask: str) -> list[Step]:
    """What every process on the host's root begins with, for a child that is made before it is needed."""
    layer = f"{directory}/layers/{READY}"
    return [["overlay", "/", layer, overlay_data("/", layer, mask)], ["kernel_mounts", f"{directory}/shm"], ["mask"]]


def becoming(user: User, kept: int, spec: ProcessSpec) -> list[Step]:
    """The last steps: rights go, the program comes."""
    if not spec.argv:
        raise RuntimeFailed(f"{spec.name}: no command to run")
    return [
        ["identity", user.uid, user.gid, list(user.groups), kept, spec.no_new_privs],
        ["directory", spec.cwd or "/"],
        ["execute", list(spec.argv), dict(spec.env)],
    ]


def exec_steps(spec: ProcessSpec, tasks: list[str]) -> list[Step]:
    """The same door for a command in a running process's namespaces; the pause adds which process to `enter`."""
    steps: list[Step] = [["join_tasks", tasks], ["oom_score", spec.oom_score_adj], ["enter"]]
    if spec.tty:
        steps.append(["terminal"])
    return steps + becoming(spec.user, capability_mask(spec.capabilities), spec)
