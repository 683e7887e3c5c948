"""A CronJob's schedule: what five fields of cron, or a word such as `@daily`, mean, and when it is due next.

    minute hour day-of-month month day-of-week      each: * or ?, a number, a range, each with /step; several by commas

Kubernetes reads them with robfig/cron; which texts that takes, and the words in which it refuses the others, are part
of the API. Differences to other crons: Sunday is 0 alone, months and days have English names of three letters, and
`5/15` means from 5 on.
Source: github.com/robfig/cron v3, parser.go (ParseStandard), spec.go and constantdelay.go (Next).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, datetime, timedelta, tzinfo

_MONTH_NAMES = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")
_DAY_NAMES = ("sun", "mon", "tue", "wed", "thu", "fri", "sat")
_MONTHS = {name: number for number, name in enumerate(_MONTH_NAMES, 1)}
_DAYS = {name: number for number, name in enumerate(_DAY_NAMES)}
_WORDS = {
    "@yearly": "0 0 1 1 *",
    "@annually": "0 0 1 1 *",
    "@monthly": "0 0 1 * *",
    "@weekly": "0 0 * * 0",
    "@daily": "0 0 * * *",
    "@midnight": "0 0 * * *",
    "@hourly": "0 * * * *",
}
_EVERY = "@every "
_UNITS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_PART = re.compile(r"(\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h)", re.ASCII)
_DURATION = re.compile(rf"[+-]?(0|({_PART.pattern})+)", re.ASCII)
_INTEGER = re.compile(r"[+-]?\d+", re.ASCII)
_MOST = 2**63 - 1
_YEARS = 5  # so far ahead a time is looked for
_LONGEST = 1000  # characters: a list of a million ranges would keep the processor busy


@dataclass(frozen=True, slots=True)
class Schedule:
    """When a job is due: in each minute whose parts are all among these; or, where `every` is set, in that distance.

    any_day, any_weekday: the field began with a star. If neither did, a day fits that fits one of the two.
    every: seconds, whole, at least one.
    """

    minutes: frozenset[int] = frozenset()
    hours: frozenset[int] = frozenset()
    days: frozenset[int] = frozenset()
    months: frozenset[int] = frozenset()
    weekdays: frozenset[int] = frozenset()
    any_day: bool = False
    any_weekday: bool = False
    every: int = 0


def parse(text: str) -> Schedule:
    """The schedule. Raises ValueError in robfig/cron's words. A zone before it is for `split_zone` to take off."""
    if not text:
        raise ValueError("empty spec string")
    if len(text) > _LONGEST:
        raise ValueError(f"longer than {_LONGEST} characters")
    if text.startswith("@"):
        if text.startswith(_EVERY):
            return Schedule(every=_distance(text))
        if text not in _WORDS:
            raise ValueError(f"unrecognized descriptor: {text}")
        text = _WORDS[text]
    fields = text.split()
    if len(fields) != 5:
        raise ValueError(f"expected exactly 5 fields, found {len(fields)}: [{' '.join(fields)}]")
    minutes, _ = _field(fields[0], 0, 59, {})
    hours, _ = _field(fields[1], 0, 23, {})
    days, any_day = _field(fields[2], 1, 31, {})
    months, _ = _field(fields[3], 1, 12, _MONTHS)
    weekdays, any_weekday = _field(fields[4], 0, 6, _DAYS)
    return Schedule(minutes, hours, days, months, weekdays, any_day, any_weekday)


def next_after(schedule: Schedule, moment: float, zone: tzinfo) -> float | None:
    """The first time after `moment` at which it is due, in seconds since the epoch; None within five years.

    A time that the clock leaves out in spring is left out; one that it shows twice in autumn is due twice.
    """
    if schedule.every:
        return float(int(moment) + schedule.every)
    first = datetime.fromtimestamp(moment, zone).date()
    for number in range(366 * _YEARS):
        day = first + timedelta(number)
        if _is_day(schedule, day):
            times = (time for time in _times(schedule, day, zone) if time > moment)
            if (found := min(times, default=None)) is not None:
                return found
    return None


def _is_day(schedule: Schedule, day: date) -> bool:
    if day.month not in schedule.months:
        return False
    by_day, by_weekday = day.day in schedule.days, day.isoweekday() % 7 in schedule.weekdays
    if schedule.any_day or schedule.any_weekday:
        return by_day and by_weekday
    return by_day or by_weekday


def _times(schedule: Schedule, day: date, zone: tzinfo) -> Iterator[float]:
    """All times of a day, in no order."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)
    begun, clock_stays = midnight.timestamp(), midnight.utcoffset() == (midnight + timedelta(1)).utcoffset()
    for hour in schedule.hours:
        for minute in schedule.minutes:
            if clock_stays:
                yield begun + hour * 3600 + minute * 60
            else:
                yield from _shown(midnight.replace(hour=hour, minute=minute), zone)


def _shown(local: datetime, zone: tzinfo) -> Iterator[float]:
    """When the clock shows a time: never, once or twice."""
    moments = {local.replace(fold=fold).timestamp() for fold in (0, 1)}
    for moment in moments:
        shown = datetime.fromtimestamp(moment, zone)
        if (shown.hour, shown.minute) == (local.hour, local.minute):
            yield moment


def split_zone(text: str) -> tuple[str, str]:
    """The zone of `TZ=Europe/Zurich 0 4 * * *` (or CRON_TZ=), "" where there is none, and the rest."""
    if not text.startswith(("TZ=", "CRON_TZ=")):
        return "", text
    zone, _, rest = text.partition(" ")
    return zone.partition("=")[2], rest.strip()


def _field(text: str, low: int, high: int, names: dict[str, int]) -> tuple[frozenset[int], bool]:
    """The numbers that a field names, and whether it is a star. low, high: the smallest and greatest there are."""
    numbers: set[int] = set()
    star = False
    for piece in text.split(","):
        if not piece:  # as robfig/cron, which passes over what stands between two commas
            continue
        found, is_star = _range(piece, low, high, names)
        numbers.update(found)
        star = star or is_star
    return frozenset(numbers), star


def _range(piece: str, low: int, high: int, names: dict[str, int]) -> tuple[range, bool]:
    span, *steps = piece.split("/")
    ends = span.split("-")
    star = ends[0] in ("*", "?")
    if star:
        start, end = low, high
    else:
        start = end = _number(ends[0], names)
        if len(ends) == 2:
            end = _number(ends[1], names)
        elif len(ends) > 2:
            raise ValueError(f"too many hyphens: {piece}")
    step = 1
    if len(steps) == 1:
        step = _plain_number(steps[0])
        if len(ends) == 1 and not star:
            end = high  # from there on
        star = star and step <= 1
    elif steps:
        raise ValueError(f"too many slashes: {piece}")
    if start < low:
        raise ValueError(f"beginning of range ({start}) below minimum ({low}): {piece}")
    if end > high:
        raise ValueError(f"end of range ({end}) above maximum ({high}): {piece}")
    if start > end:
        raise ValueError(f"beginning of range ({start}) beyond end of range ({end}): {piece}")
    if step == 0:
        raise ValueError(f"step of range should be a positive number: {piece}")
    return range(start, end + 1, step), star


def _number(text: str, names: dict[str, int]) -> int:
    named = names.get(text.lower())
    return _plain_number(text) if named is None else named


def _plain_number(text: str) -> int:
    if not _INTEGER.fullmatch(text):
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": invalid syntax')
    number = int(text)
    if abs(number) > _MOST:
        raise ValueError(f'failed to parse int from {text}: strconv.Atoi: parsing "{text}": value out of range')
    if number < 0:
        raise ValueError(f"negative number ({number}) not allowed: {text}")
    return number


def _distance(text: str) -> int:
    said = text.removeprefix(_EVERY)
    if not _DURATION.fullmatch(said):
        raise ValueError(f'failed to parse duration {text}: time: invalid duration "{said}"')
    seconds = sum(float(number) * _UNITS[unit] for number, unit in _PART.findall(said))
    if seconds * 1e9 > _MOST:
        raise ValueError(f'failed to parse duration {text}: time: invalid duration "{said}"')
    return max(int(-seconds if said.startswith("-") else seconds), 1)
