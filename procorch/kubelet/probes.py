"""Probes: is a container started, ready, alive? One task a probe asks again and again; what it finds is reported.

startup   ── passes ──▶ started          ── fails ──▶ the container is ended, and restarted as its policy says
readiness ── passes ──▶ ready            ── fails ──▶ not ready         (both wait until the container has started)
liveness                                 ── fails ──▶ the container is ended, and restarted as its policy says
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from procorch.kubelet.handlers import Heard, Outcome

PERIOD, TIMEOUT, FAILURES, SUCCESSES = 10, 1, 3, 1


@dataclass(slots=True)
class Tally:
    """Turns single answers into a verdict: as many in a row as the probe's thresholds ask."""

    probe: Mapping[str, Any]
    verdict: bool | None = None
    _last: bool | None = field(default=None, init=False)
    _row: int = field(default=0, init=False)

    def count(self, good: bool) -> bool:
        """Whether the verdict has just been reached or confirmed; then it is in `verdict`."""
        self._row = self._row + 1 if good == self._last else 1
        self._last = good
        name, default = ("successThreshold", SUCCESSES) if good else ("failureThreshold", FAILURES)
        if self._row < int(self.probe.get(name) or default):
            return False
        self.verdict = good
        return True


Ask = Callable[[float], Awaitable[Heard]]
"""(timeout in seconds) → what was heard."""


async def watch(
    probe: Mapping[str, Any],
    ask: Ask,
    *,
    running_for: Callable[[], float],
    found: Callable[[bool], bool],
    told: Callable[[Outcome, str], None],
    share: float = 0.0,
) -> None:
    """Asks until `found` says that it has heard enough.

    running_for: seconds since the container was started. found: told each verdict; True ends the probe.
    told: all that was heard but what is simply good. share: of a period, which a container that runs for longer than
    that already waits: an agent that comes back does not ask all its pods at once.
    """
    period = max(int(probe.get("periodSeconds") or PERIOD), 1)
    timeout = float(probe.get("timeoutSeconds") or TIMEOUT)
    age = running_for()
    await asyncio.sleep(max(float(probe.get("initialDelaySeconds") or 0) - age, share * period if age > period else 0))
    tally = Tally(probe)
    while True:
        outcome, heard = await ask(timeout)
        if outcome is not Outcome.GOOD:
            told(outcome, heard)
        good = outcome in (Outcome.GOOD, Outcome.WARNING)
        if outcome is not Outcome.ERROR and tally.count(good) and found(good):
            return
        await asyncio.sleep(period)
