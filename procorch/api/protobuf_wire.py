"""Protobuf's wire: numbers of variable length, and messages as a row of numbered parts.

Source: the protobuf documentation, "Encoding".
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

VARINT, FIXED64, BYTES, FIXED32 = 0, 1, 2, 5
#: a field number, the wire type and its value: an int, or the bytes of what has a length or a fixed size
Part = tuple[int, int, Any]


def varint_at(data: bytes, place: int) -> tuple[int, int]:
    """The number that begins at `place`, and where it ends. Raises ValueError."""
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


def parts(data: bytes) -> Iterator[Part]:
    """The fields of a message, as they come. Raises ValueError."""
    place, end = 0, len(data)
    while place < end:
        tag, place = varint_at(data, place)
        number, wire = tag >> 3, tag & 7
        value: Any
        if wire == VARINT:
            value, place = varint_at(data, place)
        elif wire in (BYTES, FIXED64, FIXED32):
            size = 8 if wire == FIXED64 else 4
            if wire == BYTES:
                size, place = varint_at(data, place)
            value = data[place : place + size]
            if len(value) != size:
                raise ValueError("a field is cut off")
            place += size
        else:
            raise ValueError(f"wire type {wire}")
        if number == 0:
            raise ValueError("field number 0")
        yield number, wire, value


def text_of(data: Any) -> str:
    """Raises ValueError for a part that has no length, and for what is no UTF-8."""
    if not isinstance(data, bytes):
        raise ValueError("text is expected")
    return data.decode()


def varint(number: int) -> bytes:
    number &= 0xFFFFFFFFFFFFFFFF
    out = bytearray()
    while number > 127:
        out.append(number & 127 | 128)
        number >>= 7
    out.append(number)
    return bytes(out)


def delimited(number: int, data: bytes) -> bytes:
    return varint(number << 3 | BYTES) + varint(len(data)) + data


def signed(number: int, bits: int) -> int:
    number &= (1 << bits) - 1
    return number - (1 << bits) if number >> (bits - 1) else number
