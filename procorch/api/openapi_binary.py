"""OpenAPI v2 as a protobuf message: what client-go's OpenAPISchema asks for, and reads nothing else.

Only the messages that kubectl reads are written. Source of the numbers: gnostic-models' openapiv2.Document, as its Go
types in kubectl tell them (tools/wire_table.py reads such).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import orjson

from procorch.api.protobuf_wire import delimited, varint
from procorch.objects import Object

_VARINT = 0


def encode(document: Object) -> bytes:
    """A Swagger 2.0 document, as a dict, in the message's form."""
    out = text(1, document["swagger"])
    out += delimited(2, text(1, document["info"]["title"]) + text(2, document["info"]["version"]))
    out += delimited(8, b"".join(delimited(2, named(path, _path_item(item)))
                                 for path, item in document["paths"].items()))  # fmt: skip
    return out + delimited(9, _schemas(document["definitions"]))


def text(number: int, value: str) -> bytes:
    return delimited(number, value.encode()) if value else b""


def truth(number: int, value: bool) -> bytes:
    return varint(number << 3 | _VARINT) + b"\x01" if value else b""


def named(name: str, value: bytes) -> bytes:
    return text(1, name) + delimited(2, value)


def extensions(number: int, of: Mapping[str, Any]) -> bytes:
    """JSON is YAML, and YAML is what the message holds."""
    return b"".join(delimited(number, named(name, delimited(2, orjson.dumps(value))))
                    for name, value in of.items() if name.startswith("x-"))  # fmt: skip


def _schemas(of: Mapping[str, Any]) -> bytes:
    return b"".join(delimited(1, named(name, _schema(value))) for name, value in of.items())


def _schema(of: Mapping[str, Any]) -> bytes:
    out = text(1, of.get("$ref", "")) + text(2, of.get("format", "")) + text(4, of.get("description", ""))
    if "default" in of:
        out += delimited(5, delimited(2, orjson.dumps(of["default"])))
    out += b"".join(text(19, name) for name in of.get("required", ()))
    out += b"".join(delimited(20, delimited(2, orjson.dumps(value))) for value in of.get("enum", ()))
    if "additionalProperties" in of:
        out += delimited(21, delimited(1, _schema(of["additionalProperties"])))
    if "type" in of:
        out += delimited(22, text(1, of["type"]))
    if "items" in of:
        out += delimited(23, delimited(1, _schema(of["items"])))
    if "properties" in of:
        out += delimited(25, _schemas(of["properties"]))
    return out + extensions(31, of)


_METHODS = {"get": 2, "put": 3, "post": 4, "delete": 5, "options": 6, "head": 7, "patch": 8}


def _path_item(item: Mapping[str, Any]) -> bytes:
    out = b"".join(delimited(number, _operation(item[name])) for name, number in _METHODS.items() if name in item)
    return out + b"".join(_parameter(9, one) for one in item.get("parameters", ()))


def _operation(of: Mapping[str, Any]) -> bytes:
    out = b"".join(text(1, tag) for tag in of["tags"]) + text(5, of["operationId"])
    out += b"".join(text(7, media) for media in of.get("consumes", ()))
    out += b"".join(_parameter(8, one) for one in of["parameters"])
    answers = (named(code, delimited(1, text(1, one["description"]))) for code, one in of["responses"].items())
    return out + delimited(9, b"".join(delimited(1, one) for one in answers)) + extensions(13, of)


def _parameter(number: int, of: Mapping[str, Any]) -> bytes:
    """A ParametersItem around a Parameter, around one of its kinds."""
    if of["in"] == "body":
        body = text(2, of["name"]) + text(3, "body") + truth(4, of.get("required", False))
        inner = delimited(1, body + delimited(5, _schema(of["schema"])))
    else:
        needed, place = truth(1, of.get("required", False)), 4 if of["in"] == "path" else 3
        # From the fifth field on a query parameter has one more (allow_empty_value) than one in the path.
        rest = text(2, of["in"]) + text(4, of["name"]) + text(6 if place == 3 else 5, of["type"])
        inner = delimited(2, delimited(place, needed + rest))
    return delimited(number, delimited(1, inner))
