"""One sandbox from the agent's side: a place where processes share a network, an ipc and a host name."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import signal
import time
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .channel import Channel
from .identity import Identity
from .plan import exec_steps, process_steps, shared_tmpfs
from .sessions import Session, attach_session, open_session
from .spec import Capabilities, Limits, ProcessSpec, ProcessState, Ran, RuntimeFailed, User
from .wire import Message

if TYPE_CHECKING:
    from .cgroups import Groups
    from .usage import Usage

PAUSE_ENDED = "the sandbox's pause ended, and everything in the sandbox with it"


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What every sandbox of a runtime has in common.

    changed: told a sandbox's id; removed: told it is gone. spawn: the runtime's, for work beside.
    """

    groups: Groups
    mask: str
    changed: Callable[[str], None]
    removed: Callable[[str], None]
    spawn: Callable[[Coroutine[Any, Any, None], str], object]


def state_of(row: Mapping[str, Any]) -> ProcessState:
    """A process's row as a pause sends it, of whatever version that pause is."""
    return ProcessState(**{name: row[name] for name in ProcessState.__slots__ if name in row})


class Sandbox:
    """Made by Runtime.create, or found again by Runtime.start. All methods raise RuntimeFailed.

    directory: its own on disk; cgroup: its group's path. labels: as they were given.
    """

    def __init__(
        self, sandbox_id: str, labels: dict[str, str], directory: Path, cgroup: str, identity: Identity,
        surroundings: Surroundings,
    ) -> None:  # fmt: skip
        self.id = sandbox_id
        self.labels = labels
        self.directory = directory
        self.cgroup = cgroup
        self.identity = identity
        self._around = surroundings
        self._loop = asyncio.get_running_loop()
        self._processes: dict[str, ProcessState] = {}
        self._channel: Channel | None = None
        self._pidfd = -1
        self._dead = asyncio.Event()
        self._dead.set()
        self._waiters: set[asyncio.Future[None]] = set()

    def __repr__(self) -> str:
        return f"<Sandbox {self.id} pid={self.pid} alive={self.alive}>"

    @property
    def pid(self) -> int:
        """The pause's, as the machine sees it."""
        return self.identity.pid

    @property
    def start_time(self) -> int:
        """Clock ticks from boot to the pause's start: with pid and boot id, its name."""
        return self.identity.start

    @property
    def alive(self) -> bool:
        return not self._dead.is_set()

    @property
    def groups(self) -> Groups:
        return self._around.groups

    @property
    def netns(self) -> str:
        return f"/proc/{self.pid}/ns/net"

    def processes(self) -> dict[str, ProcessState]:
        """How every process stands that was started and not forgotten, by name."""
        return dict(self._processes)

    # --- the pause --------------------------------------------------------------------------------------------------

    def attach(self, pidfd: int, channel: Channel) -> None:
        """Hear of the pause's news and of its end; takes both over."""
        self._pidfd, self._channel = pidfd, channel
        self._dead.clear()
        self._loop.add_reader(pidfd, self._pause_ended)
        channel.on_event = self._hear

    async def catch_up(self) -> None:
        """Ask the pause for what happened while nobody listened."""
        self.learn((await self._ask({"do": "hello"}))["processes"])

    def learn(self, rows: Sequence[Mapping[str, Any]]) -> None:
        self._processes = {row["name"]: self._newest(state_of(row)) for row in rows}
        for state in self._processes.values():
            self._end_rest(state)

    def _newest(self, state: ProcessState) -> ProcessState:
        """This state, or the one that is known already if the process had ended in it.

        An answer is looked at a little later than the news that came right behind it.
        """
        known = self._processes.get(state.name)
        if known is None or known.running or known.started_at != state.started_at:
            return state
        return known

    def mark_dead(self) -> None:
        """Nothing runs here any more: what was running is told as killed."""
        for name, state in self._processes.items():
            if state.running:
                self._processes[name] = replace(
                    state, finished_at=time.time(), exit_code=137, signal=int(signal.SIGKILL), error=PAUSE_ENDED
                )

    def _hear(self, message: Message) -> None:
        if message.get("event") == "process":
            self._note(message["process"])

    def _note(self, row: Mapping[str, Any]) -> ProcessState:
        state = self._newest(state_of(row))
        if self._processes.get(state.name) != state:
            self._processes[state.name] = state
            self._end_rest(state)
            self._tell()
        return state

    def _end_rest(self, state: ProcessState) -> None:
        """With the process ends what it started. The kernel sees to that where it was init of a pid namespace."""
        group = self._group(state.name)
        if not state.running and self.groups.processes(group):
            self._around.spawn(self.groups.kill(group), f"runtime-rest:{self.id}/{state.name}")

    def _tell(self) -> None:
        for waiter in self._waiters:
            if not waiter.done():
                waiter.set_result(None)
        self._around.changed(self.id)

    def _pause_ended(self) -> None:
        self.detach()
        self._dead.set()
        self.mark_dead()
        self._tell()

    def detach(self) -> None:
        """Let go of the pause without touching it."""
        if self._pidfd >= 0:
            self._loop.remove_reader(self._pidfd)
            os.close(self._pidfd)
            self._pidfd = -1
        if self._channel is not None:
            self._channel.close()
            self._channel = None

    def _check_alive(self) -> None:
        if not self.alive:
            raise RuntimeFailed(f"sandbox {self.id}: its pause has ended")

    async def _ask(self, message: Message) -> Message:
        self._check_alive()
        if self._channel is None or not self._channel.open:
            try:
                self._channel = Channel.connect(self.directory)
            except OSError as error:
                raise RuntimeFailed(f"sandbox {self.id}: its pause does not answer: {error}") from error
            self._channel.on_event = self._hear
            self.learn((await self._channel.ask({"do": "hello"}))["processes"])
        return await self._channel.ask(message)

    async def assign(self, message: Message) -> None:
        """The first message: what the pause is from now on."""
        await self._ask(message | {"do": "assign", "directory": str(self.directory)})

    # --- processes --------------------------------------------------------------------------------------------------

    def _group(self, name: str) -> str:
        return f"{self.cgroup}/{name}"

    async def start(self, spec: ProcessSpec) -> ProcessState:
        """Run a program; returns when it runs, or when it could not be started: then `error` says why.

        Raises RuntimeFailed if it was not even tried: the name is taken, a limit or the sandbox is impossible.
        """
        if spec.name in self._processes:
            raise RuntimeFailed(f"{spec.name}: there is a process of this name already")
        groups, group = self.groups, self._group(spec.name)
        tasks, shown = groups.tasks_files(group), groups.shown(group)
        steps = process_steps(spec, str(self.directory), self._around.mask, tasks, shown)
        groups.create(group, spec.limits, leaf=True)
        shared = [mount for mount in spec.mounts if mount.type == "tmpfs" and mount.source is not None]
        try:
            answer = await self._ask(
                {
                    "do": "start",
                    "name": spec.name,
                    "steps": steps,
                    "log": str(spec.log_path) if spec.log_path else "",
                    "stdin": spec.stdin,
                    "cgroup": groups.directory(group),
                    "oom_file": groups.oom_file(group),
                    "pids_of": spec.pids_of,
                    "tmpfs": [[shared_tmpfs(one, str(self.directory)), ",".join(one.options)] for one in shared],
                }
            )
        except RuntimeFailed:
            if spec.name not in self._processes:
                await groups.remove(group)
            raise
        return self._note(answer["process"])

    def _beside(self, name: str, spec: ProcessSpec) -> Message:
        groups, group = self.groups, self._group(name)
        with contextlib.suppress(OSError, KeyError):  # the kernel ends it as readily as the process beside which it is
            score = Path(f"/proc/{self._processes[name].pid}/oom_score_adj").read_text()
            spec = replace(spec, oom_score_adj=int(score))
        steps = exec_steps(spec, groups.tasks_files(group))
        return {"do": "run", "name": name, "steps": steps, "stdin": False, "cgroup": groups.directory(group)}

    # --- limits -----------------------------------------------------------------------------------------------------

    def limits(self, name: str = "") -> Limits:
        """As the kernel has them now, of the process `name` or of the sandbox as a whole."""
        try:
            return self.groups.read(self._group(name) if name else self.cgroup)
        except OSError as error:
            raise RuntimeFailed(f"sandbox {self.id}: {name or 'as a whole'}: no limits to read: {error}") from error

    def rounded(self, limits: Limits) -> Limits:
        """These limits as `limits` tells them once they are set."""
        return self.groups.rounded(limits)

    def usage(self, name: str = "") -> Usage:
        """What the process `name`, or the sandbox as a whole, uses now."""
        try:
            return self.groups.usage(self._group(name) if name else self.cgroup)
        except OSError as error:
            raise RuntimeFailed(f"sandbox {self.id}: {name or 'as a whole'}: no usage to read: {error}") from error

    def limit(self, limits: Limits, name: str = "") -> None:
        """Other limits while it runs; what is None stays. Under version 1 a part must always fit into the whole."""
        self.groups.update(self._group(name) if name else self.cgroup, limits)

    # --- commands beside a process ----------------------------------------------------------------------------------

    async def exec(
        self,
        name: str,
        argv: Sequence[str],
        *,
        env: Mapping[str, str] | None = None,
        cwd: str = "/",
        user: User | None = None,
        capabilities: Capabilities | None = None,
        no_new_privs: bool = True,
        timeout: float = 10.0,
        most: int = 1024 * 1024,
    ) -> Ran:
        """Run a command beside the process `name`, in its namespaces and its group, and wait for its end.

        timeout: seconds after which the command is killed; most: bytes of output that are kept, both streams together.
        """
        spec = ProcessSpec(
            name, tuple(argv), env=env or {}, cwd=cwd, user=user or User(), no_new_privs=no_new_privs,
            capabilities=capabilities or Capabilities(),
        )  # fmt: skip
        ran = (await self._ask(self._beside(name, spec) | {"timeout": timeout, "most": most}))["ran"]
        for stream in ("stdout", "stderr"):
            ran[stream] = ran[stream].encode("latin-1")
        return Ran(**{field: ran[field] for field in Ran.__slots__})

    async def open(self, name: str, spec: ProcessSpec) -> Session:
        """Run a command beside the process `name` as `exec` does, with its input and output in the caller's hands.

        spec: its argv, env, cwd, user and rights, stdin and tty are meant. It ends with the session.
        """
        self._check_alive()
        return await open_session(self.directory, self._beside(name, spec), stdin=spec.stdin, tty=spec.tty)

    async def attach_to(self, name: str, *, tty: bool) -> Session:
        """What the process `name` writes from now on, and its input if it has one. tty: it is on a terminal."""
        self._check_alive()
        return await attach_session(self.directory, name, tty=tty)

    async def close_input(self, name: str) -> None:
        """The process reads the end of its input, as soon as nobody who is attached holds it either."""
        await self._ask({"do": "close_input", "name": name})

    async def signal(self, name: str, signum: int) -> None:
        """To the program itself. It is its pid namespace's init: what it does not handle it ignores, but SIGKILL."""
        await self._ask({"do": "signal", "name": name, "signum": int(signum)})

    async def kill(self, name: str) -> None:
        """End the program and everything it started. Returns when it is signalled; `wait` tells when it is over."""
        with contextlib.suppress(RuntimeFailed):  # not running: only what may be left in its group matters
            await self.signal(name, signal.SIGKILL)  # the kernel ends a pid namespace with its init
        if self.groups.processes(self._group(name)):
            await self.groups.kill(self._group(name))

    async def wait(self, name: str) -> ProcessState:
        """The process's state once it has ended; raises KeyError for a name that is not known."""
        while self._processes[name].running:
            waiter = self._loop.create_future()
            self._waiters.add(waiter)
            try:
                await waiter
            finally:
                self._waiters.discard(waiter)
        return self._processes[name]

    def layer(self, name: str) -> Path:
        """Where what the process wrote into its root lies, as the pause sees it: in memory of its own it may be."""
        layer = self.directory / "layers" / name
        return Path(f"/proc/{self.pid}/root{layer}") if self.alive else layer

    async def forget(self, name: str) -> None:
        """Free the name, its group and its writable layer; ends it if it still runs."""
        if name in self._processes:
            await self.kill(name)
            await self.wait(name)
        await self.groups.remove(self._group(name))
        layer = self.layer(name)
        if self.alive:
            await self._ask({"do": "forget", "name": name})
        self._processes.pop(name, None)
        await asyncio.to_thread(shutil.rmtree, layer, ignore_errors=True)

    async def remove(self) -> None:
        """End everything and leave nothing: no process, no group, no directory. Twice is as good as once."""
        if self.alive:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)
            await self._dead.wait()
        if self.groups.processes(self.cgroup):
            await self.groups.kill(self.cgroup)
        await self.groups.remove(self.cgroup)
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)
        if self.directory.exists():
            raise RuntimeFailed(f"sandbox {self.id}: {self.directory} cannot be removed")
        self._around.removed(self.id)
