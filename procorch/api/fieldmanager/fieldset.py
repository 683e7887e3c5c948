"""Sets of an object's fields, in the very form in which managedFields has them (FieldsV1).

    {"f:metadata": {"f:labels": {".": {}, "f:app": {}}}, "f:spec": {"f:ports": {'k:{"port":80}': {…}}}}

A node is a field: `{}` is a member without fields below, "." beside others says that the field itself is a member.
`f:` names a field or key, `k:` an element of a list by its keys, `v:` an element of a set. The outermost dict is no
field but the set; there `{}` is the empty set. Nothing here changes its arguments, and results share their parts.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import orjson

FieldSet = dict[str, Any]

MEMBER: FieldSet = {}
SELF = "."


def is_member(node: FieldSet) -> bool:
    return not node or SELF in node


def node_of(below: FieldSet, *, member: bool) -> FieldSet | None:
    """A field with these fields below it; None where neither it nor one of them is a member."""
    if not member:
        return below or None
    return {SELF: MEMBER, **below} if below else MEMBER


def below(node: FieldSet) -> FieldSet:
    """The fields below a field, as a set."""
    if SELF not in node:
        return node
    return {step: child for step, child in node.items() if step != SELF}


def ordered(fields: FieldSet) -> FieldSet:
    """The same set, its steps sorted as text on every level: as managedFields shows them, whoever sent what first."""
    sorted_: FieldSet = orjson.loads(orjson.dumps(fields, option=orjson.OPT_SORT_KEYS))
    return sorted_


def union(one: FieldSet, other: FieldSet) -> FieldSet:
    if not one or one is other:
        return other
    if not other:
        return one
    result = dict(one)
    for step, theirs in other.items():
        mine = result.get(step)
        if mine is None:
            result[step] = theirs
        elif mine != theirs:
            member = is_member(mine) or is_member(theirs)
            result[step] = node_of(union(below(mine), below(theirs)), member=member)
    return result


def difference(one: FieldSet, other: FieldSet) -> FieldSet:
    """The members of `one` that are none of `other`; `one` itself where nothing goes."""
    if not other:
        return one
    if one is other or one == other:  # told without a walk in Python
        return {}
    result: FieldSet | None = None
    for step, mine in one.items():
        theirs = other.get(step)
        if theirs is None:
            continue
        member = is_member(mine)
        stays = member and not is_member(theirs)
        inner = below(mine)
        left = difference(inner, below(theirs))
        if left is inner and stays is member:
            continue
        result = _with(one if result is None else result, step, node_of(left, member=stays), copy=result is None)
    return one if result is None else result


def intersection(one: FieldSet, other: FieldSet) -> FieldSet:
    if one is other or one == other:
        return one
    result: FieldSet = {}
    for step, mine in one.items():
        theirs = other.get(step)
        if theirs is not None:
            member = is_member(mine) and is_member(theirs)
            node = node_of(intersection(below(mine), below(theirs)), member=member)
            if node is not None:
                result[step] = node
    return result


def _with(fields: FieldSet, step: str, node: FieldSet | None, *, copy: bool) -> FieldSet:
    if copy:
        fields = dict(fields)
    if node is None:
        del fields[step]
    else:
        fields[step] = node
    return fields


def members(fields: FieldSet, path: str = "") -> Iterator[str]:
    """The path of each member as messages show it: `.spec.containers[name="web"].image`."""
    for step in sorted(fields):
        node = fields[step]
        here = path + shown(step)
        if is_member(node):
            yield here
        yield from members(below(node), here)


def shown(step: str) -> str:
    """One step of such a path."""
    sort, _, rest = step.partition(":")
    if sort == "k":
        keys = orjson.loads(rest)
        return f"[{','.join(f'{name}={_text(value)}' for name, value in sorted(keys.items()))}]"
    if sort == "v":
        return f"[={_text(orjson.loads(rest))}]"
    return f"[{rest}]" if sort == "i" else f".{rest}"


def _text(value: object) -> str:
    return orjson.dumps(value).decode()


def check(fields: object) -> FieldSet:
    """A client's FieldsV1, if it is one. Raises ValueError."""
    if not isinstance(fields, dict):
        raise ValueError("fieldsV1 is not an object")
    for step, node in fields.items():
        if step == SELF:
            if node != MEMBER:
                raise ValueError('"." has fields below it')
            continue
        sort, colon, rest = step.partition(":")
        if not colon or sort not in ("f", "k", "v", "i"):
            raise ValueError(f"{step!r} is no path element")
        if sort in ("k", "v"):
            value = orjson.loads(rest)
            if sort == "k" and not isinstance(value, dict):
                raise ValueError(f"{step!r}: the keys of an element are an object")
        elif sort == "i" and not rest.isdecimal():
            raise ValueError(f"{step!r}: an index is a number")
        check(node)
    return fields
