"""Looks every second whether the node runs short, and ends pods, one after the other, until it does not.

One that cannot be ended holds up the next for no longer than CLEANUP_SECONDS. What exceeds its own limits of disk is
looked for every ten seconds, and only in pods that have such limits.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Iterable
from typing import Protocol

from procorch.clock import Clock
from procorch.kubelet.admission import is_critical
from procorch.kubelet.eviction import local_storage
from procorch.kubelet.eviction.pressure import Pressure
from procorch.kubelet.eviction.ranking import Candidate, message, ranked
from procorch.kubelet.eviction.signals import Observed, observations
from procorch.kubelet.eviction.thresholds import EvictionConfig, Threshold
from procorch.kubelet.eviction.usage import PodUsage
from procorch.kubelet.measured import Measured
from procorch.kubelet.plan import grace_of
from procorch.objects import Object, key_of

logger = logging.getLogger(__name__)

LOOK_SECONDS = 1.0
STORAGE_SECONDS = 10.0
CLEANUP_SECONDS = 30.0
HARD_GRACE = 1.0


class Evictable(Protocol):
    """A pod's worker, as far as eviction goes."""

    @property
    def sized(self) -> Object: ...

    @property
    def takes(self) -> bool: ...

    @property
    def is_ending(self) -> bool: ...

    def usage(self, *, files: bool) -> PodUsage:
        """files: whether to count them, too. Called in a thread."""

    def evict(self, reason: str, message: str, grace: float) -> None: ...

    async def freed(self) -> None:
        """When nothing of it is left on the machine."""


class Evictor:
    """pods: those of the node. changed: told when the node's conditions are others."""

    def __init__(
        self,
        config: EvictionConfig,
        clock: Clock,
        measure: Callable[[], Measured],
        pods: Callable[[], Iterable[Evictable]],
        changed: Callable[[], object],
    ) -> None:
        self.pressure = Pressure(config)
        self._config = config
        self._clock = clock
        self._measure = measure
        self._pods = pods
        self._changed = changed

    async def run(self) -> None:
        """Until cancelled."""
        storage_at = 0.0
        while True:
            try:
                await self.look()
                if (now := self._clock()) >= storage_at:
                    storage_at = now + STORAGE_SECONDS
                    await self._look_at_storage()
            except Exception:  # it must go on looking
                logger.exception("no look at what the node has left")
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> None:
        """Once: the conditions, and one pod less where a threshold says so."""
        seen, before = observations(self._measure()), self.pressure.conditions
        due = self.pressure.observe(seen, self._clock())
        if self.pressure.conditions != before:
            logger.info("node conditions", extra={"pressure": ",".join(sorted(self.pressure.conditions)) or "none"})
            self._changed()
        for threshold in due:
            if await self._relieve(threshold, seen[threshold.signal]):
                return

    async def _relieve(self, threshold: Threshold, seen: Observed) -> bool:
        """Whether there was anybody to end."""
        files = threshold.signal.startswith(("nodefs", "imagefs"))
        by_pod: dict[str, Evictable] = {}
        candidates = []
        for one in list(self._pods()):
            pod = one.sized
            if one.takes and not one.is_ending and not is_critical(pod):
                by_pod[key_of(pod)] = one
                candidates.append(Candidate(pod, await asyncio.to_thread(one.usage, files=files)))
        if not candidates:
            logger.warning("node runs short, and there is no pod to evict", extra={"signal": threshold.signal})
            return False
        chosen = ranked(candidates, threshold.signal)[0]
        grace = HARD_GRACE if threshold.grace is None else min(self._config.most_grace, grace_of(chosen.pod))
        worker = by_pod[key_of(chosen.pod)]
        logger.warning("pod evicted", extra={"pod": key_of(chosen.pod), "signal": threshold.signal})
        worker.evict("Evicted", message(chosen, threshold, seen), grace)
        await self._gone(worker, grace)
        return True

    async def _gone(self, worker: Evictable, grace: float) -> None:
        """What it used is free again, or it takes too long."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace + CLEANUP_SECONDS):
                await worker.freed()

    async def _look_at_storage(self) -> None:
        for one in list(self._pods()):
            pod = one.sized
            if not one.takes or one.is_ending or not local_storage.has_limits(pod):
                continue
            if why := local_storage.excess(pod, await asyncio.to_thread(one.usage, files=True)):
                logger.warning("pod evicted", extra={"pod": key_of(pod), "why": why.strip()})
                one.evict("Evicted", why, HARD_GRACE)
