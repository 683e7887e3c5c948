"""OpenAPI v3 as a protobuf message, one document a group version: what client-go's openapi3 asks for by media type.

Source of the numbers: gnostic-models' openapiv3.Document. A default that is neither a number, nor a truth, nor text has
no place in the message, as in kube-apiserver's.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from procorch.api.openapi_binary import extensions, named, text, truth
from procorch.api.protobuf_wire import delimited, varint
from procorch.objects import Object

_FIXED64 = 1
_METHODS = {"get": 4, "put": 5, "post": 6, "delete": 7, "options": 8, "head": 9, "patch": 10}


def encode(document: Object) -> bytes:
    """An OpenAPI 3.0 document, as a dict, in the message's form."""
    out = text(1, document["openapi"])
    out += delimited(2, text(1, document["info"]["title"]) + text(6, document["info"]["version"]))
    out += delimited(4, b"".join(delimited(1, named(path, _path_item(item)))
                                 for path, item in document["paths"].items()))  # fmt: skip
    return out + delimited(5, delimited(1, _each(document["components"]["schemas"])))


def _each(of: Mapping[str, Any]) -> bytes:
    """Schemas by name."""
    return b"".join(delimited(1, named(name, _schema_or_reference(value))) for name, value in of.items())


def _schema_or_reference(of: Mapping[str, Any]) -> bytes:
    return delimited(2, text(1, of["$ref"])) if "$ref" in of else delimited(1, _schema(of))


def _schema(of: Mapping[str, Any]) -> bytes:
    out = truth(20, of.get("uniqueItems", False))
    out += b"".join(text(23, name) for name in of.get("required", ()))
    out += b"".join(delimited(24, delimited(2, orjson.dumps(value))) for value in of.get("enum", ()))
    out += text(25, of.get("type", ""))
    for number, name in ((26, "allOf"), (27, "oneOf")):
        out += b"".join(delimited(number, _schema_or_reference(one)) for one in of.get(name, ()))
    if "items" in of:
        out += delimited(30, delimited(1, _schema_or_reference(of["items"])))
    if of.get("properties"):
        out += delimited(31, _each(of["properties"]))
    if "additionalProperties" in of:
        out += delimited(32, delimited(1, _schema_or_reference(of["additionalProperties"])))
    out += _default(of.get("default"))
    return out + text(34, of.get("description", "")) + text(35, of.get("format", "")) + extensions(36, of)


def _default(value: Any) -> bytes:
    if isinstance(value, bool):
        return delimited(33, varint(2 << 3) + (b"\x01" if value else b"\x00"))
    if isinstance(value, int | float):
        return delimited(33, varint(1 << 3 | _FIXED64) + struct.pack("<d", value))
    if isinstance(value, str):
        return delimited(33, delimited(3, value.encode()))
    return b""


def _path_item(item: Mapping[str, Any]) -> bytes:
    out = b"".join(delimited(number, _operation(item[name])) for name, number in _METHODS.items() if name in item)
    return out + _parameters(13, item.get("parameters", ()))


def _operation(of: Mapping[str, Any]) -> bytes:
    out = b"".join(text(1, tag) for tag in of["tags"]) + text(5, of["operationId"])
    out += _parameters(6, of["parameters"])
    if "requestBody" in of:
        body = _content(2, of["requestBody"]) + truth(3, of["requestBody"].get("required", False))
        out += delimited(7, delimited(1, body))
    answers = (named(code, delimited(1, text(1, one["description"]) + _content(3, one)))
               for code, one in of["responses"].items())  # fmt: skip
    return out + delimited(8, b"".join(delimited(2, one) for one in answers)) + extensions(13, of)


def _content(number: int, of: Mapping[str, Any]) -> bytes:
    """What stands in a body, by media type."""
    if "content" not in of:
        return b""
    rows = (named(media, delimited(1, _schema_or_reference(one["schema"]))) for media, one in of["content"].items())
    return delimited(number, b"".join(delimited(1, row) for row in rows))


def _parameters(number: int, of: Iterable[Mapping[str, Any]]) -> bytes:
    out = b""
    for one in of:
        inner = text(1, one["name"]) + text(2, one["in"]) + truth(4, one.get("required", False))
        out += delimited(number, delimited(1, inner + delimited(10, _schema_or_reference(one["schema"]))))
    return out
