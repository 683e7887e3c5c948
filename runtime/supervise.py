"""The runtime of one machine: makes sandboxes, keeps a few pauses warm, and finds everything again after a restart.

<directory>/lock              held while a runtime uses the directory
<directory>/mask/             where the zygote, in its own mount namespace, has the mask of the machine's secrets
<directory>/pool/<n>/         a warm pause's, until it is given away: renamed to
<directory>/sandboxes/<id>/   sandbox.json (spec and pause's identity), control (the pause's socket),
                              processes.json (written by the pause), shm/, tmpfs/, layers/<process>/
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import json
import logging
import os
import re
import resource
import secrets
import shutil
import signal
from collections.abc import Callable, Coroutine, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Any

from . import cgroups, syscalls
from .channel import Channel, Zygote, ZygoteEnded
from .identity import Identity
from .plan import ready_steps
from .sandbox import Sandbox, Surroundings
from .spec import Limits, RuntimeFailed, SandboxSpec

logger = logging.getLogger(__name__)

NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,200}")
OVERLAYFS_MAGIC = 0x794C7630
UNUSUAL = ("host_network", "host_ipc", "host_pids", "shared_pids")  # what a pause must be told before it is forked
REFILL_AFTER = 0.02  # seconds: a start that is under way comes first


@dataclass(frozen=True, slots=True)
class Pause:
    """A pause that was forked: connected, and known by pidfd."""

    identity: Identity
    pidfd: int
    channel: Channel
    directory: Path


class Runtime:
    """directory: state, kept over restarts. cgroup: the group below which all others are.

    warm: how many pauses wait for a sandbox. hidden: paths that no host root shows, besides `directory`.
    on_change is called with a sandbox's id when one of its processes started or ended, or its pause did.
    """

    def __init__(
        self, directory: Path, *, cgroup: str = "procorch", warm: int = 2, hidden: Sequence[Path] = ()
    ) -> None:
        self.directory = directory.resolve()
        self.cgroup = cgroup.strip("/")
        self.on_change: Callable[[str], None] = lambda sandbox_id: None
        self._warm = warm
        self._hidden = [str(path) for path in (self.directory, *hidden)]
        self._sandboxes: dict[str, Sandbox] = {}
        self.sandboxes: Mapping[str, Sandbox] = MappingProxyType(self._sandboxes)
        self._pool: list[Pause] = []
        self._zygote: Zygote | None = None
        self._zygote_lock = asyncio.Lock()
        self._tasks: set[asyncio.Task[None]] = set()
        self._refill_timer: asyncio.TimerHandle | None = None
        self._refilling = False
        # As it was found: what the agent allows itself later is not for its containers.
        self._open_files = resource.getrlimit(resource.RLIMIT_NOFILE)
        self._lock = -1
        self._closing = False

    async def start(self) -> None:
        """Take the directory, find the sandboxes on it, have the zygote ready and the pool filled."""
        if os.geteuid() != 0:
            raise RuntimeFailed("the runtime needs root: namespaces, mounts and cgroups are made")
        self._loop = asyncio.get_running_loop()
        self.directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        self._take_lock()
        try:
            await self._set_up()
        except BaseException:
            await self.close()
            raise

    async def _set_up(self) -> None:
        groups = cgroups.detect()
        groups.create(f"{self.cgroup}/pauses", Limits())
        mask = self.directory / "mask"
        self._around = Surroundings(groups, str(mask), self._changed, self._removed, self._spawn)
        self._in_memory = syscalls.filesystem_kind(str(self.directory)) == OVERLAYFS_MAGIC
        shutil.rmtree(self.directory / "pool", ignore_errors=True)  # its pauses ended with their agent
        for name in ("pool", "sandboxes", "mask"):
            (self.directory / name).mkdir(mode=0o700, exist_ok=True)
        for directory in sorted((self.directory / "sandboxes").iterdir()):
            await self._find(directory)
        await self._ready_zygote()
        await self._refill()

    @property
    def groups(self) -> cgroups.Groups:
        """The cgroups of this machine; a sandbox's are named by Sandbox.cgroup."""
        return self._around.groups

    def _take_lock(self) -> None:
        self._lock = os.open(self.directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            holder = os.pread(self._lock, 32, 0).decode().strip() or "unknown"
            os.close(self._lock)
            self._lock = -1
            raise RuntimeFailed(f"{self.directory}: in use by another agent (pid {holder}); stop it first") from None
        with contextlib.suppress(OSError):  # the disk is full: the lock is what counts, not whose it is
            os.ftruncate(self._lock, 0)
            os.pwrite(self._lock, f"{os.getpid()}\n".encode(), 0)

    async def close(self) -> None:
        """Let go of everything: sandboxes go on running, warm pauses and the zygote end."""
        self._closing = True
        if self._refill_timer is not None:
            self._refill_timer.cancel()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for sandbox in self._sandboxes.values():
            sandbox.detach()
        for pause in self._pool:
            await self._discard(pause)
        self._pool.clear()
        if self._zygote is not None:
            await self._zygote.close()
        if self._lock >= 0:
            os.close(self._lock)
            self._lock = -1

    # --- after a restart --------------------------------------------------------------------------------------------

    async def _find(self, directory: Path) -> None:
        """A sandbox on disk: alive if its very pause still is, otherwise told as dead, to be removed by the caller."""
        try:
            told = json.loads((directory / "sandbox.json").read_text())
            identity = Identity(told["pid"], told["start"], told["boot"])
        except (OSError, ValueError, KeyError):
            # The agent was killed between taking a pause and naming it: nobody was told of this sandbox.
            shutil.rmtree(directory, ignore_errors=True)
            return
        sandbox = Sandbox(directory.name, told["spec"]["labels"], directory, told["cgroup"], identity, self._around)
        self._sandboxes[sandbox.id] = sandbox
        with contextlib.suppress(OSError, ValueError):
            sandbox.learn(json.loads((directory / "processes.json").read_text()))
        try:
            pidfd = identity.open()
        except OSError:
            sandbox.mark_dead()
            return
        try:
            sandbox.attach(pidfd, Channel.connect(directory))
            await sandbox.catch_up()
        except (OSError, RuntimeFailed) as error:
            logger.warning("pause does not answer", extra={"sandbox": sandbox.id, "error": str(error)})

    # --- pauses -----------------------------------------------------------------------------------------------------

    async def _ready_zygote(self) -> Zygote:
        async with self._zygote_lock:
            if self._zygote is None or not self._zygote.alive:
                if self._zygote is not None:
                    await self._zygote.close()
                    logger.warning("zygote ended, started again", extra={"pid": self._zygote.pid})
                tasks = self.groups.tasks_files(f"{self.cgroup}/pauses")
                if directory := self.groups.directory(f"{self.cgroup}/pauses"):
                    tasks = [f"{directory}/cgroup.procs"]
                self._zygote = await Zygote.start(Path(self._around.mask), self._hidden, tasks, self._open_files)
            return self._zygote

    async def _fork(self, spec: SandboxSpec | None = None, *, ready: bool = False) -> Pause:
        """spec: for a sandbox with namespaces that are not the usual ones."""
        directory = self.directory / "pool" / secrets.token_hex(8)
        directory.mkdir(mode=0o700)
        request = {
            "directory": str(directory),
            **{name: spec is not None and getattr(spec, name) for name in UNUSUAL},
            "layers_in_memory": self._in_memory,
            "ready": ready_steps(str(directory), self._around.mask) if ready else [],
        }
        try:
            try:
                zygote = await self._ready_zygote()
                pid, channel = await zygote.fork(directory, request)
            except ZygoteEnded:  # killed a moment ago: the next one does it
                zygote = await self._ready_zygote()
                pid, channel = await zygote.fork(directory, request)
            try:
                identity = Identity.of(pid)
                await channel.ask({"do": "hello"})  # it is set up: from now on its directory may be renamed
                return Pause(identity, identity.open(), channel, directory)
            except OSError as error:
                channel.close()
                raise RuntimeFailed(f"a pause ended as soon as it was forked: {error}") from error
            except BaseException:
                channel.close()
                raise
        except BaseException:
            shutil.rmtree(directory, ignore_errors=True)
            raise

    async def _refill(self) -> None:
        if self._refilling:
            return  # one at a time, or the pool has too many in the end; that one looks again
        self._refilling = True
        try:
            while len(self._pool) < self._warm and not self._closing:
                self._pool.append(await self._fork(ready=self.groups.version == 1))
        finally:
            self._refilling = False

    def _refill_later(self) -> None:
        """In the background, and not in the way of the start that emptied the pool."""

        def begin() -> None:
            self._refill_timer = None
            self._spawn(self._refill(), "runtime-refill")

        if self._refill_timer is None and not self._closing:
            self._refill_timer = self._loop.call_later(REFILL_AFTER, begin)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> None:
        """A task of this runtime's own set; what it raises is logged, and the next start meets it itself."""

        def ended(task: asyncio.Task[None]) -> None:
            self._tasks.discard(task)
            if not task.cancelled() and (error := task.exception()):
                logger.warning("not done", extra={"what": name, "error": str(error)})

        task = self._loop.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(ended)

    async def _take(self, spec: SandboxSpec) -> Pause:
        if any(getattr(spec, name) for name in UNUSUAL):
            return await self._fork(spec)
        while self._pool:
            pause = self._pool.pop(0)
            self._refill_later()
            if pause.channel.open:
                return pause
            await self._discard(pause)
        return await self._fork()

    async def _discard(self, pause: Pause) -> None:
        pause.channel.close()
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(pause.pidfd, signal.SIGKILL)
        os.close(pause.pidfd)
        shutil.rmtree(pause.directory, ignore_errors=True)

    # --- sandboxes --------------------------------------------------------------------------------------------------

    async def create(self, spec: SandboxSpec) -> Sandbox:
        """Raises RuntimeFailed, and then has left nothing."""
        if not NAME.fullmatch(spec.id):
            raise RuntimeFailed(f'sandbox "{spec.id}": an id is made of letters, digits, "-", "_" and "."')
        directory = self.directory / "sandboxes" / spec.id
        if spec.id in self._sandboxes or directory.exists():
            raise RuntimeFailed(f"sandbox {spec.id}: exists already")
        group = "/".join(part for part in (self.cgroup, spec.cgroup_parent.strip("/"), spec.id) if part)
        pause = await self._take(spec)
        identity = pause.identity
        told = {"spec": asdict(spec), "pid": identity.pid, "start": identity.start, "boot": identity.boot}
        (pause.directory / "sandbox.json").write_text(json.dumps(told | {"cgroup": group}))
        pause.directory.rename(directory)
        sandbox = Sandbox(spec.id, dict(spec.labels), directory, group, identity, self._around)
        sandbox.attach(pause.pidfd, pause.channel)
        self._sandboxes[spec.id] = sandbox
        try:
            self.groups.create(group, spec.limits)
            await sandbox.assign({"name": spec.id, "hostname": spec.hostname, "sysctls": dict(spec.sysctls)})
        except BaseException:
            await asyncio.shield(sandbox.remove())
            raise
        return sandbox

    async def reset(self, grace: float = 0.0) -> None:
        """Remove every sandbox, then everything of the runtime's own; it is closed afterwards.

        grace: seconds that programs have to end by themselves, after a SIGTERM to each.
        """
        if grace > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace), asyncio.TaskGroup() as tasks:
                    for sandbox in self._sandboxes.values():
                        for name in sandbox.processes():
                            tasks.create_task(_ended(sandbox, name), name=f"end:{sandbox.id}/{name}")
        for sandbox in list(self._sandboxes.values()):
            await sandbox.remove()
        await self.close()
        await self.groups.remove(self.cgroup)
        await asyncio.to_thread(shutil.rmtree, self.directory, ignore_errors=True)

    def _changed(self, sandbox_id: str) -> None:
        self.on_change(sandbox_id)

    def _removed(self, sandbox_id: str) -> None:
        self._sandboxes.pop(sandbox_id, None)


async def _ended(sandbox: Sandbox, name: str) -> None:
    with contextlib.suppress(RuntimeFailed):  # it has ended already, or its pause has
        await sandbox.signal(name, signal.SIGTERM)
        await sandbox.wait(name)
