"""How fast a HorizontalPodAutoscaler may follow what the measurements ask for: pure.

    wanted ──▶ stabilised: not lower (higher) than anything that was wanted within a window
           ──▶ limited: by minReplicas, maxReplicas, and how much changed already within each policy's period

Source: pkg/controller/podautoscaler/horizontal.go (stabilizeRecommendation…, convertDesiredReplicas…).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from procorch.kinds.fields import rows
from procorch.objects import Object

LONGEST_PERIOD = 1800.0  # seconds of a policy's period at most
_DOWN_STABILIZED = (
    "ScaleDownStabilized",
    "recent recommendations were higher than current one, applying the highest recent recommendation",
)
_UP_STABILIZED = (
    "ScaleUpStabilized",
    "recent recommendations were lower than current one, applying the lowest recent recommendation",
)
_READY = ("ReadyForNewScale", "recommended size matches current size")
_WITHIN = ("DesiredWithinRange", "the desired count is within the acceptable range")
_TOO_FEW = ("TooFewReplicas", "the desired replica count is less than the minimum replica count")
_TOO_MANY = ("TooManyReplicas", "the desired replica count is more than the maximum replica count")
_TOO_FAST_UP = ("ScaleUpLimit", "the desired replica count is increasing faster than the maximum scale rate")
_TOO_FAST_DOWN = ("ScaleDownLimit", "the desired replica count is decreasing faster than the maximum scale rate")


@dataclass(frozen=True, slots=True)
class Change:
    """By how much the size was changed, and when: seconds since the epoch."""

    at: float
    by: int


@dataclass(frozen=True, slots=True)
class Past:
    """What is remembered: recommendations as (when, replicas), and changes. After a restart there is nothing."""

    recommendations: tuple[tuple[float, int], ...] = ()
    changes: tuple[Change, ...] = ()

    def recommended(self, now: float, replicas: int, keep: float) -> Past:
        """With one more; those older than `keep` seconds are forgotten."""
        kept = tuple(row for row in self.recommendations if row[0] > now - keep)
        return Past((*kept, (now, replicas)), self.changes)

    def changed(self, now: float, by: int) -> Past:
        kept = tuple(one for one in self.changes if one.at > now - LONGEST_PERIOD)
        return Past(self.recommendations, (*kept, Change(now, by)))


@dataclass(frozen=True, slots=True)
class Verdict:
    """replicas: what the size shall be. able, limited: (status, reason, message) of AbleToScale and ScalingLimited."""

    replicas: int
    able: tuple[str, str, str]
    limited: tuple[str, str, str]


def decide(
    current: int,
    wanted: int,
    least: int,
    most: int,
    behavior: Mapping[str, Any] | None,
    past: Past,
    now: float,
    down_window: float = 300.0,
) -> Verdict:
    """What becomes of a wish. down_window: seconds, where the behaviour names none."""
    up, down = _rules(behavior, "scaleUp"), _rules(behavior, "scaleDown")
    if behavior is None:
        stable, why = _highest(wanted, past, now - down_window), _DOWN_STABILIZED
        replicas, reason = _limited_by_default(current, stable, least, most)
    else:
        stable, why = _stabilized(current, wanted, past, now, up, down, down_window)
        replicas, reason = _limited(current, stable, least, most, up, down, past.changes, now)
    able = ("True", *(why if stable != wanted else _READY))
    return Verdict(replicas, able, ("False" if replicas == stable else "True", *reason))


def _rules(behavior: Mapping[str, Any] | None, way: str) -> Object:
    return (behavior or {}).get(way) or {}


def window_of(rules: Object, usual: float) -> float:
    seconds = rules.get("stabilizationWindowSeconds")
    return usual if seconds is None else float(seconds)


def _highest(wanted: int, past: Past, since: float) -> int:
    return max((wanted, *(replicas for at, replicas in past.recommendations if at > since)))


def _stabilized(
    current: int, wanted: int, past: Past, now: float, up: Object, down: Object, down_window: float
) -> tuple[int, tuple[str, str]]:
    """As near to the present size as the wishes of either window allow."""
    since_up, since_down = now - window_of(up, 0.0), now - window_of(down, down_window)
    lowest = min((wanted, *(replicas for at, replicas in past.recommendations if at > since_up)))
    highest = _highest(wanted, past, since_down)
    stable = min(max(current, lowest), highest)
    return stable, _UP_STABILIZED if wanted >= current else _DOWN_STABILIZED


def _limited_by_default(current: int, wanted: int, least: int, most: int) -> tuple[int, tuple[str, str]]:
    fastest = max(2 * current, 4)
    ceiling, why = (fastest, _TOO_FAST_UP) if most > fastest else (most, _TOO_MANY)
    if wanted < least:
        return least, _TOO_FEW
    return (ceiling, why) if wanted > ceiling else (wanted, _WITHIN)


def _limited(
    current: int, wanted: int, least: int, most: int, up: Object, down: Object, changes: Sequence[Change], now: float
) -> tuple[int, tuple[str, str]]:
    if wanted > current:
        fastest = max(_furthest(current, up, changes, now, 1), current)
        ceiling, why = (fastest, _TOO_FAST_UP) if most > fastest else (most, _TOO_MANY)
        if wanted > ceiling:
            return ceiling, why
    elif wanted < current:
        fastest = min(_furthest(current, down, changes, now, -1), current)
        floor, why = (fastest, _TOO_FAST_DOWN) if least < fastest else (least, _TOO_FEW)
        if wanted < floor:
            return floor, why
    return wanted, _WITHIN


def _furthest(current: int, rules: Object, changes: Iterable[Change], now: float, way: int) -> int:
    """The size that the policies allow. way: 1 up, -1 down."""
    select = rules.get("selectPolicy") or "Max"
    policies = rows(rules.get("policies"))
    if select == "Disabled" or not policies:
        return current
    found: list[int] = []
    for policy in policies:
        since = now - float(policy["periodSeconds"])
        before = current - sum(one.by for one in changes if one.at > since)  # what it was when the period began
        if policy["type"] == "Pods":
            found.append(before + way * policy["value"])
        else:
            share = before * (100 + way * policy["value"])
            found.append(-(-share // 100) if way > 0 else math.trunc(share / 100))
    # "Max" is the policy that allows most: up the largest size, down the smallest.
    return max(found) if (select == "Max") == (way > 0) else min(found)
