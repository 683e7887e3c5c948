"""What may not be asked of storage."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds.podspec.claim import validate_claim_spec

GOOD: dict[str, Any] = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        ({}, []),
        ({"accessModes": []}, ["s.accessModes: Required value: at least 1 access mode is required"]),
        (
            {"accessModes": ["ReadWriteOncePod", "ReadWriteOnce"]},
            ["s.accessModes: Forbidden: may not use ReadWriteOncePod with other access modes"],
        ),
        ({"resources": {}}, ["s.resources[storage]: Required value"]),
        (
            {"resources": {"requests": {"storage": "0"}}},
            ['s.resources[storage]: Invalid value: "0": must be greater than zero'],
        ),
        ({"volumeMode": "Tape"}, ['s.volumeMode: Unsupported value: "Tape": supported values: "Block", "Filesystem"']),
        (
            {"dataSource": {"kind": "PersistentVolumeClaim", "name": "a"},
             "dataSourceRef": {"kind": "PersistentVolumeClaim", "name": "b"}},
            ["s: Invalid value: {}: must match dataSourceRef"],
        ),
    ],
)  # fmt: skip
def test_what_is_asked(spec: dict[str, Any], problems: list[str]) -> None:
    assert [f"{cause.field}: {cause.message}" for cause in validate_claim_spec({**GOOD, **spec}, "s")] == problems
