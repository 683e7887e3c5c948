"""`procorch up`: a master and its agents as separate programs, started in order, watched, and stopped together.

It does for one machine what systemd does with one unit each: it waits until a program says that it is ready, starts
it again when it dies, and ends all of them when it is told to stop. The pods are not its children: they outlive it.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from procorch.notify import Listener

_PR_SET_PDEATHSIG = 1
_libc = ctypes.CDLL(None)
STOP_SECONDS = 15.0


class StartFailed(Exception):
    """A program ended, or said nothing, before it was ready. The message ends with the last lines of its log."""


Spawn = Callable[..., "subprocess.Popen[bytes]"]


@dataclass
class Program:
    """One program to keep running.

    argv: the command. log: where its output goes. spawn: how it is started; a host's `popen` starts it there.
    failures: in a row. started, due: monotonic seconds of the last start, and of the next one where it is dead.
    """

    name: str
    argv: Sequence[str]
    log: Path
    environment: Mapping[str, str] = field(default_factory=dict)
    spawn: Spawn = subprocess.Popen
    process: subprocess.Popen[bytes] | None = None
    ready: bool = False
    failures: int = 0
    started: float = 0.0
    due: float | None = None

    def start(self, notify_socket: Path) -> None:
        self.ready, self.due, self.started = False, None, time.monotonic()
        told = {"NOTIFY_SOCKET": str(notify_socket), "PROCORCH_PROGRAM": self.name}
        environment = {**os.environ, **self.environment, **told}
        with self.log.open("ab") as log:
            self.process = self.spawn(
                list(self.argv),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env=environment,
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops the programs in order
            )

    def last_words(self, lines: int = 5) -> str:
        try:
            text = self.log.read_text(errors="replace")
        except OSError:
            return ""
        return "\n".join(f"  {line}" for line in text.splitlines()[-lines:])


def die_with_supervisor() -> None:
    """Called by a program that must not outlive the supervisor: SIGTERM when that ends, however it ends.

    A program in a pid namespace of its own dies with its host's init instead, and sees parent 0.
    """
    parent = os.environ.pop("PROCORCH_SUPERVISOR", "")
    if not parent:
        return
    _libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM, 0, 0, 0)
    if os.getppid() not in (0, int(parent)):
        sys.exit("the supervisor is gone")


class Supervisor:
    """Keeps programs running until SIGTERM or SIGINT.

    directory: for its socket and `up.json`, which says who runs what for `procorch status` and `down`.
    say: gets one line about each thing that happened.
    """

    def __init__(self, directory: Path, say: Callable[[str], None], describe: Mapping[str, Any]) -> None:
        self.directory = directory
        self.say = say
        self.describe = dict(describe)
        self.programs: list[Program] = []
        self.listener = Listener(directory / "notify.sock")
        self._selector = selectors.DefaultSelector()
        self._selector.register(self.listener.sock, selectors.EVENT_READ)
        self._wake, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._selector.register(self._wake, selectors.EVENT_READ)
        self.stopping = False
        os.environ["PROCORCH_SUPERVISOR"] = str(os.getpid())

    def catch_signals(self) -> None:
        def stop(number: int, frame: object) -> None:
            self.stopping = True

        signal.signal(signal.SIGTERM, stop)
        signal.signal(signal.SIGINT, stop)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        signal.set_wakeup_fd(self._waker, warn_on_full_buffer=False)

    def start(self, program: Program) -> None:
        """Adds the program and starts it; does not wait."""
        self.programs.append(program)
        program.start(self.listener.path)
        self._record()

    def wait_ready(self, timeout: float) -> None:
        """Until every program said READY=1. Raises StartFailed; returns early when told to stop."""
        deadline = time.monotonic() + timeout
        while not self.stopping and not all(program.ready for program in self.programs):
            self._turn(min(0.5, max(0.0, deadline - time.monotonic())))
            for program in self.programs:
                assert program.process is not None
                code = program.process.poll()
                if code is not None and not program.ready:
                    raise StartFailed(f"{program.name} ended with code {code}:\n{program.last_words()}")
            if time.monotonic() > deadline:
                slow = ", ".join(program.name for program in self.programs if not program.ready)
                first = next(program for program in self.programs if not program.ready)
                raise StartFailed(f"not ready after {timeout:.0f} s: {slow}; see {first.log}:\n{first.last_words()}")

    def keep(self) -> None:
        """Until told to stop: start again what dies, after 1, 2, 4 … 30 s if it goes on dying."""
        while not self.stopping:
            self._turn(1.0)
            now = time.monotonic()
            for program in self.programs:
                self._look_after(program, now)

    def stop(self) -> None:
        """SIGTERM to each program, the last started first; SIGKILL after STOP_SECONDS."""
        for program in reversed(self.programs):
            process = program.process
            if process is None or process.poll() is not None:
                continue
            with contextlib.suppress(ProcessLookupError):
                process.terminate()
            try:
                process.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.say(f"{program.name} did not stop in {STOP_SECONDS:.0f} s: killed")
                process.kill()
                process.wait()
        (self.directory / "up.json").unlink(missing_ok=True)
        self.listener.close()

    def _turn(self, timeout: float) -> None:
        for key, _ in self._selector.select(timeout):
            if key.fd == self._wake:
                with contextlib.suppress(BlockingIOError):
                    os.read(self._wake, 512)
        for message in self.listener.received():
            for program in self.programs:
                if (
                    message.get("X_PROCORCH_PROGRAM") == program.name
                    and message.get("READY") == "1"
                    and not program.ready
                ):
                    program.ready = True
                    self._record()

    def _look_after(self, program: Program, now: float) -> None:
        assert program.process is not None
        code = program.process.poll()
        if code is None:
            if program.failures and now - program.started > 60:
                program.failures = 0
        elif program.due is None:
            delay = min(30.0, 2.0**program.failures)
            self.say(f"{program.name} ended with code {code}; starting it again in {delay:.0f} s; see {program.log}")
            program.failures += 1
            program.due = now + delay
        elif now >= program.due:
            try:
                program.start(self.listener.path)
            except OSError as error:  # tried again, as if it had ended at once; the other programs go on
                self.say(f"{program.name} cannot be started: {error}")
            self._record()

    def _record(self) -> None:
        """up.json: who runs, for the other commands; written whole."""
        rows = {
            program.name: {"pid": program.process.pid if program.process else None, "ready": program.ready}
            for program in self.programs
        }
        text = json.dumps({**self.describe, "pid": os.getpid(), "programs": rows}, indent=1)
        fresh = self.directory / ".up.json"
        try:
            fresh.write_text(text)
            fresh.replace(self.directory / "up.json")
        except OSError as error:  # a full disk must not end the cluster; the next change is written again
            self.say(f"{fresh.with_name('up.json')} not written: {error.strerror}")
