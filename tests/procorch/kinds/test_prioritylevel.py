"""Priority levels: shares, queues, and hands that can be dealt."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

QUEUE = {"type": "Queue", "queuing": {}}


def level(name: str = "l", **spec: Any) -> Object:
    shell = {"apiVersion": "flowcontrol.apiserver.k8s.io/v1", "kind": "PriorityLevelConfiguration"}
    return {**shell, "metadata": {"name": name}, "spec": spec}


def limited(response: Any = QUEUE, **fields: Any) -> Object:
    return level(type="Limited", limited={"limitResponse": response, **fields})


def test_a_level_has_kubernetes_shares_and_queues(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(limited())

    assert problems == []
    assert made["spec"]["limited"] == {
        "nominalConcurrencyShares": 30,
        "lendablePercent": 0,
        "limitResponse": {"type": "Queue", "queuing": {"handSize": 8, "queues": 64, "queueLengthLimit": 50}},
    }


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        (level(type="Some"), 'type: Unsupported value: "Some": supported values: "Exempt", "Limited"'),
        (level(type="Limited"), "limited: Required value: must not be empty when type is Limited"),
        (
            level(type="Exempt", exempt={}),
            "type: Invalid value: \"Exempt\": type must be 'Exempt' if and only if name is 'exempt'",
        ),
        (
            limited({"type": "Drop"}),
            'limited.limitResponse.type: Unsupported value: "Drop": supported values: "Queue", "Reject"',
        ),
        (
            limited({"type": "Reject", "queuing": {}}),
            "limited.limitResponse.queuing: Forbidden: must be nil if limited.limitResponse.type is not Limited",
        ),
        (
            limited({"type": "Queue"}),
            "limited.limitResponse.queuing: Required value: must not be empty if limited.limitResponse.type is Limited",
        ),
        (
            limited(lendablePercent=101),
            "limited.lendablePercent: Invalid value: 101: must be between 0 and 100, inclusive",
        ),
        (
            limited(nominalConcurrencyShares=-1),
            "limited.nominalConcurrencyShares: Invalid value: -1: must be a non-negative integer",
        ),
        (
            limited({"type": "Queue", "queuing": {"queues": 4}}),
            "limited.limitResponse.queuing.handSize: Invalid value: 8: should not be greater than queues (4)",
        ),
        (
            limited({"type": "Queue", "queuing": {"queues": 512, "handSize": 7}}),
            "limited.limitResponse.queuing.handSize: Invalid value: 7: "
            "required entropy bits of deckSize 512 and handSize 7 should not be greater than 60",
        ),
    ],
)
def test_a_bad_level_is_named(enter, given: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(given)[1] == [f"spec.{problem}"]


def test_the_administrators_level_is_named_exempt(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(level("exempt", type="Exempt", exempt={}))

    assert (problems, made["spec"]["exempt"]) == ([], {"nominalConcurrencyShares": 0, "lendablePercent": 0})


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    columns = KINDS["PriorityLevelConfiguration"].columns

    assert [column.cell(enter(limited())[0], 0.0) for column in columns] == ["l", "Limited", 30, 64, 8, 50, "<unknown>"]
    assert [column.cell(level(type="Exempt"), 0.0) for column in columns][2:6] == ["<none>"] * 4
