"""Lists by key and sets: how elements are told apart, compared, merged and put in order."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.fieldmanager.lists import ListMap, ListSet, interleaved
from procorch.api.fieldmanager.shapes import STRING, Field, Shape, Struct

TEXT = Shape(STRING, "")


def struct(*names):
    made = Struct()
    made.fields = {name: Field(name, TEXT) for name in names}
    return made


NAMED = ListMap(struct("name", "value", "more"), ["name"], {})
PORTS = ListMap(struct("port", "protocol", "name"), ["protocol", "port"], {"protocol": "TCP"})
NAMES = ListSet(TEXT)


def rows(**values):
    return [{"name": name, "value": value} for name, value in values.items()]


def test_an_element_is_told_by_its_keys_in_order_and_with_their_defaults():
    assert NAMED.step({"name": "a", "value": "1"}) == 'k:{"name":"a"}'
    assert PORTS.step({"port": 80}) == 'k:{"port":80,"protocol":"TCP"}'
    assert PORTS.step({"protocol": "UDP", "port": 80}) == 'k:{"port":80,"protocol":"UDP"}'
    assert NAMES.step("a") == 'v:"a"'


def test_elements_come_change_and_go():
    touched, gone = NAMED.compared(rows(a="1", b="1", c="1"), rows(b="2", c="1", d="1"))

    assert touched == {
        'k:{"name":"b"}': {"f:value": {}},
        'k:{"name":"d"}': {".": {}, "f:name": {}, "f:value": {}},
    }
    assert gone == {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:value": {}}}
    assert NAMES.compared(["a", "b"], ["b", "c"]) == ({'v:"c"': {}}, {'v:"a"': {}})


def test_another_order_is_no_change_of_anybodys():
    assert NAMED.compared(rows(a="1", b="1"), rows(b="1", a="1")) == (None, None)


@pytest.mark.parametrize(
    ("old", "new", "touched", "gone"),
    [
        (["a", "a"], ["a", "a"], None, None),
        (["a"], ["a", "a"], {'v:"a"': {}}, {'v:"a"': {}}),
        (["a", "a"], ["a"], {'v:"a"': {}}, {'v:"a"': {}}),
        ([], ["a", "a"], {'v:"a"': {}}, None),
    ],
)
def test_elements_that_stand_twice_have_one_owner(old, new, touched, gone):
    assert NAMES.compared(old, new) == (touched, gone)


def test_doubles_that_change_are_changed_as_one():
    double = [{"name": "a", "value": "1"}, {"name": "a", "value": "2"}]
    other = [{"name": "a", "value": "1"}, {"name": "a", "value": "3"}]

    assert NAMED.compared(double, other) == ({'k:{"name":"a"}': {}}, None)


def test_merging_elements_by_key():
    old = [{"name": "a", "value": "1", "more": "m"}, {"name": "b", "value": "1"}]

    assert NAMED.merged(old, rows(a="2", c="3")) == [
        {"name": "a", "value": "2", "more": "m"},
        {"name": "b", "value": "1"},
        {"name": "c", "value": "3"},
    ]
    assert NAMED.merged(old, []) == old
    assert NAMED.merged(old, None) == old
    assert NAMED.merged([*rows(a="1"), *rows(a="2")], rows(a="3")) == rows(a="3")


@pytest.mark.parametrize(
    ("old", "new", "merged"),
    [
        pytest.param("abc", "", "abc", id="nothing applied"),
        pytest.param("abc", "b", "abc", id="one in the middle"),
        pytest.param("abc", "cb", "acb", id="applied order wins"),
        pytest.param("abc", "d", "abcd", id="new ones after those that stand"),
        pytest.param("abc", "bd", "abcd", id="new one last"),
        pytest.param("abc", "da", "dabc", id="new one before a shared one"),
        pytest.param("abc", "adc", "abdc", id="those that stand alone stay before what is new"),
        pytest.param("aab", "ad", "adb", id="of doubles one is left"),
    ],
)
def test_order(old, new, merged):
    assert NAMES.merged(list(old), list(new)) == list(merged)


@given(st.lists(st.sampled_from("abcdefgh"), unique=True), st.lists(st.sampled_from("abcdefgh"), unique=True))
def test_each_element_is_there_once_and_both_orders_are_kept(old, new):
    result = [step for step, _ in interleaved(old, new)]

    assert sorted(result) == sorted({*old, *new})
    assert [step for step in result if step in new] == new
    alone = [step for step in old if step not in new]
    assert [step for step in result if step in alone] == alone


def test_an_element_goes_with_its_membership_or_loses_fields():
    value = rows(a="1", b="1")

    assert NAMED.without(value, {'k:{"name":"a"}': {".": {}, "f:name": {}}}) == rows(b="1")
    assert NAMED.without(value, {'k:{"name":"a"}': {"f:value": {}}}) == [{"name": "a"}, *rows(b="1")]
    assert NAMES.without(["a"], {'v:"a"': {}}) is None


def test_an_applied_element_is_a_member_and_an_empty_list_says_nothing():
    assert NAMED.applied(rows(a="1")) == {'k:{"name":"a"}': {".": {}, "f:name": {}, "f:value": {}}}
    assert NAMED.applied([]) is None
    assert NAMES.applied(["a"]) == {'v:"a"': {}}


@pytest.mark.parametrize(
    ("shape", "value", "problem"),
    [
        (NAMED, {}, ".x: expected list, got {}"),
        (NAMED, [None], ".x: element 0: associative list with keys may not have a null element"),
        (NAMED, ["a"], ".x: element 0: associative list with keys may not have non-map elements"),
        (NAMED, [{"value": "1"}], '.x: element 0: associative list with keys has an element that omits key field "name"'
                                  " (and doesn't have default value)"),
        (NAMED, [*rows(a="1"), *rows(a="2")], '.x: duplicate entries for key [name="a"]'),
        (NAMED, [{"name": "a", "z": 1}], '.x[name="a"].z: field not declared in schema'),
        (PORTS, [{"port": "80"}, {"port": "80", "protocol": "TCP"}],
         '.x: duplicate entries for key [port="80",protocol="TCP"]'),
        (NAMES, [None], ".x: element 0: associative list without keys has an element that's an explicit null"),
        (NAMES, [{}], ".x: element 0: associative list without keys has an element that's a map type"),
        (NAMES, [[]], ".x: element 0: not supported: associative list with lists as elements"),
        (NAMES, ["a", "a"], '.x: duplicate entries for key [="a"]'),
    ],
)  # fmt: skip
def test_what_is_wrong_with_a_configurations_list(shape, value, problem):
    assert list(shape.check(value, ".x")) == [problem]
