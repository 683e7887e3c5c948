"""Kubernetes' protobuf: bodies that kubectl's imperative commands and Go clients send, as objects.

A body is four bytes and a `runtime.Unknown`: {1: {1: apiVersion, 2: kind}, 2: the object's message, 3: encoding,
4: media type of the message}. How the messages are numbered is in the field tables; nothing is generated per kind.

Go writes every field that is not a pointer, zero or not. So a zero is dropped where Go's own JSON would drop it
(`omitempty` and no pointer), and a decoded object equals what the same client would have sent as JSON.
protobuf_writing.py is the other direction.
"""

from __future__ import annotations

import base64
import struct
from collections.abc import Callable
from functools import cache
from typing import Any

import orjson

from procorch.api.protobuf_values import GONE, int_or_string, time_text
from procorch.api.protobuf_wire import BYTES, FIXED64, VARINT, parts, signed, text_of, varint_at
from procorch.durations import duration_text
from procorch.kinds import schema
from procorch.kinds.schema import Field, Type
from procorch.objects import Object

MAGIC = b"k8s\x00"
_MAX_DEPTH = 100
#: numbered parts of one body: each costs some two microseconds, and may be as short as two bytes
MAX_PARTS = 100_000
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."


def decode(data: bytes) -> Object:
    """A body as an object. Raises ValueError for what is no such body, KeyError for a kind that nobody described."""
    if not data.startswith(MAGIC):
        raise ValueError("it does not begin with k8s\\x00")
    api_version = kind = ""
    raw, media, encoding = b"", "", ""
    for number, wire, value in parts(data[len(MAGIC) :]):
        if wire != BYTES:
            raise ValueError(f"field {number} of the envelope has wire type {wire}")
        match number:
            case 1:
                named = {inner: text for inner, _, text in parts(value)}
                api_version, kind = text_of(named.get(1, b"")), text_of(named.get(2, b""))
            case 2:
                raw = value
            case 3:
                encoding = text_of(value)
            case 4:
                media = text_of(value)
    if encoding:
        raise ValueError(f"content encoding {encoding}")
    if media not in ("", "application/vnd.kubernetes.protobuf"):
        obj = _inner_json(raw)
        if not isinstance(obj, dict):
            raise ValueError("what is inside is no object")
        return obj
    name = name_of(api_version, kind)
    return {"apiVersion": api_version, "kind": kind, **_message(name, raw, 0, _Parts())}


def name_of(api_version: str, kind: str) -> str:
    """The definition of the object inside. Raises KeyError for a kind without one, or without field numbers."""
    group, _, version = api_version.rpartition("/")
    name = f"{_META}{kind}" if group == "meta.k8s.io" else schema.name_of(group, version, kind)
    if not tree_of(name):
        raise KeyError(f"{kind} has no form in protobuf")
    return name


def describes(api_version: str, kind: str) -> bool:
    """Whether objects of this kind have a form in protobuf."""
    try:
        return bool(name_of(api_version, kind))
    except KeyError:
        return False


def _inner_json(data: bytes) -> Any:
    try:
        return orjson.loads(data) if data else None
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the JSON inside is none: {error}") from error


# --- values ----------------------------------------------------------------------------------------------------------


def _first(data: bytes, default: Any = b"") -> Any:
    """Field 1 of a message that has only that."""
    return next((value for number, _, value in parts(data) if number == 1), default)


def _raw(data: bytes) -> Any:
    inner = _first(data)
    if not inner:
        return GONE
    return decode(inner) if inner.startswith(MAGIC) else _inner_json(inner)


_READ: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "string": (BYTES, text_of),
    "bool": (VARINT, bool),
    "int32": (VARINT, lambda number: signed(number, 32)),
    "int64": (VARINT, lambda number: signed(number, 64)),
    "uint32": (VARINT, lambda number: number & 0xFFFFFFFF),
    "double": (FIXED64, lambda data: struct.unpack("<d", data)[0]),
    "bytes": (BYTES, lambda data: base64.b64encode(data).decode()),
    "time": (BYTES, lambda data: time_text(data, False)),
    "microtime": (BYTES, lambda data: time_text(data, True)),
    "duration": (BYTES, lambda data: duration_text(signed(_first(data, 0), 64))),
    "quantity": (BYTES, lambda data: text_of(_first(data)) or "0"),
    "intstr": (BYTES, int_or_string),
    "raw": (BYTES, _raw),
    "fields": (BYTES, _raw),
    "any": (BYTES, _raw),
}
_ZERO = ("", 0, False)
_ZERO_TEXT = {"quantity": "0", "duration": "0s"}


# --- messages --------------------------------------------------------------------------------------------------------

#: number → a field, or the fields of an embedded message, whose JSON stands beside the others
Tree = dict[int, "Field | Tree"]


@cache
def tree_of(name: str) -> Tree:
    tree: Tree = {}
    for one in schema.definition(name).fields.values():
        if not one.wire:
            continue
        here = tree
        for number in one.wire[:-1]:
            inner = here.setdefault(number, {})
            assert isinstance(inner, dict)
            here = inner
        here[one.wire[-1]] = one
    return tree


class _Parts:
    """Counts the parts of a body. Raises ValueError where there are too many."""

    __slots__ = ("left",)

    def __init__(self) -> None:
        self.left = MAX_PARTS

    def count(self) -> None:
        self.left -= 1
        if self.left < 0:
            raise ValueError(f"it has more than {MAX_PARTS} parts")


def _message(name: str, data: bytes, depth: int, seen: _Parts) -> Object:
    obj: Object = {}
    _read_into(obj, tree_of(name), data, depth, seen)
    return obj


def _read_into(obj: Object, tree: Tree, data: bytes, depth: int, seen: _Parts) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("messages lie too deep in each other")
    for number, wire, value in parts(data):
        seen.count()
        one = tree.get(number)
        if one is None:
            continue  # a field of a later version
        if isinstance(one, dict):
            _read_into(obj, one, _bytes(value), depth + 1, seen)
        elif one.type.form == "list" and not one.type.wrapped:
            obj.setdefault(one.name, []).extend(_items(one.type, wire, value, depth, seen))
        elif one.type.form == "map":
            key, item = _entry(one.type, _bytes(value), depth, seen)
            obj.setdefault(one.name, {})[key] = item
        else:
            found = _read(one.type, wire, value, depth, seen)
            if found is GONE or (one.omit and not one.pointer and _is_unset(one, found)):
                obj.pop(one.name, None)
            else:
                obj[one.name] = found


def _is_unset(one: Field, value: Any) -> bool:
    if isinstance(value, dict):
        return not value and one.omit == "zero"
    if isinstance(value, list):
        return not value
    return value in _ZERO or value == _ZERO_TEXT.get(one.type.form)


def _bytes(value: Any) -> bytes:
    if not isinstance(value, bytes):
        raise ValueError("a message is expected")
    return value


def _read(type_: Type, wire: int, value: Any, depth: int, seen: _Parts) -> Any:
    if type_.form == "struct":
        return _message(type_.name, _bytes(value), depth + 1, seen)
    if type_.form == "list":  # in a message of its own
        inner = type_.of or Type("string")
        found = []
        for _, kind, item in parts(_bytes(value)):
            seen.count()
            found.append(_present(inner, _read(inner, kind, item, depth + 1, seen)))
        return found
    expected, read = _READ[type_.form]
    if wire != expected:
        raise ValueError(f"wire type {wire} for {type_.form}")
    return read(value)


def _present(type_: Type, value: Any) -> Any:
    """What stands for an unset value where something must stand."""
    return None if value is GONE else value


def _items(type_: Type, wire: int, value: Any, depth: int, seen: _Parts) -> list[Any]:
    """One element, or several numbers packed into one field."""
    of = type_.of or Type("string")
    if wire == BYTES and of.form in ("int32", "int64", "uint32", "bool"):
        place, numbers = 0, []
        while place < len(value):
            seen.count()
            number, place = varint_at(value, place)
            numbers.append(_READ[of.form][1](number))
        return numbers
    return [_present(of, _read(of, wire, value, depth, seen))]


def _entry(type_: Type, data: bytes, depth: int, seen: _Parts) -> tuple[str, Any]:
    of = type_.of or Type("string")
    key, item = "", GONE
    for number, wire, value in parts(data):
        if number == 1:
            key = text_of(value)
        elif number == 2:
            item = _read(of, wire, value, depth, seen)
    if item is GONE:
        item = {} if of.form == "struct" else [] if of.form == "list" else {"quantity": "0"}.get(of.form, "")
    return key, item
