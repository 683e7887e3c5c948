"""Which time of a CronJob's schedule is due, and how long it is until the next. Pure.

Of many times that were missed only the newest counts; more than a hundred are worth a warning.
Source: pkg/controller/cronjob/utils.go (mostRecentScheduleTime, nextScheduleTimeDuration).
"""

from __future__ import annotations

import zoneinfo
from dataclasses import dataclass
from datetime import UTC, tzinfo

from procorch import cron
from procorch.objects import Object

MANY = 100
_AFTER = 0.1
"""Seconds that it wakes after its time, so that clocks that differ a little do not wake it before."""


@dataclass(frozen=True, slots=True)
class Timing:
    """When a schedule is due, in its zone."""

    schedule: cron.Schedule
    zone: tzinfo

    def after(self, moment: float) -> float | None:
        return cron.next_after(self.schedule, moment, self.zone)


def timing_of(spec: Object) -> Timing:
    """Of a CronJob's specification. Raises ValueError for its schedule, ZoneInfoNotFoundError for its zone."""
    _, fields = cron.split_zone(spec["schedule"])
    return Timing(cron.parse(fields), zone_of(spec))


def zone_of(spec: Object) -> tzinfo:
    """UTC where it names none. Old CronJobs may name one within the schedule."""
    within, _ = cron.split_zone(spec["schedule"])
    name = spec.get("timeZone") or within
    if not name:
        return UTC
    try:
        return zoneinfo.ZoneInfo(name)
    except (ValueError, OSError) as error:  # among them: a directory, a file that is no zone
        raise zoneinfo.ZoneInfoNotFoundError(f"unknown time zone {name}") from error


@dataclass(frozen=True, slots=True)
class Due:
    """at: the newest time that has passed since; None where none has. too_many: that so many have."""

    at: float | None = None
    too_many: bool = False


def due(timing: Timing, since: float, deadline: float | None, now: float) -> Due:
    """since: when it was due last, or was made. deadline: seconds after its time in which a Job may yet be made."""
    if deadline is not None:
        since = max(since, now - deadline)
    first = timing.after(since)
    if first is None or first > now:
        return Due()
    second = timing.after(first)
    if second is None or second > now:
        return Due(first)
    missed = (now - first) // (second - first) + 1  # roughly: the distances need not be equal
    return Due(_newest(timing, first, now), missed > MANY)


def _newest(timing: Timing, first: float, now: float) -> float:
    """Of the times from `first` to now the last."""
    if every := timing.schedule.every:
        return first + (now - first) // every * every
    back = 60.0
    while now - back > first and ((found := timing.after(now - back)) is None or found > now):
        back *= 2
    newest = max(first, now - back)
    while (following := timing.after(newest)) is not None and following <= now:
        newest = following
    return newest


def until_next(timing: Timing, since: float, now: float) -> float | None:
    """Seconds until it is due again; None where it never will be. since: as for `due`."""
    if every := timing.schedule.every:
        following: float | None = since + (max(0.0, now - since) // every + 1) * every
    else:
        following = timing.after(max(since, now))
    return None if following is None else following - now + _AFTER
