"""Go's words."""

from __future__ import annotations

import pytest

from procorch.api.go import json_type_of, misread, shown, type_of


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": [1, "x", None], "a": {"c": True}}, "map[a:map[c:true] b:[1 x <nil>]]"),
        ([], "[]"),
        ({}, "map[]"),
        (False, "false"),
        (1.5, "1.5"),
    ],
)
def test_a_value_is_shown_as_fmt_prints_it(value, text):
    assert shown(value) == text


def test_types_have_the_names_that_reflect_gives():
    assert [type_of(value) for value in ({}, [], "", True, 1, 1.5)] == [
        "map[string]interface {}", "[]interface {}", "string", "bool", "int64", "float64",
    ]  # fmt: skip
    assert [json_type_of(value) for value in ({}, [], "", True, 1, 1.5, None)] == [
        "object", "array", "string", "bool", "number", "number", "null",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("text", "function", "complaint"),
    [
        ("12", "ParseUint", None),
        ("+012", "Atoi", None),
        ("-3", "ParseInt", None),
        ("-3", "ParseUint", 'strconv.ParseUint: parsing "-3": invalid syntax'),
        ("", "Atoi", 'strconv.Atoi: parsing "": invalid syntax'),
        ("1_0", "Atoi", 'strconv.Atoi: parsing "1_0": invalid syntax'),
        ("99999999999999999999", "ParseInt", 'strconv.ParseInt: parsing "99999999999999999999": value out of range'),
    ],
)
def test_a_number_is_read_or_complained_about(text, function, complaint):
    assert misread(text, function, -(1 << 63), (1 << 63) - 1) == complaint
