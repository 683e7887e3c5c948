"""Sets of fields, held to Python's own sets of paths."""

from __future__ import annotations

import copy

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.fieldmanager.fieldset import (
    MEMBER,
    below,
    check,
    difference,
    intersection,
    is_member,
    members,
    node_of,
    ordered,
    shown,
    union,
)

STEPS = ("f:a", "f:b", 'k:{"name":"x"}', 'v:"x"')
PATHS = st.frozensets(st.lists(st.sampled_from(STEPS), min_size=1, max_size=3).map(tuple), max_size=8)


def made(paths):
    """The set with these members."""
    if not paths:
        return {}
    result = {}
    for first in {path[0] for path in paths}:
        rest = {path[1:] for path in paths if path[0] == first}
        result[first] = node_of(made(rest - {()}), member=() in rest)
    return result


def paths_of(fields, path=()):
    found = set()
    for step, node in fields.items():
        here = (*path, step)
        found |= {here} if is_member(node) else set()
        found |= paths_of(below(node), here)
    return frozenset(found)


@given(PATHS, PATHS)
def test_the_operations_are_those_of_sets_and_change_nothing(one, other):
    left, right = made(one), made(other)
    before = copy.deepcopy((left, right))

    assert paths_of(union(left, right)) == one | other
    assert paths_of(difference(left, right)) == one - other
    assert paths_of(intersection(left, right)) == one & other
    assert (left, right) == before
    assert difference(left, {}) is left


@given(PATHS, PATHS)
def test_results_are_in_the_one_form_that_their_members_have(one, other):
    left, right = made(one), made(other)

    assert union(left, right) == made(one | other)
    assert difference(left, right) == made(one - other)
    assert intersection(left, right) == made(one & other)


def test_members_are_shown_as_kubernetes_prints_paths():
    fields = {
        "f:metadata": {"f:finalizers": {'v:"x/y"': MEMBER}},
        "f:spec": {"f:ports": {'k:{"containerPort":80,"protocol":"TCP"}': {".": MEMBER, "f:name": MEMBER}}},
    }

    assert list(members(fields)) == [
        '.metadata.finalizers[="x/y"]',
        '.spec.ports[containerPort=80,protocol="TCP"]',
        '.spec.ports[containerPort=80,protocol="TCP"].name',
    ]
    assert shown("i:3") == "[3]"


@given(PATHS)
def test_a_set_passes_the_check(paths):
    assert check(made(paths)) == made(paths)


@pytest.mark.parametrize(
    "fields",
    [[], "f:a", {"a": {}}, {"x:a": {}}, {"f:a": []}, {"f:a": {".": {"f:b": {}}}}, {"k:[]": {}}, {"k:{": {}},
     {"v:": {}}, {"i:x": {}}],
)  # fmt: skip
def test_what_is_no_set_is_refused(fields):
    with pytest.raises(ValueError):
        check(fields)


def test_steps_are_in_order_on_every_level():
    mixed = {"f:spec": {'k:{"name":"b"}': {"f:name": {}, ".": {}, "f:image": {}}, 'k:{"name":"a"}': {}}, "f:data": {}}

    found = ordered(mixed)
    assert found == mixed
    assert list(found) == ["f:data", "f:spec"]
    assert list(found["f:spec"]) == ['k:{"name":"a"}', 'k:{"name":"b"}']
    assert list(found["f:spec"]['k:{"name":"b"}']) == [".", "f:image", "f:name"]
