"""Reading and filling fields of unknown types never raises."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from procorch.kinds import fields

ANY = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
    max_leaves=8,
)


@given(ANY)
def test_any_value_can_be_read_as_anything(value: object) -> None:
    assert isinstance(fields.mapping(value), dict)
    assert isinstance(fields.part(value, "a", "b"), dict)
    assert isinstance(fields.rows(value), list)
    assert isinstance(fields.texts(value), list)
    assert isinstance(fields.text(value), str)
    assert isinstance(fields.labels(value), dict)
    assert fields.number(value) is None or isinstance(fields.number(value), int)
    assert list(fields.indexed(value, "x")) == [
        (f"x[{i}]", row) for i, row in enumerate(value if isinstance(value, list) else []) if isinstance(row, dict)
    ]
    fields.made(value, "a", "b")


@given(ANY, ANY)
def test_sameness_is_symmetric_and_everything_is_the_same_as_itself(one: object, other: object) -> None:
    assert fields.same(one, one)
    assert fields.same(one, other) == fields.same(other, one)


def test_missing_null_and_empty_are_the_same() -> None:
    assert fields.same({"a": 1, "b": None, "c": [], "d": {"e": None}}, {"a": 1})
    assert not fields.same({"a": 0}, {})
    assert not fields.same({"a": [{}]}, {"a": []})


def test_what_is_made_belongs_to_the_object() -> None:
    obj: dict[str, object] = {"a": None}

    fields.made(obj, "a", "b")["c"] = 1

    assert obj == {"a": {"b": {"c": 1}}}


def test_filling_leaves_what_is_there() -> None:
    obj: dict[str, object] = {"zero": 0, "empty": "", "null": None}

    for field in ("zero", "empty", "null", "missing"):
        fields.fill(obj, field, 5)
    assert obj == {"zero": 0, "empty": "", "null": 5, "missing": 5}

    fields.fill_text(obj, "empty", "text")
    assert obj["empty"] == "text"


def test_a_copy_without_some_fields_leaves_the_object_alone() -> None:
    obj = {"a": [{"b": 1, "c": 2}, {"b": 3}], "d": {"e": 4}}

    assert fields.without(obj, ("a", "*", "b"), ("d", "e"), ("x", "y")) == {"a": [{"c": 2}, {}], "d": {}}
    assert obj["d"] == {"e": 4}
