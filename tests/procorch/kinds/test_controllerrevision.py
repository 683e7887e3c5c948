"""A ControllerRevision keeps what it was given, and says whose it is."""

from __future__ import annotations

import copy

from procorch.kinds import KINDS
from procorch.objects import Object

REVISION: Object = {
    "apiVersion": "apps/v1",
    "kind": "ControllerRevision",
    "metadata": {
        "name": "db-1",
        "namespace": "default",
        "ownerReferences": [
            {"apiVersion": "apps/v1", "kind": "StatefulSet", "name": "db", "uid": "u", "controller": True}
        ],
    },
    "data": {"spec": {"template": {}}},
    "revision": 1,
}


def test_it_passes_as_it_is(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(REVISION) == (REVISION, [])


def test_data_are_needed_and_stay(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter({**REVISION, "data": None})[1] == ["data: Required value: data is mandatory"]
    assert enter({**REVISION, "revision": -1})[1] == ["revision: Invalid value: -1: must be greater than or equal to 0"]
    assert enter({**REVISION, "revision": 5}, REVISION)[1] == []
    assert enter({**REVISION, "data": {"a": 1}}, REVISION)[1] == ['data: Invalid value: {"a":1}: field is immutable']


def test_the_columns_are_kubectls() -> None:
    columns = KINDS["ControllerRevision"].columns
    orphan = copy.deepcopy(REVISION)
    orphan["metadata"]["ownerReferences"][0]["controller"] = False
    replaced = copy.deepcopy(REVISION)
    replaced["metadata"]["ownerReferences"][0] |= {"apiVersion": "v1", "kind": "Pod"}

    assert [column.name for column in columns] == ["Name", "Controller", "Revision", "Age"]
    assert [column.cell(REVISION, 0.0) for column in columns] == ["db-1", "statefulset.apps/db", 1, "<unknown>"]
    assert columns[1].cell(orphan, 0.0) == "<none>"
    assert columns[1].cell(replaced, 0.0) == "pod/db"
