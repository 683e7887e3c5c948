"""Which nodes fit a pod's selector and the required terms of its affinity."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.node_affinity import fits, term_matches

LABELS = {"zone": "a", "cores": "8"}


def row(key: str, operator: str, *values: str) -> Any:
    return {"key": key, "operator": operator, "values": list(values)}


@pytest.mark.parametrize(
    ("expression", "matches"),
    [
        (row("zone", "In", "a", "b"), True),
        (row("zone", "NotIn", "a"), False),
        (row("disk", "NotIn", "a"), True),
        (row("zone", "Exists"), True),
        (row("zone", "DoesNotExist"), False),
        (row("cores", "Gt", "4"), True),
        (row("cores", "Lt", "4"), False),
        (row("zone", "Gt", "4"), False),
    ],
)
def test_an_expression(expression: Any, matches: bool) -> None:
    assert term_matches({"matchExpressions": [expression]}, "n", LABELS) is matches


def test_a_field_is_the_name() -> None:
    term = {"matchFields": [row("metadata.name", "In", "n")], "matchExpressions": [row("zone", "Exists")]}

    assert term_matches(term, "n", LABELS) and not term_matches(term, "m", LABELS)
    assert not term_matches({}, "n", LABELS), "an empty term is nothing"


def test_selector_and_one_of_the_terms() -> None:
    terms = [{"matchExpressions": [row("zone", "In", "b")]}, {"matchExpressions": [row("cores", "Exists")]}]
    required = {"requiredDuringSchedulingIgnoredDuringExecution": {"nodeSelectorTerms": terms}}

    assert fits({"zone": "a"}, required, "n", LABELS)
    assert not fits({"zone": "b"}, required, "n", LABELS)
    assert not fits({}, {"requiredDuringSchedulingIgnoredDuringExecution": {}}, "n", LABELS)
    assert fits({}, None, "n", {})
