"""The protobuf form of OpenAPI v3: read back, every document says what its JSON says."""

from __future__ import annotations

import struct
from typing import Any

import orjson
import pytest

from procorch.api import openapi_v3_binary
from procorch.api.openapi import V3_BINARY, OpenAPI
from procorch.api.protobuf_wire import parts
from procorch.api.request import Request
from procorch.kinds import KINDS

DOCUMENTS = OpenAPI(KINDS)
VERSIONS = sorted({kind.api_version for kind in KINDS})


class Message:
    """The fields of a message, by number."""

    def __init__(self, data: bytes) -> None:
        self.fields: dict[int, list[Any]] = {}
        for number, _, value in parts(data):
            self.fields.setdefault(number, []).append(value)

    def texts(self, number: int) -> list[str]:
        return [bytes(value).decode() for value in self.fields.get(number, ())]

    def text(self, number: int) -> str:
        return (self.texts(number) or [""])[0]

    def all(self, number: int) -> list[Message]:
        return [Message(bytes(value)) for value in self.fields.get(number, ())]

    def at(self, *numbers: int) -> Message:
        found = self
        for number in numbers:
            (found,) = found.all(number)
        return found

    def by_name(self, number: int) -> dict[str, Message]:
        return {one.text(1): one.at(2) for one in self.all(number)}


def present(**values: Any) -> dict[str, Any]:
    """Without what is not there."""
    return {name.replace("_", "$"): value for name, value in values.items() if value not in (None, "", [], {}, False)}


def either(message: Message) -> dict[str, Any]:
    """A schema or a reference."""
    if 2 in message.fields:
        return {"$ref": message.at(2).text(1)}
    one = message.at(1)
    found = present(
        type=one.text(25), format=one.text(35), description=one.text(34), required=one.texts(23),
        uniqueItems=bool(one.fields.get(20)),
        enum=[orjson.loads(value.text(2)) for value in one.all(24)],
        allOf=[either(value) for value in one.all(26)], oneOf=[either(value) for value in one.all(27)],
    )  # fmt: skip
    if 30 in one.fields:
        found["items"] = either(one.at(30, 1))
    if 31 in one.fields:
        found["properties"] = {name: either(value) for name, value in one.at(31).by_name(1).items()}
    if 32 in one.fields:
        found["additionalProperties"] = either(one.at(32, 1))
    return found | default(one) | extensions(one, 36)


def default(one: Message) -> dict[str, Any]:
    for value in one.all(33):
        (number,) = value.fields
        (raw,) = value.fields[number]
        if number == 1:
            return {"default": struct.unpack("<d", raw)[0] if isinstance(raw, bytes | memoryview) else raw}
        return {"default": bool(raw) if number == 2 else bytes(raw).decode()}
    return {}


def extensions(one: Message, number: int) -> dict[str, Any]:
    return {name: orjson.loads(value.text(2)) for name, value in one.by_name(number).items()}


def parameter(message: Message) -> dict[str, Any]:
    one = message.at(1)
    found = {"name": one.text(1), "in": one.text(2), "schema": either(one.at(10))}
    return found | ({"required": True} if 4 in one.fields else {})


def content(one: Message, number: int) -> dict[str, Any]:
    if number not in one.fields:
        return {}
    return {"content": {media: {"schema": either(value.at(1))} for media, value in one.at(number).by_name(1).items()}}


def operation(one: Message) -> dict[str, Any]:
    answers = {code: value.at(1) for code, value in one.at(8).by_name(2).items()}
    found: dict[str, Any] = {
        "tags": one.texts(1), "operationId": one.text(5), "parameters": [parameter(value) for value in one.all(6)],
        "responses": {code: {"description": value.text(1), **content(value, 3)} for code, value in answers.items()},
    }  # fmt: skip
    if 7 in one.fields:
        body = one.at(7, 1)
        found["requestBody"] = content(body, 2) | ({"required": True} if 3 in body.fields else {})
    return found | extensions(one, 13)


METHODS = {4: "get", 5: "put", 6: "post", 7: "delete", 8: "options", 9: "head", 10: "patch"}


def document(data: bytes) -> dict[str, Any]:
    whole = Message(data)
    paths = {}
    for path, item in whole.at(4).by_name(1).items():
        rows = {name: operation(item.at(number)) for number, name in METHODS.items() if number in item.fields}
        paths[path] = {**rows, "parameters": [parameter(value) for value in item.all(13)]}
    schemas = {name: either(value) for name, value in whole.at(5, 1).by_name(1).items()}
    info = {"title": whole.at(2).text(1), "version": whole.at(2).text(6)}
    return {"openapi": whole.text(1), "info": info, "paths": paths, "components": {"schemas": schemas}}


def spare(value: Any, *, named: bool = False) -> Any:
    """The JSON without what the message has no place for: empty properties, and defaults that are maps.

    named: the keys are names of fields.
    """
    if isinstance(value, list):
        return [spare(one) for one in value]
    if not isinstance(value, dict):
        return value
    kept = {name: spare(one, named=name == "properties" and not named) for name, one in value.items()
            if named or not (name == "default" and isinstance(one, dict))}  # fmt: skip
    return {name: one for name, one in kept.items() if named or name != "properties" or one}


@pytest.mark.parametrize("version", VERSIONS)
def test_every_document_reads_back_as_its_json(version):
    wanted = orjson.loads(DOCUMENTS.v3(version))

    assert document(DOCUMENTS.v3_proto(version)) == spare(wanted)


def test_defaults_have_the_type_that_they_are_of():
    schemas = {name: {"type": "x", "default": value}
               for name, value in {"a": 1.5, "b": True, "c": False, "d": "", "e": 0, "f": {}}.items()}  # fmt: skip
    whole = {"openapi": "3.0.0", "info": {"title": "", "version": ""}, "paths": {}, "components": {"schemas": schemas}}
    found = Message(openapi_v3_binary.encode(whole)).at(5, 1).by_name(1)

    assert {name: default(one.at(1)).get("default") for name, one in found.items()} == {
        "a": 1.5, "b": True, "c": False, "d": "", "e": 0.0, "f": None,
    }  # fmt: skip


@pytest.mark.parametrize("asked", [V3_BINARY, V3_BINARY.replace(".v1.0", "@v1.0")])
def test_it_is_served_under_the_hash_of_its_json(asked):
    def ask(accept: str, query: dict[str, str]):
        return DOCUMENTS.answer(Request("GET", "/openapi/v3/apis/apps/v1", query, {"accept": accept}))

    plain = ask("application/json", {})
    binary = ask(f"{asked}, application/json;q=0.5", {"hash": plain.headers["ETag"].strip('"')})

    assert binary.status == 200 and binary.headers["Content-Type"] == V3_BINARY
    assert binary.headers["ETag"] == plain.headers["ETag"] and "immutable" in binary.headers["Cache-Control"]
    assert binary.body == DOCUMENTS.v3_proto("apps/v1") != plain.body
