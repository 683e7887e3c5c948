"""How many pods each ReplicaSet of a Deployment is asked for."""

from __future__ import annotations

from dataclasses import replace
from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.controllers.rollout import Plan, Set, Wanted, is_resized, plan, wanted_of
from procorch.objects import Object


def deployment(replicas: int, surge: int | str = "25%", unavailable: int | str = "25%", **spec: Any) -> Object:
    rolling = {"maxSurge": surge, "maxUnavailable": unavailable}
    strategy = {"type": "RollingUpdate", "rollingUpdate": rolling}
    return {"spec": {"replicas": replicas, "strategy": strategy, **spec}}


@pytest.mark.parametrize(
    ("asked", "wanted"),
    [
        pytest.param(deployment(10), Wanted(10, 3, 2), id="a surge is rounded up, what may be missing down"),
        pytest.param(deployment(1), Wanted(1, 1, 0), id="of one pod none may be missing"),
        pytest.param(deployment(10, 3, 2), Wanted(10, 3, 2), id="numbers are pods"),
        pytest.param(deployment(3, 0, "10%"), Wanted(3, 0, 1), id="both nothing: one may be missing"),
        pytest.param(deployment(2, 1, 5), Wanted(2, 1, 2), id="no more may be missing than there are"),
        pytest.param(deployment(0), Wanted(0, 0, 0), id="none wanted"),
        pytest.param(deployment(4, "100%", "0%"), Wanted(4, 4, 0), id="all at once beside the old"),
        pytest.param(
            deployment(5, paused=True, strategy={"type": "Recreate"}), Wanted(5, recreate=True, paused=True),
            id="recreated: neither surge nor rest",
        ),
    ],
)  # fmt: skip
def test_shares_become_pods(asked: Object, wanted: Wanted) -> None:
    assert wanted_of(asked) == wanted


TEN = Wanted(10, surge=3, unavailable=2)


def of(name: str, replicas: int, available: int, desired: int | None = 10, most: int | None = 13, born: int = 0) -> Set:
    return Set(name, replicas, available, desired, most, born)


@pytest.mark.parametrize(
    ("wanted", "new", "old", "expected"),
    [
        pytest.param(TEN, None, [], Plan({}, create=10), id="the first set has them all"),
        pytest.param(
            TEN, None, [of("a", 10, 10)], Plan({"a": 8}, create=3),
            id="a new template: the surge comes, what may be missing goes",
        ),
        pytest.param(
            TEN, of("b", 3, 0), [of("a", 8, 8)], Plan({"b": 5}), id="room from what went: the new set grows",
        ),
        pytest.param(TEN, of("b", 5, 0), [of("a", 8, 8)], Plan({}), id="none of the new is available: the old stay"),
        pytest.param(TEN, of("b", 5, 2), [of("a", 8, 8)], Plan({"a": 6}), id="two new are available: two old go"),
        pytest.param(TEN, of("b", 10, 10), [of("a", 2, 2)], Plan({"a": 0}), id="the last old ones go"),
        pytest.param(TEN, of("b", 10, 10), [of("a", 0, 0)], Plan({}), id="done"),
        pytest.param(
            TEN, of("b", 5, 0), [of("a", 8, 7)], Plan({}), id="an old pod fails: no more of the old may go",
        ),
        pytest.param(
            TEN, of("a", 8, 8), [of("b", 5, 0, born=1)], Plan({"b": 0}),
            id="rolled back: the pods that never worked go, for nobody misses them",
        ),
        pytest.param(
            TEN, None, [of("a", 8, 8), of("b", 5, 0, born=1)], Plan({"b": 0}, create=0),
            id="rolled over: no room yet for the third template, but what does not work makes some",
        ),
        pytest.param(
            TEN, of("c", 5, 3), [of("a", 4, 4, born=2), of("b", 4, 4, born=1)], Plan({"b": 1}),
            id="the oldest set goes first",
        ),
        pytest.param(
            TEN, of("b", 5, 1), [of("a", 8, 10)], Plan({"a": 7}),
            id="a set that has not noticed yet counts with what is asked of it",
        ),
        pytest.param(TEN, of("b", 12, 12), [], Plan({"b": 10}), id="too many of the new: back to what is wanted"),
        pytest.param(Wanted(3, 1, 0), None, [of("a", 3, 3, 3, 4)], Plan({}, create=1), id="none missing: one by one"),
        pytest.param(Wanted(3, 0, 1), None, [of("a", 3, 3, 3, 3)], Plan({"a": 2}, create=0), id="no surge: one goes"),
        pytest.param(
            Wanted(3, 0, 1), of("b", 0, 0, 3, 3), [of("a", 2, 2, 3, 3)], Plan({"b": 1}), id="no surge: then one comes",
        ),
    ],
)  # fmt: skip
def test_a_template_rolls_out(wanted: Wanted, new: Set | None, old: list[Set], expected: Plan) -> None:
    assert plan(wanted, new, old) == expected


ONCE = Wanted(3, recreate=True)


@pytest.mark.parametrize(
    ("new", "old", "pods_left", "expected"),
    [
        pytest.param(None, [of("a", 3, 3)], True, Plan({"a": 0}), id="first the old go"),
        pytest.param(None, [of("a", 0, 0)], True, Plan({}), id="then their pods are waited for"),
        pytest.param(None, [of("a", 0, 0)], False, Plan({}, create=3), id="then the new come"),
        pytest.param(of("b", 0, 0), [of("a", 0, 0)], False, Plan({"b": 3}), id="or are there again"),
        pytest.param(of("b", 3, 3, 3, 3), [of("a", 0, 0)], False, Plan({}), id="done"),
        pytest.param(of("b", 5, 5, 5, 5), [], False, Plan({"b": 3}), id="fewer are wanted"),
        pytest.param(of("b", 2, 2, 2, 2), [of("a", 3, 3, None)], False, Plan({"a": 0}), id="an adopted set goes too"),
    ],
)
def test_a_template_is_recreated(new: Set | None, old: list[Set], pods_left: bool, expected: Plan) -> None:
    assert plan(ONCE, new, old, pods_left=pods_left) == expected


@pytest.mark.parametrize(
    ("wanted", "new", "old", "sizes"),
    [
        pytest.param(TEN, of("b", 5, 5, 5, 7), [], {"b": 10}, id="the only set has them all"),
        pytest.param(TEN, None, [of("a", 5, 5, 5, 7), of("z", 0, 0, 5, 7)], {"a": 10}, id="the only set with pods"),
        pytest.param(
            Wanted(4, 1, 1, paused=True), None, [of("a", 0, 0, 0, 0), of("z", 0, 0, 0, 0, born=1)], {"z": 4},
            id="none has pods: the newest",
        ),
        pytest.param(
            Wanted(30, 3, 2), of("b", 5, 0), [of("a", 8, 8)], {"a": 20, "b": 13},
            id="in proportion to what they could have had; Kubernetes' own example",
        ),
        pytest.param(Wanted(5, 3, 2), of("b", 5, 0), [of("a", 8, 8)], {"a": 5, "b": 3}, id="fewer, in proportion"),
        pytest.param(Wanted(0), of("b", 5, 0), [of("a", 8, 8)], {"a": 0, "b": 0}, id="to nothing"),
        pytest.param(
            Wanted(11, 3, 2), of("b", 5, 0, born=1), [of("a", 5, 5), of("z", 3, 3)], {"z": 3, "a": 5, "b": 6},
            id="what rounding leaves over is the greatest set's, of equal ones the newest's",
        ),
        pytest.param(
            Wanted(9, 3, 2), of("b", 5, 0, born=1), [of("a", 5, 5), of("z", 3, 3)], {"z": 3, "a": 4, "b": 5},
            id="and when shrinking the oldest's",
        ),
        pytest.param(
            replace(TEN, paused=True), of("b", 10, 10), [of("a", 3, 3)], {"a": 0},
            id="the new set has all that is wanted: the others go",
        ),
        pytest.param(replace(TEN, paused=True), of("b", 3, 0), [of("a", 10, 9)], {}, id="paused: all stays"),
        pytest.param(TEN, of("b", 10, 10, 7, 9), [], {"b": 10}, id="resized by somebody else: it is told"),
    ],
)  # fmt: skip
def test_another_number_is_wanted(wanted: Wanted, new: Set | None, old: list[Set], sizes: dict[str, int]) -> None:
    assert plan(wanted, new, old) == Plan(sizes, rolls=False)


def test_a_set_without_pods_is_no_sign_of_scaling() -> None:
    assert not is_resized(TEN, of("b", 10, 10), [of("a", 0, 0, 3)])
    assert not is_resized(TEN, of("b", 10, 10), [of("a", 3, 3, None)])
    assert is_resized(TEN, of("b", 10, 10), [of("a", 3, 3, 3)])


# What must never happen, whatever comes


@st.composite
def sets(draw: st.DrawFn) -> Set:
    replicas = draw(st.integers(0, 12))
    return Set(
        draw(st.uuids().map(str)),
        replicas,
        draw(st.integers(0, replicas + 2)),
        draw(st.none() | st.integers(0, 12)),
        draw(st.none() | st.integers(0, 15)),
        draw(st.integers(0, 9)),
    )


WANTED = st.builds(
    lambda replicas, surge, unavailable: wanted_of(deployment(replicas, surge, unavailable)),
    st.integers(0, 12),
    st.integers(0, 5) | st.sampled_from(["0%", "25%", "100%", "150%"]),
    st.integers(0, 5) | st.sampled_from(["0%", "25%", "100%"]),
)


@given(WANTED, st.none() | sets(), st.lists(sets(), max_size=4), st.booleans(), st.booleans())
def test_never_too_many_and_never_too_few_by_our_doing(
    wanted: Wanted, new: Set | None, old: list[Set], paused: bool, recreate: bool
) -> None:
    wanted = replace(wanted, paused=paused)
    if recreate:
        wanted = Wanted(wanted.replicas, recreate=True, paused=paused)
    result = plan(wanted, new, old)
    before = {one.name: one.replicas for one in (*old, *((new,) if new else ()))}
    after = before | result.sizes
    pods, pods_before = sum(after.values()) + (result.create or 0), sum(before.values())

    assert set(result.sizes) <= set(before)
    assert all(size >= 0 for size in after.values())
    assert result.create is None or new is None
    assert pods <= max(wanted.most, pods_before)
    if not recreate and not is_resized(wanted, new, old) and not paused:
        sure = sum(min(one.available, after[one.name]) for one in (*old, *((new,) if new else ())))
        sure_before = sum(one.sure for one in (*old, *((new,) if new else ())))
        assert sure >= min(sure_before, wanted.available)


@given(WANTED, st.lists(sets(), min_size=2, max_size=4, unique_by=lambda one: one.name))
def test_scaled_sets_are_together_as_many_as_may_be(wanted: Wanted, old: list[Set]) -> None:
    old = [replace(one, replicas=max(1, one.replicas), desired=wanted.replicas + 1) for one in old]
    sizes = {one.name: one.replicas for one in old} | plan(wanted, None, old).sizes

    assert sum(sizes.values()) == (wanted.most if wanted.replicas else 0)


@given(WANTED, st.lists(sets(), max_size=3), st.integers(0, 1 << 32), st.booleans())
def test_every_rollout_comes_to_its_end(wanted: Wanted, old: list[Set], seed: int, recreate: bool) -> None:
    """The sets' pods become available some at a time and the sets notice late; in the end only the new one is left."""
    random = Random(seed)
    if recreate:
        wanted = Wanted(wanted.replicas, recreate=True)
    standing = {one.name: replace(one, available=min(one.available, one.replicas), desired=None) for one in old}
    new: Set | None = None
    for _ in range(400):
        result = plan(wanted, new, list(standing.values()))
        for name, size in result.sizes.items():
            if new is not None and name == new.name:
                new = replace(new, replicas=size, desired=wanted.replicas, most=wanted.most)
            else:
                standing[name] = replace(standing[name], replicas=size, desired=wanted.replicas, most=wanted.most)
        if result.create is not None:
            new = Set("new", result.create, 0, wanted.replicas, wanted.most, born=100)
        elif not result.sizes and new is not None and new.available == new.replicas == wanted.replicas:
            break
        for name, one in standing.items():
            if random.random() < 0.5:
                standing[name] = replace(one, available=one.sure)
        if new is not None and random.random() < 0.5:
            new = replace(new, available=min(new.replicas, new.available + random.randint(0, 3)))
    else:
        pytest.fail(f"not done: {new} {standing}")

    assert all(one.replicas == 0 for one in standing.values())
