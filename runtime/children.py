# pathlib would be loaded into, and carried by, every pause.
# ruff: noqa: PTH103, PTH104, PTH106
"""The processes of one sandbox as their pause has them: clones them, reads their pipes and writes their logs, reaps
them, and remembers how they ended, in memory and in `processes.json`.

One loop over epoll; every fd has one handler; a handler reads once and never waits.
"""

from __future__ import annotations

import _socket
import os
import select
import time

from . import syscalls
from .logwriter import LogWriter
from .spare import READY, Spare
from .spawning import PidNamespaces, Running, clone, clone_with_pipes, host_pid
from .syscalls import quiet, read_file, write_file
from .wire import dumps, receive

TYPE_CHECKING = False  # `typing` would be loaded into every pause; type checkers know this name
if TYPE_CHECKING:
    import signal
    from collections.abc import Callable, Sequence

    from .wire import Message
else:
    import _signal as signal  # without the module's enums

READ = 64 * 1024
NEVER = float("inf")
HANG_UP_SECONDS = 5.0  # from SIGHUP to SIGKILL for a command whose caller has gone


class Children:
    """directory: of the sandbox, known when the pause is assigned. changed: called with a process's new state."""

    def __init__(self, changed: Callable[[Message], None], pids: PidNamespaces) -> None:
        self.directory = ""
        self.states: dict[str, Message] = {}
        self.changed = changed
        self.running: dict[str, Running] = {}
        self.commands: set[Running] = set()
        self.tmpfs: set[str] = set()
        self.spare: Spare | None = None
        self.epoll = select.epoll()
        self.handlers: dict[int, Callable[[], object]] = {}
        self.pids = pids

    # --- the loop ---------------------------------------------------------------------------------------------------

    def run(self) -> None:
        while True:
            deadlines = [one.run["deadline"] for one in self.commands if one.run and one.run["deadline"] < NEVER]
            wait = max(0.0, min(deadlines) - time.monotonic()) if deadlines else -1
            for fd, _ in self.epoll.poll(wait):
                if handler := self.handlers.get(fd):
                    handler()
            if deadlines:
                self._end_overdue()

    def watch(self, fd: int, handler: Callable[[], object]) -> None:
        self.handlers[fd] = handler
        self.epoll.register(fd, select.EPOLLIN)

    def close(self, fd: int) -> None:
        if self.handlers.pop(fd, None):
            self.epoll.unregister(fd)
        os.close(fd)

    # --- what can be asked: ValueError for what cannot be done -------------------------------------------------------

    def start(self, message: Message, answer: Callable[[Message], None]) -> None:
        """Clone a process that carries out the steps; answered when it is the program, or cannot be."""
        name = message["name"]
        if name in self.states:
            raise ValueError(f"{name}: there is a process of this name already")
        for path, options in message["tmpfs"]:
            self._shared_tmpfs(path, options)
        beside = self._running(message["pids_of"]).pidfd if message["pids_of"] else -1
        if self.pids.host:
            message["steps"].insert(-2, ["with_parent"])  # behind those that change who it is, which undo it
        one = self._use_spare(message) or self._spawn_in(beside, name, message, syscalls.CLONE_NEWNS)
        one.answer = answer
        one.log = LogWriter(message["log"]) if message["log"] else None
        one.oom_file = message["oom_file"]
        self.running[name] = one
        self.states[name] = {
            "name": name, "pid": one.pid, "started_at": time.time(), "finished_at": None, "exit_code": None,
            "signal": 0, "oom_killed": False, "error": "",
        }  # fmt: skip

    def run_beside(self, message: Message, answer: Callable[[Message], None], given: Sequence[int] = ()) -> Running:
        """A command in a running process's namespaces; answered when it has ended, with what it wrote.

        given: input, output and errors, where the one who asks reads and writes himself; or, with a "terminal" among
        the steps, the socket through which he is sent its other end.
        """
        beside = self._running(message["name"])
        for step in message["steps"]:
            if step[0] == "enter":
                step[1:] = [beside.pidfd, beside.pid]
        one = self._spawn_in(beside.pidfd, message["name"], message, 0, given)
        one.answer = answer
        deadline = time.monotonic() + message["timeout"] if message["timeout"] else NEVER
        one.run = {"deadline": deadline, "left": message["most"], "stdout": [], "stderr": [], "late": False}
        self.commands.add(one)
        return one

    def hang_up(self, one: Running) -> None:
        """Nobody is there any more for whom this command runs: it is told, and a little later it is ended."""
        if one.run is not None and one in self.commands:
            one.answer = None
            syscalls.signal_group(one.pidfd, signal.SIGHUP)
            one.run["deadline"] = min(one.run["deadline"], time.monotonic() + HANG_UP_SECONDS)

    def attach(self, name: str, given: list[int]) -> int:
        """From now on what the process writes goes to these, too: output and errors. Returns its input, -1 for none."""
        one = self._running(name)
        for fd in given:
            os.set_blocking(fd, False)
        one.attached.append(dict(zip(("stdout", "stderr"), given, strict=True)))
        return one.stdin

    def detach(self, name: str, given: int) -> None:
        """The one whose output this is hears no more."""
        if (one := self.running.get(name)) is not None:
            for row in one.attached:
                if row["stdout"] == given:
                    one.let_go(row)
                    break

    def close_input(self, name: str) -> None:
        """The process reads the end of its input. A terminal has none."""
        one = self._running(name)
        if one.stdin >= 0 and one.stdin not in one.streams:
            os.close(one.stdin)
            one.stdin = -1

    def send_signal(self, name: str, number: int) -> None:
        signal.pidfd_send_signal(self._running(name).pidfd, number)

    def forget(self, name: str) -> None:
        """Its name may be given again."""
        if name in self.running:
            raise ValueError(f"{name}: still running")
        self.states.pop(name, None)
        self._save()

    def _running(self, name: str) -> Running:
        one = self.running.get(name)
        if one is None:
            raise ValueError(f"{name}: not running")
        return one

    # --- children ---------------------------------------------------------------------------------------------------

    def _shared_tmpfs(self, path: str, options: str) -> None:
        if path not in self.tmpfs:
            os.makedirs(path, exist_ok=True)
            syscalls.mount("tmpfs", path, "tmpfs", syscalls.MS_NOSUID | syscalls.MS_NODEV, options)
            self.tmpfs.add(path)

    def _spawn_in(self, beside: int, name: str, message: Message, flags: int, given: Sequence[int] = ()) -> Running:
        """beside: the pidfd of a process whose pid namespace it joins; -1: one of its own, or what all share."""
        try:
            self.pids.join(beside)
            return self._spawn(name, message, flags | self.pids.flags(beside), given)
        finally:
            self.pids.leave()

    def _spawn(self, name: str, message: Message, flags: int, given: Sequence[int] = ()) -> Running:
        steps = message["steps"]
        terminal = next((step for step in steps if step[0] == "terminal"), None)
        cgroup = os.open(message["cgroup"], os.O_RDONLY | os.O_CLOEXEC) if message["cgroup"] else -1
        null = os.open("/dev/null", os.O_RDWR | os.O_CLOEXEC)
        theirs = [cgroup, null]
        try:
            if given and terminal is None:
                return self._supervise(name, (*clone(steps, given, flags, cgroup), -1, -1, -1))
            if terminal is not None:
                ours = None
                if not given:
                    ours, other = _socket.socketpair()
                    theirs.append(other.detach())
                terminal[1:] = given or theirs[-1:]
                one = self._supervise(name, (*clone(steps, [null] * 3, flags, cgroup), -1, -1, -1))
                if ours is not None:
                    self._expect_terminal(one, ours)
                return one
            stdin = null, -1
            if message["stdin"]:
                stdin = os.pipe2(os.O_CLOEXEC)
                theirs.append(stdin[0])
            return self._supervise(name, clone_with_pipes(steps, stdin, flags, cgroup))
        finally:
            for fd in theirs:
                if fd >= 0:
                    os.close(fd)

    def _expect_terminal(self, one: Running, sock: _socket.socket) -> None:
        """The child sends the other end of its terminal: from then on that is its output and its input."""

        def came() -> None:
            with quiet(OSError):
                _, fds = receive(sock, 1, 16)
                for fd in fds:
                    one.streams[fd], one.stdin = "stdout", fd
                    os.set_blocking(fd, False)
                    self.watch(fd, self._reader(one, fd))
            self.close(sock.detach())

        self.watch(sock.fileno(), came)

    def _supervise(self, name: str, child: tuple[int, int, int, int, int]) -> Running:
        """Watch the child's pipes and its end. -1 for the output and errors that somebody else reads."""
        pidfd, told, out, err, stdin = child
        one = Running(name, host_pid(pidfd), pidfd)
        one.streams = {fd: kind for fd, kind in ((out, "stdout"), (err, "stderr")) if fd >= 0}
        one.told, one.stdin = told, stdin
        for fd in one.streams:
            os.set_blocking(fd, False)
            self.watch(fd, self._reader(one, fd))
        os.set_blocking(one.told, False)
        self.watch(one.told, lambda: self._told(one))
        self.watch(pidfd, lambda: self._ended(one))
        return one

    def _use_spare(self, message: Message) -> Running | None:
        """The child that is ready as this process, if it fits."""
        spare, self.spare = self.spare, None
        if spare is None:
            return None
        with quiet(OSError):  # it has ended, or was never made: one is made as if there had been none
            if spare.take_on(message, f"{self.directory}/layers", shares_tmpfs=bool(self.tmpfs)):
                return self._supervise(message["name"], spare.child)
        self._waste(spare.child)
        return None

    def _waste(self, child: tuple[int, int, int, int, int]) -> None:
        """End a child that is not needed; it is reaped when its pidfd says so."""
        pidfd, told, out, err, _ = child
        for fd in (out, err, told):
            os.close(fd)
        with quiet(OSError):
            signal.pidfd_send_signal(pidfd, signal.SIGKILL)

        def reap() -> None:
            if os.waitid(os.P_PIDFD, pidfd, os.WEXITED | os.WNOHANG) is not None:
                self.close(pidfd)
                for part in ("upper", "work/work", "work", "root", ""):
                    with quiet(OSError):
                        os.rmdir(f"{self.directory}/layers/{READY}/{part}")

        self.watch(pidfd, reap)

    def _reader(self, one: Running, fd: int) -> Callable[[], object]:
        return lambda: self._output(one, fd)

    def _output(self, one: Running, fd: int) -> bool:
        """Read one piece; True if there may be more."""
        try:
            data = os.read(fd, READ)
        except BlockingIOError:
            return False
        except OSError:  # of a terminal that nobody has open any more
            data = b""
        stream = one.streams[fd]
        if one.run is not None:
            kept = data[: one.run["left"]]
            one.run["left"] -= len(kept)
            one.run["truncated"] = one.run.get("truncated", False) or len(kept) < len(data)
            one.run[stream].append(kept)
        elif one.log is not None:
            if data:
                one.log.feed(stream, data, time.time_ns())
            else:
                one.log.end(stream, time.time_ns())
        one.copy(stream, data)  # behind the log: what somebody has seen is in it
        if not data:
            del one.streams[fd]
            if fd == one.stdin:
                one.stdin = -1
            self.close(fd)
        return bool(data)

    def _told(self, one: Running) -> None:
        """The child's own words: none, and the pipe's end, mean that the program runs."""
        try:
            data = os.read(one.told, READ)
        except BlockingIOError:
            return
        one.error += data
        if data:
            return
        self.close(one.told)
        one.told = -1
        if one.run is None and not one.error and (answer := one.answer):
            one.answer = None
            state = self.states[one.name]
            state["started_at"] = time.time()
            answer({"process": state})
            self._changed(one.name)

    def _ended(self, one: Running) -> None:
        result = os.waitid(os.P_PIDFD, one.pidfd, os.WEXITED | os.WNOHANG)
        if result is None:
            return
        for _ in range(64):
            if one.told >= 0:
                self._told(one)
        for fd in list(one.streams):
            # Everything that could write is dead, but a pipe handed out of the sandbox may go on: a bound.
            for _ in range(64):
                if not self._output(one, fd):
                    break
        for fd in list(one.streams):
            if one.log is not None:
                one.log.end(one.streams[fd], time.time_ns())
            if fd == one.stdin:
                one.stdin = -1
            self.close(fd)
        if one.log is not None:
            one.log.close()
        for row in list(one.attached):
            one.let_go(row)
        if one.stdin >= 0:
            os.close(one.stdin)
        self.close(one.pidfd)
        number = result.si_status if result.si_code != os.CLD_EXITED else 0
        self._report(one, 128 + number if number else result.si_status, number)

    def _report(self, one: Running, code: int, number: int) -> None:
        error = one.error.decode(errors="surrogateescape")
        if one.run is not None:
            self.commands.discard(one)
            run = one.run
            written = {stream: b"".join(run[stream]).decode("latin-1") for stream in ("stdout", "stderr")}
            flags = {"truncated": run.get("truncated", False), "timed_out": run["late"]}
            if one.answer:
                one.answer({"ran": {"exit_code": 128 if error else code, "error": error, **written, **flags}})
            return
        del self.running[one.name]
        state = self.states[one.name]
        state |= {"finished_at": time.time(), "exit_code": 128 if error else code, "signal": number, "error": error}
        state["oom_killed"] = code != 0 and out_of_memory(one.oom_file)
        if one.answer:
            one.answer({"process": state})
        self._changed(one.name)

    def _end_overdue(self) -> None:
        now = time.monotonic()
        for one in self.commands:
            if one.run and one.run["deadline"] <= now and not one.run["late"]:
                one.run.update(late=True, deadline=NEVER)
                syscalls.signal_group(one.pidfd, signal.SIGKILL)

    # --- what is known ----------------------------------------------------------------------------------------------

    def _changed(self, name: str) -> None:
        self.changed(self.states[name])
        self._save()

    def _save(self) -> None:
        """On disk too: how processes ended is to be known even when the pause is not there to tell."""
        try:
            data = dumps(list(self.states.values())).encode()
            write_file(f"{self.directory}/processes.new", data, os.O_CREAT | os.O_TRUNC)
            os.rename(f"{self.directory}/processes.new", f"{self.directory}/processes.json")
        except OSError:
            pass  # a full disk costs the copy, not the sandbox


def out_of_memory(path: str) -> bool:
    """Whether the kernel killed something in the cgroup for its memory: the counter oom_kill in this file."""
    try:
        counters = read_file(path)
    except OSError:
        return False
    return any(line.startswith(b"oom_kill ") and line != b"oom_kill 0" for line in counters.splitlines())
