"""Sets of completion indexes in few words."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.controllers.job_indexes import Indexes

MOST = 40
SETS = st.sets(st.integers(0, MOST - 1))


@pytest.mark.parametrize(
    ("indexes", "text"),
    [
        pytest.param([], "", id="none"),
        pytest.param([3], "3", id="one"),
        pytest.param([0, 1], "0,1", id="two neighbours are no interval yet"),
        pytest.param([4, 2, 3, 0], "0,2-4", id="in any order"),
    ],
)
def test_they_are_written_as_kubernetes_does(indexes: list[int], text: str) -> None:
    assert str(Indexes.of(indexes)) == text


def test_what_is_no_interval_or_not_asked_any_more_is_passed_over() -> None:
    assert Indexes.parse("0,x,2-y,3-9,12", 6) == Indexes.of([0, 3, 4, 5])


@given(SETS, SETS, st.integers(0, MOST))
def test_they_are_sets(one: set[int], two: set[int], count: int) -> None:
    left, right = Indexes.of(one), Indexes.of(two)

    assert Indexes.parse(str(left), MOST) == left
    assert len(left) == len(one) and all((index in left) == (index in one) for index in range(MOST))
    assert left | right == Indexes.of(one | two)
    assert left & right == Indexes.of(one & two)
    assert left.missing(count, MOST) == [index for index in range(MOST) if index not in one][:count]
