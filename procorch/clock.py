"""Time as the API writes it, and the back-offs; whoever decides gets `now` from a Clock that was passed in."""

from __future__ import annotations

import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import lru_cache

Clock = Callable[[], float]
"""Seconds since the epoch. `time.time`, or a simulation's."""

system_clock: Clock = time.time


def timestamp(seconds: float) -> str:
    """`2026-11-23T19:00:00Z`: metav1.Time, whole seconds, rounded down."""
    return _timestamp(int(seconds))


@lru_cache(maxsize=16)
def _timestamp(seconds: int) -> str:
    """All that is written within a second says the same."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def micro_timestamp(seconds: float) -> str:
    """`2026-11-23T19:00:00.123456Z`: metav1.MicroTime, as Leases and events.k8s.io use it."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


@lru_cache(maxsize=4096)
def parse_timestamp(text: str) -> float:
    """Seconds since the epoch of an RFC 3339 time; ValueError for anything else."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"time without a zone: {text!r}")
    return moment.timestamp()


@dataclass(slots=True)
class Backoff:
    """Doubling waits with jitter: each failure waits longer, `reset` starts over.

    first, most: seconds. jitter: a wait is drawn from [wait, wait * (1 + jitter)], so that many clients which lost
    the same server do not come back in the same moment.
    """

    first: float
    most: float
    jitter: float = 0.5
    draw: Callable[[], float] = random.random
    failures: int = field(default=0, init=False)

    def next(self) -> float:
        """Seconds to wait after one more failure."""
        wait = min(self.first * 2.0 ** min(self.failures, 60), self.most)
        self.failures += 1
        return wait * (1 + self.jitter * self.draw())

    def reset(self) -> None:
        self.failures = 0
