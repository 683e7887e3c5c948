"""What a priority level's object says, and how wide a request is."""

from __future__ import annotations

import pytest

from procorch.api.levels import MOST_WIDE, LevelSpec, width


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        pytest.param({"type": "Exempt", "exempt": {"nominalConcurrencyShares": 3, "lendablePercent": 50}},
                     LevelSpec("a", 3, 50, None, 0, 1, 0, True, "u"), id="exempt"),
        pytest.param({"type": "Limited", "limited": {"nominalConcurrencyShares": 5, "lendablePercent": 0,
                      "limitResponse": {"type": "Reject"}}}, LevelSpec("a", 5, 0, None, 0, 1, 0, False, "u"),
                     id="what finds no seat is refused"),
        pytest.param({"type": "Limited", "limited": {"nominalConcurrencyShares": 5, "borrowingLimitPercent": 10,
                      "lendablePercent": 20, "limitResponse": {"type": "Queue", "queuing": {"queues": 8, "handSize": 2,
                      "queueLengthLimit": 9}}}}, LevelSpec("a", 5, 20, 10, 8, 2, 9, False, "u"), id="queues"),
    ],
)  # fmt: skip
def test_a_level_is_as_its_object_says(spec, expected):
    assert LevelSpec.of({"metadata": {"name": "a", "uid": "u"}, "spec": spec}) == expected


def test_the_width_grows_with_what_is_to_be_done_and_has_an_end():
    assert width() == 1 == width(objects=99) == width(watchers=10, size=1000)
    assert width(objects=500) == 6 and width(watchers=1000) == MOST_WIDE == width(size=3 << 20)
