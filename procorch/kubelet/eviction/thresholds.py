"""Thresholds of eviction as they are written: `memory.available<100Mi,nodefs.available<10%`.

Source: Kubernetes' "Node-pressure Eviction", and pkg/kubelet/eviction/helpers.go for what is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from procorch.quantity import byte_count, format_bytes

SIGNALS = {
    "memory.available": "MemoryPressure",
    "nodefs.available": "DiskPressure",
    "nodefs.inodesFree": "DiskPressure",
    "imagefs.available": "DiskPressure",
    "imagefs.inodesFree": "DiskPressure",
    "pid.available": "PIDPressure",
}
"""Each signal, and the node's condition that it makes True."""

DEFAULT_HARD = (
    "memory.available<100Mi,nodefs.available<10%,nodefs.inodesFree<5%,"
    "imagefs.available<15%,imagefs.inodesFree<5%,pid.available<500"
)
_DURATION = re.compile(r"(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s)?")


@dataclass(frozen=True, slots=True)
class Threshold:
    """It is met where less than `amount` (bytes, pieces), or than `share` (0 to 1) of all there is, is available.

    grace: seconds for which it has to be met; None for a hard one, at which nobody gets time.
    """

    signal: str
    amount: int = 0
    share: float | None = None
    grace: float | None = None

    def of(self, capacity: int) -> int:
        """The amount, of so much in all."""
        return self.amount if self.share is None else int(capacity * self.share)

    def words(self, capacity: int) -> str:
        """As Kubernetes' messages write it."""
        amount = self.of(capacity)
        return format_bytes(amount) if self.signal.endswith(".available") and self.signal[0] != "p" else str(amount)


@dataclass(frozen=True, slots=True)
class EvictionConfig:
    """transition: seconds for which a condition stays after its thresholds are not met any more.

    most_grace: seconds that a pod gets at most at a soft threshold.
    """

    thresholds: tuple[Threshold, ...] = ()
    transition: float = 300.0
    most_grace: float = 0.0

    def hard(self, signal: str) -> Threshold | None:
        """What is kept free of it whatever happens."""
        return next((one for one in self.thresholds if one.signal == signal and one.grace is None), None)


def parse_config(
    hard: str = DEFAULT_HARD, soft: str = "", soft_grace: str = "", transition: float = 300.0, most_grace: float = 0.0
) -> EvictionConfig:
    """As the kubelet's options say it. soft_grace: `memory.available=1m30s,…`. Raises ValueError: a line for users."""
    graces = dict(_grace(part) for part in _parts(soft_grace))
    rows = [_threshold(part, None) for part in _parts(hard)]
    for part in _parts(soft):
        one = _threshold(part, None)
        if one.signal not in graces:
            raise ValueError(f"eviction: {one.signal}: a soft threshold needs a grace period: {one.signal}=1m30s")
        rows.append(Threshold(one.signal, one.amount, one.share, graces[one.signal]))
    if len({(one.signal, one.grace is None) for one in rows}) < len(rows):
        raise ValueError("eviction: a signal has one hard and one soft threshold at most")
    return EvictionConfig(tuple(one for one in rows if one.amount or one.share), transition, most_grace)


def seconds(text: str) -> float:
    """A duration as Go writes it: `1m30s`. Raises ValueError."""
    match = _DURATION.fullmatch(text)
    if not text or match is None:
        raise ValueError(f"{text}: not a duration: write 90s or 1m30s")
    hours, minutes, rest = match.groups()
    return int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(rest or 0)


def _parts(text: str) -> Iterable[str]:
    return (part.strip() for part in text.split(",") if part.strip())


def _grace(part: str) -> tuple[str, float]:
    signal, equals, duration = part.partition("=")
    if not equals or signal not in SIGNALS:
        raise ValueError(f"eviction: {part}: write SIGNAL=DURATION with one of {', '.join(SIGNALS)}")
    return signal, seconds(duration)


def _threshold(part: str, grace: float | None) -> Threshold:
    """A share of 0 %, or 100 %, turns a signal off, as in Kubernetes."""
    signal, less, value = part.partition("<")
    if not less or signal not in SIGNALS:
        raise ValueError(f"eviction: {part}: write SIGNAL<AMOUNT with one of {', '.join(SIGNALS)}")
    try:
        if not value.endswith("%"):
            amount, share = byte_count(value), None
        else:
            amount, share = 0, float(value[:-1]) / 100
    except ValueError as error:
        raise ValueError(f"eviction: {part}: {error}") from error
    if amount < 0 or (share is not None and not 0 <= share <= 1):
        raise ValueError(f"eviction: {part}: not an amount")
    return Threshold(signal, amount, 0.0 if share == 1 else share, grace)
