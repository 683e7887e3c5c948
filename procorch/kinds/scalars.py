"""Single values of the API's types: whether they are right, in the words of Go's decoders."""

from __future__ import annotations

import binascii
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

from procorch import quantity

#: judges a value: None for a right one, "" for one of a wrong type, else what is wrong with it
Scalar = Callable[[Any], str | None]


def shape(value: Any, go: str) -> str:
    """What a JSON value is called in such a message; a number that does not fit an integer is shown."""
    if isinstance(value, bool):
        return "bool"
    if isinstance(value, int | float):
        return f"number {value!r}" if go.startswith(("int", "uint")) else "number"
    return "string" if isinstance(value, str) else "array" if isinstance(value, list) else "object"


_TIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d([.,]\d+)?([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_MICROTIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d[.,]\d{6}([Zz]|[+-]\d\d:\d\d)", re.ASCII)
_TIME_PARTS = (("2006", r"\d{4}"), ("-", "-"), ("01", r"\d\d"), ("-", "-"), ("02", r"\d\d"), ("T", "T"),
               ("15", r"\d\d"), (":", ":"), ("04", r"\d\d"), (":", ":"))  # fmt: skip
_ZONE = ("Z07:00", r"Z|[+-]\d\d:\d\d")
#: layout → its last parts: MicroTime wants exactly six digits behind the point
_LAST_PARTS = {
    "2006-01-02T15:04:05Z07:00": (("05", r"\d\d([.,]\d+)?"), _ZONE),
    "2006-01-02T15:04:05.000000Z07:00": (("05", r"\d\d"), (".000000", r"[.,]\d{6}"), _ZONE),
}
_DURATION = re.compile(r"[+-]?(0|((\d+\.?\d*|\.\d+)(ns|us|µs|μs|ms|s|m|h))+)", re.ASCII)


def _integer(low: int, high: int) -> Scalar:
    def judge(value: Any) -> str | None:
        return None if value.__class__ is int and low <= value <= high else ""

    return judge


def _time(layout: str) -> Scalar:
    form = _MICROTIME if ".000000" in layout else _TIME

    def judge(value: Any) -> str | None:
        if value.__class__ is not str:
            return ""
        if form.fullmatch(value):
            return _out_of_range(value)
        rest = value
        for part, pattern in (*_TIME_PARTS, *_LAST_PARTS[layout]):
            match = re.match(pattern, rest, re.ASCII)
            if match is None:
                return f'parsing time "{value}" as "{layout}": cannot parse "{rest}" as "{part}"'
            rest = rest[match.end() :]
        return f'parsing time "{value}": extra text: "{rest}"'

    return judge


def _out_of_range(value: str) -> str | None:
    try:
        datetime.fromisoformat(value[:19].upper())
    except ValueError as error:
        part = str(error).partition(" ")[0]  # "month must be in 1..12"
        return f'parsing time "{value}": {part} out of range'
    return None


def _quantity(value: Any) -> str | None:
    if value.__class__ is not str and value.__class__ is not int and value.__class__ is not float:
        return quantity.WRONG_FORM
    try:
        quantity.read(value)
    except ValueError as error:
        return str(error)
    return None


def _int_or_string(value: Any) -> str | None:
    if value.__class__ is str or (value.__class__ is int and -(2**31) <= value < 2**31):
        return None
    return f"json: cannot unmarshal {shape(value, 'int32')} into Go value of type int32"


def _duration(value: Any) -> str | None:
    if value.__class__ is not str:
        return f"json: cannot unmarshal {shape(value, 'string')} into Go value of type string"
    return None if _DURATION.fullmatch(value) else f'time: invalid duration "{value}"'


def _base64(value: Any) -> str | None:
    if value.__class__ is not str:
        return ""
    try:
        binascii.a2b_base64(value.replace("\n", "").replace("\r", ""), strict_mode=True)
    except ValueError:
        good = re.match(r"[A-Za-z0-9+/\r\n]*", value)
        return f"illegal base64 data at input byte {good.end() if good else 0}"
    return None


SCALARS: dict[str, Scalar] = {
    "string": lambda value: None if value.__class__ is str else "",
    "bool": lambda value: None if value.__class__ is bool else "",
    "int32": _integer(-(2**31), 2**31 - 1),
    "int64": _integer(-(2**63), 2**63 - 1),
    "uint32": _integer(0, 2**32 - 1),
    "double": lambda value: None if value.__class__ in (int, float) else "",
    "bytes": _base64,
    "time": _time("2006-01-02T15:04:05Z07:00"),
    "microtime": _time("2006-01-02T15:04:05.000000Z07:00"),
    "quantity": _quantity,
    "intstr": _int_or_string,
    "duration": _duration,
}


# --- the one form of a value ----------------------------------------------------------------------------------------

#: a right value → the value as Kubernetes writes it; of a wrong one nothing is changed
Canon = Callable[[Any], Any]


def _canonical_quantity(value: Any) -> Any:
    try:
        return quantity.canonical(value)
    except ValueError:
        return value


def _canonical_time(value: Any) -> Any:
    """In UTC, whole seconds: what is beyond is cut off."""
    return _in_utc(value, "seconds")


def _canonical_microtime(value: Any) -> Any:
    return _in_utc(value, "microseconds")


def _in_utc(value: Any, precision: str) -> Any:
    if value.__class__ is not str or not _TIME.fullmatch(value):
        return value
    try:
        moment = datetime.fromisoformat(value.upper().replace(",", ".")).astimezone(UTC)
    except (ValueError, OverflowError):
        return value
    return f"{moment.replace(tzinfo=None).isoformat(timespec=precision)}Z"


def _canonical_base64(value: Any) -> Any:
    """Without line ends."""
    return value.replace("\n", "").replace("\r", "") if value.__class__ is str else value


CANON: dict[str, Canon] = {
    "quantity": _canonical_quantity,
    "time": _canonical_time,
    "microtime": _canonical_microtime,
    "bytes": _canonical_base64,
}
