"""The protobuf form of OpenAPI v2, read back field by field; kubectl itself reads it in test_openapi.py."""

from __future__ import annotations

from typing import Any

from procorch.api import openapi_binary
from procorch.api.protobuf_wire import parts

DOCUMENT = {
    "swagger": "2.0",
    "info": {"title": "T", "version": "v1"},
    "paths": {"/a": {"get": {
        "tags": ["t"], "operationId": "getA", "x-kubernetes-action": "get", "responses": {"200": {"description": "OK"}},
        "parameters": [{"name": "q", "in": "query", "type": "string"},
                       {"name": "body", "in": "body", "required": True, "schema": {"$ref": "#/definitions/A"}}],
    }, "parameters": [{"name": "p", "in": "path", "type": "string", "required": True}]}},
    "definitions": {"A": {"type": "object", "required": ["x"], "properties": {
        "x": {"type": "array", "items": {"type": "string"}, "description": "Letters."},
        "y": {"type": "object", "additionalProperties": {"type": "integer", "format": "int32"}, "default": {}}}}},
}  # fmt: skip


def at(data: bytes, *numbers: int) -> list[Any]:
    """What stands at the end of a path of field numbers."""
    found: list[Any] = [data]
    for number in numbers:
        found = [value for one in found for here, _, value in parts(one) if here == number]
    return found


def test_the_document_reads_back():
    data = openapi_binary.encode(DOCUMENT)

    assert at(data, 1) == [b"2.0"]
    assert at(data, 2, 2) == [b"v1"]
    assert at(data, 8, 2, 1) == [b"/a"]
    assert at(data, 8, 2, 2, 2, 5) == [b"getA"]
    assert at(data, 8, 2, 2, 2, 8, 1, 2, 3, 4) == [b"q"]
    assert at(data, 8, 2, 2, 2, 8, 1, 1, 5, 1) == [b"#/definitions/A"]
    assert at(data, 8, 2, 2, 9, 1, 2, 4, 4) == [b"p"]
    assert at(data, 8, 2, 2, 2, 13, 2, 2) == [b'"get"']
    assert at(data, 9, 1, 1) == [b"A"]
    assert at(data, 9, 1, 2, 19) == [b"x"]
    assert at(data, 9, 1, 2, 25, 1, 2, 23, 1, 22, 1) == [b"string"]
    assert at(data, 9, 1, 2, 25, 1, 2, 4) == [b"Letters."]
    assert at(data, 9, 1, 2, 25, 1, 2, 21, 1, 2) == [b"int32"]
    assert at(data, 9, 1, 2, 25, 1, 2, 5, 2) == [b"{}"]
