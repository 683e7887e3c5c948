"""One worker a pod: look, plan, act, report; again when the pod changes, a process ends, or time is up.

         ┌──────────── wake: pod changed, process ended, source changed, time ◀───────────┐
         ▼                                                                                │
    look (runtime ▶ record) ──▶ plan (pure) ──▶ act (runtime, network, volumes) ──▶ record on disk
                                                                                          │
                                                              reporter ──▶ status to the API

The worker of one pod never waits for another, nor for the API while its containers run.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Coroutine, Mapping
from dataclasses import replace
from typing import Any

from procorch.clock import Backoff, timestamp
from procorch.kubelet import sysctls
from procorch.kubelet.endings import Endings
from procorch.kubelet.eviction.usage import PodUsage, usage_of
from procorch.kubelet.mirrors import MirrorReporter, Mirrors
from procorch.kubelet.plan import (
    Action,
    Fail,
    Hook,
    Kill,
    Pause,
    RemovePause,
    Renew,
    RestartAll,
    Start,
    StartPause,
    Stop,
    Teardown,
    Wake,
    lasting_containers,
    plan,
)
from procorch.kubelet.pod_actions import PodActions, remove_directory
from procorch.kubelet.pod_health import PodHealth
from procorch.kubelet.record import PodDirectory, PodRecord
from procorch.kubelet.reporter import Reporter
from procorch.kubelet.resizing import Resizer
from procorch.kubelet.surroundings import Surroundings
from procorch.objects import Object, get, is_deleting, key_of, uid_of

logger = logging.getLogger(__name__)

MOST_TURNS = 50  # plans in one step: each one asks for less than the one before
LONGEST_SLEEP = 300.0


class PodWorker:
    """pod: as the API told it; record: of an earlier agent, where there is one. ended: called when all is over.

    mirrors: where a static pod shows itself; other pods have none.
    """

    def __init__(
        self,
        pod: Object,
        around: Surroundings,
        directory: PodDirectory,
        record: PodRecord | None = None,
        *,
        ended: Callable[[str], None] = lambda uid: None,
        mirrors: Mirrors | None = None,
    ) -> None:
        self.pod = pod
        self.uid = uid_of(pod)
        self.record = record or PodRecord()
        self._around = around
        self._directory = directory
        self._ended = ended
        self._removed = False
        self._wake = asyncio.Event()
        self._freed = asyncio.Event()
        self._told = asyncio.Event()
        self._stale = False  # an object that volumes are made of has changed
        self._actions = PodActions(
            around, self.record, directory.path, lambda: directory.save(self.record), self._spawn, self.wake
        )
        self._resizer = Resizer(around, self.record, self._resized)
        self.sized = self._resizer.sized(pod)
        self._reporter: Reporter | MirrorReporter
        if mirrors is not None:
            self._reporter = MirrorReporter(around, mirrors, lambda: self.pod, self.record)
        else:
            self._reporter = Reporter(around, lambda: self.pod, self.record, self.remove)
        self._health: PodHealth | None = None
        self._endings = Endings(around, self.record, self._actions, lambda: self.pod, lambda: self._health, self._spawn)
        self._noticed: set[tuple[str, int]] = set()  # ended attempts whose end was dealt with

    # What others tell

    def update(self, pod: Object) -> None:
        """The API has it like this now."""
        old, self.pod = self.pod, pod
        self.sized = self._resizer.sized(pod)
        self._reporter.changed()
        if _is_over(pod):
            self._told.set()
        if _asked(old) != _asked(pod):
            self._keep_pod()
            self._wake.set()
        if any(old["metadata"].get(name) != pod["metadata"].get(name) for name in ("labels", "annotations")):
            self.source_changed()  # downwardAPI volumes and subPathExpr tell of them

    def _resized(self) -> None:
        """Something else is allocated to it: what is made from now on is made for that."""
        self.sized = self._resizer.sized(self.pod)
        self._actions.forget_volumes()

    def _keep_pod(self) -> None:
        """On disk, for an agent that comes back without the API. A full disk costs that, and no other pod anything."""
        try:
            self._directory.save_pod(self.pod)
        except OSError as error:
            logger.warning("pod not written down", extra={"pod": key_of(self.pod), "error": str(error)})

    def remove(self) -> None:
        """The API has no such pod any more."""
        self._removed = True
        self._told.set()
        self._reporter.stop()
        self._wake.set()

    def end(self) -> None:
        """Its manifest is gone from the node. Nobody deletes a static pod in the API: it is deleted here."""
        if not self._removed:
            now = timestamp(self._around.clock())
            self.pod = self.pod | {"metadata": self.pod["metadata"] | {"deletionTimestamp": now}}
            self.remove()

    def report(self) -> None:
        """What the API shows of it has changed."""
        self._reporter.changed()

    def wake(self) -> None:
        self._wake.set()

    def source_changed(self) -> None:
        """An object that it refers to is not what it was."""
        self._stale = True
        self._actions.retries.now()
        self._wake.set()

    def images_changed(self) -> None:
        """A name may mean something else on this node."""
        if self._actions.images.changed():
            self._wake.set()

    # The loop

    async def run(self) -> None:
        """Until the pod is gone from the API and from the machine. Cancelled, it leaves everything running."""
        self._keep_pod()
        async with asyncio.TaskGroup() as tasks:
            self._tasks = tasks
            self._health = PodHealth(self._around, self.record, tasks, self.wake)
            reporting = tasks.create_task(self._reporter.run(), name=f"report:{key_of(self.pod)}")
            try:
                await self._loop()
            finally:
                reporting.cancel()
                self._health.close()
                self._actions.images.close()
        self._around.sources.release(self.uid)
        await remove_directory(self._directory.path)
        self._ended(self.uid)

    def _spawn(self, work: Coroutine[Any, Any, None], name: str) -> asyncio.Task[None]:
        return self._tasks.create_task(work, name=name)

    async def _loop(self) -> None:
        backoff = Backoff(first=0.5, most=30.0)
        self._find()
        while True:
            self._wake.clear()
            try:
                after = await self._step()
                backoff.reset()
            except Exception:  # one of the three loops that must not die
                logger.exception("pod not brought about", extra={"pod": key_of(self.pod)})
                after = backoff.next()
            self._reporter.changed()
            if self._removed and self.record.torn_down:
                return
            try:
                async with asyncio.timeout(min(after, LONGEST_SLEEP)):
                    await self._wake.wait()
            except TimeoutError:
                pass

    def _find(self) -> None:
        """A sandbox that an earlier agent made, whatever it wrote down.

        An agent that finds its pods running goes on as if it had never ended, back-offs too. Where the machine or the
        cluster was off, they begin anew, as with a kubelet that is started.
        """
        found = self._actions.sandboxes(self.uid)
        if not any(one.alive for one in found):
            for one in self.record.containers.values():
                one.begin_anew()
        if found:
            newest = found[-1]
            self.record.sandbox = newest.id
            self.record.sandboxes = max(self.record.sandboxes, int(newest.labels.get("attempt") or 0) + 1)
        elif _is_over(self.pod):
            self.record.torn_down = True

    async def _step(self) -> float:
        """Seconds until the next look."""
        actions: list[Action] = []
        resize_after: float | None = None
        begun = self._around.clock()
        for _ in range(MOST_TURNS):
            self._look()
            await self._complete_sandbox()
            resize_after = self._resize()
            seen = self.record.seen(removed=self._removed)
            if _is_over(self.pod) and not seen.failed:
                seen = replace(seen, failed=True)
            now = self._around.clock()
            if not self.record.sandboxes and not seen.failed and self._is_refused():
                seen = replace(seen, failed=True)
            actions = plan(self.pod, seen, now)
            if not await self._act(actions):
                break
        self._look()
        if self.record.pause is Pause.ALIVE and not is_deleting(self.pod) and not self._removed:
            await self._refresh()
        self._directory.save(self.record)
        after = self._sleep(actions, begun)
        return after if resize_after is None else min(after, resize_after)

    def _is_refused(self) -> bool:
        """What this node does not take is told once, and the pod has failed."""
        why = sysctls.forbidden(self.pod, self._around.unsafe_sysctls)
        if why:
            self.record.reason, self.record.message = sysctls.FORBIDDEN, f"Pod was rejected: {why}"
            self._around.events.event(self.pod, "Warning", sysctls.FORBIDDEN, why)
        return bool(why)

    def _look(self) -> None:
        """The machine's word into the record."""
        record, sandbox = self.record, self._actions.sandbox
        record.pause = Pause.ABSENT if sandbox is None else Pause.ALIVE if sandbox.alive else Pause.DEAD
        record.take_in({} if sandbox is None else sandbox.processes(), self._around.clock())
        for name, one in record.containers.items():
            attempt = one.current
            if attempt is not None and not attempt.running and (name, attempt.number) not in self._noticed:
                self._noticed.add((name, attempt.number))
                self._noticed.discard((name, attempt.number - 1))
                self._actions.ended(self.pod, name, attempt)
                one.reset_health()
        if self._health is not None:
            self._health.follow(self.pod, sandbox if record.pause is Pause.ALIVE else None)

    async def _complete_sandbox(self) -> None:
        """An agent that was killed after it had made the sandbox may not have come to its network."""
        sandbox, over = self._actions.sandbox, is_deleting(self.pod) or self._removed or _is_over(self.pod)
        if self.record.pause is Pause.ALIVE and not self.record.address and sandbox is not None and not over:
            await self._actions.attach(self.pod, sandbox)

    @property
    def takes(self) -> bool:
        """It is here and takes its part of what the node has, until the last of it has ended."""
        return self.record.allocated is not None and not (self.record.torn_down or _is_over(self.pod))

    @property
    def is_ending(self) -> bool:
        """Nobody needs to end it any more."""
        return bool(self.record.reason) or is_deleting(self.pod) or self._removed

    async def freed(self) -> None:
        """When nothing of it is left on the machine."""
        await self._freed.wait()

    async def told(self) -> None:
        """When the API has its last status."""
        await self._told.wait()

    def usage(self, *, files: bool) -> PodUsage:
        """What it uses of the node. files: those on the disk, too, which takes a while."""
        return usage_of(self.sized, self.record, self._actions.sandbox, self._directory.path, files=files)

    def evict(self, reason: str, message: str, grace: float, *, type_: str = "Warning", told: str = "") -> None:
        """The node ends it: it has failed, for this reason. grace: seconds at most. told: the event's message."""
        record = self.record
        record.reason, record.message, record.grace, record.disrupted = reason, message, grace, True
        self._around.events.event(self.pod, type_, reason, told or message)
        self._directory.save(record)
        self._wake.set()

    def _admit(self) -> bool:
        """Whether the node takes it; asked once, before anything is made for it."""
        record = self.record
        if record.allocated is not None or record.started_at is not None or self._actions.sandbox is not None:
            return True
        refusal = self._around.admit(self.pod)
        if refusal is not None:
            record.reason, record.message = refusal.reason, f"Pod was rejected: {refusal.message}"
            self._around.events.event(self.pod, "Warning", refusal.reason, refusal.message)
        return refusal is None

    def _resize(self) -> float | None:
        """Seconds until something in the way of the pod's size may be gone."""
        record, sandbox = self.record, self._actions.sandbox
        if is_deleting(self.pod) or self._removed or record.reason or _is_over(self.pod):
            return None
        if not self._admit():
            return None
        before = record.allocated
        self._resizer.allocate(self.pod)
        if record.allocated is not before:
            self._directory.save(record)  # before the first limit is another
            self._around.allocated()
        if record.pause is not Pause.ALIVE or sandbox is None:
            return None
        return self._resizer.apply(self.sized, sandbox)

    async def _act(self, actions: list[Action]) -> bool:
        """Whether anything was done, so that another plan is due."""
        acted = False
        for action in actions:
            match action:
                case StartPause():
                    await self._actions.start_pause(self.sized)
                    acted = acted or self.record.pause is Pause.ALIVE
                case RemovePause():
                    await self._actions.remove_pause(self.pod)
                case Start(name, after):
                    if after > 0:
                        self._actions.waits(self.pod, name)
                        continue
                    before = self.record.of(name).current
                    await self._actions.start(self.sized, name)
                    acted = acted or self.record.of(name).current is not before
                case Stop(name, grace, why):
                    self._endings.stop(name, grace, why)
                    acted = True
                case Hook(name, grace):
                    self._endings.hook(name, grace)
                    acted = True
                case Kill(name):
                    await self._actions.kill(name)
                    acted = True
                case Fail(reason, message):
                    self.record.reason, self.record.message = reason, message
                    self._around.events.event(self.pod, "Normal", reason, message)
                case RestartAll(name, code):
                    why = f"Container {name} exited with code {code}, restarting all containers"
                    self.record.restart_all(why)
                    self._around.events.event(self.pod, "Normal", "RestartingAllContainers", why)
                    acted = True
                case Renew():
                    self.record.renew(one["name"] for one in lasting_containers(self.pod))
                    acted = True
                case Teardown():
                    await self._actions.teardown(self.pod)
                    self._freed.set()
                    if isinstance(self._reporter, MirrorReporter):
                        self._told.set()  # that is its mirror's matter
                    self._around.freed()
                    acted = True
                case Wake():
                    pass
        return acted

    async def _refresh(self) -> None:
        """Volumes made of the API's objects follow these while the pod runs."""
        at, now = self._actions.retries.refresh_at, self._around.clock()
        due = self._stale or not self._actions.has_volumes or (at is not None and at <= now)
        if due and self._around.synced.is_set() and self._actions.retries.may("pod", now):
            self._stale = False
            if await self._actions.make_volumes(self.sized):
                self._actions.retries.worked("pod")

    def _sleep(self, actions: list[Action], begun: float) -> float:
        """begun: when this step did. What fell due during it, after it was asked for, is still to be tried."""
        times = [action.after for action in actions if isinstance(action, Start | Wake) and action.after > 0]
        retry = self._actions.retries.next(begun)
        if retry is not None:
            times.append(retry)
        return max(min(times, default=LONGEST_SLEEP), 0.001)


def _asked(pod: Object) -> tuple[Any, ...]:
    """What of a pod its worker acts on."""
    metadata: Mapping[str, Any] = pod["metadata"]
    names = ("deletionTimestamp", "deletionGracePeriodSeconds", "labels", "annotations")
    return (pod["spec"], *(metadata.get(name) for name in names), get(pod, ".status.phase") in ("Succeeded", "Failed"))


def _is_over(pod: Object) -> bool:
    return get(pod, ".status.phase") in ("Succeeded", "Failed")
