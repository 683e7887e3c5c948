"""Which time is due, and when the next will be."""

from __future__ import annotations

import zoneinfo
from datetime import datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.controllers.cron_times import due, timing_of, until_next, zone_of


def at(text: str) -> float:
    return datetime.fromisoformat(text + "+00:00").timestamp()


def spec(schedule: str, zone: str | None = None) -> Any:
    return {"schedule": schedule, **({"timeZone": zone} if zone else {})}


SINCE = at("2026-03-02T10:00:30")  # a Monday


@pytest.mark.parametrize(
    ("schedule", "now", "deadline", "expected", "too_many"),
    [
        pytest.param("0 * * * *", "2026-03-02T10:59:59", None, None, False, id="not yet"),
        pytest.param("0 * * * *", "2026-03-02T11:00:00", None, "2026-03-02T11:00:00", False, id="now"),
        pytest.param("0 * * * *", "2026-03-02T15:30:00", None, "2026-03-02T15:00:00", False, id="the newest of five"),
        pytest.param("* * * * *", "2026-03-02T13:30:10", None, "2026-03-02T13:30:00", True, id="hundreds"),
        pytest.param("* * * * *", "2026-03-02T13:30:10", 200, "2026-03-02T13:30:00", False, id="fewer by a deadline"),
        pytest.param("0 11 * * *", "2026-03-02T11:10:00", 60, None, False, id="its deadline is over"),
        pytest.param(
            "30 6-16/4 * * 1-5", "2026-03-08T12:00:00", None, "2026-03-06T14:30:00", False, id="after a pause"
        ),
        pytest.param(
            "@every 7m", "2026-03-02T10:30:00", None, "2026-03-02T10:28:30", False, id="from its beginning on"
        ),
        pytest.param("59 23 31 2 *", "2026-03-02T10:30:00", None, None, False, id="a day that never comes"),
    ],
)
def test_what_is_due(schedule: str, now: str, deadline: float | None, expected: str | None, too_many: bool) -> None:
    found = due(timing_of(spec(schedule)), SINCE, deadline, at(now))

    assert found.at == (at(expected) if expected else None)
    assert found.too_many == too_many


@pytest.mark.parametrize(
    ("schedule", "now", "expected"),
    [
        ("0 * * * *", "2026-03-02T10:59:50", 10),
        ("0 * * * *", "2026-03-02T11:00:00", 3600),
        ("@every 7m", "2026-03-02T10:07:00", 30),
        ("59 23 31 2 *", "2026-03-02T11:00:00", None),
    ],
)
def test_how_long_it_is_until_the_next(schedule: str, now: str, expected: float | None) -> None:
    left = until_next(timing_of(spec(schedule)), SINCE, at(now))

    assert left == (None if expected is None else pytest.approx(expected + 0.1, abs=1e-4))


def test_its_zone_is_utc_unless_it_says_so() -> None:
    assert str(zone_of(spec("@daily"))) == "UTC"
    assert str(zone_of(spec("@daily", "Europe/Zurich"))) == str(zone_of(spec("TZ=Europe/Zurich @daily")))
    with pytest.raises(zoneinfo.ZoneInfoNotFoundError):
        zone_of(spec("@daily", "Moon/Tycho"))


FIELDS = st.sampled_from(["* * * * *", "*/7 * * * *", "5 4 * * 1", "0 0 1 */2 *", "30 2 * * *", "@every 13m"])


@given(FIELDS, st.floats(0, 400 * 86400), st.sampled_from(["UTC", "Europe/Berlin", "Australia/Lord_Howe"]))
def test_what_is_due_lies_between_then_and_now_and_none_comes_after_it(text: str, later: float, zone: str) -> None:
    timing, now = timing_of(spec(text, zone)), SINCE + later
    found = due(timing, SINCE, None, now).at

    if found is None:
        assert (timing.after(SINCE) or now + 1) > now
    else:
        assert SINCE < found <= now
        assert (timing.after(found) or now + 1) > now
