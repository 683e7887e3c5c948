"""Counts, shares, selectors and names: what every kind that makes pods asks alike."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.workload import (
    at_most,
    chosen_by,
    keeps_status,
    name_warnings,
    not_fewer_collisions,
    not_negative,
    share,
    validate_choice,
    validate_share,
    workload_warnings,
)
from procorch.objects import Cause

PERCENT = (
    "a valid percent string must be a numeric string followed by an ending '%' "
    "(e.g. '1%',  or '93%', regex used for validation is '[0-9]+%')"
)


def lines(causes: Any) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in causes]


@pytest.mark.parametrize(
    ("value", "number", "causes"),
    [
        (0, 0, []),
        (3, 3, []),
        ("25%", 25, []),
        ("0%", 0, []),
        (-1, -1, ["p: Invalid value: -1: must be greater than or equal to 0"]),
        ("101%", 101, ['p: Invalid value: "101%": must not be greater than 100%']),
        ("5", 5, [f'p: Invalid value: "5": {PERCENT}']),
        ("-5%", 0, [f'p: Invalid value: "-5%": {PERCENT}']),
        ("٣%", 0, [f'p: Invalid value: "٣%": {PERCENT}']),
        ("9" * 30 + "%", 10**18 - 1, [f'p: Invalid value: "{"9" * 30}%": must not be greater than 100%']),
    ],
)  # fmt: skip
def test_a_share_is_a_number_or_a_percentage(value: Any, number: int, causes: list[str]) -> None:
    assert share(value) == number
    assert lines(validate_share(value, "p")) == causes


def test_a_surge_may_be_more_than_all() -> None:
    assert lines(validate_share("200%", "p", whole=False)) == []


def test_the_status_is_the_controllers() -> None:
    prepare = keeps_status(replicas=0)
    made: dict[str, Any] = {"status": {"replicas": 9, "readyReplicas": 9}}
    prepare(made, None)
    changed: dict[str, Any] = {"status": {}}
    prepare(changed, {"status": {"replicas": 2}})

    assert made == {"status": {"replicas": 0}} and changed == {"status": {"replicas": 2}}


def test_counts() -> None:
    assert lines(not_negative({"a": -1, "b": 0, "c": "x"}, "spec", "a", "b", "c", "d")) == [
        "spec.a: Invalid value: -1: must be greater than or equal to 0"
    ]
    assert lines(at_most({"all": 1, "some": 2}, "all", "some", "none", words="status.all")) == [
        "status.some: Invalid value: 2: cannot be greater than status.all"
    ]
    assert lines(not_fewer_collisions({}, {"collisionCount": 1})) == [
        "status.collisionCount: Invalid value: 0: cannot be decremented"
    ]
    assert lines(not_fewer_collisions({"collisionCount": 2}, {"collisionCount": 1})) == []


def test_a_selector_must_be_there_and_choose() -> None:
    bad = {"matchLabels": {"a": "b c"}}

    assert list(validate_choice(None, "p", "deployment")) == [Cause.required("p")]
    assert lines(validate_choice({}, "p", "x")) == ["p: Invalid value: {}: empty selector is invalid for x"]
    assert list(validate_choice({"matchLabels": {"a": "b"}}, "p", "x")) == []
    assert lines(validate_choice(bad, "p", "x"))[-1] == (
        'p: Invalid value: {"matchLabels":{"a":"b c"}}: invalid label selector'
    )


def test_no_selector_finds_nothing_and_a_wrong_one_cannot_be_asked() -> None:
    nothing, one = chosen_by(None), chosen_by({"matchLabels": {"a": "b"}})

    assert nothing is not None and not nothing.matches({"a": "b"})
    assert one is not None and one.matches({"a": "b"})
    assert chosen_by({}) is None and chosen_by({"matchLabels": {"a": "b c"}}) is None


def test_a_name_that_makes_no_host_is_told_of() -> None:
    (text,) = name_warnings({"metadata": {"name": "a.b"}})

    assert text == (
        "metadata.name: this is used in Pod names and hostnames, which can result in surprising behavior; "
        "a DNS label is recommended: [must not contain dots]"
    )
    assert list(name_warnings({"metadata": {"name": "a-b"}})) == []


def test_a_template_is_warned_of_when_it_comes_and_when_it_changes() -> None:
    obj = {"metadata": {"name": "a.b"}, "spec": {"template": {"spec": {"terminationGracePeriodSeconds": -1}}}}

    assert len(list(workload_warnings(obj, None))) == 2
    assert len(list(workload_warnings(obj, {"spec": {}}))) == 1
    assert list(workload_warnings(obj, {"spec": obj["spec"]})) == []
