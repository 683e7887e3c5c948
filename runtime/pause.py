# pathlib would be loaded into, and carried by, every pause.
# ruff: noqa: PTH102
"""The pause: init and supervisor of one sandbox, a small process that outlives the agent that asked for it.

It is pid 1 of a pid namespace in which each of its processes has another one: whoever kills the pause has the kernel
kill everything in the sandbox, and signals that it does not handle do not reach it. It holds the network, ipc and uts
namespaces and answers its agents on a socket; what they ask for is done by its `children`.

The socket's other end may be slow, foolish or gone: one agent costs the sandbox nothing, and other agents nothing.
"""

from __future__ import annotations

import _socket
import fcntl
import os

from . import holder, syscalls
from .children import READ, Children
from .spare import Spare
from .spawning import PidNamespaces
from .syscalls import quiet, write_file
from .wire import Unpacker, pack, receive, rights

TYPE_CHECKING = False  # `typing` would be loaded into every pause; type checkers know this name
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence

    from .wire import Message
else:
    import _signal as signal  # without the module's enums

MOST_GIVEN = 3  # fds that come with a message


class Connection:
    """One agent on the control socket."""

    def __init__(self, sock: _socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.unpacker = Unpacker()
        self.given: list[int] = []  # fds that came with a message
        self.left: Callable[[], None] = lambda: None  # what happens when it is over

    def send(self, message: Message, fds: Sequence[int] = ()) -> None:
        """Hand a message over; an agent that does not read for 200 kB is cut off: it comes back and asks anew."""
        try:
            data = pack(message)
            if self.sock.sendmsg([data], rights(fds)) < len(data):
                self.sock.shutdown(_socket.SHUT_RDWR)
        except OSError:
            pass  # its end is read as an end


class Pause:
    """directory: an fd of where the control socket is to lie; connection: the agent that asked for this pause."""

    def __init__(self, connection: _socket.socket, directory: int, pids: PidNamespaces) -> None:
        self.assigned = False
        self.connections: set[Connection] = set()
        self.children = Children(self._tell, pids)
        if pids.shared >= 0:  # without it nothing can be started any more: the sandbox is made anew
            self.children.watch(pids.shared, lambda: os._exit(1))
        self._listen(directory)
        self._connected(Connection(connection))

    def run(self) -> None:
        self.children.run()

    def _tell(self, state: Message) -> None:
        """A process has started or ended."""
        for connection in list(self.connections):
            connection.send({"event": "process", "process": state})

    def _listen(self, directory: int) -> None:
        kind = _socket.SOCK_STREAM | _socket.SOCK_CLOEXEC | _socket.SOCK_NONBLOCK
        listener = _socket.socket(_socket.AF_UNIX, kind)
        listener.bind(f"/proc/self/fd/{directory}/control")  # a socket's own path may have 108 bytes only
        os.close(directory)
        listener.listen(8)

        def accept() -> None:
            with quiet(OSError):  # the caller has gone again
                fd, _ = listener._accept()  # type: ignore[attr-defined]  # socket.socket.accept calls it
                self._connected(Connection(_socket.socket(fileno=fd)))

        self.children.watch(listener.fileno(), accept)

    def _connected(self, connection: Connection) -> None:
        self.connections.add(connection)
        self.children.watch(connection.sock.fileno(), lambda: self._read(connection))

    def _read(self, connection: Connection) -> None:
        try:
            data, given = receive(connection.sock, MOST_GIVEN, READ)
            connection.given += given
            messages = connection.unpacker.feed(data)
        except BlockingIOError:
            return
        except (OSError, ValueError):
            data, messages = b"", []
        for message in messages:
            self._obey(connection, message)
        if messages or not data:  # the rest of a long message is still to come
            for fd in connection.given:
                os.close(fd)
            connection.given.clear()
        if not data:
            self.connections.discard(connection)
            self.children.close(connection.sock.detach())
            connection.left()
            if not self.assigned and not self.connections:
                os._exit(0)  # a warm pause whose agent has gone is nobody's

    def _obey(self, connection: Connection, message: Message) -> None:
        def answer(result: Message, fds: Sequence[int] = ()) -> None:
            connection.send({"id": message.get("id"), **result}, fds)

        try:
            message["caller"] = connection
            result = getattr(self, f"do_{message['do']}")(message, answer)
        except Exception as error:  # what one request does wrong must not end the sandbox
            result = {"error": str(error) or type(error).__name__}
        if result is not None:
            answer(result)

    # --- what an agent can ask --------------------------------------------------------------------------------------

    def do_hello(self, message: Message, answer: object) -> Message:
        return {"processes": list(self.children.states.values())}

    def do_assign(self, message: Message, answer: object) -> Message:
        """This pause is now a sandbox's: its name, its place on disk, what its namespaces need."""
        self.assigned = True
        self.children.directory = message["directory"]
        if message["hostname"]:
            syscalls.set_hostname(message["hostname"])
        for name, value in message["sysctls"].items():
            write_file(f"/proc/sys/{name.replace('.', '/')}", value.encode())
        syscalls.set_title(f"procorch:pause {message['name']}")
        return {}

    def do_start(self, message: Message, answer: Callable[[Message], None]) -> None:
        self.children.start(message, answer)

    def do_run(self, message: Message, answer: Callable[[Message], None]) -> None:
        self.children.run_beside(message, answer)

    def do_open(self, message: Message, answer: Callable[[Message], None]) -> None:
        """A command beside a process, on fds that came with the message; it ends with the connection."""
        caller: Connection = message["caller"]
        one = self.children.run_beside(message | {"timeout": 0, "most": 0}, answer, caller.given)
        caller.left = lambda: self.children.hang_up(one)

    def do_attach(self, message: Message, answer: Callable[[Message, Sequence[int]], None]) -> None:
        """What a process writes, from now on, and its input; copies end with the connection."""
        caller: Connection = message["caller"]
        (output, errors), caller.given = caller.given, []
        name = message["name"]
        stdin = self.children.attach(name, [output, errors])
        caller.left = lambda: self.children.detach(name, output)
        answer({}, [stdin] if stdin >= 0 else [])

    def do_close_input(self, message: Message, answer: object) -> Message:
        self.children.close_input(message["name"])
        return {}

    def do_signal(self, message: Message, answer: object) -> Message:
        self.children.send_signal(message["name"], message["signum"])
        return {}

    def do_forget(self, message: Message, answer: object) -> Message:
        self.children.forget(message["name"])
        return {}


def bring_up_loopback() -> None:
    """`lo` of a new network namespace is down; SIOCSIFFLAGS with IFF_UP."""
    sock = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM | _socket.SOCK_CLOEXEC)
    fcntl.ioctl(sock.fileno(), 0x8914, b"lo".ljust(16, b"\0") + (1).to_bytes(2, "little") + bytes(14))
    sock.close()


def set_up(place: str, host_ipc: bool, layers_in_memory: bool) -> None:
    """The mounts that a sandbox's processes share. place: its directory."""
    flags = syscalls.MS_NOSUID | syscalls.MS_NODEV
    os.mkdir(f"{place}/shm")
    os.mkdir(f"{place}/layers")
    if host_ipc:
        syscalls.mount("/dev/shm", f"{place}/shm", "", syscalls.MS_BIND)
    else:
        syscalls.mount("shm", f"{place}/shm", "tmpfs", flags | syscalls.MS_NOEXEC, "mode=1777,size=65536k")
    if layers_in_memory:
        syscalls.mount("layers", f"{place}/layers", "tmpfs", flags)


def main(connection: _socket.socket, directory: int, request: Message) -> None:
    """What the forked child of the zygote becomes. Never returns.

    directory: an fd. request: directory (its path by now), host_network, host_ipc, host_pids, shared_pids,
    layers_in_memory, and ready: the steps for a child that waits, or none.
    """
    try:
        os.setsid()
        for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGCHLD):
            # Which an init is not sent; in the machine's pid namespace it is none.
            ignored = request["host_pids"] and number != signal.SIGCHLD
            signal.signal(number, signal.SIG_IGN if ignored else signal.SIG_DFL)
        syscalls.prctl(syscalls.PR_SET_DUMPABLE, 0)
        if not request["host_network"]:
            bring_up_loopback()
        set_up(request["directory"], request["host_ipc"], request["layers_in_memory"])
        shared = -1
        if request["shared_pids"] and not request["host_pids"]:
            shared = holder.begin(f"{request['directory']}/shm")
        syscalls.set_title("procorch:pause (warm)")
        pause = Pause(connection, directory, PidNamespaces(host=bool(request["host_pids"]), shared=shared))
        if request["ready"]:
            pause.children.spare = Spare(request["ready"])
        pause.run()
    except Exception as error:
        with quiet(OSError):
            connection.send(pack({"event": "failed", "error": str(error)}))
    finally:
        os._exit(1)
