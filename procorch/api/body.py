"""Request bodies become objects: JSON, YAML, CBOR or protobuf, with limits before and while they are parsed.

What is refused here is refused as a BadRequest, before anything else looks at it: more than 3 MiB, nesting deeper
than MAX_DEPTH, NaN and Infinity, lone surrogates, several YAML documents, aliases that would multiply.
"""

from __future__ import annotations

import json
import re
from typing import Any

import orjson
import yaml

from procorch.api import cbor, go_json, protobuf
from procorch.objects import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

#: bytes of a request body. Source: Kubernetes' default for MaxRequestBodyBytes
MAX_BYTES = 3 * 1024 * 1024
#: how deep lists and maps may lie in each other: what orjson writes; it reads deeper
MAX_DEPTH = 254
#: the same in YAML, where each level costs two calls
MAX_YAML_DEPTH = 200
#: values of a YAML text, those included that its aliases make: each takes some five microseconds, where JSON's take a
#: tenth of one
MAX_YAML_VALUES = 100_000

JSON = "application/json"
YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_YAML = (YAML, "application/x-yaml", "text/yaml", "text/x-yaml")

_KEY = re.compile(rb'"\s*:')


class Malformed(BadRequest):
    """A text that cannot be read at all. said: by Go's readers, as Kubernetes hands it on."""

    said = ""

    @classmethod
    def by(cls, form: str, said: str) -> Malformed:
        """form: JSON or YAML."""
        error = cls(f"the body of the request is not {form}: {said}", 400, "BadRequest")
        error.said = said
        return error


def decode(content_type: str, data: bytes, duplicates: list[str] | None = None) -> Any:
    """The value in a body; an object for PROTOBUF, any JSON value otherwise.

    content_type: empty means JSON; a +json or +yaml suffix counts.
    duplicates: is given the paths of fields that stand more than once (`spec.containers[0].name`), of YAML the
        complaints about them (`line 3: key "name" already set in map`); looking for them costs time, so leave it None
        where nobody asked.
    Raises RequestEntityTooLarge, UnsupportedMediaType, BadRequest.
    """
    if len(data) > MAX_BYTES:
        raise RequestEntityTooLarge.of(MAX_BYTES)
    media = content_type.partition(";")[0].strip().lower()
    if is_json(content_type):
        return _json(data, duplicates)
    if is_yaml(content_type):
        return _yaml(data, duplicates)
    if media == PROTOBUF:
        try:
            return protobuf.decode(data)
        except (KeyError, ValueError) as error:
            raise BadRequest.of(f"the body of the request cannot be read as protobuf: {error}") from error
    if media == cbor.MEDIA:
        return _cbor(data)
    raise UnsupportedMediaType.of((JSON, YAML, PROTOBUF, cbor.MEDIA))


def _cbor(data: bytes) -> Any:
    """A field that stands twice is refused there and then, as in Kubernetes."""
    try:
        return cbor.decode(data, MAX_DEPTH)
    except ValueError as error:
        raise BadRequest.of(f"the body of the request cannot be read as CBOR: {error}") from error


def is_yaml(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media in _YAML or media.endswith("+yaml")


def is_json(content_type: str) -> bool:
    media = content_type.partition(";")[0].strip().lower()
    return media == JSON or media.endswith("+json") or not content_type.strip()


# --- JSON ------------------------------------------------------------------------------------------------------------


def _json(data: bytes, duplicates: list[str] | None) -> Any:
    try:
        value = orjson.loads(data)
    except orjson.JSONDecodeError as error:
        raise Malformed.by("JSON", go_json.complaint(data) or str(error)) from error
    try:
        written = orjson.dumps(value)
    except orjson.JSONEncodeError as error:
        raise BadRequest.of(f"the body of the request is nested deeper than {MAX_DEPTH} levels") from error
    if duplicates is not None and _may_repeat(data, written):
        duplicates += _repeated(data)
    return value


def _may_repeat(data: bytes, written: bytes) -> bool:
    """Whether there are more keys in the text than in the value; never wrong with no, rarely with yes.

    Every key is a quote, perhaps white space, and a colon. Text that looks so inside of strings looks so on both
    sides, unless it is escaped by number or has the white space. What is written as it was sent has lost nothing.
    """
    if data.startswith(written) and not data[len(written) :].strip():  # programs send no spaces
        return False
    return b"\\u" in data or len(_KEY.findall(data)) != written.count(b'":')


class _Pairs(list[tuple[str, Any]]):
    """An object as its pairs, in which a name may stand twice."""


def _repeated(data: bytes) -> list[str]:
    """The paths of the repeated fields, each once. The data has been parsed, so its depth is known to be bounded."""
    found: dict[str, None] = {}

    def walk(value: Any, path: str) -> None:
        if isinstance(value, _Pairs):
            seen: set[str] = set()
            for name, item in value:
                here = f"{path}.{name}" if path else name
                if name in seen:
                    found[here] = None
                seen.add(name)
                walk(item, here)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, f"{path}[{index}]")

    walk(json.loads(data, object_pairs_hook=_Pairs), "")
    return list(found)


def places(data: bytes) -> dict[str, int]:
    """Where each field of a JSON text stands among all of them; one that stands more than once at its second place.

    The data has been parsed.
    """
    found: dict[str, int] = {}
    twice: set[str] = set()

    def walk(value: Any, path: str) -> None:
        if isinstance(value, _Pairs):
            for name, item in value:
                here = f"{path}.{name}" if path else name
                if here not in found:
                    found[here] = len(found) + len(twice)
                elif here not in twice:
                    twice.add(here)
                    found[here] = len(found) + len(twice)
                walk(item, here)
        elif isinstance(value, list):
            for index, item in enumerate(value):
                walk(item, f"{path}[{index}]")

    walk(json.loads(data, object_pairs_hook=_Pairs), "")
    return found


# --- YAML ------------------------------------------------------------------------------------------------------------

_NULL = re.compile(r"~|null|Null|NULL|")
_TRUE = re.compile(r"true|True|TRUE|yes|Yes|YES|on|On|ON")
_FALSE = re.compile(r"false|False|FALSE|no|No|NO|off|Off|OFF")
_INT = re.compile(r"[-+]?(0|[1-9][0-9_]*)")
_BASED_INT = re.compile(r"([-+]?)(0b[01_]+|0o?[0-7_]+|0x[0-9a-fA-F_]+)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9][0-9_]*(\.[0-9_]*)?)([eE][-+]?[0-9]+)?")
_NO_NUMBER = re.compile(r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)")
_TAGS = {"tag:yaml.org,2002:str": str, "!": str}


class _Bad(Exception):
    """Why a YAML text is refused."""


def _yaml(data: bytes, duplicates: list[str] | None) -> Any:
    try:
        text = data.decode("utf-8")
        return _Reader(text, duplicates).read()
    except (_Bad, UnicodeDecodeError, yaml.YAMLError) as error:
        raise Malformed.by("YAML", f"yaml: {_one_line(error)}") from error


def _one_line(error: Exception) -> str:
    """As go-yaml tells it: a scanner's line is the one that it stands in, a parser's the one before; there is no 0."""
    if isinstance(error, yaml.MarkedYAMLError) and error.problem_mark is not None:
        lines = [mark.line for mark in (error.context_mark, error.problem_mark) if mark is not None and mark.line]
        line = lines[0] + isinstance(error, yaml.scanner.ScannerError) if lines else 0
        return f"line {line}: {error.problem}" if line else str(error.problem)
    return " ".join(str(error).split())


def _plain(text: str) -> Any:
    """A scalar without quotes and tag. Source: what YAML 1.1 resolves, but dates, which JSON has not got."""
    if _NULL.fullmatch(text):
        return None
    if text[0] in "0123456789+-.":
        if _INT.fullmatch(text):
            return _bounded(int(text.replace("_", "")[:400]))
        if match := _BASED_INT.fullmatch(text):
            digits = match.group(2).replace("_", "")
            base = {"b": 2, "x": 16, "o": 8}.get(digits[1:2], 8)
            number = int(digits, base) if digits[1:2] in "bxo" else int(digits[1:] or "0", 8)
            return _bounded(-number if match.group(1) == "-" else number)
        if _FLOAT.fullmatch(text):
            return _bounded(float(text.replace("_", "")))
        if _NO_NUMBER.fullmatch(text):
            raise _Bad(f"{text} is no number that JSON has")
    if len(text) <= 5 and text[0] in "tTyYoOfFnN":
        if _TRUE.fullmatch(text):
            return True
        if _FALSE.fullmatch(text):
            return False
    return text


def _bounded(number: int | float) -> int | float:
    """As JSON's reader gives it: an integer of 64 bits, else a float. Raises _Bad for what is beyond that too."""
    if isinstance(number, int):
        if -(2**63) <= number < 2**64:
            return number
        try:
            number = float(number)
        except OverflowError:
            number = float("inf")
    if number in (float("inf"), float("-inf")):
        raise _Bad("a number is too large")
    return number


class _Reader:
    """One document out of the parser's events: the parser itself would overflow the stack on a deep text."""

    def __init__(self, text: str, duplicates: list[str] | None) -> None:
        self._events = yaml.parse(text, Loader=_Loader)
        self._duplicates = duplicates
        self._anchors: dict[str, tuple[Any, int]] = {}
        self._made = 0

    def read(self) -> Any:
        value: Any = None
        documents = 0
        for event in self._events:
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise _Bad("several documents in one body")
                value = self._value(next(self._events), 0)
        return value

    def _value(self, event: yaml.Event, depth: int) -> Any:
        if isinstance(event, yaml.AliasEvent):
            return self._alias(event)
        if depth > MAX_YAML_DEPTH:
            raise _Bad(f"nested deeper than {MAX_YAML_DEPTH} levels")
        before = self._made
        self._count(1)
        if isinstance(event, yaml.ScalarEvent):
            value: Any = self._scalar(event)
        elif isinstance(event, yaml.SequenceStartEvent):
            value = self._sequence(depth)
        else:
            value = self._mapping(depth)
        anchor = getattr(event, "anchor", None)
        if anchor is not None:
            self._anchors[anchor] = (value, self._made - before)
        return value

    def _alias(self, event: yaml.AliasEvent) -> Any:
        """A copy of what the anchor names, counted before it is made."""
        if event.anchor not in self._anchors:
            raise _Bad(f"unknown anchor {event.anchor!r}")
        value, size = self._anchors[event.anchor]
        self._count(size)
        return orjson.loads(orjson.dumps(value)) if isinstance(value, dict | list) else value

    def _count(self, size: int) -> None:
        self._made += size
        if self._made > MAX_YAML_VALUES:
            raise _Bad(f"it has more than {MAX_YAML_VALUES} values, aliases included; JSON may have more")

    def _scalar(self, event: yaml.ScalarEvent) -> Any:
        text: str = event.value
        tag = event.tag
        if tag is None:
            return _plain(text) if event.implicit[0] else text
        if tag in _TAGS:
            return text
        if tag == "tag:yaml.org,2002:binary":
            return "".join(text.split())
        if tag.removeprefix("tag:yaml.org,2002:") in ("int", "float", "bool", "null", "timestamp"):
            return _plain(text)
        raise _Bad(f"unknown tag {tag}")

    def _sequence(self, depth: int) -> list[Any]:
        items: list[Any] = []
        for event in self._events:
            if isinstance(event, yaml.SequenceEndEvent):
                break
            items.append(self._value(event, depth + 1))
        return items

    def _mapping(self, depth: int) -> dict[str, Any]:
        fields: dict[str, Any] = {}
        merged: dict[str, Any] = {}
        for event in self._events:
            if isinstance(event, yaml.MappingEndEvent):
                break
            merges = isinstance(event, yaml.ScalarEvent) and event.value == "<<" and event.implicit[0]
            key = self._value(event, depth + 1)
            name = _name(key)
            place = next(self._events)
            value = self._value(place, depth + 1)
            if merges:
                merged = {**merged, **_merged(value)}
                continue
            if self._duplicates is not None and (name in fields or name in merged):
                assert place.start_mark is not None
                self._duplicates.append(f"line {place.start_mark.line + 1}: key {_quoted(key)} already set in map")
            fields[name] = value
        return {**merged, **fields}


def _merged(value: Any) -> dict[str, Any]:
    """What a `<<` brings: of several maps the first is the strongest."""
    maps = value if isinstance(value, list) else [value]
    if not all(isinstance(one, dict) for one in maps):
        raise _Bad("map merge requires map or sequence of maps as the value")
    return {name: item for one in reversed(maps) for name, item in one.items()}


def _name(key: Any) -> str:
    """A key as JSON has it: text."""
    if isinstance(key, str):
        return key
    if isinstance(key, bool):
        return "true" if key else "false"
    if key is None:
        return "null"
    if isinstance(key, int | float):
        return str(key)
    raise _Bad("a key is a list or a map")


def _quoted(key: Any) -> str:
    """A key as Go's %#v prints it."""
    return json.dumps(key, ensure_ascii=False) if isinstance(key, str) else "<nil>" if key is None else _name(key)


_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
