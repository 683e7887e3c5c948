"""Priority classes: a number by a name, and names that are taken."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.kinds.priorityclass import default_of, is_system, system_classes
from procorch.objects import Object


def priority(name: str = "gold", **fields: Any) -> Object:
    return {"apiVersion": "scheduling.k8s.io/v1", "kind": "PriorityClass", "metadata": {"name": name}, **fields}


def test_a_class_preempts_unless_it_says_otherwise(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(priority(value=1000))

    assert problems == []
    assert (made["preemptionPolicy"], made["metadata"]["generation"]) == ("PreemptLowerPriority", 1)
    assert enter(priority())[0]["value"] == 0


def test_the_clusters_own_are_valid_as_they_are_made(enter) -> None:  # type: ignore[no-untyped-def]
    assert [enter(one)[1] for one in system_classes()] == [[], []]
    assert all(is_system(one["metadata"]["name"]) for one in system_classes()) and not is_system("gold")


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (
            priority(value=1_000_000_001),
            "value: Forbidden: maximum allowed value of a user defined priority is 1000000000",
        ),
        (
            priority("system-mine", value=1),
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: system-mine is not a known system priority class",
        ),
        (
            priority("system-node-critical", value=1),
            "metadata.name: Forbidden: priority class names with 'system-' prefix are reserved for system use only. "
            "error: value of system-node-critical PriorityClass must be 2000001000",
        ),
        (
            priority(value=1, preemptionPolicy="Sometimes"),
            'preemptionPolicy: Unsupported value: "Sometimes": supported values: "PreemptLowerPriority", "Never"',
        ),
    ],
)
def test_a_bad_class_is_named(enter, given: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(given)[1] == [problem]


def test_the_number_behind_a_name_stays(enter) -> None:  # type: ignore[no-untyped-def]
    old = {**enter(priority(value=1))[0], "metadata": {"name": "gold"}}

    assert enter(priority(value=1, description="words"), old)[1] == []
    assert enter(priority(value=2), old)[1] == ["value: Forbidden: may not be changed in an update."]
    assert enter(priority(value=1, preemptionPolicy="Never"), old)[1] == [
        'preemptionPolicy: Invalid value: "Never": field is immutable'
    ]


def test_of_several_defaults_the_lowest_counts() -> None:
    high, low = priority("a", value=9, globalDefault=True), priority("b", value=5, globalDefault=True)

    assert default_of([high, priority(value=1), low]) is low
    assert default_of([priority(value=1)]) is None


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(priority(value=7))

    assert [column.cell(made, 0.0) for column in KINDS["PriorityClass"].columns] == [
        "gold", 7, False, "<unknown>", "PreemptLowerPriority",
    ]  # fmt: skip
