"""Structs, maps and what is whole: compared, merged and taken apart."""

from __future__ import annotations

import pytest

from procorch.api.fieldmanager.shapes import (
    BOOLEAN,
    NUMERIC,
    STRING,
    Atomic,
    Field,
    Items,
    Map,
    Shape,
    Struct,
)

TEXT = Shape(STRING, "")


def struct(**fields):
    made = Struct()
    made.fields = {
        name: field if isinstance(field, Field) else Field(name, field) for name, field in fields.items()
    }  # fmt: skip
    return made


INNER = struct(x=TEXT, y=TEXT)
THING = struct(
    a=TEXT, n=Shape(NUMERIC), flag=Shape(BOOLEAN), labels=Map(TEXT), inner=INNER, whole=Atomic(INNER),
    row=Items(INNER), parts=Map(INNER),
)  # fmt: skip


@pytest.mark.parametrize(
    ("old", "new", "touched", "gone"),
    [
        pytest.param({"a": "1"}, {"a": "1"}, None, None, id="equal"),
        pytest.param({"a": "1"}, {"a": "2"}, {"f:a": {}}, None, id="a scalar changes"),
        pytest.param({}, {"labels": {"x": "1"}}, {"f:labels": {".": {}, "f:x": {}}}, None, id="a map comes"),
        pytest.param({}, {"labels": {}}, {"f:labels": {}}, None, id="an empty map comes"),
        pytest.param({"labels": {"x": "1"}}, {}, None, {"f:labels": {".": {}, "f:x": {}}}, id="a map goes"),
        pytest.param(
            {"labels": {"x": "1", "y": "1", "z": "1"}}, {"labels": {"x": "1", "y": "2", "w": "1"}},
            {"f:labels": {"f:y": {}, "f:w": {}}}, {"f:labels": {"f:z": {}}}, id="keys change, come and go",
        ),
        pytest.param({"inner": {"x": "1"}}, {"inner": {"y": "1"}}, {"f:inner": {"f:y": {}}}, {"f:inner": {"f:x": {}}},
                     id="a struct is not its fields"),
        pytest.param({"whole": {"x": "1"}}, {"whole": {"y": "1"}}, {"f:whole": {}}, None, id="atomic: one field"),
        pytest.param({"row": [{"x": "1"}]}, {"row": []}, {"f:row": {}}, None, id="an atomic list"),
        pytest.param({"a": "1"}, {"unknown": 1}, None, {"f:a": {}}, id="unknown fields have no owner"),
        pytest.param({"labels": None}, {"labels": {}}, {"f:labels": {}}, None, id="null is not empty"),
    ],
)  # fmt: skip
def test_what_differs(old, new, touched, gone):
    assert THING.compared(old, new) == (touched, gone)


def test_a_field_that_go_always_writes_is_neither_added_nor_removed():
    always = struct(spec=Field("spec", INNER, always=True, zero={}), name=Field("name", TEXT, always=True, zero=""))

    assert always.compared({}, {"spec": {"x": "1"}}) == ({"f:spec": {"f:x": {}}}, None)
    assert always.compared({"spec": {"x": "1"}, "name": "n"}, {}) == ({"f:name": {}}, {"f:spec": {"f:x": {}}})
    assert always.compared({}, {"name": ""}) == (None, None)
    assert always.added({}) == {".": {}, "f:spec": {}, "f:name": {}}


@pytest.mark.parametrize(
    ("config", "fields"),
    [
        ({"a": "1", "inner": {"x": "1"}}, {"f:a": {}, "f:inner": {"f:x": {}}}),
        ({"inner": {}, "labels": None}, {"f:inner": {}, "f:labels": {}}),
        ({"labels": {"k": "1"}}, {"f:labels": {"f:k": {}}}),
        ({"parts": {"p": {"x": "1"}, "q": {}}}, {"f:parts": {"f:p": {".": {}, "f:x": {}}, "f:q": {}}}),
        ({"whole": {"x": "1"}, "row": [{"x": "1"}]}, {"f:whole": {}, "f:row": {}}),
        ({}, None),
    ],
)
def test_the_fields_of_which_a_configuration_speaks(config, fields):
    assert THING.applied(config) == fields


@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        pytest.param({"a": "1", "n": 1}, {"n": 2}, {"a": "1", "n": 2}, id="what is not spoken of stays"),
        pytest.param({"labels": {"x": "1"}}, {"labels": {"y": "2"}}, {"labels": {"x": "1", "y": "2"}}, id="maps merge"),
        pytest.param({"whole": {"x": "1"}}, {"whole": {"y": "2"}}, {"whole": {"y": "2"}}, id="atomic: replaced"),
        pytest.param({"row": [{"x": "1"}]}, {"row": [{"y": "1"}]}, {"row": [{"y": "1"}]}, id="atomic list: replaced"),
        pytest.param({"labels": {"x": "1"}}, {"labels": None}, {"labels": {"x": "1"}}, id="null does not empty a map"),
        pytest.param({"labels": {"x": "1"}}, {"labels": {}}, {"labels": {"x": "1"}}, id="nor does an empty one"),
        pytest.param({"a": "1"}, {"a": None}, {"a": None}, id="null unsets a scalar"),
        pytest.param({"parts": {"p": {"x": "1"}}}, {"parts": {"p": {"y": "2"}}}, {"parts": {"p": {"x": "1", "y": "2"}}},
                     id="structs in maps merge"),
    ],
)  # fmt: skip
def test_merging(old, new, merged):
    assert THING.merged(old, new) == merged


@pytest.mark.parametrize(
    ("value", "gone", "left"),
    [
        ({"a": "1", "n": 1}, {"f:a": {}}, {"n": 1}),
        ({"labels": {"x": "1", "y": "1"}}, {"f:labels": {"f:x": {}}}, {"labels": {"y": "1"}}),
        ({"labels": {"x": "1"}, "n": 1}, {"f:labels": {"f:x": {}}}, {"n": 1}),
        ({"inner": {"x": "1", "y": "1"}}, {"f:inner": {".": {}, "f:x": {}}}, None),
        ({"n": 1}, {"f:a": {}}, {"n": 1}),
    ],
)
def test_what_is_left_without_some_fields(value, gone, left):
    assert THING.without(value, gone) == left


def test_a_struct_with_members_below_is_named_and_a_map_is_not():
    fields = {"f:inner": {"f:x": {}}, "f:labels": {"f:k": {}}, "f:parts": {"f:p": {"f:x": {}}}}

    assert THING.named(fields) == {
        "f:inner": {".": {}, "f:x": {}},
        "f:labels": {".": {}, "f:k": {}},
        "f:parts": {".": {}, "f:p": {"f:x": {}}},
    }


@pytest.mark.parametrize(
    ("config", "problems"),
    [
        ({"b": 1}, [".b: field not declared in schema"]),
        ({"inner": {"x": "1", "z": 1}}, [".inner.z: field not declared in schema"]),
        ({"a": 1}, [".a: expected string, got 1"]),
        ({"n": "x"}, ['.n: expected numeric (int or float), got "x"']),
        ({"n": True}, [".n: expected numeric (int or float), got true"]),
        ({"flag": "yes"}, ['.flag: expected boolean, got "yes"']),
        ({"inner": []}, [".inner: expected map, got []"]),
        ({"labels": "x", "row": {}}, ['.labels: expected map, got "x"', ".row: expected list, got {}"]),
        ({"whole": {"z": 1}}, [".whole.z: field not declared in schema"]),
        ({"row": [{}, {"z": 1}]}, [".row[1].z: field not declared in schema"]),
        ({"a": None, "labels": None, "inner": None, "row": None}, []),
    ],
)
def test_what_is_wrong_with_a_configuration(config, problems):
    assert list(THING.check(config, "")) == problems
