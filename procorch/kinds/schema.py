"""What is known about every field of every kind, and whether an object has only such fields, of the right types.

The facts are lines of text in data/ (its README tells the form). A definition is decoded when it is first asked for,
and compiled into tables that the check walks: a pod is checked in some tens of microseconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import orjson

from procorch.kinds.kind import Kind
from procorch.kinds.scalars import CANON, SCALARS, Canon, shape
from procorch.objects import Cause, RequestEntityTooLarge

_DATA = Path(__file__).parent / "data"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
#: kinds that every group version has; their definition belongs to none
_EVERYWHERE = frozenset(("DeleteOptions", "CreateOptions", "PatchOptions", "UpdateOptions", "GetOptions",
                         "ListOptions", "WatchEvent", "Status"))  # fmt: skip


@dataclass(frozen=True, slots=True)
class Type:
    """What a value is.

    form: a scalar's name (`string`, `int32`, `time`, …), or `list`, `map`, `struct`.
    of: what a list or map holds. name: the definition of a struct.
    wrapped: protobuf has this list inside a message of its own, as its field 1.
    """

    form: str
    of: Type | None = None
    name: str = ""
    wrapped: bool = False


@dataclass(frozen=True, slots=True)
class Field:
    """One field of a definition.

    wire: protobuf numbers, several where embedded messages lie between; empty where protobuf has not got it.
    go: Go's name of the type. pointer: zero is a value, not "unset". omit: "empty", "zero" or "".
    list_type: "atomic", "set", "map" or "". map_type: "atomic", "granular" or "".
    patch_strategy: of "merge", "replace", "retainKeys". merge_key: by which a strategic merge pairs elements.
    """

    name: str
    type: Type
    go: str = ""
    wire: tuple[int, ...] = ()
    omit: str = ""
    required: bool = False
    enum: tuple[str, ...] = ()
    default: Any = None
    format: str = ""
    list_type: str = ""
    list_map_keys: tuple[str, ...] = ()
    map_type: str = ""
    patch_strategy: tuple[str, ...] = ()
    merge_key: str = ""
    unions: Any = None

    @property
    def pointer(self) -> bool:
        return self.go.startswith("*")


@dataclass(frozen=True, slots=True)
class Definition:
    """A named type. kind: (group, version, kind) if it is one. listed: it stands in the published OpenAPI."""

    name: str
    kind: tuple[str, str, str] | None
    fields: dict[str, Field] = field(default_factory=dict)
    go: str = ""
    map_type: str = ""
    listed: bool = True
    unions: Any = None

    @property
    def go_name(self) -> str:
        """As in Go's messages: `PodSpec`."""
        return (self.go or self.name).rpartition(".")[2]


@cache
def _lines() -> tuple[dict[str, bytes], dict[str, str]]:
    """Undecoded definitions by name, and the names by `group/version/Kind`."""
    rows: dict[str, bytes] = {}
    kinds: dict[str, str] = {}
    for file in ("fields.txt", "own.txt"):
        for line in (_DATA / file).read_bytes().splitlines()[1:]:
            name, kind, _ = line.split(b"\t", 2)
            rows[name.decode()] = line
            if kind:
                kinds[kind.decode()] = name.decode()
    return rows, kinds


def _type(text: str) -> Type:
    if text.startswith("<>"):
        inner = _type(text[2:])
        return Type(inner.form, inner.of, inner.name, wrapped=True)
    if text.startswith(("[]", "{}")):
        return Type("list" if text[0] == "[" else "map", _type(text[2:]))
    if text.startswith("#"):
        return Type("struct", name=text[1:])
    return Type(text)


def _field(name: str, row: dict[str, Any]) -> Field:
    return Field(
        name=name,
        type=_type(row["type"]),
        go=row.get("go", ""),
        wire=tuple(row.get("wire", ())),
        omit=row.get("omit", ""),
        required=row.get("required", False),
        enum=tuple(row.get("enum", ())),
        default=row.get("default"),
        format=row.get("format", ""),
        list_type=row.get("list", ""),
        list_map_keys=tuple(row.get("keys", ())),
        map_type=row.get("map", ""),
        patch_strategy=tuple(row["strategy"].split(",")) if row.get("strategy") else (),
        merge_key=row.get("merge", ""),
        unions=row.get("unions"),
    )


@cache
def definition(name: str) -> Definition:
    """The definition of this name (`io.k8s.api.core.v1.Pod`). Raises KeyError."""
    _, kind, text = _lines()[0][name].split(b"\t", 2)
    body = orjson.loads(text)
    parts = kind.decode().split("/")
    return Definition(
        name=name,
        kind=(parts[0], parts[1], parts[2]) if len(parts) == 3 else None,
        fields={key: _field(key, row) for key, row in body["fields"].items()},
        go=body.get("go", ""),
        map_type=body.get("map", ""),
        listed=not body.get("unlisted", False),
        unions=body.get("unions"),
    )


def name_of(group: str, version: str, kind: str) -> str:
    """The name of a kind's definition. Raises KeyError for a kind that nobody described."""
    if kind in _EVERYWHERE:
        return _META + kind
    return _lines()[1][f"{group}/{version}/{kind}"]


def of_kind(kind: Kind | str) -> Definition:
    """The definition of a Kind, or of a definition's name. Raises KeyError."""
    if isinstance(kind, str):
        return definition(kind)
    return definition(kind.schema or name_of(kind.group, kind.version, kind.name))


def names() -> Iterator[str]:
    return iter(_lines()[0])


def merge_key(within: Definition, name: str) -> tuple[tuple[str, ...], str]:
    """A field's patch strategy and merge key; both empty where it has none or is unknown."""
    found = within.fields.get(name)
    return (found.patch_strategy, found.merge_key) if found else ((), "")


# --- whether an object is of its kind -------------------------------------------------------------------------------

#: no more problems than these are collected from one object
_MOST = 100
#: structs in one object: four times what the largest EndpointSlice has. Each costs tens of microseconds where defaults
#: are filled in and rules checked; three megabytes of `{}` would keep the API busy for half a minute
MOST_STRUCTS = 20_000

#: The way to a value: (the way to what it is in, field name, map key or index, the Go struct if it is a field).
_Way = tuple[Any, str | int, str] | None


_TOO_MANY = f"the object is too large: it has more than {MOST_STRUCTS} parts with fields of their own"


class Problems:
    """What is wrong with an object's structure.

    errors: wrong types, in the words of Go's decoder (the first is what Kubernetes would have answered).
    unknown: paths of fields that the kind has not got (`spec.containers[0].foo`).
    """

    __slots__ = ("_strays", "errors", "structs", "unknown")

    def __init__(self) -> None:
        self.errors: list[Cause] = []
        self.unknown: list[str] = []
        self.structs = 0
        self._strays: list[tuple[dict[str, Any], str]] = []

    def __bool__(self) -> bool:
        return bool(self.errors or self.unknown)

    def stray(self, within: dict[str, Any], name: str, way: _Way) -> None:
        self._strays.append((within, name))
        if len(self.unknown) < _MOST:
            self.unknown.append(_path((way, name, "")))

    def say(self, way: _Way, message: str) -> None:
        if len(self.errors) < _MOST:
            self.errors.append(Cause(_path(way), message))

    def wrong(self, way: _Way, value: Any, go: str) -> None:
        """Source of the words: encoding/json's UnmarshalTypeError; indices and map keys are not in its path."""
        if len(self.errors) >= _MOST:
            return
        steps = []
        struct = ""
        here = way
        while here is not None:
            here, step, owner = here
            if owner:
                steps.append(str(step))
                struct = struct or owner
        where = f"struct field {struct}.{'.'.join(reversed(steps))}" if struct else "value"
        self.say(way, f"json: cannot unmarshal {shape(value, go)} into Go {where} of type {go}")

    def prune(self) -> None:
        """Drops the unknown fields from the object that was checked."""
        for within, name in self._strays:
            within.pop(name, None)


def _path(way: _Way) -> str:
    """`spec.containers[0].name`"""
    text = ""
    while way is not None:
        way, step, _ = way
        text = f"[{step}]{text}" if isinstance(step, int) else f".{step}{text}"
    return text.removeprefix(".")


_Deep = Callable[[Any, _Way, Problems], None]

_ANYTHING = ("any", "raw", "fields")
_PLAIN = {"string": str, "bool": bool}
_GO = {"double": "float64", "bytes": "[]uint8"}
_EMPTY = {"string": "", "bool": False, "int32": 0, "int64": 0, "double": 0, "quantity": "0"}
#: forms whose empty value Go leaves out of JSON where the field says `omitempty`, and the class it has here
_LEFT_OUT = {"string": str, "bool": bool, "int32": int, "int64": int, "uint32": int, "double": int, "bytes": str,
             "list": list, "map": dict}  # fmt: skip


def _go_of(type_: Type, go: str) -> str:
    """Go's name for a type where the table does not tell it."""
    if go:
        return go.removeprefix("*")
    if type_.of is not None:
        return ("[]" if type_.form == "list" else "map[string]") + _go_of(type_.of, "")
    if type_.form == "struct":
        return definition(type_.name).go or type_.name.rpartition(".")[2]
    return _GO.get(type_.form, type_.form)


@cache
def _struct(name: str) -> _Deep:
    """The check of a value that should be of this definition."""
    rows: dict[str, tuple[type | None, _Deep | None, type | None, Canon | None]] = {}
    go = go_name = ""

    def prepare() -> None:
        nonlocal go, go_name
        this = definition(name)
        go, go_name = this.go or this.go_name, this.go_name
        for key, one in this.fields.items():
            deep = None if one.type.form in _ANYTHING else _value(one.type, one.go)
            left_out = _LEFT_OUT.get(one.type.form) if one.omit == "empty" and not one.pointer else None
            rows[key] = (_PLAIN.get(one.type.form), deep, left_out, CANON.get(one.type.form))

    def judge(value: Any, way: _Way, problems: Problems) -> None:
        if not rows:
            prepare()
        if value.__class__ is not dict:
            problems.wrong(way, value, go)
            return
        problems.structs += 1
        if problems.structs > MOST_STRUCTS:
            raise RequestEntityTooLarge(_TOO_MANY, 413, "RequestEntityTooLarge")
        unset = None
        for key, item in value.items():
            row = rows.get(key)
            if row is None:
                problems.stray(value, key, way)
                continue
            plain, deep, left_out, canon = row
            if item is None or (not item and item.__class__ is left_out):
                unset = [key] if unset is None else [*unset, key]
            elif item.__class__ is not plain and deep is not None:
                deep(item, (way, key, go_name), problems)
                if canon is not None:
                    value[key] = canon(item)
        for key in unset or ():
            del value[key]

    return judge


def _value(type_: Type, go: str) -> _Deep:
    if type_.form == "struct":
        return _struct(type_.name)
    if type_.of is None:
        return _scalar(type_, go)
    items = _go_of(type_, go)
    return _list(type_.of, items) if type_.form == "list" else _map(type_.of, items)


def _scalar(type_: Type, go: str) -> _Deep:
    judge, shown = SCALARS[type_.form], _go_of(type_, go)

    def deep(value: Any, way: _Way, problems: Problems) -> None:
        message = judge(value)
        if message:
            problems.say(way, message)
        elif message is not None:
            problems.wrong(way, value, shown)

    return deep


def _list(of: Type, go: str) -> _Deep:
    plain = _PLAIN.get(of.form)
    inner = _value(of, go[2:] if go.startswith("[]") else "") if of.form not in _ANYTHING else None

    def deep(value: Any, way: _Way, problems: Problems) -> None:
        if value.__class__ is not list:
            problems.wrong(way, value, go)
            return
        for index, item in enumerate(value):
            if item.__class__ is plain or inner is None:
                continue
            if item is None:
                item = value[index] = _zero(of)
            inner(item, (way, index, ""), problems)

    return deep


def _map(of: Type, go: str) -> _Deep:
    plain, canon = _PLAIN.get(of.form), CANON.get(of.form)
    inner = _value(of, go.removeprefix("map[string]") if go.startswith("map[string]") else "") \
        if of.form not in _ANYTHING else None  # fmt: skip

    def deep(value: Any, way: _Way, problems: Problems) -> None:
        if value.__class__ is not dict:
            problems.wrong(way, value, go)
            return
        for key, item in value.items():
            if item.__class__ is plain or inner is None:
                continue
            if item is None:
                item = value[key] = _zero(of)
            inner(item, (way, key, ""), problems)
            if canon is not None:
                value[key] = canon(item)

    return deep


def _zero(of: Type) -> Any:
    """What Go makes of a null among the elements of a list or map."""
    if of.form in ("struct", "map"):
        return {}
    return [] if of.form == "list" else _EMPTY.get(of.form, "")


def check(kind: Kind | str, obj: Any) -> Problems:
    """Whether an object has only fields of its kind, of the right types; kind: a Kind or a definition's name.

    The object becomes what Kubernetes would read back, which keeps objects in Go's structs: fields that are null, or
    empty and not told from unset (`omitempty` of what is no pointer), are dropped; quantities, times and bytes get
    their one form. Raises KeyError for a kind that nobody described, RequestEntityTooLarge for MOST_STRUCTS.
    """
    problems = Problems()
    _struct(of_kind(kind).name)(obj, None, problems)
    return problems


def prune(kind: Kind | str, obj: Any) -> None:
    """Drops the fields that the kind has not got, in place."""
    check(kind, obj).prune()
