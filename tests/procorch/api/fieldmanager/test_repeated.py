"""What is remembered of a struct says the same as the struct itself."""

from __future__ import annotations

import pytest

from procorch.api.fieldmanager import repeated as module
from procorch.api.fieldmanager.repeated import Repeated
from procorch.api.fieldmanager.shapes import STRING, Field, Map, Shape, Struct

TEXT = Shape(STRING, "")


def struct(**fields):
    made = Struct()
    made.fields = {name: field if isinstance(field, Field) else Field(name, field) for name, field in fields.items()}
    return made


INNER = struct(x=TEXT, y=TEXT)


def repeated(**fields):
    made = Repeated()
    made.fields = struct(**fields).fields
    return made


@pytest.mark.parametrize("value", [{"a": "1", "inner": {"x": "1"}}, {"a": 1, "unknown": {}}, {}, None, [], "text"])
def test_what_comes_again_is_told_of_as_the_first_time(value):
    fields = {"a": TEXT, "inner": INNER, "always": Field("always", INNER, always=True, zero={})}
    one, other = struct(**fields), repeated(**fields)

    for _ in range(2):
        assert other.added(value) == one.added(value)
        assert other.applied(value) == one.applied(value)
        assert other.compared({}, value) == one.compared({}, value)
        assert other.compared({"a": "0"}, value) == one.compared({"a": "0"}, value)
        assert list(other.check(value, ".spec")) == list(one.check(value, ".spec"))


def test_sets_of_what_comes_again_are_shared():
    shape = repeated(a=TEXT, inner=INNER)

    assert shape.added({"inner": {"x": "1"}}) is shape.added({"inner": {"x": "1"}})
    assert shape.added({"inner": {"x": "1"}}) != shape.added({"inner": {"y": "1"}})


def test_it_remembers_some_and_nothing_large(monkeypatch):
    monkeypatch.setattr(module, "_MOST", 2)
    shape = repeated(a=TEXT, labels=Map(TEXT))
    first = shape.added({"labels": {"x": "1"}})
    large = {"labels": {"x": "1" * 40_000}}

    assert shape.added(large) is not shape.added(large)
    assert shape.added({"labels": {"x": "1"}}) is first
    for number in range(2):
        shape.added({"labels": {f"n{number}": ""}})
    assert shape.added({"labels": {"x": "1"}}) is not first
