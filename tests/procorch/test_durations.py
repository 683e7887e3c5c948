"""Durations, as Go writes them."""

from __future__ import annotations

import pytest

from procorch.durations import duration_nanos, duration_text


@pytest.mark.parametrize("text", ["0s", "1ns", "1.5µs", "20ms", "1.5s", "1m0s", "1h2m3.000000004s", "-3h0m0s"])
def test_durations_are_written_as_go_does(text):
    assert duration_text(duration_nanos(text)) == text
