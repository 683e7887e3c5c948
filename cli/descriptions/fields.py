"""Any object for people to read, by its fields: what has no page of its own."""

from __future__ import annotations

from typing import Any

from cli.descriptions.page import Page, Value
from procorch.kinds import schema
from procorch.kinds.kind import Kind
from procorch.objects import Object


def describe_fields(kind: Kind, obj: Object) -> Page:
    """Each field under its name in words; keys that users chose stay as they are."""
    definition = schema.of_kind(kind)
    rest = {name: value for name, value in obj.items() if name not in ("apiVersion", "kind", "metadata")}
    return _struct(rest, definition)


def title(name: str) -> str:
    """`nodeName` as `Node Name`; `podIP` as `Pod IP`."""
    words = ""
    for before, character in zip(" " + name, name, strict=False):
        words += " " + character if character.isupper() and not before.isupper() else character
    return (words[:1].upper() + words[1:]).strip()


def _struct(obj: Object, definition: schema.Definition | None) -> Page:
    page: dict[str, Value] = {}
    for name, value in obj.items():
        field = definition.fields.get(name) if definition else None
        page[title(name)] = _value(value, field.type if field else None)
    return page


def _value(value: Any, type_: schema.Type | None) -> Value:
    if value in (None, {}, []):
        return None
    if isinstance(value, dict):
        if type_ is not None and type_.form == "struct":
            return _struct(value, schema.definition(type_.name))
        return {str(key): _value(one, type_.of if type_ else None) for key, one in value.items()}
    if isinstance(value, list):
        if not any(isinstance(one, dict) for one in value):
            return [_scalar(one) for one in value]
        return {_row_name(one, number): _value(one, type_.of if type_ else None) for number, one in enumerate(value, 1)}
    return _scalar(value).splitlines() or ""


def _row_name(row: Any, number: int) -> str:
    """What to call a row of a list: its number, with its name where it has one."""
    name = next((row[key] for key in ("name", "type") if isinstance(row, dict) and row.get(key)), "")
    return f"{number}. {name}".strip(" ") if name else f"{number}"


def _scalar(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
