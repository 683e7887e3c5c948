"""Durations, as Go writes them."""

from __future__ import annotations

import pytest

from procorch.durations import duration_nanos, duration_text, misread_duration


@pytest.mark.parametrize("text", ["0s", "1ns", "1.5µs", "20ms", "1.5s", "1m0s", "1h2m3.000000004s", "-3h0m0s"])
def test_durations_are_written_as_go_does(text):
    assert duration_text(duration_nanos(text)) == text


@pytest.mark.parametrize("text", ["0", "-0", "0s", "+5m", "1.5h", ".5s", "3.s", "1h2m3.000000004s", "10µs", "2562047h"])
def test_what_go_reads_as_a_duration(text):
    assert misread_duration(text) is None


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", 'time: invalid duration ""'),
        ("invalid", 'time: invalid duration "invalid"'),
        ("-", 'time: invalid duration "-"'),
        (".s", 'time: invalid duration ".s"'),
        ("1m-1s", 'time: unknown unit "m-" in duration "1m-1s"'),
        ("30", 'time: missing unit in duration "30"'),
        ("1m30", 'time: missing unit in duration "1m30"'),
        ("1d", 'time: unknown unit "d" in duration "1d"'),
        ("2562048h", 'time: invalid duration "2562048h"'),
        ('1"é', r'time: unknown unit "\"\xc3\xa9" in duration "1\"\xc3\xa9"'),
    ],
)
def test_what_go_says_of_what_is_no_duration(text, why):
    assert misread_duration(text) == why
