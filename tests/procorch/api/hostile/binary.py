"""Media types: unknown ones, and protobuf whose lengths lie."""

from __future__ import annotations

from tests.procorch.api.hostile import (
    CBOR,
    CONFIG_MAPS,
    DEEP,
    MIB,
    PODS,
    PROTOBUF,
    TARGET,
    Attack,
    config_map,
    get,
    post,
)


def delimited(number: int, data: bytes) -> bytes:
    return _varint(number << 3 | 2) + _varint(len(data)) + data


def _varint(number: int) -> bytes:
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    return bytes([*out, number])


def envelope(message: bytes, kind: str = "ConfigMap") -> bytes:
    """Kubernetes' protobuf around a message."""
    return b"k8s\0" + delimited(1, delimited(1, b"v1") + delimited(2, kind.encode())) + delimited(2, message)


def protobuf(message: bytes, kind: str = "ConfigMap") -> bytes:
    return post(envelope(message, kind), PROTOBUF, PODS if kind == "Pod" else CONFIG_MAPS)


_BODY = config_map()

MEDIA = [
    Attack("XML", (415,), lambda: post(b"<!DOCTYPE a [<!ENTITY b SYSTEM 'file:///etc/passwd'>]><a>&b;</a>",
                                       "application/xml")),
    Attack("a form", (415,), lambda: post(b"a=b", "application/x-www-form-urlencoded")),
    Attack("a media type of 60 kB", (415,), lambda: post(_BODY, "a" * 60_000)),
    Attack("a media type that is none", (415,), lambda: post(_BODY, ";;;=")),
    Attack("an Accept that nobody serves", (406,), lambda: get(TARGET, Accept="image/png")),
    Attack("an Accept of 10,000 clauses", (406,), lambda: get(TARGET, Accept="a/b;q=0.1," * 5_000)),
    Attack("an Accept with numbers that are none", (406,), lambda: get(TARGET, Accept="application/json;q=nan1")),
    Attack("protobuf: no magic", (400,), lambda: post(b"\x0a\x00", PROTOBUF)),
    Attack("protobuf: nothing but magic", (400,), lambda: post(b"k8s\0", PROTOBUF)),
    Attack("protobuf: a length that lies", (400,), lambda: post(b"k8s\0\x0a\xff\xff\xff\x7fx", PROTOBUF)),
    Attack("protobuf: a length of 2^63", (400,), lambda: post(b"k8s\0\x12" + b"\xff" * 8 + b"\x7fx", PROTOBUF)),
    Attack("protobuf: a number that never ends", (400,), lambda: post(b"k8s\0" + b"\xff" * 1000, PROTOBUF)),
    Attack("protobuf: a length that lies inside", (400,), lambda: protobuf(b"\x0a\x7fx")),
    Attack("protobuf: a group", (400,), lambda: protobuf(b"\x0b\x0c")),
    Attack("protobuf: field number 0", (400,), lambda: protobuf(b"\x02\x00")),
    Attack("protobuf: text that is no UTF-8", (400,), lambda: protobuf(delimited(1, delimited(1, b"\xff")))),
    Attack("protobuf: a number where a message belongs", (400,), lambda: protobuf(b"\x08\x01")),
    Attack("protobuf: a million empty containers", (400, 422), lambda: protobuf(
        delimited(2, delimited(2, b"") * MIB), "Pod")),
    Attack("protobuf: a million entries of a map", (400, 422), lambda: protobuf(delimited(2, b"") * MIB)),
    Attack("protobuf: a million packed numbers", (400, 422), lambda: protobuf(
        delimited(2, delimited(14, delimited(5, b"\x01" * 2 * MIB))), "Pod")),
    Attack("protobuf: bodies in each other", (400, 422), lambda: protobuf(b"\x0a\x80\x80\x80\x01" * 10_000)),
    Attack("protobuf: another kind", (400,), lambda: post(envelope(b"", "Pod"), PROTOBUF)),
    Attack("protobuf: a kind that nobody knows", (400,), lambda: post(envelope(b"", "Nothing"), PROTOBUF)),
    Attack("protobuf: a time in the year 10^11", (400, 422), lambda: protobuf(
        delimited(1, delimited(1, b"hostile") + delimited(8, b"\x08" + b"\xff" * 8 + b"\x7f")))),
    Attack("protobuf: a NUL in the name", (422,), lambda: protobuf(delimited(1, delimited(1, b"a\0b")))),
    Attack("CBOR: nothing", (400,), lambda: post(b"", CBOR)),
    Attack("CBOR: a length that lies", (400,), lambda: post(b"\x5b" + b"\x7f" + b"\xff" * 7 + b"x", CBOR)),
    Attack("CBOR: a list of 2^60 that has two", (400,), lambda: post(b"\x9b\x10" + b"\0" * 7 + b"\x01\x02", CBOR)),
    Attack("CBOR: a map of 2^31 that has none", (400,), lambda: post(b"\xba\x7f\xff\xff\xff", CBOR)),
    Attack("CBOR: 100,000 lists in each other", (400,), lambda: post(b"\x81" * DEEP + b"\0", CBOR)),
    Attack("CBOR: 100,000 lists without an end", (400,), lambda: post(b"\x9f" * DEEP, CBOR)),
    Attack("CBOR: 100,000 tags", (400,), lambda: post(b"\xc6" * DEEP + b"\0", CBOR)),
    Attack("CBOR: a number of a megabyte", (400,), lambda: post(b"\xc2\x5a\0\x10\0\0" + b"\xff" * MIB, CBOR)),
    Attack("CBOR: a fraction with an exponent of 2^60", (400,), lambda: post(
        b"\xc4\x82\x1b\x10" + b"\0" * 7 + b"\x01", CBOR)),
    Attack("CBOR: a value that refers to itself", (400,), lambda: post(b"\xd8\x1c\x81\xd8\x1d\x00", CBOR)),
    Attack("CBOR: NaN", (400,), lambda: post(b"\xa1\x61a\xf9\x7e\0", CBOR)),
    Attack("CBOR: a million empty lists", (400, 422), lambda: post(b"\xa1\x61a\x9a\0\x10\0\0" + b"\x80" * MIB, CBOR)),
    Attack("CBOR: a key that stands twice", (400,), lambda: post(b"\xa2\x61a\0\x61a\0", CBOR)),
    Attack("CBOR: keys that are lists", (400,), lambda: post(b"\xa1\x80\0", CBOR)),
    Attack("CBOR: text that is no UTF-8", (400,), lambda: post(b"\xa1\x61\xff\0", CBOR)),
    Attack("CBOR: a simple value that nobody knows", (400,), lambda: post(b"\xa1\x61a\xf8\xff", CBOR)),
]  # fmt: skip
