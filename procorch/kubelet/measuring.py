"""What this node's containers use, measured when somebody asks; a node that nobody asks reads nothing.

A rate needs two readings. Who asks often gets it over the time since the last one; who asks after a long pause waits a
second for the second reading, and so does the first after a restart of the agent: no rate rests on what was remembered
of another one's counters. Several who ask at once share one reading.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from procorch.clock import Clock
from procorch.kubelet.record import PodRecord, process_name
from procorch.objects import Object, get, uid_of
from runtime import Sandbox
from runtime.usage import Detail, Usage

FRESH_SECONDS = 5.0  # a reading that is younger answers again
LONGEST_SECONDS = 90.0  # a window that is longer says little of the present
SHORTEST_SECONDS = 1.0
NODE_GROUP = ""


class Groups(Protocol):
    """What of the runtime's cgroups is needed."""

    def usage(self, path: str) -> Usage: ...

    def detail(self, path: str) -> Detail: ...


@dataclass(frozen=True, slots=True)
class Container:
    """One that runs. group: its cgroup's path. started_at: seconds since the epoch. layer: where its writes lie."""

    name: str
    group: str
    started_at: float
    image: str = ""
    layer: Path = Path()


@dataclass(frozen=True, slots=True)
class Pod:
    """One that has a sandbox. pid: of its pause; 0 where the network is the node's own. directory: its own."""

    namespace: str
    name: str
    uid: str
    group: str
    started_at: float
    containers: tuple[Container, ...]
    pid: int = 0
    directory: Path = Path()


def pods_of(
    known: Iterable[tuple[Object, PodRecord]], sandboxes: Mapping[str, Sandbox], directory: Path
) -> Iterator[Pod]:
    """Those whose sandbox lives, with their containers that run. directory: of all pods."""
    for pod, record in known:
        sandbox = sandboxes.get(record.sandbox)
        if sandbox is None or not sandbox.alive:
            continue
        containers = [
            Container(
                name,
                f"{sandbox.cgroup}/{process}",
                current.started_at or 0.0,
                one.image_id,
                sandbox.layer(process) / "upper",
            )
            for name, one in record.containers.items()
            if (current := one.current) is not None and current.running and current.sandbox == sandbox.id
            for process in [process_name(name, current.number)]
        ]
        yield Pod(
            pod["metadata"]["namespace"],
            pod["metadata"]["name"],
            uid_of(pod),
            sandbox.cgroup,
            record.started_at or 0.0,
            tuple(containers),
            0 if get(pod, ".spec.hostNetwork") else sandbox.pid,
            directory / uid_of(pod),
        )


@dataclass(frozen=True, slots=True)
class Used:
    """nanocores: billionths of a core over the window; None where nothing can be said yet."""

    usage: Usage
    nanocores: int | None
    window: float


@dataclass(frozen=True, slots=True)
class Measured:
    """at: seconds since the epoch. by_group: cgroup's path → what it used; one that has gone meanwhile is not there."""

    at: float
    pods: tuple[Pod, ...]
    by_group: Mapping[str, Used]

    @property
    def node(self) -> Used | None:
        return self.by_group.get(NODE_GROUP)


@dataclass(frozen=True, slots=True)
class _Reading:
    at: float  # the monotonic clock
    usages: Mapping[str, Usage]


class Measuring:
    """pods: those of this node as they are now. also: more groups to be read, by their paths.

    groups: asked for when they are needed: the runtime finds them when it starts. timer, pause: the monotonic clock,
    and how to wait.
    """

    def __init__(
        self,
        groups: Callable[[], Groups],
        pods: Callable[[], Iterable[Pod]],
        clock: Clock,
        *,
        also: Iterable[str] = (),
        timer: Callable[[], float] = time.monotonic,
        pause: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._groups = groups
        self._pods = pods
        self._clock = clock
        self._also = (NODE_GROUP, *also)
        self._timer = timer
        self._pause = pause
        self._turn = asyncio.Lock()
        self._last: _Reading | None = None
        self._made: tuple[float, Measured] | None = None

    async def now(self) -> Measured:
        """Not older than FRESH_SECONDS."""
        async with self._turn:
            if self._made is not None and self._timer() - self._made[0] <= FRESH_SECONDS:
                return self._made[1]
            before = self._last
            if before is None or not SHORTEST_SECONDS <= self._timer() - before.at <= LONGEST_SECONDS:
                before = await self._read(tuple(self._pods()))
                await self._pause(SHORTEST_SECONDS)
            pods = tuple(self._pods())
            after = await self._read(pods)
            made = Measured(self._clock(), pods, rates(before, after, pods, self._clock()))
            self._last, self._made = after, (after.at, made)
            return made

    async def details(self, groups: Iterable[str]) -> dict[str, Detail]:
        """What fewer ask for, read anew each time."""
        return await asyncio.to_thread(lambda: {path: self._groups().detail(path) for path in groups})

    async def _read(self, pods: Iterable[Pod]) -> _Reading:
        paths = [*self._also, *(path for pod in pods for path in (pod.group, *(one.group for one in pod.containers)))]
        return await asyncio.to_thread(self._usages, paths)

    def _usages(self, paths: Iterable[str]) -> _Reading:
        found = {}
        for path in paths:
            try:
                found[path] = self._groups().usage(path)
            except (OSError, ValueError):  # it has ended meanwhile
                continue
        return _Reading(self._timer(), found)


def rates(before: _Reading, after: _Reading, pods: Iterable[Pod], now: float) -> dict[str, Used]:
    """What the first reading does not have gets its rate since its own beginning, as a group begins at nothing."""
    begun = {pod.group: pod.started_at for pod in pods}
    begun |= {one.group: one.started_at for pod in pods for one in pod.containers}
    found = {}
    for path, usage in after.usages.items():
        old, window = before.usages.get(path), after.at - before.at
        spent = usage.cpu_nanos - old.cpu_nanos if old is not None else -1
        if spent < 0:  # new, or a new group of an old name
            spent, window = usage.cpu_nanos, now - begun.get(path, now)
        rate = int(spent / window) if window >= SHORTEST_SECONDS / 2 else None
        found[path] = Used(usage, rate, window)
    return found
