"""The media types of answers: a body that is JSON written as YAML, protobuf or CBOR, and the events of a watch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import orjson
import yaml

from procorch.api import cbor, protobuf_writing
from procorch.api.encoding import decode

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
CBOR = cbor.MEDIA
ALL = (JSON, YAML, PROTOBUF, CBOR)


@dataclass(frozen=True, slots=True)
class Framing:
    """How a watch's events follow each other. media: the Content-Type. event: its type and its object's JSON."""

    media: str
    event: Callable[[str, bytes], bytes]


def written(data: bytes, media: str) -> bytes | None:
    """A JSON body in another media type; None for what has no form in it (protobuf of a kind without numbers)."""
    return _WRITERS[media](data)


def indented(data: bytes) -> bytes:
    """For those who look at it."""
    return orjson.dumps(orjson.loads(data), option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)


def _yaml(data: bytes) -> bytes:
    text: str = yaml.dump(decode(data), Dumper=_Dumper, sort_keys=True, allow_unicode=True)
    return text.encode()


def _protobuf(data: bytes) -> bytes | None:
    try:
        return protobuf_writing.encode(decode(data))
    except (KeyError, ValueError):
        return None


_Dumper: type = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
_WRITERS: Mapping[str, Callable[[bytes], bytes | None]] = {
    JSON: lambda data: data,
    YAML: _yaml,
    PROTOBUF: _protobuf,
    CBOR: lambda data: cbor.SELF + cbor.encode(decode(data)),
}
#: those that have a form for watches
FRAMINGS: Mapping[str, Framing] = {
    JSON: Framing(JSON, lambda type_, data: b'{"type":"%b","object":%b}\n' % (type_.encode(), data)),
    PROTOBUF: Framing(
        f"{PROTOBUF};stream=watch", lambda type_, data: protobuf_writing.encode_event(type_, decode(data))
    ),
    CBOR: Framing(cbor.SEQUENCE, lambda type_, data: cbor.SELF + cbor.encode({"type": type_, "object": decode(data)})),
}
