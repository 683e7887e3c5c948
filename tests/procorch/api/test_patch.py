"""JSON Patch and merge patch, by their RFCs' own examples, and the limits on both."""

from __future__ import annotations

import copy
import json
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.patch import (
    JSON_PATCH,
    MAX_OPERATIONS,
    MERGE_PATCH,
    STRATEGIC_PATCH,
    apply_json_patch,
    apply_patch,
    merge,
)
from procorch.kinds import KINDS
from procorch.objects import ApiError, BadRequest, RequestEntityTooLarge, UnsupportedMediaType

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
    ("document", "operations", "result"),
    [
        pytest.param({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"},
                     id="A.1 add a member"),
        pytest.param({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}],
                     {"foo": ["bar", "qux", "baz"]}, id="A.2 add an element"),
        pytest.param({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"},
                     id="A.3 remove a member"),
        pytest.param({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]},
                     id="A.4 remove an element"),
        pytest.param({"baz": "qux"}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo"},
                     id="A.5 replace"),
        pytest.param({"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
                     [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
                     {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}}, id="A.6 move a value"),
        pytest.param({"foo": ["all", "grass", "cows", "eat"]}, [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
                     {"foo": ["all", "cows", "eat", "grass"]}, id="A.7 move an element"),
        pytest.param({"baz": "qux", "foo": ["a", 2, "c"]},
                     [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2}],
                     {"baz": "qux", "foo": ["a", 2, "c"]}, id="A.8 test"),
        pytest.param({"foo": "bar"}, [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
                     {"foo": "bar", "child": {"grandchild": {}}}, id="A.10 add a nested object"),
        pytest.param({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}],
                     {"foo": "bar", "baz": "qux"}, id="A.11 unknown members are ignored"),
        pytest.param({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10},
                     id="A.14 escapes"),
        pytest.param({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc", "def"]}],
                     {"foo": ["bar", ["abc", "def"]]}, id="A.16 add to the end"),
        pytest.param({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/c"}], {"a": {"b": 1}, "c": {"b": 1}},
                     id="copy"),
        pytest.param({"a": 1}, [{"op": "replace", "path": "", "value": {"b": 2}}], {"b": 2}, id="the whole document"),
        pytest.param({}, [{"op": "add", "path": "/a", "value": None}], {"a": None}, id="null is a value"),
        pytest.param({}, [{"op": "test", "path": "/a", "value": None}], {}, id="what is not there tests as null"),
        pytest.param({"": 1}, [{"op": "remove", "path": "/"}], {}, id="an empty name"),
    ],
)  # fmt: skip
def test_operations_as_the_appendix_of_rfc_6902_shows(document, operations, result):
    assert apply_json_patch(document, operations) == result


@pytest.mark.parametrize(
    ("operation", "cause"),
    [
        ({"op": "test", "path": "/foo", "value": "baz"}, "testing value /foo failed: test failed"),
        ({"op": "test", "path": "/one", "value": True}, "testing value /one failed: test failed"),
        ({"op": "remove", "path": "/no"}, "Unable to remove nonexistent key: no: missing value"),
        ({"op": "replace", "path": "/no", "value": 1}, "replace operation does not apply: doc is missing key: /no"),
        ({"op": "add", "path": "/no/a", "value": 1}, 'add operation does not apply: doc is missing path: "/no/a"'),
        ({"op": "add", "path": "/list/3", "value": 1}, "Unable to access invalid index: 3"),
        ({"op": "add", "path": "/list/01", "value": 1}, "Unable to access invalid index: 01"),
        ({"op": "add", "path": "/list/-1", "value": 1}, "Unable to access invalid index: -1"),
        ({"op": "remove", "path": "/list/-"}, "Unable to access invalid index: -"),
        ({"op": "add", "path": "/foo/a", "value": 1}, "missing value"),
        ({"op": "add", "path": "foo", "value": 1}, "missing value"),
        ({"op": "add", "path": "/a"}, "needs a value"),
        ({"op": "copy", "path": "/a"}, "it has no from"),
        ({"op": "copy", "from": "/no", "path": "/a"}, "doc is missing from path: /no"),
        ({"op": "move", "from": "/map", "path": "/map/inner"}, "lies in"),
        ({"op": "spam", "path": "/a"}, "Unexpected kind: spam"),
        ({"path": "/a"}, "Unexpected kind: None"),
        ({"op": "add", "path": 5}, "Unable to decode path field"),
        ({"op": "replace", "path": "", "value": 5}, "something else"),
    ],
)
def test_what_does_not_apply_is_invalid_and_says_why(operation, cause):
    original = {"foo": "bar", "one": 1, "list": [1, 2], "map": {}}
    before = copy.deepcopy(original)
    with pytest.raises(ApiError) as caught:
        apply_patch(JSON_PATCH, original, [operation], POD)

    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message.startswith("the server rejected our request due to an error in our request: ")
    assert cause in caught.value.message and not caught.value.details
    assert original == before


@pytest.mark.parametrize(
    ("media", "patch"),
    [
        (JSON_PATCH, b"{}"), (JSON_PATCH, b"[1]"), (JSON_PATCH, b"["), (MERGE_PATCH, b"[]"), (MERGE_PATCH, b"null"),
        (STRATEGIC_PATCH, b"5"), (STRATEGIC_PATCH, b'{"a": NaN}'), (MERGE_PATCH, b'{"a":' * 300 + b"1" + b"}" * 300),
        (JSON_PATCH, b'[{"op":"add","path":"/b' + b"/a" * 150 + b'","value":' + b"[" * 150 + b"]" * 150 + b"}]"),
    ],
)  # fmt: skip
def test_what_is_no_patch_is_a_bad_request(media, patch):
    with pytest.raises(BadRequest):
        apply_patch(media, {"b": json.loads('{"a":' * 150 + "{}" + "}" * 150)}, patch, POD)


def test_the_number_of_operations_is_bounded():
    with pytest.raises(RequestEntityTooLarge) as caught:
        apply_patch(JSON_PATCH, {}, [{"op": "test", "path": ""}] * (MAX_OPERATIONS + 1), POD)

    assert caught.value.message == "The allowed maximum operations in a JSON patch is 10000, got 10001"


def test_copying_a_value_into_itself_again_and_again_stops_early():
    started = time.monotonic()
    with pytest.raises(ApiError, match="rejected"):
        apply_patch(JSON_PATCH, {"a": {}}, [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(9999)], POD)

    assert time.monotonic() - started < 3


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


_PATHS = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "-"]), max_size=3).map(
    lambda steps: "".join(f"/{step}" for step in steps)
)
_OPERATIONS = st.fixed_dictionaries(
    {"op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test"]), "path": _PATHS, "from": _PATHS,
     "value": _VALUES}
)  # fmt: skip


@given(_OBJECTS, st.lists(_OPERATIONS, max_size=6))
def test_operations_apply_or_are_refused_and_never_touch_the_original(original, operations):
    before = copy.deepcopy(original)
    try:
        assert isinstance(apply_patch(JSON_PATCH, original, operations, POD), dict)
    except ApiError as error:
        assert error.code == 422
    assert original == before
