"""What is no JSON is told in Go's words: each row was asked of kube-apiserver 1.36."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.go_json import complaint, misplaced

_END = "unexpected end of JSON input"
_KEY, _PAIR = "looking for beginning of object key string", "after object key:value pair"


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", _END), (" ", _END), ("{", _END), ("[", _END), ('"abc', _END), ('{"a"', _END), ('{"a":1,', _END),
        ('{"a":1,}', f"invalid character '}}' {_KEY}"),
        ("[1,]", "invalid character ']' looking for beginning of value"),
        ("[1 2]", "invalid character '2' after array element"),
        ('{"a" 1}', "invalid character '1' after object key"),
        ("{a:1}", f"invalid character 'a' {_KEY}"),
        ('{"a":1 "b":2}', f"invalid character '\"' {_PAIR}"),
        ("tru", "invalid character ' ' in literal true (expecting 'e')"),
        ('{"a":nan}', "invalid character 'a' in literal null (expecting 'u')"),
        ("-", "invalid character ' ' in numeric literal"),
        ("01", "invalid character '1' after top-level value"),
        ("1.x", "invalid character 'x' after decimal point in numeric literal"),
        ("1e+x", "invalid character 'x' in exponent of numeric literal"),
        ('"\\x"', "invalid character 'x' in string escape code"),
        ('"\\u12g4"', "invalid character 'g' in \\u hexadecimal character escape"),
        ('"a\nb"', "invalid character '\\n' in string literal"),
        ("{}{}", "invalid character '{' after top-level value"),
        ("[}", "invalid character '}' looking for beginning of value"),
        ("\x00", "invalid character '\\x00' looking for beginning of value"),
        ("é", "invalid character 'Ã' looking for beginning of value"),
        ("'", "invalid character '\\'' looking for beginning of value"),
    ],
)  # fmt: skip
def test_the_first_fault_is_named(text, why):
    assert complaint(text.encode()) == why


_VALUES = st.recursive(st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False)
                       | st.text(), lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner))  # fmt: skip


@given(_VALUES)
def test_nothing_is_said_of_what_is_json(value):
    assert complaint(json.dumps(value, indent=1).encode()) == ""
    assert complaint(json.dumps([value])[:-1].encode()) == _END


@given(st.binary())
def test_any_bytes_can_be_judged(data):
    assert isinstance(complaint(data), str)


def test_a_deep_text_is_no_deep_call():
    assert complaint(b"[" * 1_000_000) == _END


@pytest.mark.parametrize(
    ("value", "why"),
    [
        ({}, ""), (None, ""), ({"kind": None}, ""),
        ({"kind": True}, "json: cannot unmarshal bool into Go struct field .kind of type string"),
        ([], 'json: cannot unmarshal array into Go value of type struct { APIVersion string '
             r'"json:\"apiVersion,omitempty\""; Kind string "json:\"kind,omitempty\"" }'),
    ],
)  # fmt: skip
def test_what_says_not_what_it_is(value, why):
    assert misplaced(value) == why
