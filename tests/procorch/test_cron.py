"""Which schedules there are, what they mean, and how the others are refused: as robfig/cron does it."""

from __future__ import annotations

from datetime import datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.cron import Schedule, next_after, parse, split_zone


def test_five_fields() -> None:
    assert parse("5 4 1-3 jan,DEC mon-fri") == Schedule(
        minutes=frozenset({5}), hours=frozenset({4}), days=frozenset({1, 2, 3}), months=frozenset({1, 12}),
        weekdays=frozenset({1, 2, 3, 4, 5}),
    )  # fmt: skip


@pytest.mark.parametrize(
    ("field", "minutes"),
    [
        ("*", set(range(60))),
        ("?", set(range(60))),
        ("*/20", {0, 20, 40}),
        ("10/20", {10, 30, 50}),
        ("10-30/10", {10, 20, 30}),
        ("1,2,5-7", {1, 2, 5, 6, 7}),
        ("1,,2", {1, 2}),
    ],
)
def test_a_field(field: str, minutes: set[int]) -> None:
    assert parse(f"{field} * * * *").minutes == minutes


def test_only_a_whole_star_is_any_day() -> None:
    assert (parse("0 0 * * 1").any_day, parse("0 0 * * 1").any_weekday) == (True, False)
    assert (parse("0 0 */2 * ?").any_day, parse("0 0 */1 * ?").any_day) == (False, True)
    assert parse("0 0 1 * ?").any_weekday


@pytest.mark.parametrize(
    ("word", "fields"),
    [
        ("@yearly", "0 0 1 1 *"),
        ("@annually", "0 0 1 1 *"),
        ("@monthly", "0 0 1 * *"),
        ("@weekly", "0 0 * * 0"),
        ("@daily", "0 0 * * *"),
        ("@midnight", "0 0 * * *"),
        ("@hourly", "0 * * * *"),
    ],
)
def test_words(word: str, fields: str) -> None:
    assert parse(word) == parse(fields)


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("1h30m", 5400), ("90s", 90), ("1.5h", 5400), ("10ms", 1), ("1m2.9s", 62), ("0", 1), ("-5m", 1)],
)
def test_every_is_whole_seconds_and_at_least_one(text: str, seconds: int) -> None:
    assert parse(f"@every {text}") == Schedule(every=seconds)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "empty spec string"),
        ("* * * *", "expected exactly 5 fields, found 4: [* * * *]"),
        ("0 0 0 * * *", "expected exactly 5 fields, found 6: [0 0 0 * * *]"),
        ("60 * * * *", "end of range (60) above maximum (59): 60"),
        ("* * 0 * *", "beginning of range (0) below minimum (1): 0"),
        ("* * * * 7", "end of range (7) above maximum (6): 7"),
        ("* 5-2 * * *", "beginning of range (5) beyond end of range (2): 5-2"),
        ("1-2-3 * * * *", "too many hyphens: 1-2-3"),
        ("1/2/3 * * * *", "too many slashes: 1/2/3"),
        ("*/0 * * * *", "step of range should be a positive number: */0"),
        ("a * * * *", 'failed to parse int from a: strconv.Atoi: parsing "a": invalid syntax'),
        ("* * * mon *", 'failed to parse int from mon: strconv.Atoi: parsing "mon": invalid syntax'),
        ("-1 * * * *", 'failed to parse int from : strconv.Atoi: parsing "": invalid syntax'),
        ("*/-1 * * * *", "negative number (-1) not allowed: -1"),
        ("99999999999999999999 * * * *", "failed to parse int from 99999999999999999999: "
         'strconv.Atoi: parsing "99999999999999999999": value out of range'),
        ("@often", "unrecognized descriptor: @often"),
        ("@Daily", "unrecognized descriptor: @Daily"),
        ("@every soon", 'failed to parse duration @every soon: time: invalid duration "soon"'),
        ("@every 9999999999h", 'failed to parse duration @every 9999999999h: time: invalid duration "9999999999h"'),
        ("٣ * * * *", 'failed to parse int from ٣: strconv.Atoi: parsing "٣": invalid syntax'),
        ("1," * 1000 + "1 * * * *", "longer than 1000 characters"),
    ],
)  # fmt: skip
def test_what_is_no_schedule_is_refused_in_robfigs_words(text: str, message: str) -> None:
    with pytest.raises(ValueError) as refused:
        parse(text)

    assert str(refused.value) == message


@given(st.text(alphabet="0123456789*?,-/ @abcjnmo", max_size=30))
def test_every_text_is_a_schedule_or_a_value_error(text: str) -> None:
    try:
        schedule = parse(text)
    except ValueError:
        return
    assert schedule.every or (schedule.minutes <= set(range(60)) and schedule.weekdays <= set(range(7)))


def test_a_zone_before_the_fields_is_split_off() -> None:
    assert split_zone("TZ=Europe/Zurich 0 4 * * *") == ("Europe/Zurich", "0 4 * * *")
    assert split_zone("CRON_TZ=UTC  @daily") == ("UTC", "@daily")
    assert split_zone("0 4 * * *") == ("", "0 4 * * *")


@pytest.mark.parametrize(
    ("text", "zone", "after", "expected"),
    [
        pytest.param("*/15 * * * *", "UTC", "2026-03-02T10:07:30+00:00", "2026-03-02T10:15:00+00:00", id="this hour"),
        pytest.param("0 0 * * *", "UTC", "2026-03-02T00:00:00+00:00", "2026-03-03T00:00:00+00:00", id="strictly after"),
        pytest.param("0 9 * * 1", "UTC", "2026-03-03T10:00:00+00:00", "2026-03-09T09:00:00+00:00", id="on Monday"),
        pytest.param(
            "0 0 13 * 5", "UTC", "2026-03-02T00:00:00+00:00", "2026-03-06T00:00:00+00:00", id="13th or Friday"
        ),
        pytest.param("0 0 29 2 *", "UTC", "2026-03-02T00:00:00+00:00", "2028-02-29T00:00:00+00:00", id="leap years"),
        pytest.param("0 0 31 2 *", "UTC", "2026-03-02T00:00:00+00:00", None, id="never"),
        pytest.param(
            "30 8 * * *", "Asia/Kolkata", "2026-03-02T00:00:00+00:00", "2026-03-02T03:00:00+00:00", id="in its zone"
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-03-29T00:00:00+00:00",
            "2026-03-30T00:30:00+00:00",
            id="left out in spring",
        ),
        pytest.param(
            "30 2 * * *",
            "Europe/Berlin",
            "2026-10-25T00:30:00+00:00",
            "2026-10-25T01:30:00+00:00",
            id="twice in autumn",
        ),
        pytest.param("@every 90s", "UTC", "2026-03-02T00:00:10.5+00:00", "2026-03-02T00:01:40+00:00", id="a distance"),
    ],
)
def test_when_it_is_due_next(text: str, zone: str, after: str, expected: str | None) -> None:
    found = next_after(parse(text), datetime.fromisoformat(after).timestamp(), ZoneInfo(zone))

    assert found == (datetime.fromisoformat(expected).timestamp() if expected else None)
