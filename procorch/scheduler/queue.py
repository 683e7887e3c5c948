"""Pods that wait for a node: ready to be tried, or waiting until something changes.

        add ──▶ ready (by priority, then age) ──▶ pop ──▶ tried
                  ▲                                         │ no node
                  │ its back-off is over                    ▼
                 backing off ◀── something changed ── unschedulable

Nothing polls: a change of the cluster moves pods; a timer exists only for a pod that is backing off.
"""

from __future__ import annotations

import asyncio
import heapq
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count

from procorch.scheduler.cluster import PodInfo

FIRST, MOST = 1.0, 10.0
"""Seconds of back-off after the first failure and at most."""
PATIENCE = 300.0
"""Seconds after which an unschedulable pod is tried again although nothing seems to have changed."""


@dataclass(slots=True)
class Waiting:
    """One pod in the queue. attempts: failed so far; tried_at: the last time (loop seconds)."""

    pod: PodInfo
    added: int
    attempts: int = 0
    tried_at: float = 0.0
    timer: asyncio.TimerHandle | None = field(default=None, repr=False)
    state: str = "ready"
    moved: int = 0


class PodQueue:
    """One entry a pod, by uid."""

    def __init__(self, *, first: float = FIRST, most: float = MOST, time: Callable[[], float] | None = None) -> None:
        self._first, self._most = first, most
        self._time = time or (lambda: asyncio.get_running_loop().time())
        self._entries: dict[str, Waiting] = {}
        self._heap: list[tuple[int, int, str]] = []
        self._numbers = count()
        self._moves = 0
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        return len(self._entries)

    @property
    def unschedulable(self) -> int:
        return sum(entry.state == "unschedulable" for entry in self._entries.values())

    def add(self, pod: PodInfo) -> None:
        """A new pod, or one whose spec changed: tried at once."""
        entry = self._entries.get(pod.uid)
        if entry is None:
            entry = self._entries[pod.uid] = Waiting(pod, next(self._numbers))
        entry.pod = pod
        self._make_ready(entry)

    def update(self, pod: PodInfo) -> None:
        """The newer copy, for when its turn comes; its place stays."""
        if pod.uid in self._entries:
            self._entries[pod.uid].pod = pod

    def knows(self, uid: str) -> bool:
        return uid in self._entries

    def remove(self, uid: str) -> None:
        entry = self._entries.pop(uid, None)
        if entry is not None:
            _stop(entry)

    async def pop(self) -> Waiting:
        """The next to try; afterwards `remove` it or say `failed`."""
        while True:
            while self._heap:
                _, _, uid = heapq.heappop(self._heap)
                entry = self._entries.get(uid)
                if entry is not None and entry.state == "ready":
                    entry.state = "trying"
                    entry.moved = self._moves
                    return entry
            self._wake.clear()
            await self._wake.wait()

    def failed(self, entry: Waiting, *, at_once: bool = False) -> None:
        """No node, or an error. at_once: it is not the cluster's fault, try again when the back-off is over."""
        if self._entries.get(entry.pod.uid) is not entry or entry.state != "trying":
            return
        entry.attempts += 1
        entry.tried_at = self._time()
        if at_once or entry.moved != self._moves:  # what changed while it was tried may be just what it needs
            self._back_off(entry)
        else:
            entry.state = "unschedulable"
            entry.timer = asyncio.get_running_loop().call_later(PATIENCE, self._make_ready, entry)

    def move_all(self) -> None:
        """The cluster changed in a way that may make room."""
        self._moves += 1
        for entry in self._entries.values():
            if entry.state == "unschedulable":
                self._back_off(entry)

    def close(self) -> None:
        for entry in self._entries.values():
            _stop(entry)

    def _back_off(self, entry: Waiting) -> None:
        _stop(entry)
        wait = min(self._first * 2.0 ** (min(entry.attempts, 60) - 1), self._most) - (self._time() - entry.tried_at)
        if wait <= 0:
            self._make_ready(entry)
            return
        entry.state = "backing off"
        entry.timer = asyncio.get_running_loop().call_later(wait, self._make_ready, entry)

    def _make_ready(self, entry: Waiting) -> None:
        _stop(entry)
        entry.state = "ready"
        heapq.heappush(self._heap, (-entry.pod.priority, entry.added, entry.pod.uid))
        self._wake.set()


def _stop(entry: Waiting) -> None:
    if entry.timer is not None:
        entry.timer.cancel()
        entry.timer = None
