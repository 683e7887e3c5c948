"""Values that read and write themselves in Go: how times and IntOrString stand in protobuf and in JSON."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Any

from procorch.api.protobuf_wire import delimited, parts, signed, text_of, varint

GONE = object()  # a value that stands for "unset"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def time_text(data: bytes, micro: bool) -> Any:
    """RFC 3339, or GONE for Go's zero time. micro: with microseconds. Raises ValueError."""
    named = {number: value for number, _, value in parts(data)}
    seconds, nanos = signed(named.get(1, 0), 64), signed(named.get(2, 0), 32)
    if not seconds and not nanos:
        return GONE
    try:
        moment = _EPOCH + timedelta(seconds=seconds, microseconds=nanos // 1000 if micro else 0)
    except OverflowError as error:
        raise ValueError(f"{seconds} s is no time") from error
    return moment.isoformat(timespec="microseconds" if micro else "seconds").replace("+00:00", "Z")


@lru_cache(maxsize=4096)  # the same moment stands in many objects
def time_bytes(text: str) -> bytes:
    """Fractions of up to nanoseconds are kept."""
    whole, dot, fraction = text.upper().replace("Z", "+00:00").partition(".")
    zone = ""
    if dot:
        digits = re.match(r"\d*", fraction)
        fraction, zone = (fraction[: digits.end()], fraction[digits.end() :]) if digits else ("", fraction)
    since = datetime.fromisoformat(whole + zone) - _EPOCH
    seconds, nanos = since.days * 86400 + since.seconds, int((fraction + "0" * 9)[:9])
    return b"\x08" + varint(seconds) + (b"\x10" + varint(nanos))


def int_or_string(data: bytes) -> Any:
    named = {number: value for number, _, value in parts(data)}
    return text_of(named.get(3, b"")) if named.get(1, 0) else signed(named.get(2, 0), 32)


def int_or_string_bytes(value: Any) -> bytes:
    if isinstance(value, str):
        return b"\x08\x01\x10\x00" + delimited(3, value.encode())
    return b"\x08\x00\x10" + varint(value) + b"\x1a\x00"
