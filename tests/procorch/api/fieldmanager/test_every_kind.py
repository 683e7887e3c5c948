"""What holds for objects of every kind, made at random from the field tables."""

from __future__ import annotations

import copy
import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from procorch.api.fieldmanager import Apply, Update
from procorch.api.fieldmanager.fieldset import difference
from procorch.api.fieldmanager.schema import shape_of, written_shape
from procorch.kinds import KINDS, schema
from procorch.objects import BadRequest, Conflict

SCALARS = {
    "string": ("a", "b"), "bool": (True, False), "int32": (1, 2), "int64": (1, 2), "uint32": (1, 2), "double": (1.5,),
    "bytes": ("YQ==",), "intstr": (1, "b"), "quantity": ("1", "2"), "time": ("2026-01-01T00:00:00Z",),
    "microtime": ("2026-01-01T00:00:00.000000Z",), "duration": ("1s",),
}  # fmt: skip
DEEPEST = 6


def value_of(draw, type_, row=None, depth=0):
    """A value of this type that is not empty, as far as it goes: who applies an empty list manages nothing by that.

    row: the field whose it is.
    """
    if type_.form == "struct":
        return struct_of(draw, type_.name, depth=depth + 1)
    if type_.of is None:
        return draw.choice(SCALARS.get(type_.form, ({"any": 1},)))
    if type_.form == "map":
        return {key: value_of(draw, type_.of, depth=depth + 1) for key in draw.sample("kl", draw.randint(1, 2))}
    keys = row.list_map_keys if row is not None and row.list_type == "map" else ()
    if keys:
        made = [struct_of(draw, type_.of.name, keys, depth + 1) for _ in range(draw.randint(1, 3))]
        return list({tuple(str(item[key]) for key in keys): item for item in made}.values())
    items = [value_of(draw, type_.of, depth=depth + 1) for _ in range(draw.randint(1, 2))]
    is_set = row is not None and row.list_type == "set"
    return list(dict.fromkeys(items)) if is_set else items


def struct_of(draw, name, needed=(), depth=0):
    fields = schema.definition(name).fields
    plain = [key for key, row in fields.items() if row.type.of is None and row.type.form != "struct"]
    among = sorted(plain if depth > DEEPEST and plain else fields)
    chosen = draw.sample(among, min(len(among), draw.randint(1, 3)))
    return {key: value_of(draw, fields[key].type, fields[key], depth) for key in (*needed, *chosen)}


def object_of(draw, kind):
    fields = schema.of_kind(kind).fields
    made = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": {"name": "a", "labels": {"k": "v"}}}
    for key, row in fields.items():
        if key not in made and draw.random() < 0.7:
            made[key] = value_of(draw, row.type, row)
    return made


every_kind = pytest.mark.parametrize(
    "kind", [pytest.param(kind, id=f"{kind.api_version}-{kind.name}") for kind in KINDS]
)
some_examples = settings(max_examples=15, deadline=None)


@every_kind
@some_examples
@given(st.randoms(use_true_random=False))
def test_what_is_applied_is_there_and_stays_when_it_is_applied_again(kind: object, draw: random.Random):
    config = object_of(draw, kind)
    apply = Apply("m", False, kind, "", 0)

    made = apply.to(None, apply.check(copy.deepcopy(config)))
    again = apply.to(copy.deepcopy(made), copy.deepcopy(config))

    assert {**made, "metadata": config["metadata"]} == config
    assert again == made


@every_kind
@some_examples
@given(st.randoms(use_true_random=False))
def test_what_one_applies_goes_with_it_and_what_another_applies_stays(kind: object, draw: random.Random):
    first, second = object_of(draw, kind), object_of(draw, kind)
    one, two = Apply("one", True, kind, "", 0), Apply("two", True, kind, "", 0)
    live = two.to(one.to(None, first), second)

    left = one.to(live, {name: first[name] for name in ("apiVersion", "kind")} | {"metadata": {"name": "a"}})

    assert [row["manager"] for row in left["metadata"]["managedFields"]] == ["two"]
    mine, theirs = (written_shape(kind).applied(one) or {} for one in (left, second))
    assert not difference(theirs, mine)
    touched, _ = written_shape(kind).compared(left, shape_of(kind).merged(left, second))
    assert touched is None


@every_kind
@some_examples
@given(st.randoms(use_true_random=False))
def test_a_writer_manages_what_it_changed_and_an_applier_hears_of_it(kind: object, draw: random.Random):
    config, other = object_of(draw, kind), object_of(draw, kind)
    apply = Apply("m", False, kind, "", 0)
    live = kind.stored(apply.to(None, config))
    new = copy.deepcopy(kind.stored(other))
    Update("u", kind, "", 0).track(new, live)

    touched, gone = written_shape(kind).compared(kind.shown(live), kind.shown(new))  # a guise may leave something out
    rows = {row["manager"]: row["fieldsV1"] for row in new["metadata"].get("managedFields", ())}
    applied = written_shape(kind).applied(config) or {}
    assert rows.get("u", {}) == (touched or {})
    assert rows.get("m", {}) == difference(difference(applied, touched or {}), gone or {})
    if difference(applied, difference(applied, touched or {})):
        with pytest.raises(Conflict):
            apply.to(kind.shown(new), config)


JUNK = (
    None,
    0,
    -1,
    1.5,
    True,
    "",
    "x",
    [],
    {},
    [None],
    [{}],
    [[]],
    ["x", "x"],
    {"x": None},
    {"": {}},
    [{"name": None}],
)


def spoiled(draw, value):
    """The value with one part of it, or all, replaced by something odd."""
    if not value or not isinstance(value, dict | list) or draw.random() < 0.15:
        return draw.choice(JUNK)
    if isinstance(value, dict):
        key = draw.choice(sorted(value))
        return {**value, key: spoiled(draw, value[key])}
    index = draw.randrange(len(value))
    return [*value[:index], spoiled(draw, value[index]), *value[index + 1 :]]


@every_kind
@settings(max_examples=40, deadline=None)
@given(st.randoms(use_true_random=False))
def test_odd_values_are_refused_or_applied_and_never_a_traceback(kind: object, draw: random.Random):
    apply = Apply("m", True, kind, "", 0)
    live = apply.to(None, object_of(draw, kind))
    odd = spoiled(draw, object_of(draw, kind))
    try:
        config = apply.check(odd)
    except BadRequest:
        pass
    else:
        made = apply.to(live, config)
        assert apply.to(copy.deepcopy(made), copy.deepcopy(config))["metadata"] == made["metadata"]
