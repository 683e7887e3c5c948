"""Objects as tables and as metadata alone."""

from __future__ import annotations

import orjson
import pytest

from procorch.api.accept import Form
from procorch.api.cache import Entry
from procorch.api.table import view_of
from procorch.kinds import KINDS
from procorch.objects import BadRequest

NAMESPACE = KINDS["Namespace"]
ENTRY = Entry(
    "x",
    b'{"apiVersion":"v1","kind":"Namespace","metadata":{"name":"x","creationTimestamp":"1970-01-01T00:00:00Z"},'
    b'"status":{"phase":"Active"}}',
    9,
)


def view(kind, include=""):
    return view_of(NAMESPACE, Form(view=kind), include, lambda: 300.0)


def test_a_row_has_the_kinds_columns():
    table = orjson.loads(view("Table").one(ENTRY))

    assert [column["name"] for column in table["columnDefinitions"]] == ["Name", "Status", "Age"]
    assert table["rows"][0]["cells"] == ["x", "Active", "5m"]
    assert table["metadata"] == {"resourceVersion": "9"}
    assert table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


def test_what_a_row_carries_of_its_object_is_asked_for():
    assert "object" not in orjson.loads(view("Table", "None").one(ENTRY))["rows"][0]
    assert orjson.loads(view("Table", "Object").one(ENTRY))["rows"][0]["object"]["status"] == {"phase": "Active"}
    with pytest.raises(BadRequest, match="Unable to convert to Table as requested: includeObject: Invalid value"):
        view("Table", "Everything")


def test_lists_say_their_kind():
    metadata = {"resourceVersion": "9"}
    for kind, name in (("", "NamespaceList"), ("PartialObjectMetadataList", "PartialObjectMetadataList")):
        found = orjson.loads(view(kind).all_of([ENTRY, ENTRY], metadata))
        assert (found["kind"], len(found["items"]), found["metadata"]) == (name, 2, metadata)


def test_a_bookmark_is_a_version_and_nothing_else():
    for kind in ("", "PartialObjectMetadata", "Table"):
        found = orjson.loads(view(kind).bookmark(12))
        assert found["metadata"] == {"resourceVersion": "12"} and set(found) & {"spec", "status", "data"} == set()


def test_a_bookmark_in_a_table_is_a_row_in_which_it_can_be_recognised():
    table = orjson.loads(view("Table").bookmark(12, {"k8s.io/initial-events-end": "true"}))

    (row,) = table["rows"]
    assert len(row["cells"]) == len(table["columnDefinitions"])
    assert row["object"]["kind"] == "PartialObjectMetadata"
    assert row["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


def test_rows_of_a_list_do_not_say_again_what_they_are():
    found = orjson.loads(view("").all_of([ENTRY], {"resourceVersion": "9"}))

    assert found["kind"] == "NamespaceList" and found["apiVersion"] == "v1"
    assert found["items"] == [
        {
            "metadata": {"resourceVersion": "9", "name": "x", "creationTimestamp": "1970-01-01T00:00:00Z"},
            "status": {"phase": "Active"},
        }
    ]


def test_an_older_meta_version_is_spoken_too():
    old = view_of(NAMESPACE, Form(view="Table", version="v1beta1"), "", lambda: 300.0)

    table = orjson.loads(old.one(ENTRY))

    assert table["apiVersion"] == table["rows"][0]["object"]["apiVersion"] == "meta.k8s.io/v1beta1"
    assert old.key != view("Table").key


def test_equal_views_have_equal_keys():
    assert view("Table").key == view("Table", "Metadata").key != view("Table", "None").key
    assert view("").key != view("PartialObjectMetadata").key


def test_the_row_of_what_is_over_has_a_condition():
    ended = b'{"apiVersion":"v1","kind":"Pod","metadata":{"name":"p"},"status":{"phase":"Failed"}}'
    table = orjson.loads(view_of(KINDS["Pod"], Form(view="Table"), "", lambda: 300.0).one(Entry("p", ended, 9)))

    assert [one["reason"] for one in table["rows"][0]["conditions"]] == ["Failed"]
    assert "conditions" not in orjson.loads(view("Table").one(ENTRY))["rows"][0]
