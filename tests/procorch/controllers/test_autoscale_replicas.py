"""How many pods a measurement asks for."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.clock import timestamp
from procorch.controllers.autoscale_replicas import (
    NO_PODS,
    Patience,
    Proposal,
    Sample,
    Tolerance,
    Unmeasured,
    by_average,
    by_share,
    by_total,
    by_utilization,
    group,
    requests_of,
)
from procorch.objects import Object

NOW = 1_700_000_000.0
OLD = 1_000.0  # seconds ago
TOLERANCE = Tolerance()


def pod(name: str, *, age: float = OLD, ready: bool = True, changed: float | None = None, **more: Any) -> Object:
    """age, changed: seconds ago that it began, and became ready or unready. more: phase, request, going."""
    request = more.get("request", "100m")
    resources = {"requests": {"cpu": request}} if request else {}
    about: Object = {"name": name} | ({"deletionTimestamp": timestamp(NOW)} if more.get("going") else {})
    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp(NOW - (changed or age))}
    return {
        "metadata": about,
        "spec": {"containers": [{"name": "c", "resources": resources}]},
        "status": {
            "phase": more.get("phase", "Running"),
            "startTime": timestamp(NOW - age),
            "conditions": [condition],
        },
    }


def pods(count: int) -> list[Object]:
    return [pod(f"p{number}") for number in range(count)]


def samples(*millis: int) -> dict[str, Sample]:
    return {f"p{number}": Sample(milli, NOW, 15) for number, milli in enumerate(millis)}


def proposed(there: list[Object], used: dict[str, Sample], target: int = 50, current: int | None = None) -> Proposal:
    groups = group(there, used, "cpu", NOW, Patience())
    return by_utilization(
        len(there) if current is None else current, target, used, there, requests_of(there, "cpu"), groups, TOLERANCE
    )


@pytest.mark.parametrize(
    ("used", "replicas", "utilization"),
    [
        pytest.param((100, 100), 4, 100, id="twice as busy: twice as many"),
        pytest.param((55, 54), 2, 54, id="within the tolerance: as it is"),
        pytest.param((60, 60), 3, 60, id="a little beyond it: rounded up"),
        pytest.param((25, 25), 1, 25, id="half as busy: half as many"),
        pytest.param((0, 0), 0, 0, id="idle: none, the least is decided elsewhere"),
        pytest.param((200, 0), 4, 100, id="the average counts"),
    ],
)
def test_pods_are_as_many_as_their_load_over_the_target(used: Any, replicas: int, utilization: int) -> None:
    found = proposed(pods(2), samples(*used))
    assert (found.replicas, found.utilization, found.average) == (replicas, utilization, sum(used) // 2)


@pytest.mark.parametrize(
    ("there", "used", "replicas"),
    [
        pytest.param([*pods(1), pod("p1")], samples(100), 2, id="not measured counts as idle where more are wanted"),
        pytest.param([*pods(3), pod("p3")], samples(10, 10, 10), 3, id="and as busy where fewer are"),
        pytest.param([*pods(1), pod("p1", phase="Pending")], samples(150), 3, id="pending is idle where it grows"),
        pytest.param([*pods(2), pod("p2", phase="Pending")], samples(20, 20), 1, id="and not there where it shrinks"),
        pytest.param([*pods(1), pod("p1", age=60, ready=False)], samples(100, 900), 2, id="young and unready"),
        pytest.param([*pods(1), pod("p1", age=60, changed=5)], samples(100, 900), 2, id="ready for less than a window"),
        pytest.param([*pods(1), pod("p1", age=60, changed=20)], samples(100, 100), 4, id="young, ready long enough"),
        pytest.param([*pods(1), pod("p1", ready=False, changed=990)], samples(100, 900), 2, id="never ready"),
        pytest.param([*pods(1), pod("p1", ready=False, changed=9)], samples(100, 100), 4, id="old and unready: heard"),
        pytest.param([*pods(2), pod("p2", going=True)], samples(100, 100, 900), 4, id="ending: not there"),
        pytest.param([*pods(2), pod("p2", phase="Failed")], samples(100, 100, 900), 4, id="failed: not there"),
    ],
)
def test_what_is_not_known_damps_and_never_decides(there: list[Object], used: Any, replicas: int) -> None:
    assert proposed(there, used).replicas == replicas


@pytest.mark.parametrize(
    ("there", "used", "why"),
    [
        pytest.param([], samples(1), NO_PODS, id="no pods"),
        pytest.param(pods(1), {}, r"did not receive metrics for targeted pods \(pods might", id="no figures"),
        pytest.param(
            [pod("p0", request="")], samples(1), "missing request for cpu in container c of Pod p0", id="no request"
        ),
    ],
)
def test_where_nothing_can_be_said_it_says_why(there: list[Object], used: Any, why: str) -> None:
    with pytest.raises(Unmeasured, match=why):
        proposed(there, used)


def test_requests_are_of_all_containers_or_of_one() -> None:
    one = pod("p")
    one["spec"]["containers"].append({"name": "d", "resources": {"requests": {"cpu": "1"}}})
    one["spec"]["initContainers"] = [
        {"name": "i", "resources": {}},
        {"name": "s", "restartPolicy": "Always", "resources": {"requests": {"cpu": "1m"}}},
    ]
    assert requests_of([one], "cpu") == {"p": 1101}
    assert requests_of([one], "cpu", "d") == {"p": 1000}
    one["spec"]["resources"] = {"requests": {"cpu": "2"}}
    assert requests_of([one], "cpu") == {"p": 2000}


def test_an_average_is_reached_by_more_or_fewer_pods() -> None:
    def of(*used: int) -> Proposal:
        there = pods(2)
        groups = group(there, samples(*used), "", NOW, Patience())
        return by_average(2, 10_000, samples(*used), there, groups, TOLERANCE)

    assert of(30_000, 10_000) == Proposal(4, 20_000)
    assert of(10_000, 10_500) == Proposal(2, 10_250)
    assert of(20_000) == Proposal(2, 20_000), "the one that was not measured counts as idle"


def test_one_value_for_all() -> None:
    assert by_total(2, 100, 200, pods(2), TOLERANCE) == Proposal(4, 200)
    assert by_total(2, 100, 105, [], TOLERANCE) == Proposal(2, 105)
    assert by_total(0, 100, 250, [], TOLERANCE) == Proposal(3, 250), "from nothing"
    assert by_total(2, 100, 200, [*pods(1), pod("x", ready=False)], TOLERANCE).replicas == 2, "ready ones count"
    with pytest.raises(Unmeasured, match=NO_PODS):
        by_total(2, 100, 200, [], TOLERANCE)
    assert by_share(2, 100, 500, TOLERANCE) == Proposal(5, 250)
    assert by_share(2, 100, 210, TOLERANCE) == Proposal(2, 105)
    assert by_share(0, 100, 210, TOLERANCE) == Proposal(3, 0)


@given(
    used=st.lists(st.one_of(st.none(), st.integers(0, 1000)), min_size=1, max_size=12),
    unready=st.sets(st.integers(0, 11)),
    target=st.integers(1, 200),
)
def test_missing_figures_never_turn_the_way_round(used: list[int | None], unready: set[int], target: int) -> None:
    """Whatever is missing: no more pods than if all the missing were as busy as the known, no growth when these say
    that there are too many, and none taken away when they say that there are too few."""
    there = [
        pod(f"p{number}", phase="Pending" if number in unready else "Running") for number in range(len(used))
    ]  # fmt: skip
    known = {f"p{number}": Sample(milli, NOW, 15) for number, milli in enumerate(used) if milli is not None}
    heard = [milli for number, milli in enumerate(used) if milli is not None and number not in unready]
    if not heard:
        return
    found, current = proposed(there, known, target).replicas, len(there)
    utilization = sum(heard) * 100 // (100 * len(heard))

    if utilization > target:
        assert current <= found <= max(current, -(-utilization * len(there) // target))
    elif utilization < target:
        assert found <= current
    else:
        assert found == current
