"""status.conditions as the newer kinds have them."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.conditions import validate_conditions

GOOD = {"type": "Ready", "status": "True", "reason": "AllWell", "lastTransitionTime": "2026-01-01T00:00:00Z"}


def lines(*rows: dict[str, Any]) -> list[str]:
    return [f"{cause.field}: {cause.message}" for cause in validate_conditions(list(rows), "c")]


def test_a_whole_condition_passes() -> None:
    assert lines(GOOD, {**GOOD, "type": "example.com/Other"}) == []


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        ({"status": "Yes"}, 'c[0].status: Unsupported value: "Yes": supported values: "False", "True", "Unknown"'),
        ({"reason": ""}, "c[0].reason: Required value: must be set"),
        ({"reason": "not good"}, 'c[0].reason: Invalid value: "not good": a condition reason must start with'),
        ({"reason": "a" * 1025}, "c[0].reason: Too long: may not be more than 1024 bytes"),
        ({"message": "é" * 20_000}, "c[0].message: Too long: may not be more than 32768 bytes"),
        ({"lastTransitionTime": None}, "c[0].lastTransitionTime: Required value: must be set"),
        (
            {"observedGeneration": -1},
            "c[0].observedGeneration: Invalid value: -1: must be greater than or equal to zero",
        ),
        ({"type": "a b"}, 'c[0].type: Invalid value: "a b": name part must consist of'),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], cause: str) -> None:
    (line,) = lines({**GOOD, **change})

    assert line.startswith(cause)


def test_a_type_is_there_once() -> None:
    assert lines(GOOD, GOOD) == ['c[1].type: Duplicate value: "Ready"']
