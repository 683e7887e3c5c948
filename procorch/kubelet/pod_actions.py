"""What the plan asks for, done: each method carries out one action, tells events, and leaves the outcome in the record.

A step that cannot be done now (a volume, an image, a bad configuration) leaves a waiting reason and a time for the
next try; nothing here raises for what the pod's owner can put right.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from procorch.client import Unreachable
from procorch.kubelet import pod_files, runtime_classes
from procorch.kubelet.container_images import ContainerImages, Spawn, tell
from procorch.kubelet.environment import ConfigProblem, Facts
from procorch.kubelet.launch import Prepared, again, clear_message, log_path, process_spec, read_message, sandbox_spec
from procorch.kubelet.plan import Pause, all_containers
from procorch.kubelet.record import Attempt, PodRecord, process_name
from procorch.kubelet.retries import Retries
from procorch.kubelet.sources import PodSource
from procorch.kubelet.surroundings import Surroundings
from procorch.kubelet.volumes import Made, VolumeProblem, make_all, remove_all
from procorch.objects import ApiError, Object, get, key_of, uid_of
from runtime import ProcessSpec, RuntimeFailed, Sandbox
from runtime.logs import files_of
from runtime.plan import shared_tmpfs

logger = logging.getLogger(__name__)


class PodActions:
    """directory: the pod's own. save: the record to disk. retries: when to try again what failed.

    spawn, wake: the worker's, for what takes long.
    """

    def __init__(
        self,
        around: Surroundings,
        record: PodRecord,
        directory: Path,
        save: Callable[[], None],
        spawn: Spawn,
        wake: Callable[[], None],
    ) -> None:
        self._around = around
        self._record = record
        self._directory = directory
        self._save = save
        self._volumes: dict[str, Made] | None = None
        self.retries = Retries()
        self.images = ContainerImages(around, record, self.retries, lambda pod: self._source(pod).find, spawn, wake)

    # Looking

    def sandboxes(self, uid: str) -> list[Sandbox]:
        """All of this pod's, the newest last."""
        found = [one for one in self._around.runtime.sandboxes.values() if one.labels.get("uid") == uid]
        return sorted(found, key=lambda one: int(one.labels.get("attempt") or 0))

    @property
    def sandbox(self) -> Sandbox | None:
        return self._around.runtime.sandboxes.get(self._record.sandbox)

    # The pause

    async def start_pause(self, pod: Object) -> None:
        """The sandbox with its network, and meanwhile the volumes, which take as long.

        What a pod cannot mount, it does not need a network for: then the sandbox goes again, and the next tries begin
        with the volumes.
        """
        record, around = self._record, self._around
        if record.started_at is None:
            record.started_at = around.clock()
        if not self.retries.may("pod", around.clock()):
            return
        if problem := await runtime_classes.problem(pod, around.sources.client):
            mounted = False
        elif self._is_known():
            problem, mounted = await self._make_sandbox(pod), True
        elif self.retries.is_failing("pod"):
            mounted = await self.make_volumes(pod)
            problem = await self._make_sandbox(pod) if mounted else ""
        else:
            async with asyncio.TaskGroup() as tasks:
                making = tasks.create_task(self.make_volumes(pod), name=f"volumes:{key_of(pod)}")
                await asyncio.sleep(0)  # its request is on its way before the groups are made, which blocks
                problem = await self._make_sandbox(pod)
            mounted = making.result()
        if problem:
            around.events.event(pod, "Warning", "FailedCreatePodSandBox", f"Failed to create pod sandbox: {problem}")
            self.retries.failed("pod", around.clock())
        elif mounted:
            record.pause = Pause.ALIVE
            self.retries.worked("pod")
        else:
            await self._remove_sandboxes(pod)
            record.address = ""

    async def _make_sandbox(self, pod: Object) -> str:
        """Why it cannot be made; nothing if it is there."""
        record, around = self._record, self._around
        number = record.sandboxes
        sandbox_id = f"pod{uid_of(pod)}" if not number else f"pod{uid_of(pod)}.{number}"
        hostname = pod_files.hostname_of(pod, around.node_name, around.dns)
        if len(hostname) > pod_files.MOST_HOSTNAME:
            return (
                f"Failed to construct FQDN from Pod hostname and cluster domain, FQDN {hostname} is too long "
                f"({pod_files.MOST_HOSTNAME} characters is the max, {len(hostname)} characters requested)"
            )
        for reason, message in pod_files.dns_problems(pod, around.dns):
            around.events.event(pod, "Warning", reason, message)
        try:
            sandbox = await around.runtime.create(sandbox_spec(pod, sandbox_id, hostname, number, around.pids_limit))
            record.sandboxes = number + 1
            record.sandbox = sandbox_id
            try:
                await self.attach(pod, sandbox)
            except BaseException:
                with contextlib.suppress(RuntimeFailed):
                    await asyncio.shield(sandbox.remove())
                raise
        except (RuntimeFailed, OSError, ConnectionError) as error:
            return str(error) or type(error).__name__
        return ""

    async def attach(self, pod: Object, sandbox: Sandbox) -> None:
        """Its address: the node's where it is on the node's network."""
        if get(pod, ".spec.hostNetwork"):
            self._record.address = self._around.node_ip
        else:
            self._record.address = await self._around.network.attach(sandbox.id, sandbox.pid)

    async def remove_pause(self, pod: Object) -> None:
        self._around.events.event(
            pod, "Normal", "SandboxChanged", "Pod sandbox changed, it will be killed and re-created."
        )
        await self._remove_sandboxes(pod)

    async def teardown(self, pod: Object) -> None:
        """The sandbox, its address and the volumes; logs and the record stay until the pod is off the API."""
        self.images.close()
        await self._remove_sandboxes(pod)
        await remove_all(self._directory / "volumes")
        self._record.torn_down = True
        logger.info("pod torn down", extra={"pod": key_of(pod)})

    async def _remove_sandboxes(self, pod: Object) -> None:
        uid = uid_of(pod)
        for sandbox in self.sandboxes(uid):
            await sandbox.remove()
        for owner in self._around.network.attached():
            if owner == f"pod{uid}" or owner.startswith(f"pod{uid}."):
                await self._around.network.detach(owner)
        self._record.pause = Pause.ABSENT

    # Volumes

    async def make_volumes(self, pod: Object) -> bool:
        """Whether all are there, and as fresh as the API's objects."""
        around, source = self._around, self._source(pod)
        try:
            self._volumes = await make_all(pod, self._directory / "volumes", source)
        except (VolumeProblem, ApiError, Unreachable) as error:
            around.events.event(pod, "Warning", "FailedMount", str(error))
            self.retries.failed("pod", around.clock())
            return False
        again = [made.again for made in self._volumes.values() if made.again is not None]
        self.retries.refresh_at = min(again, default=None)
        return True

    def forget_volumes(self) -> None:
        """The pod is another than the one that they were made for."""
        self._volumes = None

    @property
    def has_volumes(self) -> bool:
        return self._volumes is not None

    def _source(self, pod: Object) -> PodSource:
        address = (self._record.address,) if self._record.address else ()
        facts = Facts(address, (self._around.node_ip,), self._around.allocatable)
        return self._around.sources.of(pod, facts)

    # Containers

    async def start(self, pod: Object, name: str) -> None:
        """One attempt, if everything for it is there."""
        sandbox = self.sandbox
        if sandbox is None or not self.retries.may(name, self._around.clock()):
            if self.retries.is_image(name):
                self.images.waits(pod, name)
            return
        record = self._record.of(name)
        number = record.current.number + 1 if record.current is not None else 0
        if record.launch is not None and record.current is not None and self._is_known():
            spec, image_id = again(record.launch, name, number, self._directory), record.current.image_id
        elif (found := await self._specification(pod, name, number)) is not None:
            spec, image_id = found
        else:
            return
        await self._clear_old(sandbox, name, number)
        attempt = Attempt(number, sandbox.id, image_id, started_at=self._around.clock())
        record.launch, record.image_id = spec, image_id
        self._save()  # an agent that is killed from here on finds a process, and must know what it is
        try:
            state = await sandbox.start(spec)
        except (RuntimeFailed, OSError) as error:
            self._cannot(pod, name, "CreateContainerError", str(error))
            return
        record.begin(attempt)
        self.retries.worked(name)
        self._event(pod, name, "Normal", "Created", f"Created container: {name}")
        if state.error:
            self._event(pod, name, "Warning", "Failed", f"Error: {state.error}")
        else:
            self._event(pod, name, "Normal", "Started", f"Started container {name}")

    def _is_known(self) -> bool:
        """The API has not been heard yet, and an earlier agent had the pod running: its last start will do."""
        known = any(one.launch is not None for one in self._record.containers.values())
        return known and not self._around.synced.is_set()

    async def _specification(self, pod: Object, name: str, number: int) -> tuple[ProcessSpec, str] | None:
        """What is to run, and its imageID; None where that cannot be said now, and then why is in the record."""
        if not self.has_volumes and not await self.make_volumes(pod):
            return None
        container = next(one for one in all_containers(pod) if one["name"] == name)
        if (image := self.images.get(pod, container)) is None:
            return None
        try:
            find, prepared = self._source(pod).find, self._prepared(pod)
            spec = await process_spec(pod, container, number, image, find, prepared)
            return replace(spec, pids_of=self._target(container)), image.image_id
        except (ConfigProblem, Unreachable, ApiError, ValueError) as error:
            self._cannot(pod, name, "CreateContainerConfigError", str(error))
            return None

    def _target(self, container: Object) -> str:
        """The process whose pid namespace an ephemeral container is to see. Raises ConfigProblem."""
        name = container.get("targetContainerName") or ""
        if not name:
            return ""
        one = self._record.containers.get(name)
        attempt = one.current if one is not None else None
        if attempt is None or not attempt.running or attempt.sandbox != self._record.sandbox:
            raise ConfigProblem(f'unable to find target container "{name}": it is not running')
        return process_name(name, attempt.number)

    def waits(self, pod: Object, name: str) -> None:
        """It is in its back-off."""
        record = self._record.of(name)
        wait = duration(record.backoff)
        metadata = pod["metadata"]
        where = f"{metadata['name']}_{metadata['namespace']}({metadata['uid']})"
        message = f"back-off {wait} restarting failed container={name} pod={where}"
        if record.waiting != ("CrashLoopBackOff", message):
            record.waiting = ("CrashLoopBackOff", message)
            self._event(pod, name, "Warning", "BackOff", f"Back-off restarting failed container {name} in pod {where}")

    async def signal(self, name: str, number: int) -> None:
        """The signal that asks it to end goes to the newest attempt."""
        attempt, sandbox = self._record.of(name).current, self.sandbox
        if attempt is not None and sandbox is not None and attempt.running:
            with contextlib.suppress(RuntimeFailed):  # it has ended meanwhile
                await sandbox.signal(process_name(name, attempt.number), number)

    async def kill(self, name: str) -> None:
        attempt, sandbox = self._record.of(name).current, self.sandbox
        if attempt is not None and sandbox is not None:
            process = process_name(name, attempt.number)
            await sandbox.kill(process)
            with contextlib.suppress(KeyError):
                await sandbox.wait(process)

    def ended(self, pod: Object, name: str, attempt: Attempt) -> None:
        """An attempt was seen to have ended: what it left to say."""
        container = next((one for one in all_containers(pod) if one["name"] == name), None)
        if container is not None and not attempt.message:
            attempt.message = read_message(self._directory, container, attempt.number, bool(attempt.exit_code))
        logger.info("container ended", extra={"pod": key_of(pod), "container": name, "code": attempt.exit_code})

    async def _clear_old(self, sandbox: Sandbox, name: str, number: int) -> None:
        """The names, layers and logs of attempts that nobody asks for: the one before stays for `logs --previous`."""
        for process in sandbox.processes():
            if process.rpartition(".")[0] == name:
                await sandbox.forget(process)
        log = log_path(self._directory, name, number)
        log.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        if number > 1:
            for old in files_of(log_path(self._directory, name, number - 2)):
                old.unlink(missing_ok=True)
        clear_message(self._directory, name)

    def _prepared(self, pod: Object) -> Prepared:
        around, address = self._around, self._record.address
        files = pod_files.write(
            pod, self._directory / "etc", around.node_name, [address] if address else [], around.dns
        )
        links = get(pod, ".spec.enableServiceLinks")
        return Prepared(
            volumes=self._volumes or {},
            files=files,
            facts=replace(self._source(pod).facts, volumes=self._volume_paths()),
            services=around.services(pod["metadata"]["namespace"], links is not False),
            hostname=pod_files.hostname_of(pod, around.node_name, around.dns),
            directory=self._directory,
            memory_capacity=around.memory_capacity,
        )

    def _volume_paths(self) -> dict[str, Path]:
        """Where the node finds the pod's files. What lies in memory only the pause sees."""
        sandbox, found = self.sandbox, {}
        for name, made in (self._volumes or {}).items():
            if made.mount.type == "bind" and made.mount.source is not None:
                found[name] = made.mount.source
            elif made.mount.source is not None and sandbox is not None:
                found[name] = Path(f"/proc/{sandbox.pid}/root{shared_tmpfs(made.mount, str(sandbox.directory))}")
        return found

    def _cannot(self, pod: Object, name: str, reason: str, message: str) -> None:
        self._record.of(name).waiting = (reason, message)
        self.retries.failed(name, self._around.clock())
        self._event(pod, name, "Warning", "Failed", f"Error: {message}")

    def _event(self, pod: Object, name: str, type_: str, reason: str, message: str) -> None:
        tell(self._around.events, pod, name, type_, reason, message)


def duration(seconds: float) -> str:
    """As Go prints it: 10s, 1m20s, 5m0s."""
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m{rest}s" if minutes else f"{rest}s"


async def remove_directory(directory: Path) -> None:
    """The pod is off the API: its logs and its record go too."""
    await asyncio.to_thread(shutil.rmtree, directory, ignore_errors=True)
