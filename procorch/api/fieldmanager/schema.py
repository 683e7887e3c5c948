"""The shapes of all kinds, made from the field tables when they are first asked for.

What the tables do not say has Kubernetes' meaning: a list is atomic, a map and a struct are granular.
"""

from __future__ import annotations

from typing import Any

from procorch.api.fieldmanager.lists import ListMap, ListSet
from procorch.api.fieldmanager.repeated import Repeated
from procorch.api.fieldmanager.shapes import (
    ANY_SCALAR,
    BOOLEAN,
    NUMERIC,
    STRING,
    Atomic,
    Field,
    Items,
    Map,
    Shape,
    Struct,
)
from procorch.api.metadata import PARTS
from procorch.kinds.kind import Kind
from procorch.kinds.schema import Field as Row
from procorch.kinds.schema import Type, definition, of_kind

_INTEGERS = ("int32", "int64", "uint32", "double")
_SCALARS = {
    "string": Shape(STRING, ""),
    "bytes": Shape(STRING),
    "bool": Shape(BOOLEAN, False),
    **{form: Shape(NUMERIC, 0) for form in _INTEGERS},
    "intstr": Shape(ANY_SCALAR, 0),
    "quantity": Shape(ANY_SCALAR, "0"),
    "time": Shape(ANY_SCALAR),
    "microtime": Shape(ANY_SCALAR),
    "duration": Shape(ANY_SCALAR),
}
_UNKNOWN = Shape()
_REPEATED = "io.k8s.api.core.v1.PodSpec"
#: scalars that are structs in Go, which writes those even where they are to be left out when empty
_GO_STRUCTS = frozenset(("time", "microtime", "quantity", "intstr", "raw", "struct"))


_structs: dict[str, Struct] = {}


def shape_of(kind: Kind | str) -> Struct:
    """The shape of a Kind's objects, or of a definition by its name. Raises KeyError where nobody described it."""
    return _struct(of_kind(kind).name)


def _struct(name: str) -> Struct:
    shape = _structs.get(name)
    if shape is None:
        made = Repeated() if name == _REPEATED else Struct()
        shape = _structs[name] = made  # before its fields: a type may hold itself
        within = definition(name)
        shape.fields = {key: _field(row) for key, row in within.fields.items()}
    return shape


_NOBODYS = ("name", "namespace", "creationTimestamp", "selfLink", "uid", "generation", "managedFields",
            "resourceVersion")  # fmt: skip
_written: dict[tuple[str, str, str, str], Struct] = {}


def written_shape(kind: Kind, subresource: str = "") -> Struct:
    """The shape of what a write to the object, or to a subresource of it, can make somebody the manager of.

    That leaves out what says which object it is, what is the server's, and what such a write does not reach.
    """
    key = kind.group, kind.version, kind.name, subresource
    shape = _written.get(key)
    if shape is None:
        whole = shape_of(kind).fields
        part = PARTS.get(subresource)
        left_out = {"apiVersion", "kind"}
        if part is not None:
            left_out |= whole.keys() - {"metadata", part}
        elif "status" in kind.subresources:
            left_out.add("status")
        shape = _written[key] = Struct()
        shape.fields = {name: field for name, field in whole.items() if name not in left_out}
        about = whole["metadata"].shape
        assert isinstance(about, Struct)
        hidden = _NOBODYS if part is None else (*_NOBODYS, "ownerReferences")
        metadata = Struct()
        metadata.fields = {name: field for name, field in about.fields.items() if name not in hidden}
        shape.fields["metadata"] = Field("metadata", metadata, always=True, zero={})
    return shape


def _field(row: Row) -> Field:
    always = bool(row.go) and _always(row)
    shape = _shape(row.type, row)
    return Field(row.name, shape, always=always, zero=None if row.pointer else shape.zero)


def _always(row: Row) -> bool:
    if not row.omit:
        return True
    return row.omit == "empty" and not row.pointer and row.type.form in _GO_STRUCTS


def _shape(type_: Type, row: Row | None = None) -> Shape:
    """row: the field that has this type, where it says how the type is merged."""
    if type_.form == "struct":
        shape = _struct(type_.name)
        is_atomic = "atomic" in (definition(type_.name).map_type, row.map_type if row else "")
        return Atomic(shape) if is_atomic else shape
    if type_.of is None:
        return _SCALARS.get(type_.form, _UNKNOWN)
    of = _shape(type_.of)
    if type_.form == "map":
        return Atomic(Map(of)) if row is not None and row.map_type == "atomic" else Map(of)
    if row is not None and row.list_type == "map":
        return ListMap(of, row.list_map_keys, _defaults(type_.of))
    if row is not None and row.list_type == "set":
        return ListSet(of)
    return Items(of)


def _defaults(type_: Type) -> dict[str, Any]:
    if type_.form != "struct":
        return {}
    return {name: row.default for name, row in definition(type_.name).fields.items() if row.default is not None}
