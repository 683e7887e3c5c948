"""Which thresholds are met and since when, and what the node is to say of that: no clock, no machine."""

from __future__ import annotations

from collections.abc import Mapping

from procorch.kubelet.eviction.signals import Observed
from procorch.kubelet.eviction.thresholds import SIGNALS, EvictionConfig, Threshold


class Pressure:
    """conditions: MemoryPressure, DiskPressure, PIDPressure: those that are so.

    A condition comes with the first look at which one of its thresholds is met, soft ones too, and goes when none was
    met for the transition period, so that a node at the edge does not swing.
    """

    def __init__(self, config: EvictionConfig) -> None:
        self._config = config
        self._since: dict[Threshold, float] = {}
        self._last: dict[str, float] = {}
        self.conditions: frozenset[str] = frozenset()

    def observe(self, seen: Mapping[str, Observed], now: float) -> list[Threshold]:
        """The thresholds at which a pod has to go now; memory first, for nothing is lost as quickly."""
        met = [one for one in self._config.thresholds if _is_met(one, seen.get(one.signal))]
        self._since = {one: self._since.get(one, now) for one in met}
        for one in met:
            self._last[SIGNALS[one.signal]] = now
        self._last = {name: at for name, at in self._last.items() if now - at < self._config.transition or at == now}
        self.conditions = frozenset(self._last)
        due = [one for one in met if one.grace is None or now - self._since[one] >= one.grace]
        return sorted(due, key=lambda one: (one.signal != "memory.available", one.grace is not None))


def _is_met(threshold: Threshold, seen: Observed | None) -> bool:
    return seen is not None and seen.available < threshold.of(seen.capacity)
