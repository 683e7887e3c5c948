"""managedFields are cut out of JSON, whatever stands in them, and nothing else is."""

from __future__ import annotations

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.encoding import encode, with_revision
from procorch.kinds import KINDS
from procorch.managed_fields import split

TEXT = st.text() | st.sampled_from(('],"name":"', '"],"name":"x', "]", '\\"],', "}]"))
FIELDS = st.recursive(
    st.just({}), lambda inner: st.dictionaries(TEXT.map("f:".__add__), inner, max_size=3), max_leaves=6
)


@given(st.lists(st.fixed_dictionaries({"manager": TEXT, "fieldsV1": FIELDS}), max_size=3), TEXT)
def test_the_managed_fields_are_told_from_the_rest_whatever_stands_in_them(rows, label):
    metadata = {"labels": {"x": label}, "name": "a", "managedFields": rows, "resourceVersion": "3"}
    stored = encode(KINDS["ConfigMap"], {"metadata": metadata, "data": {"name": label}})

    event = b'{"type":"ADDED","object":%b}' % with_revision(stored, 17)

    plain, managed = split(stored)
    cut, told = split(event)

    assert orjson.loads(stored)["metadata"].get("managedFields", []) == rows
    assert orjson.loads(plain)["metadata"] == {"name": "a", "labels": {"x": label}}
    assert orjson.loads(managed or b"[]") == rows and told == managed
    assert orjson.loads(cut)["object"] == orjson.loads(with_revision(plain, 17))


@pytest.mark.parametrize(
    "data",
    [
        b'{"type":"BOOKMARK","object":{"kind":"Pod","metadata":{"resourceVersion":"9","creationTimestamp":null}}}',
        b'{"type":"ERROR","object":{"kind":"Status","metadata":{},"code":410}}',
        b'{"kind":"Pod","metadata":{"name":"a","managedFields":[{"manager":"m"}]}}',
        b'{"kind":"Pod","metadata":{"name":"a"},"spec":{"template":{"metadata":{"managedFields":[{}],"name":"x"}}}}',
        b"{}",
    ],
)
def test_what_has_none_in_that_place_is_left_as_it_is(data):
    assert split(data) == (data, b"")
