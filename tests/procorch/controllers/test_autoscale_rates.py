"""How fast the size may follow."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.controllers.autoscale_rates import LONGEST_PERIOD, Change, Past, decide

NOW = 1_700_000_000.0
NONE = Past()


def rules(way: str, *policies: tuple[str, int, int], **more: Any) -> dict[str, Any]:
    """policies: type, value, periodSeconds. The other way changes as it likes."""
    free = {"stabilizationWindowSeconds": 0, "policies": [{"type": "Pods", "value": 10_000, "periodSeconds": 1}]}
    rows = [{"type": type_, "value": value, "periodSeconds": period} for type_, value, period in policies]
    own = {**free, **({"policies": rows} if rows else {}), **more}
    return {"scaleUp": free, "scaleDown": free, way: own}


def wished(*rows: tuple[float, int]) -> Past:
    """(seconds ago, replicas)"""
    return Past(tuple((NOW - ago, replicas) for ago, replicas in rows))


def grown(*rows: tuple[float, int]) -> Past:
    return Past((), tuple(Change(NOW - ago, by) for ago, by in rows))


FOUR = rules("scaleUp", ("Pods", 4, 15))
HALF = rules("scaleDown", ("Percent", 50, 60))
BOTH = (("Pods", 2, 60), ("Percent", 100, 60))


@pytest.mark.parametrize(
    ("current", "wanted", "behavior", "past", "replicas", "able", "limited"),
    [
        pytest.param(3, 3, None, NONE, 3, "ReadyForNewScale", "DesiredWithinRange", id="as it is"),
        pytest.param(3, 6, None, NONE, 6, "ReadyForNewScale", "DesiredWithinRange", id="up to twice"),
        pytest.param(3, 9, None, NONE, 6, "ReadyForNewScale", "ScaleUpLimit", id="no more than twice at once"),
        pytest.param(1, 9, None, NONE, 4, "ReadyForNewScale", "ScaleUpLimit", id="but four"),
        pytest.param(8, 30, None, NONE, 10, "ReadyForNewScale", "TooManyReplicas", id="no more than the most"),
        pytest.param(5, 1, None, NONE, 2, "ReadyForNewScale", "TooFewReplicas", id="no fewer than the least"),
        pytest.param(5, 3, None, wished((299, 4)), 4, "ScaleDownStabilized", "DesiredWithinRange", id="5 minutes"),
        pytest.param(5, 3, None, wished((301, 4)), 3, "ReadyForNewScale", "DesiredWithinRange", id="longer ago"),
        pytest.param(3, 5, None, wished((1, 4)), 5, "ReadyForNewScale", "DesiredWithinRange", id="up at once"),
        pytest.param(3, 9, FOUR, NONE, 7, "ReadyForNewScale", "ScaleUpLimit", id="four at a time"),
        pytest.param(6, 9, FOUR, grown((10, 3)), 7, "ReadyForNewScale", "ScaleUpLimit", id="of which three are spent"),
        pytest.param(6, 9, FOUR, grown((16, 3)), 9, "ReadyForNewScale", "DesiredWithinRange", id="spent long ago"),
        pytest.param(6, 9, FOUR, grown((9, 5)), 6, "ReadyForNewScale", "ScaleUpLimit", id="more than all is spent"),
        pytest.param(3, 9, rules("scaleUp", *BOTH), NONE, 6, "ReadyForNewScale", "ScaleUpLimit", id="the most allowed"),
        pytest.param(3, 9, rules("scaleUp", *BOTH, selectPolicy="Min"), NONE, 5, "ReadyForNewScale", "ScaleUpLimit",
                     id="or the least"),
        pytest.param(3, 9, rules("scaleUp", selectPolicy="Disabled"), NONE, 3, "ReadyForNewScale", "ScaleUpLimit",
                     id="or nothing"),
        pytest.param(9, 2, HALF, NONE, 4, "ReadyForNewScale", "ScaleDownLimit", id="down to half"),
        pytest.param(6, 2, HALF, grown((30, -3)), 4, "ReadyForNewScale", "ScaleDownLimit", id="half of what it was"),
        pytest.param(9, 2, rules("scaleDown", *BOTH), NONE, 2, "ReadyForNewScale", "DesiredWithinRange", id="all"),
        pytest.param(9, 2, rules("scaleDown", *BOTH, selectPolicy="Min"), NONE, 7, "ReadyForNewScale",
                     "ScaleDownLimit", id="the slower way down"),
        pytest.param(5, 3, rules("scaleDown", stabilizationWindowSeconds=60), wished((59, 4)), 4,
                     "ScaleDownStabilized", "DesiredWithinRange", id="a window of its own"),
        pytest.param(3, 6, rules("scaleUp", stabilizationWindowSeconds=60), wished((59, 4)), 4, "ScaleUpStabilized",
                     "DesiredWithinRange", id="upwards, too"),
        pytest.param(3, 6, rules("scaleUp", stabilizationWindowSeconds=60), wished((59, 1)), 3, "ScaleUpStabilized",
                     "DesiredWithinRange", id="which takes nothing away"),
    ],
)  # fmt: skip
def test_what_becomes_of_a_wish(
    current: int, wanted: int, behavior: Any, past: Past, replicas: int, able: str, limited: str
) -> None:
    verdict = decide(current, wanted, 2 if current > 1 else 1, 10, behavior, past, NOW)
    assert (verdict.replicas, verdict.able[:2], verdict.limited[1]) == (replicas, ("True", able), limited)
    is_limited = limited != "DesiredWithinRange"
    assert verdict.limited[0] == str(is_limited)


def test_what_is_old_is_forgotten() -> None:
    past = Past().recommended(NOW, 3, 60).recommended(NOW + 61, 4, 60).changed(NOW, 2)
    assert past == Past(((NOW + 61, 4),), (Change(NOW, 2),))
    assert past.changed(NOW + LONGEST_PERIOD, -1).changes == (Change(NOW + LONGEST_PERIOD, -1),)


_POLICIES = st.lists(
    st.fixed_dictionaries(
        {
            "type": st.sampled_from(["Pods", "Percent"]),
            "value": st.integers(1, 200),
            "periodSeconds": st.integers(1, 1800),
        }
    ),
    min_size=1,
    max_size=3,
)
_RULES = st.fixed_dictionaries(
    {
        "selectPolicy": st.sampled_from(["Max", "Min", "Disabled"]),
        "policies": _POLICIES,
        "stabilizationWindowSeconds": st.integers(0, 3600),
    }
)


@given(
    current=st.integers(1, 50),
    wanted=st.integers(0, 500),
    least=st.integers(1, 50),
    extra=st.integers(0, 100),
    behavior=st.one_of(st.none(), st.fixed_dictionaries({"scaleUp": _RULES, "scaleDown": _RULES})),
    wishes=st.lists(st.tuples(st.floats(0, 4000), st.integers(0, 100)), max_size=5),
    changes=st.lists(st.tuples(st.floats(0, 2000), st.integers(-20, 20)), max_size=5),
)
def test_it_never_leaves_its_bounds_nor_turns_round(
    current: int, wanted: int, least: int, extra: int, behavior: Any, wishes: Any, changes: Any
) -> None:
    least = min(least, current)  # where the size is out of bounds it is put right before anything is measured
    most = current + extra
    past = Past(wished(*wishes).recommendations, grown(*changes).changes)

    replicas = decide(current, wanted, least, most, behavior, past, NOW).replicas

    assert least <= replicas <= most
    wishes_then = [wanted, *(replicas for _, replicas in wishes)]
    if all(one <= current for one in wishes_then):
        assert replicas <= current
    if wanted >= current:
        assert replicas >= current
