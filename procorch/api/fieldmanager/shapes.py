"""How values are compared and merged, by their types: structs, maps, lists by key, sets, and what is whole or nothing.

Each shape knows for its values
    added       the fields of a value that was not there before
    compared    which fields differ between two values: (added or changed, removed)
    applied     the fields that a configuration speaks of
    merged      a configuration's value merged into the one that stands; the result shares parts of both
    without     a value without some of its fields
    named       a set of fields in which every struct that has members below is a member too
    check       what is wrong with a configuration's value

Source of the rules: sigs.k8s.io/structured-merge-diff and the documentation of server-side apply.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import orjson

from procorch.api.fieldmanager.fieldset import MEMBER, SELF, FieldSet, below, is_member, node_of

Compared = tuple[FieldSet | None, FieldSet | None]
_LONGEST = 100  # of a value in a message
_MOST_FLAT = 256  # sets that a struct remembers

#: what a configuration's scalar must be: (words, types); bool is no number here
Scalar = tuple[str, tuple[type, ...]]
STRING: Scalar = ("string", (str,))
NUMERIC: Scalar = ("numeric (int or float)", (int, float))
BOOLEAN: Scalar = ("boolean", (bool,))
ANY_SCALAR: Scalar = ("any scalar", (str, int, float, bool))


class Shape:
    """What has one owner as a whole: a scalar, or a value of which nothing is known (scalar: None)."""

    is_leaf = True  # its fields are not told apart: asked before a call, all day long
    is_text = False  # a string is right for it: likewise

    def __init__(self, scalar: Scalar | None = None, zero: Any = None) -> None:
        self.zero = zero  # what Go writes for a value that was not set
        self._scalar = scalar
        self.is_text = scalar is not None and str in scalar[1]

    def added(self, value: Any) -> FieldSet:
        return MEMBER

    def compared(self, old: Any, new: Any) -> Compared:
        """Of two values that are not equal."""
        return MEMBER, None

    def applied(self, value: Any) -> FieldSet | None:
        return MEMBER

    def merged(self, old: Any, new: Any) -> Any:
        return new

    def without(self, value: Any, gone: FieldSet) -> Any:
        return value

    def named(self, fields: FieldSet) -> FieldSet:
        return fields

    def check(self, value: Any, path: str) -> Iterator[str]:
        if self._scalar is None or value is None:
            return
        words, types = self._scalar
        if not isinstance(value, types) or (isinstance(value, bool) and bool not in types):
            yield f"{path}: expected {words}, got {short(value)}"


class Atomic(Shape):
    """A list or map that has one owner as a whole, whatever is in it."""

    def __init__(self, inner: Shape) -> None:
        super().__init__(zero=inner.zero)
        self._inner = inner

    def check(self, value: Any, path: str) -> Iterator[str]:
        yield from self._inner.check(value, path)


class Items(Shape):
    """A list that is atomic: its elements are known, and never merged."""

    def __init__(self, of: Shape) -> None:
        super().__init__()
        self._of = of

    def check(self, value: Any, path: str) -> Iterator[str]:
        if is_list(value):
            for index, item in enumerate(value):
                yield from self._of.check(item, f"{path}[{index}]")
        elif value is not None:
            yield f"{path}: expected list, got {short(value)}"


class Field:
    """One field of a struct. always: Go writes it even when it is not set, so that it is never added nor removed."""

    __slots__ = ("always", "is_leaf", "is_text", "shape", "step", "zero")

    def __init__(self, name: str, shape: Shape, *, always: bool = False, zero: Any = None) -> None:
        self.step = f"f:{name}"
        self.shape = shape
        self.is_leaf = shape.is_leaf
        self.is_text = shape.is_text
        self.always = always
        self.zero = zero


class Struct(Shape):
    """A value with fields of its own. `fields` is filled after the fact: types may hold themselves."""

    is_leaf = False

    def __init__(self) -> None:
        super().__init__(zero={})
        self.fields: dict[str, Field] = {}
        self._always: tuple[Field, ...] | None = None
        self._flat: dict[tuple[str, ...], FieldSet] = {}  # names of fields → what `added` gives for them

    def _constant(self) -> tuple[Field, ...]:
        if self._always is None:
            self._always = tuple(field for field in self.fields.values() if field.always)
        return self._always

    def added(self, value: Any) -> FieldSet:
        if value.__class__ is not dict:
            return MEMBER
        names = tuple(value)
        found = self._flat.get(names)
        return self._added(value, names) if found is None else found

    def _added(self, value: dict[str, Any], names: tuple[str, ...]) -> FieldSet:
        """Of a struct whose fields are all leaves the names say it all: those of a pod's variables are one set."""
        result: FieldSet = {SELF: MEMBER}
        is_flat = True
        for name, item in value.items():
            field = self.fields.get(name)
            if field is None:
                continue
            is_flat = is_flat and field.is_leaf
            result[field.step] = MEMBER if field.is_leaf else field.shape.added(item)
        for field in self._constant():
            if field.step not in result:
                result[field.step] = field.shape.added(field.zero)
        if len(result) == 1:
            result = MEMBER
        if is_flat and len(self._flat) < _MOST_FLAT:
            self._flat[names] = result
        return result

    def compared(self, old: Any, new: Any) -> Compared:
        old, new = dict_of(old), dict_of(new)
        touched: FieldSet = {}
        gone: FieldSet = {}
        known = self.fields
        for name, item in new.items():
            before = old.get(name, _MISSING)
            if before == item:
                continue
            field = known.get(name)
            if field is None:
                continue
            if before is _MISSING:
                if not field.always:
                    touched[field.step] = MEMBER if field.is_leaf else field.shape.added(item)
                    continue
                before = field.zero
                if before == item:
                    continue
            if field.is_leaf:
                touched[field.step] = MEMBER
                continue
            note(field.step, field.shape.compared(before, item), touched, gone)
        for name, before in old.items():
            if name not in new and (field := known.get(name)) is not None:
                if not field.always:
                    gone[field.step] = field.shape.added(before)
                elif before != field.zero:
                    note(field.step, field.shape.compared(before, field.zero), touched, gone)
        return touched or None, gone or None

    def applied(self, value: Any) -> FieldSet | None:
        result: FieldSet = {}
        for name, item in dict_of(value).items():
            field = self.fields.get(name)
            if field is None:
                continue
            node = MEMBER if field.is_leaf or item is None or item == {} else field.shape.applied(item)
            if node is not None:
                result[field.step] = node
        return result or None

    def merged(self, old: Any, new: Any) -> Any:
        if not isinstance(old, dict) or not old:
            return new
        result = dict(old)
        for name, item in dict_of(new).items():
            before = old.get(name, _MISSING)
            if before == item:
                continue
            field = self.fields.get(name)
            if before is _MISSING or field is None or field.is_leaf:
                result[name] = item
            else:
                result[name] = field.shape.merged(before, item)
        return result

    def without(self, value: Any, gone: FieldSet) -> Any:
        return _left(value, gone, self._shape)

    def _shape(self, name: str) -> Shape | None:
        field = self.fields.get(name)
        return None if field is None else field.shape

    def named(self, fields: FieldSet) -> FieldSet:
        shapes = {field.step: field.shape for field in self.fields.values() if field.step in fields}
        return {
            step: named_node(node, shapes[step], member=True) if step in shapes else node
            for step, node in fields.items()
        }

    def check(self, value: Any, path: str) -> Iterator[str]:
        if not isinstance(value, dict):
            if value is not None:
                yield f"{path}: expected map, got {short(value)}"
            return
        for name, item in value.items():
            field = self.fields.get(name)
            if field is None:
                yield f"{path}.{name}: field not declared in schema"
            elif item.__class__ is not str or not field.is_text:
                yield from field.shape.check(item, f"{path}.{name}")


class Map(Shape):
    """Keys of the user's own, each with an owner of its own."""

    is_leaf = False

    def __init__(self, of: Shape) -> None:
        super().__init__()
        self._of = of

    def added(self, value: Any) -> FieldSet:
        items = dict_of(value)
        if not items:
            return MEMBER
        return {SELF: MEMBER, **{f"f:{name}": self._of.added(item) for name, item in items.items()}}

    def compared(self, old: Any, new: Any) -> Compared:
        if not old and not new:  # null, or empty
            return MEMBER, None
        old, new = dict_of(old), dict_of(new)
        touched: FieldSet = {}
        gone: FieldSet = {}
        for name, item in new.items():
            if name not in old:
                touched[f"f:{name}"] = self._of.added(item)
            elif old[name] != item:
                note(f"f:{name}", self._of.compared(old[name], item), touched, gone)
        for name, item in old.items():
            if name not in new:
                gone[f"f:{name}"] = self._of.added(item)
        return touched or None, gone or None

    def applied(self, value: Any) -> FieldSet | None:
        return {
            f"f:{name}": node_of(below(self._of.applied(item) or MEMBER), member=True)
            for name, item in dict_of(value).items()
        } or None

    def merged(self, old: Any, new: Any) -> Any:
        if not isinstance(old, dict) or not old:
            return new
        result = dict(old)
        for name, item in dict_of(new).items():
            result[name] = self._of.merged(old[name], item) if name in old else item
        return result

    def without(self, value: Any, gone: FieldSet) -> Any:
        return _left(value, gone, lambda name: self._of)

    def named(self, fields: FieldSet) -> FieldSet:
        return {step: named_node(node, self._of, member=False) for step, node in fields.items()}

    def check(self, value: Any, path: str) -> Iterator[str]:
        if isinstance(value, dict):
            for name, item in value.items():
                yield from self._of.check(item, f"{path}.{name}")
        elif value is not None:
            yield f"{path}: expected map, got {short(value)}"


_MISSING: Any = object()


def dict_of(value: Any) -> dict[str, Any]:
    return value if value.__class__ is dict else {}


def is_list(value: Any) -> bool:
    return value.__class__ is list


def note(step: str, found: Compared, touched: FieldSet, gone: FieldSet) -> None:
    if found[0] is not None:
        touched[step] = found[0]
    if found[1] is not None:
        gone[step] = found[1]


def _left(value: Any, gone: FieldSet, shape_of: Callable[[str], Shape | None]) -> dict[str, Any] | None:
    """What stays of a map's keys; a map of which nothing is left is gone as well."""
    result = {}
    for name, item in dict_of(value).items():
        node = gone.get(f"f:{name}")
        if node is None:
            result[name] = item
        elif not is_member(node):
            shape = shape_of(name)
            left = item if shape is None else shape.without(item, node)
            if left is not None:
                result[name] = left
    return result or None


def named_node(node: FieldSet, shape: Shape, *, member: bool) -> FieldSet:
    inner = below(node)
    if not inner:
        return node
    made = node_of(shape.named(inner), member=member or SELF in node)
    assert made is not None
    return made


def short(value: Any) -> str:
    return orjson.dumps(value).decode()[:_LONGEST]
