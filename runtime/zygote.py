# pathlib would be loaded into, and carried by, every pause.
"""The zygote: a small process with a single thread that forks every pause, so that nobody forks the agent.

Started by exec with a bare interpreter and an empty environment. Its mount namespace is its own and follows the
machine's (MS_SLAVE): what is mounted here or below never appears on the machine. It ends when its agent does; the
pauses go on.

    agent ──SEQPACKET──▶ zygote ──clone──▶ pause
             {"host_network", …}, with one end of the pause's connection and its open directory ──▶ {"pid"}
"""

from __future__ import annotations

import _socket
import gc
import os
import sys

from . import pause, process, roots, syscalls
from .wire import dumps, loads

TYPE_CHECKING = False  # `typing` would be loaded into every pause; type checkers know this name
if TYPE_CHECKING:
    import signal
else:
    import _signal as signal  # without the module's enums

SHARED = syscalls.CLONE_NEWNS | syscalls.CLONE_NEWUTS


def fork(request: dict[str, object], connection: _socket.socket, directory: int, ours: _socket.socket) -> int:
    """One pause; its pid. directory: an fd. host_… leave it in the machine's namespaces."""
    flags = SHARED
    flags |= 0 if request["host_pids"] else syscalls.CLONE_NEWPID
    flags |= 0 if request["host_network"] else syscalls.CLONE_NEWNET
    flags |= 0 if request["host_ipc"] else syscalls.CLONE_NEWIPC
    pid, pidfd = syscalls.clone(flags)
    if pid == 0:
        ours.close()
        pause.main(connection, directory, request)
    os.close(pidfd)
    return pid


def serve(ours: _socket.socket) -> None:
    while True:
        data, passed, _, _ = ours.recvmsg(65536, _socket.CMSG_SPACE(8), _socket.MSG_CMSG_CLOEXEC)
        if not data:
            return
        fds = [int.from_bytes(passed[0][2][at : at + 4], sys.byteorder) for at in (0, 4)]
        try:
            connection = _socket.socket(fileno=fds[0])
            answer: dict[str, object] = {"pid": fork(loads(data.decode()), connection, fds[1], ours)}
        except (OSError, ValueError) as error:
            answer = {"error": str(error)}
        finally:
            os.close(connection.detach())
            os.close(fds[1])
        ours.send(dumps(answer).encode())


def prepare(mask: str, hidden: tuple[str, ...], tasks: list[str]) -> None:
    """A mount namespace of its own with the mask in it, the pauses' cgroup, and the kernel's spare."""
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
    told = loads(argument)
    ours = _socket.socket(fileno=told["fd"])
    os.set_inheritable(ours.fileno(), False)
    syscalls.hear_all_signals()  # what an agent's parents ignored is not the business of programs in pods
    for number in (signal.SIGINT, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)  # a terminal's: the agent's to hear
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # ended pauses are reaped by the kernel
    syscalls.set_title("procorch:zygote")
    try:
        prepare(told["mask"], tuple(told["hidden"]), told["tasks"])
    except OSError as error:
        ours.send(dumps({"error": str(error)}).encode())
        sys.exit(1)
    process.capabilities_held()
    gc.collect()
    gc.freeze()
    gc.disable()
    ours.send(b"{}")
    serve(ours)
