"""Ages and durations read as kubectl shows them."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.kinds.cells import age, human_duration, label_text, selector_text

MINUTE, HOUR, DAY, YEAR = 60, 3600, 86400, 365 * 86400


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [
        (-2, "<invalid>"),
        (-1, "0s"),
        (-0.5, "0s"),
        (0, "0s"),
        (119.9, "119s"),
        (120, "2m"),
        (121, "2m1s"),
        (9 * MINUTE + 59, "9m59s"),
        (10 * MINUTE, "10m"),
        (10 * MINUTE + 30, "10m"),
        (3 * HOUR - 1, "179m"),
        (3 * HOUR, "3h"),
        (3 * HOUR + 12 * MINUTE, "3h12m"),
        (8 * HOUR + 12 * MINUTE, "8h"),
        (47 * HOUR, "47h"),
        (2 * DAY, "2d"),
        (2 * DAY + 4 * HOUR, "2d4h"),
        (8 * DAY + 4 * HOUR, "8d"),
        (729 * DAY, "729d"),
        (2 * YEAR, "2y"),
        (2 * YEAR + 40 * DAY, "2y40d"),
        (8 * YEAR + 40 * DAY, "8y"),
    ],
)
def test_durations(seconds: float, shown: str) -> None:
    assert human_duration(seconds) == shown


@given(st.floats(0, 1e10))
def test_every_duration_can_be_shown(seconds: float) -> None:
    assert human_duration(seconds)[-1] in "smhdy"


def test_an_age_counts_from_a_time_of_the_api() -> None:
    assert age("2026-11-23T19:00:00Z", 1795460400 + 90) == "90s"
    assert age("2026-11-23T19:00:00.500000Z", 1795460400 + 90) == "89s"


@pytest.mark.parametrize("timestamp", [None, "", "yesterday", 5, {}])
def test_an_unknown_time_says_so(timestamp: object) -> None:
    assert age(timestamp, 0) == "<unknown>"


def test_labels_and_selectors_in_one_line() -> None:
    assert label_text({"b": "2", "a": "1"}) == "a=1,b=2"
    assert label_text(None) == "<none>"
    assert (
        selector_text({"matchLabels": {"a": "1"}, "matchExpressions": [{"key": "b", "operator": "Exists"}]}) == "a=1,b"
    )
    assert selector_text({}) == "<none>"
    assert selector_text({"matchExpressions": [{"key": "b", "operator": "Near"}]}) == "<invalid>"
