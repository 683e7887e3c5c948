"""Reading and filling fields whose types nobody has checked yet: nothing here raises.

Defaults run before the structural check, and a validation must judge whatever came. Reading a field as the wrong
type gives an empty value; the structural check then names the field.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

Fields = dict[str, Any]


def mapping(value: object) -> Fields:
    """The value if it is a mapping, else an empty one that is thrown away."""
    return value if isinstance(value, dict) else {}


def part(obj: object, *path: str) -> Fields:
    """The mapping at a path, {} where there is none. It is the object's own: what is written to it stays."""
    for step in path:  # spelled out, since defaults, rules and columns ask it all day
        if not isinstance(obj, dict):
            return {}
        obj = obj.get(step)
    return obj if isinstance(obj, dict) else {}


def made(obj: object, *path: str) -> Fields:
    """The mapping at a path, made where it is missing or null."""
    here = mapping(obj)
    for step in path:
        if here.get(step) is None:
            here[step] = {}
        here = mapping(here[step])
    return here


def rows(value: object) -> list[Fields]:
    """The mappings in a list."""
    return [row for row in value if isinstance(row, dict)] if isinstance(value, list) else []


def indexed(value: object, path: str) -> Iterator[tuple[str, Fields]]:
    """Each mapping in a list with its path, `spec.ports[2]`."""
    for index, row in enumerate(value if isinstance(value, list) else ()):
        if isinstance(row, dict):
            yield f"{path}[{index}]", row


def texts(value: object) -> list[str]:
    """The strings in a list."""
    return [one for one in value if isinstance(one, str)] if isinstance(value, list) else []


def text(value: object) -> str:
    return value if isinstance(value, str) else ""


def number(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def labels(value: object) -> dict[str, str]:
    """The text pairs of a mapping."""
    return {k: v for k, v in mapping(value).items() if isinstance(k, str) and isinstance(v, str)}


def fill(obj: Fields, name: str, value: object) -> None:
    """Sets a field that is missing or null."""
    if obj.get(name) is None:
        obj[name] = value


def fill_text(obj: Fields, name: str, value: str) -> None:
    """Sets a text field that is missing, null or empty: for fields in which "" means unset."""
    if obj.get(name) in (None, ""):
        obj[name] = value


def without(obj: Fields, *paths: tuple[str, ...]) -> Fields:
    """A new mapping without what stands at these paths; the step "*" means each element of a list.

    What no path touches is shared with the object: the result is for comparing.
    """
    bare: Any = dict(obj)
    for path in paths:
        bare = _dropped(bare, path)
    return mapping(bare)


def _dropped(obj: Any, path: tuple[str, ...]) -> Any:
    first, rest = path[0], path[1:]
    if first == "*":
        return [_dropped(one, rest) for one in obj] if isinstance(obj, list) else obj
    if not isinstance(obj, dict) or first not in obj:
        return obj
    if rest:
        return {**obj, first: _dropped(obj[first], rest)}
    return {field: value for field, value in obj.items() if field != first}


def same(left: object, right: object) -> bool:
    """Equal as Kubernetes' semantic comparison sees it: missing, null, empty map and empty list are one."""
    return left == right or _core(left) == _core(right)


def _core(value: object) -> object:
    if isinstance(value, dict):
        kept = {key: core for key, one in value.items() if (core := _core(one)) is not None}
        return kept or None
    if isinstance(value, list):
        return [_core(one) for one in value] or None
    return value
