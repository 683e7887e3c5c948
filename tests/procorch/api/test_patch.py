"""Merge patch by its RFC's own examples, and what is refused of every patch."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.patch import (
    JSON_PATCH,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    apply_patch,
    merge,
)
from procorch.kinds import KINDS
from procorch.objects import BadRequest, UnsupportedMediaType

POD = KINDS["Pod"]


@pytest.mark.parametrize(
    ("target", "patch", "result"),
    [
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"a": "foo"}, "bar", "bar"),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_as_the_appendix_of_rfc_7386_shows(target, patch, result):
    assert merge(target, patch) == result


@pytest.mark.parametrize(
    ("media", "patch", "message"),
    [
        (JSON_PATCH, b"{}", "error decoding patch: json: cannot unmarshal object into Go value of type "
         "[]handlers.jsonPatchOp"),
        (JSON_PATCH, b"[1]", "error decoding patch: json: cannot unmarshal number into Go value of type "
         "handlers.jsonPatchOp"),
        (JSON_PATCH, b'[{"op":"add","path":5}]', "error decoding patch: json: cannot unmarshal number into Go struct "
         "field jsonPatchOp.path of type string"),
        (MERGE_PATCH, b"[]", "error decoding patch: json: cannot unmarshal array into Go value of type "
         "map[string]interface {}"),
        (MERGE_PATCH, b"null", "Invalid JSON Patch"),
        (STRATEGIC_PATCH, b'"x"', "json: cannot unmarshal string into Go value of type map[string]interface {}"),
    ],
)  # fmt: skip
def test_a_patch_of_another_form_is_told_so_in_go_s_words(media, patch, message):
    with pytest.raises(BadRequest) as refused:
        apply_patch(media, {"a": 1}, patch, POD)

    assert refused.value.message == message


@pytest.mark.parametrize("media", [JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH])
@pytest.mark.parametrize(
    ("patch", "why"),
    [(b"", "unexpected end of JSON input"), (b"[", "unexpected end of JSON input"),
     (b'{"a": NaN}', "invalid character 'N' looking for beginning of value"),
     (b"\xff", "invalid character 'ÿ' looking for beginning of value")],
)  # fmt: skip
def test_what_is_no_json_is_no_patch(media, patch, why):
    with pytest.raises(BadRequest) as refused:
        apply_patch(media, {"a": 1}, patch, POD)

    assert refused.value.message == (why if media == STRATEGIC_PATCH else f"error decoding patch: {why}")


@pytest.mark.parametrize(("media", "patch"), [(JSON_PATCH, b"null"), (JSON_PATCH, b"[]"), (STRATEGIC_PATCH, b"null"),
                                              (STRATEGIC_PATCH, b"{}"), (MERGE_PATCH, b"{}")])  # fmt: skip
def test_a_patch_of_nothing_changes_nothing(media, patch):
    assert apply_patch(media, {"a": 1}, patch, POD) == {"a": 1}


@pytest.mark.parametrize(
    ("media", "patch"),
    [
        (MERGE_PATCH, b'{"a":' * 300 + b"1" + b"}" * 300),
        (JSON_PATCH, b'[{"op":"add","path":"/b' + b"/a" * 150 + b'","value":' + b"[" * 150 + b"]" * 150 + b"}]"),
    ],
)  # fmt: skip
def test_what_becomes_too_deep_is_a_bad_request(media, patch):
    with pytest.raises(BadRequest):
        apply_patch(media, {"b": json.loads('{"a":' * 150 + "{}" + "}" * 150)}, patch, POD)


def test_other_types_are_not_supported():
    with pytest.raises(UnsupportedMediaType):
        apply_patch("application/json", {}, b"{}", POD)


def test_parameters_of_the_media_type_do_not_matter():
    assert apply_patch(f"{MERGE_PATCH}; charset=utf-8", {"a": 1}, b'{"a":2}', POD) == {"a": 2}


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)
_OBJECTS = st.dictionaries(st.sampled_from("abc"), _VALUES, max_size=3)


def _without_nulls(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nulls(item) for key, item in value.items() if item is not None}
    return value


@given(_OBJECTS, _OBJECTS)
def test_a_merge_applied_twice_is_a_merge_applied_once(original, patch):
    once = apply_patch(MERGE_PATCH, original, patch, POD)

    assert apply_patch(MERGE_PATCH, once, patch, POD) == once
    assert apply_patch(MERGE_PATCH, {}, original, POD) == _without_nulls(original)
