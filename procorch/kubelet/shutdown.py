"""The machine goes off: pods end in order of their priority while there is time, and the masters are told.

    told ──▶ node NotReady, no new pods ──▶ plain pods end ──▶ critical pods end ──▶ their statuses are with the API

A shutdown is noticed when the agent is stopped while the system's manager says that it is stopping (systemd), or told
by SIGPWR, the signal of old for a machine that loses its power. Source: Kubernetes' "Graceful node shutdown".
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import shutil
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

from procorch.kubelet.admission import SYSTEM_CRITICAL, Refusal, priority_of
from procorch.objects import Object, key_of

logger = logging.getLogger(__name__)

PROBLEM = "node is shutting down"
REFUSAL = Refusal("NodeShutdown", "Pod was rejected as the node is shutting down.")
REASON, MESSAGE = "Terminated", "Pod was terminated in response to imminent node shutdown."
TOLD_SECONDS = 5.0
_ASKED_SECONDS = 2.0


@dataclass(frozen=True, slots=True)
class ShutdownConfig:
    """total: seconds for all pods, 0 for no such thing; critical: what of it is for those that the cluster needs."""

    total: float = 0.0
    critical: float = 0.0

    def steps(self) -> tuple[tuple[int, float], ...]:
        """(least priority, seconds), the least first."""
        return ((0, self.total - self.critical), (SYSTEM_CRITICAL, self.critical))


class Endable(Protocol):
    """A pod's worker, as far as a shutdown goes."""

    @property
    def sized(self) -> Object: ...

    @property
    def takes(self) -> bool: ...

    def evict(self, reason: str, message: str, grace: float) -> None: ...

    async def freed(self) -> None: ...

    async def told(self) -> None:
        """When the API has its last status."""


Worker = TypeVar("Worker", bound=Endable)


def in_order(workers: Iterable[Worker], config: ShutdownConfig) -> list[tuple[float, list[Worker]]]:
    """(seconds, who ends in them): pods below the least step are of the first."""
    steps = config.steps()
    groups: list[tuple[float, list[Worker]]] = [(seconds, []) for _, seconds in steps]
    for worker in workers:
        priority = priority_of(worker.sized)
        number = max((index for index, (least, _) in enumerate(steps) if priority >= least), default=0)
        groups[number][1].append(worker)
    return [(seconds, ones) for seconds, ones in groups if ones]


async def end_all(workers: Sequence[Endable], config: ShutdownConfig) -> None:
    """Returns when all have ended and their statuses are told, or when the time is up."""
    taking = [worker for worker in workers if worker.takes]
    for seconds, ones in in_order(taking, config):
        logger.info("pods end for the shutdown", extra={"pods": len(ones), "seconds": seconds})
        for worker in ones:
            worker.evict(REASON, MESSAGE, seconds)
        await _within(seconds + 1.0, ones, [worker.freed() for worker in ones])
    await _within(TOLD_SECONDS, taking, [worker.told() for worker in taking])
    logger.info("pods have ended for the shutdown", extra={"pods": len(taking)})


async def _within(seconds: float, workers: Sequence[Endable], waits: Sequence[object]) -> None:
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(seconds):
            await asyncio.gather(*waits)  # type: ignore[call-overload]
            return
    late = [key_of(worker.sized) for worker in workers if worker.takes]
    logger.warning("not all in time", extra={"pods": ",".join(late)})


async def is_going_off() -> bool:
    """Whether the system's manager has begun to stop the machine; without systemd nobody can say so."""
    program = shutil.which("systemctl")
    if program is None:
        return False
    pipe, quiet = asyncio.subprocess.PIPE, asyncio.subprocess.DEVNULL
    try:
        asked = await asyncio.create_subprocess_exec(program, "is-system-running", stdout=pipe, stderr=quiet)
        async with asyncio.timeout(_ASKED_SECONDS):
            output, _ = await asked.communicate()
    except (OSError, TimeoutError):
        return False
    return output.strip() == b"stopping"
