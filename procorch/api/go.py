"""What Go prints: values, types and complaints about numbers, where Kubernetes' messages show them to clients.

Source: the packages fmt (%v), reflect (the names of types that JSON becomes) and strconv (NumError).
"""

from __future__ import annotations

import re
from typing import Any

_NUMBER = re.compile(r"[+-]?[0-9]+", re.ASCII)
_TYPES = {dict: "map[string]interface {}", list: "[]interface {}", str: "string", bool: "bool", int: "int64",
          float: "float64", type(None): "%!s(<nil>)"}  # fmt: skip
_JSON_TYPES = {dict: "object", list: "array", str: "string", bool: "bool", int: "number", float: "number",
               type(None): "null"}  # fmt: skip


def shown(value: Any) -> str:
    """A value as %v prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{shown(item)}' for name, item in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(shown, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def type_of(value: Any) -> str:
    """The type that a JSON value has in Go."""
    return _TYPES[type(value)]


def json_type_of(value: Any) -> str:
    """What encoding/json calls a value that it cannot put where it should go."""
    return _JSON_TYPES[type(value)]


def misread(text: str, function: str, least: int, most: int) -> str | None:
    """What strconv's function (ParseInt, ParseUint, Atoi) says of a text; None where it reads it.

    least, most: the bounds of the type.
    """
    short = text if len(text) <= 100 else f"{text[:100]}…"
    if not _NUMBER.fullmatch(text) or (function == "ParseUint" and text[0] in "+-"):
        return f'strconv.{function}: parsing "{short}": invalid syntax'
    if len(text) > 40 or not least <= int(text) <= most:
        return f'strconv.{function}: parsing "{short}": value out of range'
    return None
