"""Runtime classes: a handler, and what its pods cost and need."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def runtime_class(handler: str = "plain", **fields: Any) -> Object:
    shell = {"apiVersion": "node.k8s.io/v1", "kind": "RuntimeClass", "metadata": {"name": "r"}}
    return {**shell, "handler": handler, **fields}


def test_a_class_is_stored_as_it_is(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(runtime_class(overhead={"podFixed": {"cpu": "1000m"}}))

    assert (problems, made) == ([], runtime_class(overhead={"podFixed": {"cpu": "1"}}))


@pytest.mark.parametrize(
    ("fields", "beginning"),
    [
        ({"handler": "A.b"}, 'handler: Invalid value: "A.b": a lowercase RFC 1123 label'),
        (
            {"overhead": {"podFixed": {"gold": "1"}}},
            'overhead.limits[gold]: Invalid value: "gold": must be a standard resource type or fully qualified',
        ),
        ({"scheduling": {"nodeSelector": {"-": "x"}}}, 'scheduling.nodeSelector: Invalid value: "-"'),
        (
            {"scheduling": {"tolerations": [{"operator": "Equal"}]}},
            'scheduling.tolerations[0].operator: Invalid value: "Equal": operator must be Exists',
        ),
    ],
)
def test_a_bad_class_is_named(enter, fields: Object, beginning: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(runtime_class(**fields))[1][0].startswith(beginning)


def test_a_class_keeps_its_handler(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(runtime_class("other"), runtime_class())[1] == ['handler: Invalid value: "other": field is immutable']


def test_the_columns_are_kubectls() -> None:
    assert [column.cell(runtime_class(), 0.0) for column in KINDS["RuntimeClass"].columns] == [
        "r",
        "plain",
        "<unknown>",
    ]
