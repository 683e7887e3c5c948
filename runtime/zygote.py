# pathlib would be loaded into, and carried by, every pause.
"""The zygote: a small process with a single thread that forks every pause, so that nobody forks the agent.

Started by exec with a bare interpreter and an empty environment. Its mount namespace is its own and follows the
machine's (MS_SLAVE): what is mounted here or below never appears on the machine. It ends when its agent does; the
pauses go on.

    agent ──SEQPACKET──▶ zygote ──clone──▶ pause
             {"host_network", "host_ipc"}, with one end of the pause's connection and its open directory ──▶ {"pid"}
"""

from __future__ import annotations

import gc
import json
import os
import signal
import socket
import sys

from . import pause, syscalls

SHARED = syscalls.CLONE_NEWPID | syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS


def fork(request: dict[str, object], connection: socket.socket, directory: int, ours: socket.socket) -> int:
    """One pause; its pid. directory: an fd. host_network and host_ipc leave it in the machine's namespaces."""
    flags = SHARED
    flags |= 0 if request["host_network"] else syscalls.CLONE_NEWNET
    flags |= 0 if request["host_ipc"] else syscalls.CLONE_NEWIPC
    pid, pidfd = syscalls.clone(flags)
    if pid == 0:
        ours.close()
        pause.main(connection, directory, bool(request["host_network"]))
    os.close(pidfd)
    return pid


def serve(ours: socket.socket) -> None:
    while True:
        data, fds, _, _ = socket.recv_fds(ours, 65536, 4, socket.MSG_CMSG_CLOEXEC)
        if not data:
            return
        try:
            with socket.socket(fileno=fds[0]) as connection:
                answer: dict[str, object] = {"pid": fork(json.loads(data), connection, fds[1], ours)}
        except (OSError, ValueError) as error:
            answer = {"error": str(error)}
        finally:
            os.close(fds[1])
        ours.send(json.dumps(answer).encode())


def prepare(mask: str, hidden: tuple[str, ...], tasks: list[str]) -> None:
    """A mount namespace of its own with the mask in it, the pauses' cgroup, and the kernel's spare."""
    from . import roots

    for file in tasks:
        with open(file, "w") as handle:
            handle.write("0")
    syscalls.unshare(syscalls.CLONE_NEWNS)
    syscalls.mount("", "/", "", syscalls.MS_SLAVE | syscalls.MS_REC)
    roots.mount_mask(mask, hidden)
    try:
        with open("/proc/self/oom_score_adj", "w") as handle:
            handle.write("-998")
    except OSError:
        pass  # without CAP_SYS_RESOURCE: what the agent has is kept


def main(argument: str) -> None:
    """argument: JSON {"fd", "mask", "hidden", "tasks"}, as the agent wrote it."""
    told = json.loads(argument)
    ours = socket.socket(fileno=told["fd"])
    ours.set_inheritable(False)
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal's: the agent's to hear
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended pauses are reaped by the kernel
    syscalls.set_title("procorch:zygote")
    try:
        prepare(told["mask"], tuple(told["hidden"]), told["tasks"])
    except OSError as error:
        ours.send(json.dumps({"error": str(error)}).encode())
        sys.exit(1)
    gc.collect()
    gc.freeze()
    gc.disable()
    ours.send(b"{}")
    serve(ours)
