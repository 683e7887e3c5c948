"""JSON Patch: the RFC's own examples, where Kubernetes' library is more lenient, its words, and the limits."""

from __future__ import annotations

import copy
import time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.json_patch import MAX_COPIED, MAX_OPERATIONS, apply_json_patch, strangers
from procorch.api.patch import JSON_PATCH, apply_patch
from procorch.kinds import KINDS
from procorch.objects import ApiError, BadRequest, RequestEntityTooLarge

POD = KINDS["Pod"]


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
        pytest.param({"a": [1, 2]}, [{"op": "test", "path": "", "value": {"a": [1, 2]}}], {"a": [1, 2]},
                     id="the whole document is tested"),
        pytest.param({"a": {"b": None}}, [{"op": "test", "path": "/a", "value": {"b": None}}], {"a": {"b": None}},
                     id="null in a map is null"),
        pytest.param({}, [{"op": "test", "path": "/a"}], {}, id="a test without a value is one of null"),
        pytest.param({}, [{"op": "add", "path": "/a"}], {"a": None}, id="an operation without a value has null"),
        pytest.param({"a": 1}, [{"op": "replace", "path": "/b", "value": 2}], {"a": 1, "b": 2},
                     id="replace takes a key that a map has not got"),
        pytest.param({"a": 1}, [{"op": "copy", "from": "/b", "path": "/c"}], {"a": 1, "c": None},
                     id="copy takes a key that a map has not got for null"),
        pytest.param({"a": 1}, [{"op": "move", "from": "/a", "path": "/a"}], {"a": 1}, id="move to where it is"),
        pytest.param({"a": [1, 2, 3]}, [{"op": "remove", "path": "/a/-1"}], {"a": [1, 2]},
                     id="a negative index counts from the end"),
        pytest.param({"a": [1, 2]}, [{"op": "add", "path": "/a/-1", "value": 3}], {"a": [1, 2, 3]},
                     id="add before the end is add to the end"),
        pytest.param({"a": [1, 2]}, [{"op": "add", "path": "/a/-3", "value": 0}], {"a": [0, 1, 2]},
                     id="add at the beginning, from the end"),
        pytest.param({"a": [1, 2]}, [{"op": "replace", "path": "/a/-2", "value": 0}], {"a": [0, 2]},
                     id="replace, from the end"),
        pytest.param({"a": [1, 2]}, [{"op": "test", "path": "/a/01", "value": 2}], {"a": [1, 2]}, id="leading zeros"),
        pytest.param({"a": [1]}, [{"op": "add", "path": "/a/1", "value": 2}], {"a": [1, 2]}, id="add behind the last"),
        pytest.param({"a": [{"b": 1}]}, [{"op": "move", "from": "/a/0/b", "path": "/c"}], {"a": [{}], "c": 1},
                     id="move out of a list"),
        pytest.param({"a": [1, 2]}, [{"op": "move", "from": "/a/0", "path": "/a/-"}], {"a": [2, 1]},
                     id="move to the end"),
        pytest.param({"a": {"b": 1}}, [{"op": "copy", "from": "/a", "path": "/a/c"}], {"a": {"b": 1, "c": {"b": 1}}},
                     id="copy into itself"),
        pytest.param({"a": {}}, [{"op": "copy", "from": "/a", "path": "/b"},
                                 {"op": "add", "path": "/b/x", "value": 1}], {"a": {}, "b": {"x": 1}},
                     id="a copy is a thing of its own"),
        pytest.param({"a/b": {"m~n": 1}}, [{"op": "remove", "path": "/a~1b/m~0n"}], {"a/b": {}},
                     id="escapes on the way"),
        pytest.param({"-": 1, "0": 2, "-1": 3}, [{"op": "remove", "path": "/-"}, {"op": "remove", "path": "/-1"}],
                     {"0": 2}, id="in a map these are names"),
        pytest.param({"a": 1}, None, {"a": 1}, id="null is no operation"),
        pytest.param({"": 1}, [{"op": "remove", "path": "/"}], {}, id="an empty name"),
    ],
)  # fmt: skip
def test_operations_that_apply(document, operations, result):
    assert apply_json_patch(document, operations) == result


_NUMBER = "invalid syntax"
_OUT = "invalid index referenced"


@pytest.mark.parametrize(
    ("operation", "cause"),
    [
        ({"op": "test", "path": "/foo", "value": "baz"}, "testing value /foo failed: test failed"),
        ({"op": "test", "path": "/one", "value": True}, "testing value /one failed: test failed"),
        ({"op": "test", "path": "/one", "value": 1.0}, "testing value /one failed: test failed"),
        ({"op": "test", "path": "/one", "value": None}, "testing value /one failed: test failed"),
        ({"op": "test", "path": "/one"}, "testing value /one failed: test failed"),
        ({"op": "test", "path": "/no", "value": 1}, "testing value /no failed: test failed"),
        ({"op": "test", "path": "", "value": {}}, "testing value  failed: test failed"),
        ({"op": "test", "path": "/map", "value": {"a": None}}, "testing value /map failed: test failed"),
        ({"op": "test", "path": "/list", "value": [2, 1]}, "testing value /list failed: test failed"),
        ({"op": "test", "path": "/no/a"}, "test operation does not apply: is missing path: /no/a: missing value"),
        ({"op": "test", "path": "/list/2"},
         f"error in test for path: '/list/2': Unable to access invalid index: 2: {_OUT}"),
        ({"op": "test", "path": "/list/x"},
         f"error in test for path: '/list/x': strconv.Atoi: parsing \"x\": {_NUMBER}"),
        ({"op": "test"}, "test operation failed to decode path: operation missing path field: missing value"),
        ({"op": "remove", "path": "/no"},
         "error in remove for path: '/no': Unable to remove nonexistent key: no: missing value"),
        ({"op": "remove", "path": "/no/a"},
         'remove operation does not apply: doc is missing path: "/no/a": missing value'),
        ({"op": "remove", "path": ""}, 'remove operation does not apply: doc is missing path: "": missing value'),
        ({"op": "remove", "path": "/list/-"},
         f"error in remove for path: '/list/-': strconv.Atoi: parsing \"-\": {_NUMBER}"),
        ({"op": "remove", "path": "/list/-3"},
         f"error in remove for path: '/list/-3': Unable to access invalid index: -3: {_OUT}"),
        ({"op": "remove"}, "remove operation failed to decode path: missing value"),
        ({"op": "replace", "path": "/no/a", "value": 1},
         "replace operation does not apply: doc is missing path: /no/a: missing value"),
        ({"op": "replace", "path": "/list/2", "value": 1},
         "replace operation does not apply: doc is missing key: /list/2: missing value"),
        ({"op": "replace", "path": "/list/-", "value": 1},
         "replace operation does not apply: doc is missing key: /list/-: missing value"),
        ({"op": "replace", "path": "", "value": 5}, "replace operation value must be object or array"),
        ({"op": "replace", "path": "", "value": []}, "the patch makes something else of the object"),
        ({"op": "replace"}, "replace operation failed to decode path: operation missing path field: missing value"),
        ({"op": "add", "path": "/no/a", "value": 1},
         'add operation does not apply: doc is missing path: "/no/a": missing value'),
        ({"op": "add", "path": "/foo/a", "value": 1},
         'add operation does not apply: doc is missing path: "/foo/a": missing value'),
        ({"op": "add", "path": "foo", "value": 1},
         'add operation does not apply: doc is missing path: "foo": missing value'),
        ({"op": "add", "path": "", "value": {}},
         'add operation does not apply: doc is missing path: "": missing value'),
        ({"op": "add", "path": "/list/3", "value": 1},
         f"error in add for path: '/list/3': Unable to access invalid index: 3: {_OUT}"),
        ({"op": "add", "path": "/list/-4", "value": 1},
         f"error in add for path: '/list/-4': Unable to access invalid index: -4: {_OUT}"),
        ({"op": "add", "path": "/list/x", "value": 1}, "error in add for path: '/list/x': value was not a proper array "
         f"index: 'x': strconv.Atoi: parsing \"x\": {_NUMBER}"),
        ({"op": "add", "path": "/list/99999999999999999999", "value": 1}, "value out of range"),
        ({"op": "add", "path": "/list/-/a", "value": 1},
         'add operation does not apply: doc is missing path: "/list/-/a": missing value'),
        ({"op": "add", "value": 1}, "add operation failed to decode path: missing value"),
        ({"op": "copy", "path": "/a"},
         "copy operation failed to decode from: operation, missing from field: missing value"),
        ({"op": "copy", "from": "/one"}, "copy operation failed to decode path: missing value"),
        ({"op": "copy", "from": "", "path": "/a"},
         "copy operation does not apply: doc is missing from path: : missing value"),
        ({"op": "copy", "from": "/no/a", "path": "/a"},
         "copy operation does not apply: doc is missing from path: /no/a: missing value"),
        ({"op": "copy", "from": "/list/2", "path": "/a"},
         f"error in copy for from: '/list/2': Unable to access invalid index: 2: {_OUT}"),
        ({"op": "copy", "from": "/one", "path": "/no/a"},
         "copy operation does not apply: doc is missing destination path: /no/a: missing value"),
        ({"op": "copy", "from": "/one", "path": "/list/9"},
         f"error while adding value during copy: Unable to access invalid index: 9: {_OUT}"),
        ({"op": "move", "path": "/a"},
         "move operation failed to decode from: operation, missing from field: missing value"),
        ({"op": "move", "from": "/one"},
         "move operation failed to decode path: operation missing path field: missing value"),
        ({"op": "move", "from": "/no", "path": "/a"},
         "error in move for path: 'no': Unable to remove nonexistent key: no: missing value"),
        ({"op": "move", "from": "/no/a", "path": "/a"},
         "move operation does not apply: doc is missing from path: /no/a: missing value"),
        ({"op": "move", "from": "/map", "path": "/map/inner"},
         "move operation does not apply: doc is missing destination path: /map/inner: missing value"),
        ({"op": "move", "from": "/one", "path": "/list/9"},
         f"error in move for path: '/list/9': Unable to access invalid index: 9: {_OUT}"),
        ({"op": "spam", "path": "/a"}, "Unexpected kind: spam"),
        ({"op": "apply", "path": "/a"}, "Unexpected kind: apply"),
        ({"path": "/a"}, "Unexpected kind: unknown"),
    ],
)  # fmt: skip
def test_what_does_not_apply_is_invalid_and_says_why(operation, cause):
    original = {"foo": "bar", "one": 1, "list": [1, 2], "map": {}}
    before = copy.deepcopy(original)
    with pytest.raises(ApiError) as caught:
        apply_patch(JSON_PATCH, original, [operation], POD)

    assert (caught.value.code, caught.value.reason) == (422, "Invalid")
    assert caught.value.message.startswith("the server rejected our request due to an error in our request: ")
    assert cause in caught.value.message and not caught.value.details
    assert original == before


def test_one_operation_that_does_not_apply_undoes_all():
    original = {"a": 1}
    with pytest.raises(ApiError):
        apply_patch(
            JSON_PATCH, original, [{"op": "remove", "path": "/a"}, {"op": "test", "path": "/a", "value": 1}], POD
        )

    assert original == {"a": 1}


def test_members_that_no_operation_has_are_told():
    assert strangers([{"op": "test", "path": "", "x": 1}, {"op": "test", "Path": "", "from": ""}]) == [
        "[0].x",
        "[1].Path",
    ]


@pytest.mark.parametrize(
    "patch", [{}, 5, [1], [[]], [None], [{"op": 1}], [{"op": "add", "path": []}], [{"op": "copy", "from": {}}]]
)
def test_what_is_no_list_of_operations_is_a_bad_request(patch):
    with pytest.raises(BadRequest, match="error decoding patch: json: cannot unmarshal"):
        apply_json_patch({}, patch)


def test_the_number_of_operations_is_bounded():
    with pytest.raises(RequestEntityTooLarge) as caught:
        apply_patch(JSON_PATCH, {}, [{"op": "test", "path": ""}] * (MAX_OPERATIONS + 1), POD)

    assert caught.value.message == "The allowed maximum operations in a JSON patch is 10000, got 10001"


def test_copying_a_value_into_itself_again_and_again_stops_early():
    started = time.monotonic()
    with pytest.raises(ApiError, match="rejected"):
        apply_patch(JSON_PATCH, {"a": {}}, [{"op": "copy", "from": "/a", "path": f"/a/{n}"} for n in range(9999)], POD)

    assert time.monotonic() - started < 3


def test_what_copies_have_in_all_is_bounded():
    operations = [{"op": "copy", "from": "/a", "path": "/b"}] * 4
    with pytest.raises(ApiError, match="the accumulated size increase of copy is 4000008, exceeding the limit"):
        apply_json_patch({"a": "x" * 1_000_000}, operations)

    assert 3 * 1_000_002 < MAX_COPIED < 4 * 1_000_002


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("ab", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("abc"), inner, max_size=3),
)
_OBJECTS: st.SearchStrategy[dict[str, Any]] = st.dictionaries(st.sampled_from("abc"), _VALUES, max_size=3)
_PATHS = st.lists(st.sampled_from(["a", "b", "c", "0", "1", "-", "-1"]), max_size=3).map(
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
