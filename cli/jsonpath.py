"""kubectl's JSONPath templates: `{.items[*].metadata.name}`, `{range …}{end}`, filters, quoted text.

Source: Kubernetes documentation, "JSONPath Support".
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

Value = Any
_TOKEN = re.compile(
    r"""
      \.\.(?P<deep>[\w-]+|\*)
    | \.?\['(?P<quoted>(?:[^'\\]|\\.)*)'\]
    | \.?\[\?\((?P<filter>.*?)\)\]
    | \.?\[(?P<index>[-\d:,*\s]*)\]
    | \.(?P<field>(?:[^.\[\]{}\s()'"=!<>&|\\]|\\.)+|\*)
    """,
    re.X,
)
_COMPARISON = re.compile(r"\s*@?(?P<path>[^=!<>\s]*)\s*(?:(?P<operator>==|!=|<=|>=|<|>)\s*(?P<value>.+?))?\s*")


class JSONPathError(ValueError):
    """The template is not one; the message says where."""


def render(template: str, data: Value) -> str:
    """The template's text with each `{…}` replaced; a missing field gives nothing."""
    if "{" not in template:
        template = "{" + (template if template.startswith(("$", ".", "[")) else f".{template}") + "}"
    pieces, _ = _block(_pieces(template), 0, nested=False)
    return "".join(_emit(pieces, data, data))


def _pieces(template: str) -> list[tuple[str, str]]:
    """("text", …) and ("code", what stands between braces)."""
    found: list[tuple[str, str]] = []
    position = 0
    while position < len(template):
        opening = template.find("{", position)
        if opening < 0:
            found.append(("text", template[position:]))
            break
        if opening > position:
            found.append(("text", template[position:opening]))
        closing = _closing(template, opening)
        found.append(("code", template[opening + 1 : closing].strip()))
        position = closing + 1
    return found


def _closing(template: str, opening: int) -> int:
    quote = ""
    for position in range(opening + 1, len(template)):
        character = template[position]
        if quote:
            quote = "" if character == quote and template[position - 1] != "\\" else quote
        elif character in "'\"":
            quote = character
        elif character == "}":
            return position
    raise JSONPathError(f"unclosed action: {template[opening:]!r}")


def _block(pieces: list[tuple[str, str]], start: int, *, nested: bool) -> tuple[list[Any], int]:
    """Pieces with every {range}…{end} as one ("range", path, body)."""
    body: list[Any] = []
    position = start
    while position < len(pieces):
        kind, text = pieces[position]
        if kind == "code" and text.startswith("range"):
            inner, position = _block(pieces, position + 1, nested=True)
            body.append(("range", text[5:].strip(), inner))
        elif kind == "code" and text == "end":
            if not nested:
                raise JSONPathError("{end} without {range}")
            return body, position
        else:
            body.append((kind, text))
        position += 1
    if nested:
        raise JSONPathError("{range} without {end}")
    return body, position


def _emit(pieces: list[Any], data: Value, root: Value) -> Iterator[str]:
    for piece in pieces:
        if piece[0] == "text":
            yield piece[1]
        elif piece[0] == "range":
            for one in find(piece[1], data, root):
                yield from _emit(piece[2], one, root)
        elif piece[1][:1] in ("'", '"'):
            yield json.loads('"' + piece[1][1:-1].replace('"', '\\"').replace("\\'", "'") + '"')
        else:
            yield " ".join(_text(one) for one in find(piece[1], data, root))


def find(path: str, data: Value, root: Value | None = None) -> list[Value]:
    """All values at a path. Raises JSONPathError for what is none."""
    root = data if root is None else root
    values = [root if path.startswith("$") else data]
    rest = path[1:] if path.startswith(("$", "@")) else path
    if rest and rest[0] not in ".[":
        rest = f".{rest}"
    position = 0
    while position < len(rest):
        step = _TOKEN.match(rest, position)
        if step is None:
            if rest[position:] == ".":
                break
            raise JSONPathError(f"cannot read {rest[position:]!r} in {path!r}")
        position = step.end()
        values = [found for value in values for found in _step(step, value)]
    return values


def _step(step: re.Match[str], value: Value) -> list[Value]:
    if (name := step["deep"]) is not None:
        return list(_deep(name, value))
    if (condition := step["filter"]) is not None:
        return [one for one in _children(value) if _holds(condition, one)]
    if (index := step["index"]) is not None:
        return _elements(index.strip(), value)
    field = step["quoted"] if step["quoted"] is not None else step["field"]
    if step["field"] == "*":
        return _children(value)
    field = re.sub(r"\\(.)", r"\1", field)
    return [value[field]] if isinstance(value, dict) and field in value else []


def _children(value: Value) -> list[Value]:
    return list(value.values()) if isinstance(value, dict) else list(value) if isinstance(value, list) else []


def _deep(name: str, value: Value) -> Iterator[Value]:
    if isinstance(value, dict) and name in value:
        yield value[name]
    for child in _children(value):
        if name == "*":
            yield child
        yield from _deep(name, child)


def _elements(index: str, value: Value) -> list[Value]:
    if index in ("*", ""):
        return _children(value)
    if not isinstance(value, list):
        return []
    found: list[Value] = []
    for part in index.split(","):
        if ":" in part:
            bounds = [int(one) if one.strip() else None for one in part.split(":")]
            found += value[slice(*bounds)]
        elif -len(value) <= int(part) < len(value):
            found.append(value[int(part)])
    return found


def _holds(condition: str, value: Value) -> bool:
    parts = re.split(r"\s*(&&|\|\|)\s*", condition)
    result = _compares(parts[0], value)
    for operator, part in zip(parts[1::2], parts[2::2], strict=True):
        result = (result and _compares(part, value)) if operator == "&&" else (result or _compares(part, value))
    return result


def _compares(text: str, value: Value) -> bool:
    match = _COMPARISON.fullmatch(text)
    if match is None:
        raise JSONPathError(f"cannot read the filter {text!r}")
    found = find(match["path"], value) if match["path"] else [value]
    if match["operator"] is None:
        return bool(found)
    wanted = _literal(match["value"])
    return any(_compare(one, match["operator"], wanted) for one in found)


def _literal(text: str) -> Value:
    if text[:1] in ("'", '"'):
        return text[1:-1]
    try:
        return json.loads(text)
    except ValueError:
        return text


def _compare(left: Value, operator: str, right: Value) -> bool:
    if operator == "==":
        return bool(left == right)
    if operator == "!=":
        return bool(left != right)
    try:
        return bool({"<": left < right, ">": left > right, "<=": left <= right, ">=": left >= right}[operator])
    except TypeError:
        return False


def _text(value: Value) -> str:
    if isinstance(value, str):
        return value
    if value is None:
        return ""
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)
