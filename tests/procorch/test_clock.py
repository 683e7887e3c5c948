"""Times as the API writes them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.clock import Backoff, micro_timestamp, parse_timestamp, timestamp


@given(st.integers(0, 4_000_000_000))
def test_whole_seconds_come_back(seconds: int) -> None:
    assert parse_timestamp(timestamp(seconds)) == seconds


def test_the_two_forms() -> None:
    assert timestamp(1_800_000_000.9) == "2027-01-15T08:00:00Z"
    assert micro_timestamp(1_800_000_000.25) == "2027-01-15T08:00:00.250000Z"
    assert parse_timestamp("2027-01-15T09:00:00.5+01:00") == 1_800_000_000.5


@pytest.mark.parametrize("text", ["", "yesterday", "2027-01-15T08:00:00"])
def test_what_is_no_time_is_refused(text: str) -> None:
    with pytest.raises(ValueError):
        parse_timestamp(text)


def test_the_waits_double_to_a_limit_with_jitter() -> None:
    backoff = Backoff(1, 4, jitter=0.5, draw=lambda: 1.0)

    assert [backoff.next() for _ in range(5)] == [1.5, 3, 6, 6, 6]
    backoff.reset()
    assert backoff.next() == 1.5
