"""CBOR bodies and answers, which hold the same values as JSON ones.

What Kubernetes' own reader takes is taken: text that is written as a byte string, bytes that say they mean base64,
times. Whatever JSON has not got is refused. Source: apimachinery pkg/runtime/serializer/cbor.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Callable, Mapping
from typing import Any

import cbor2

from procorch.clock import timestamp

MEDIA = "application/cbor"
SEQUENCE = "application/cbor-seq"  # a watch: one item after another
#: the tag that only says "this is CBOR", with which every document begins
SELF = b"\xd9\xd9\xf7"


def encode(value: Any) -> bytes:
    """A value of JSON as one item, without SELF: what a sequence is made of."""
    return cbor2.dumps(value)


def decode(data: bytes, max_depth: int) -> Any:
    """One item as a value of JSON. Raises ValueError."""
    source = io.BytesIO(data)
    try:
        found = cbor2.load(source, semantic_decoders=_TAGS, tag_hook=_content, max_depth=max_depth,
                           allow_duplicate_keys=False, strict_hashable_types=True)  # fmt: skip
    except (cbor2.CBORError, RecursionError, OverflowError) as error:
        raise ValueError(" ".join(str(error).split())) from error
    if source.tell() != len(data):
        raise ValueError("something follows the value")
    return _plain(found)


def _plain(value: Any) -> Any:
    """Texts instead of byte strings. Raises ValueError for what JSON cannot say."""
    if isinstance(value, dict):
        found = {_text(name): _plain(item) for name, item in value.items()}
        if len(found) < len(value):
            raise ValueError("a key stands twice, as text and as bytes")
        return found
    if isinstance(value, list):
        return [_plain(item) for item in value]
    if isinstance(value, bytes):
        return _text(value)
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError("a number is not finite")
    if isinstance(value, int) and not -(2**63) <= value < 2**63:
        raise ValueError("a number has more than 64 bits")
    if value is None or isinstance(value, str | int | float):
        return value
    raise ValueError(f"a value is neither text, number, true, false, null, list nor map: {value!r}"[:200])


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bytes):
        return value.decode()  # UnicodeDecodeError is a ValueError
    raise ValueError("a key is no text")


# --- tags: none may become an object of Python's, or point elsewhere in the document ---------------------------------

_Tag = Callable[[Any, bool], Any]  # the value beneath the tag, and whether it is to be hashable


def _content(tag: cbor2.CBORTag, immutable: bool) -> Any:
    return tag.value


def _inside(value: Any, immutable: bool) -> Any:
    return value


def _refused(value: Any, immutable: bool) -> Any:
    raise cbor2.CBORDecodeError("a tag is not supported: a large number, or a reference to another value")


def _later(encoded: Callable[[bytes], bytes]) -> _Tag:
    """Bytes that are to be text in JSON, and how."""
    return lambda value, immutable: encoded(value).decode() if isinstance(value, bytes) else value


def _time(value: Any, immutable: bool) -> Any:
    if not isinstance(value, int | float) or not 0 <= value < 253402300800:
        raise cbor2.CBORDecodeError("a time is none")
    return timestamp(value)


_REFERENCES = (2, 3, 4, 5, 25, 28, 29, 30, 256)
_NO_MEANING = (0, 35, 36, 37, 52, 54, 100, 258, 260, 261, 1004, 43000, 55799)
_TAGS: Mapping[int, _Tag] = {
    **dict.fromkeys(_NO_MEANING, _inside),
    **dict.fromkeys(_REFERENCES, _refused),
    1: _time,
    21: _later(base64.urlsafe_b64encode),
    22: _later(base64.b64encode),
    23: _later(base64.b16encode),
}
