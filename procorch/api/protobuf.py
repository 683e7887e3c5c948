"""Kubernetes' protobuf: bodies that kubectl's imperative commands and Go clients send, to objects and back.

A body is four bytes and a `runtime.Unknown`: {1: {1: apiVersion, 2: kind}, 2: the object's message, 3: encoding,
4: media type of the message}. How the messages are numbered is in the field tables; nothing is generated per kind.

Go writes every field that is not a pointer, zero or not. So a zero is dropped where Go's own JSON would drop it
(`omitempty` and no pointer), and a decoded object equals what the same client would have sent as JSON.
"""

from __future__ import annotations

import base64
import re
import struct
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import orjson

from procorch.kinds import schema
from procorch.kinds.schema import Field, Type
from procorch.objects import Object

MAGIC = b"k8s\x00"
_MAX_DEPTH = 100
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
#: a field number, the wire type and its value: an int, or the bytes of what has a length or a fixed size
_Part = tuple[int, int, Any]
_GONE = object()  # a value that stands for "unset"


def decode(data: bytes) -> Object:
    """A body as an object. Raises ValueError for what is no such body, KeyError for a kind that nobody described."""
    if not data.startswith(MAGIC):
        raise ValueError("it does not begin with k8s\\x00")
    api_version = kind = ""
    raw, media, encoding = b"", "", ""
    for number, wire, value in _parts(data[len(MAGIC) :]):
        if wire != _BYTES:
            raise ValueError(f"field {number} of the envelope has wire type {wire}")
        match number:
            case 1:
                named = {inner: text for inner, _, text in _parts(value)}
                api_version, kind = _text(named.get(1, b"")), _text(named.get(2, b""))
            case 2:
                raw = value
            case 3:
                encoding = _text(value)
            case 4:
                media = _text(value)
    if encoding:
        raise ValueError(f"content encoding {encoding}")
    if media not in ("", "application/vnd.kubernetes.protobuf"):
        obj = _inner_json(raw)
        if not isinstance(obj, dict):
            raise ValueError("what is inside is no object")
        return obj
    name = _name(api_version, kind)
    return {"apiVersion": api_version, "kind": kind, **_message(name, raw, 0)}


def encode(obj: Object) -> bytes:
    """An object, or a list, as a whole body. Raises KeyError for a kind that nobody described, ValueError for values
    of wrong types."""
    api_version, kind = obj["apiVersion"], obj["kind"]
    named = delimited(1, api_version.encode()) + delimited(2, kind.encode())
    try:
        message = _encoded(_name(api_version, kind), obj)
    except (TypeError, AttributeError, struct.error) as error:
        raise ValueError(f"{kind} cannot be written as protobuf: {error}") from error
    return MAGIC + delimited(1, named) + delimited(2, message) + b"\x1a\x00\x22\x00"


def encode_event(type_: str, obj: Object) -> bytes:
    """One frame of a watch: four bytes of length, and a WatchEvent with the object's whole body in it."""
    event = delimited(1, type_.encode()) + delimited(2, delimited(1, encode(obj)))
    return len(event).to_bytes(4, "big") + event


def _name(api_version: str, kind: str) -> str:
    """The definition of the object inside. Raises KeyError for a kind without one, or without field numbers."""
    group, slash, version = api_version.rpartition("/")
    name = schema.name_of(group if slash else "", version, kind)
    if not _tree(name):
        raise KeyError(f"{kind} has no form in protobuf")
    return name


def _text(data: Any) -> str:
    if not isinstance(data, bytes):
        raise ValueError("text is expected")
    return data.decode()


def _inner_json(data: bytes) -> Any:
    try:
        return orjson.loads(data) if data else None
    except orjson.JSONDecodeError as error:
        raise ValueError(f"the JSON inside is none: {error}") from error


# --- the wire --------------------------------------------------------------------------------------------------------


def _varint_at(data: bytes, place: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        if place >= len(data) or shift > 63:
            raise ValueError("a number is cut off or too long")
        byte = data[place]
        place += 1
        number |= (byte & 127) << shift
        if byte < 128:
            return number & 0xFFFFFFFFFFFFFFFF, place
        shift += 7


def _parts(data: bytes) -> Iterator[_Part]:
    """The fields of a message, as they come."""
    place, end = 0, len(data)
    while place < end:
        tag, place = _varint_at(data, place)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == _VARINT:
            value, place = _varint_at(data, place)
        elif wire in (_BYTES, _FIXED64, _FIXED32):
            size = 8 if wire == _FIXED64 else 4
            if wire == _BYTES:
                size, place = _varint_at(data, place)
            value = data[place : place + size]
            if len(value) != size:
                raise ValueError("a field is cut off")
            place += size
        else:
            raise ValueError(f"wire type {wire}")
        if number == 0:
            raise ValueError("field number 0")
        yield number, wire, value


def varint(number: int) -> bytes:
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(number: int, data: bytes) -> bytes:
    return varint(number << 3 | _BYTES) + varint(len(data)) + data


def _signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number


# --- values ----------------------------------------------------------------------------------------------------------


def _time_text(data: bytes, micro: bool) -> Any:
    named = {number: value for number, _, value in _parts(data)}
    seconds, nanos = _signed(named.get(1, 0), 64), _signed(named.get(2, 0), 32)
    if not seconds and not nanos:
        return _GONE
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000 if micro else 0)
    except OverflowError as error:
        raise ValueError(f"{seconds} s is no time") from error
    return moment.isoformat(timespec="microseconds" if micro else "seconds").replace("+00:00", "Z")


def _time_bytes(text: str) -> bytes:
    """Fractions of up to nanoseconds are kept."""
    whole, dot, fraction = text.upper().replace("Z", "+00:00").partition(".")
    zone = ""
    if dot:
        digits = re.match(r"\d*", fraction)
        fraction, zone = (fraction[: digits.end()], fraction[digits.end() :]) if digits else ("", fraction)
    since = datetime.fromisoformat(whole + zone) - _EPOCH
    seconds, nanos = since.days * 86400 + since.seconds, int((fraction + "0" * 9)[:9])
    return b"\x08" + varint(seconds) + (b"\x10" + varint(nanos))


def _duration_text(nanos: int) -> str:
    """Source: the form of time.Duration.String in Go."""
    sign, rest = ("-" if nanos < 0 else ""), abs(nanos)
    if rest < 10**9:
        unit, size = ("ns", 1) if rest < 1000 else ("µs", 1000) if rest < 10**6 else ("ms", 10**6)
        return "0s" if not rest else f"{sign}{_decimal(rest, size)}{unit}"
    hours, rest = divmod(rest, 3600 * 10**9)
    minutes, rest = divmod(rest, 60 * 10**9)
    text = f"{_decimal(rest, 10**9)}s"
    if hours or minutes:
        text = f"{minutes}m{text}"
    return f"{sign}{hours}h{text}" if hours else f"{sign}{text}"


def _decimal(amount: int, unit: int) -> str:
    whole, part = divmod(amount, unit)
    return f"{whole}.{str(part).zfill(len(str(unit)) - 1)}".rstrip("0").rstrip(".") if part else str(whole)


_UNITS = {"ns": 1, "us": 10**3, "µs": 10**3, "μs": 10**3, "ms": 10**6, "s": 10**9, "m": 60 * 10**9, "h": 3600 * 10**9}


def _duration_nanos(text: str) -> int:
    total = 0
    for whole, part, unit in re.findall(r"(\d*)(?:\.(\d*))?(ns|us|µs|μs|ms|s|m|h)", text):
        total += int(whole or 0) * _UNITS[unit] + int(part or 0) * _UNITS[unit] // 10 ** len(part)
    return -total if text.startswith("-") else total


def _int_or_string(data: bytes) -> Any:
    named = {number: value for number, _, value in _parts(data)}
    return _text(named.get(3, b"")) if named.get(1, 0) else _signed(named.get(2, 0), 32)


def _first(data: bytes, default: Any = b"") -> Any:
    """Field 1 of a message that has only that."""
    return next((value for number, _, value in _parts(data) if number == 1), default)


def _raw(data: bytes) -> Any:
    inner = _first(data)
    if not inner:
        return _GONE
    return decode(inner) if inner.startswith(MAGIC) else _inner_json(inner)


_READ: dict[str, tuple[int, Callable[[Any], Any]]] = {
    "string": (_BYTES, _text),
    "bool": (_VARINT, bool),
    "int32": (_VARINT, lambda number: _signed(number, 32)),
    "int64": (_VARINT, lambda number: _signed(number, 64)),
    "uint32": (_VARINT, lambda number: number & 0xFFFFFFFF),
    "double": (_FIXED64, lambda data: struct.unpack("<d", data)[0]),
    "bytes": (_BYTES, lambda data: base64.b64encode(data).decode()),
    "time": (_BYTES, lambda data: _time_text(data, False)),
    "microtime": (_BYTES, lambda data: _time_text(data, True)),
    "duration": (_BYTES, lambda data: _duration_text(_signed(_first(data, 0), 64))),
    "quantity": (_BYTES, lambda data: _text(_first(data)) or "0"),
    "intstr": (_BYTES, _int_or_string),
    "raw": (_BYTES, _raw),
    "fields": (_BYTES, _raw),
    "any": (_BYTES, _raw),
}
_ZERO = ("", 0, False)
_ZERO_TEXT = {"quantity": "0", "duration": "0s"}


def _int_or_string_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return b"\x08\x01\x10\x00" + delimited(3, value.encode())
    return b"\x08\x00\x10" + varint(value) + b"\x1a\x00"


_WRITE: dict[str, tuple[int, Callable[[Any], bytes]]] = {
    "string": (_BYTES, lambda text: text.encode()),
    "bool": (_VARINT, lambda truth: b"\x01" if truth else b"\x00"),
    "int32": (_VARINT, varint),
    "int64": (_VARINT, varint),
    "uint32": (_VARINT, varint),
    "double": (_FIXED64, lambda number: struct.pack("<d", number)),
    "bytes": (_BYTES, base64.b64decode),
    "time": (_BYTES, _time_bytes),
    "microtime": (_BYTES, _time_bytes),
    "duration": (_BYTES, lambda text: b"\x08" + varint(_duration_nanos(text))),
    "quantity": (_BYTES, lambda value: delimited(1, str(value).encode())),
    "intstr": (_BYTES, _int_or_string_bytes),
    "raw": (_BYTES, lambda value: delimited(1, orjson.dumps(value))),
    "fields": (_BYTES, lambda value: delimited(1, orjson.dumps(value))),
    "any": (_BYTES, lambda value: delimited(1, orjson.dumps(value))),
}


# --- messages --------------------------------------------------------------------------------------------------------

#: number → a field, or the fields of an embedded message, whose JSON stands beside the others
_Tree = dict[int, "Field | _Tree"]


@cache
def _tree(name: str) -> _Tree:
    tree: _Tree = {}
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


def _message(name: str, data: bytes, depth: int) -> Object:
    obj: Object = {}
    _read_into(obj, _tree(name), data, depth)
    return obj


def _read_into(obj: Object, tree: _Tree, data: bytes, depth: int) -> None:
    if depth > _MAX_DEPTH:
        raise ValueError("messages lie too deep in each other")
    for number, wire, value in _parts(data):
        one = tree.get(number)
        if one is None:
            continue  # a field of a later version
        if isinstance(one, dict):
            _read_into(obj, one, _bytes(value), depth + 1)
        elif one.type.form == "list" and not one.type.wrapped:
            obj.setdefault(one.name, []).extend(_items(one.type, wire, value, depth))
        elif one.type.form == "map":
            key, item = _entry(one.type, _bytes(value), depth)
            obj.setdefault(one.name, {})[key] = item
        else:
            found = _read(one.type, wire, value, depth)
            if found is _GONE or (one.omit and not one.pointer and _is_unset(one, found)):
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


def _read(type_: Type, wire: int, value: Any, depth: int) -> Any:
    if type_.form == "struct":
        return _message(type_.name, _bytes(value), depth + 1)
    if type_.form == "list":  # in a message of its own
        inner = type_.of or Type("string")
        return [_present(inner, _read(inner, kind, item, depth + 1)) for _, kind, item in _parts(_bytes(value))]
    expected, read = _READ[type_.form]
    if wire != expected:
        raise ValueError(f"wire type {wire} for {type_.form}")
    return read(value)


def _present(type_: Type, value: Any) -> Any:
    """What stands for an unset value where something must stand."""
    return None if value is _GONE else value


def _items(type_: Type, wire: int, value: Any, depth: int) -> list[Any]:
    """One element, or several numbers packed into one field."""
    of = type_.of or Type("string")
    if wire == _BYTES and of.form in ("int32", "int64", "uint32", "bool"):
        place, numbers = 0, []
        while place < len(value):
            number, place = _varint_at(value, place)
            numbers.append(_READ[of.form][1](number))
        return numbers
    return [_present(of, _read(of, wire, value, depth))]


def _entry(type_: Type, data: bytes, depth: int) -> tuple[str, Any]:
    of = type_.of or Type("string")
    key, item = "", _GONE
    for number, wire, value in _parts(data):
        if number == 1:
            key = _text(value)
        elif number == 2:
            item = _read(of, wire, value, depth)
    if item is _GONE:
        item = {} if of.form == "struct" else [] if of.form == "list" else {"quantity": "0"}.get(of.form, "")
    return key, item


def _encoded(name: str, obj: Object) -> bytes:
    return _written(_tree(name), obj)


def _written(tree: _Tree, obj: Object) -> bytes:
    out = bytearray()
    for number in sorted(tree):
        one = tree[number]
        if isinstance(one, dict):
            out += delimited(number, _written(one, obj))
            continue
        value = obj.get(one.name)
        if value is None:
            continue
        if one.type.form == "list" and not one.type.wrapped:
            of = one.type.of or Type("string")
            for item in value:
                out += _field(number, of, item)
        elif one.type.form == "map":
            of = one.type.of or Type("string")
            for key, item in value.items():
                out += delimited(number, delimited(1, key.encode()) + _field(2, of, item))
        else:
            out += _field(number, one.type, value)
    return bytes(out)


def _field(number: int, type_: Type, value: Any) -> bytes:
    if type_.form == "struct":
        return delimited(number, _encoded(type_.name, value))
    if type_.form == "list":
        inner = type_.of or Type("string")
        return delimited(number, b"".join(_field(1, inner, item) for item in value))
    wire, write = _WRITE[type_.form]
    data = write(value)
    return delimited(number, data) if wire == _BYTES else varint(number << 3 | wire) + data
