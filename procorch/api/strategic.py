"""Strategic merge patch: a merge that knows which lists are merged by which key, and its directives.

    $patch: replace | delete | merge        on a map, or on an element of a merged list
    $retainKeys: [names]                    which keys of a map stay at all
    $deleteFromPrimitiveList/field: [...]   values that go from a list of scalars
    $setElementOrder/field: [...]           the order of a merged list

Source of the behaviour: apimachinery pkg/util/strategicpatch. Elements that a patch adds to a merged list come before
those that it does not name, unless the list's own order says otherwise: that is Kubernetes' rule too.
"""

from __future__ import annotations

from typing import Any

from procorch.kinds.schema import Definition, Field, Type, definition
from procorch.objects import BadRequest, Object

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList/"
_ORDER = "$setElementOrder/"


def merge_object(original: Object, patch: Object, within: Definition | None) -> Object:
    """`original` with the patch merged in; both are used up. within: None where nothing is known of the fields.

    Raises BadRequest for a patch that breaks the rules.
    """
    directive = patch.pop(_DIRECTIVE, None)
    if directive == "replace":
        return _plain_fields(patch)
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise BadRequest.of(f"unknown patch type found: {directive}")
    _retain_keys(original, patch)
    orders = {name: patch.pop(name) for name in [key for key in patch if key.startswith(_ORDER)]}
    before = {name: original.get(name.removeprefix(_ORDER)) for name in orders}
    for name in [key for key in patch if key.startswith(_DELETE_FROM)]:
        _delete_values(original, name.removeprefix(_DELETE_FROM), patch.pop(name))
    for name, order in orders.items():
        _check_order(within, name.removeprefix(_ORDER), patch, order)
    for name, value in patch.items():
        _merge_field(original, name, value, within)
    for name, order in orders.items():
        _set_order(original, name.removeprefix(_ORDER), order, before[name], within)
    return original


def _field(within: Definition | None, name: str) -> Field | None:
    return within.fields.get(name) if within is not None else None


def _inside(type_: Type | None) -> Definition | None:
    """The definition of a struct, or of what a list or map holds."""
    if type_ is None:
        return None
    if type_.form == "struct":
        return definition(type_.name)
    return None


def _merge_field(original: Object, name: str, value: Any, within: Definition | None) -> None:
    if value is None:
        original.pop(name, None)
        return
    known = _field(within, name)
    old = original.get(name)
    if isinstance(old, dict) and isinstance(value, dict):
        if known is not None and "replace" in known.patch_strategy:
            original[name] = _plain(value)
        elif known is not None and known.type.form == "map":
            original[name] = _merge_map(old, value, known.type)
        else:
            original[name] = merge_object(old, value, _inside(known.type if known else None))
    elif isinstance(old, list) and isinstance(value, list):
        if known is not None and "merge" in known.patch_strategy:
            original[name] = _merge_list(old, value, known)
        else:
            original[name] = _plain(value)
    else:
        original[name] = _plain(value)


def _merge_map(original: Object, patch: Object, type_: Type) -> Object:
    """A map with keys of the user's own: its values may be structs, its keys no fields."""
    inside = _inside(type_.of)
    directive = patch.pop(_DIRECTIVE, None)
    if directive == "replace":
        return _plain_fields(patch)
    if directive == "delete":
        return {}
    if directive not in (None, "merge"):
        raise BadRequest.of(f"unknown patch type found: {directive}")
    _retain_keys(original, patch)
    for name, value in patch.items():
        if value is None:
            original.pop(name, None)
        elif isinstance(original.get(name), dict) and isinstance(value, dict):
            original[name] = merge_object(original[name], value, inside)
        else:
            original[name] = _plain(value)
    return original


def _plain(value: Any) -> Any:
    """A patch's value where there is nothing to merge it with: without nulls in maps and without directives."""
    if isinstance(value, dict):
        if value.get(_DIRECTIVE) == "delete":
            return {}
        return _plain_fields(value)
    if isinstance(value, list):
        return [_plain(item) for item in value
                if not (isinstance(item, dict) and _DIRECTIVE in item and item[_DIRECTIVE] != "merge")]  # fmt: skip
    return value


def _plain_fields(value: Object) -> Object:
    return {name: _plain(item) for name, item in value.items() if item is not None and not _is_directive(name)}


def _is_directive(name: str) -> bool:
    return name in (_DIRECTIVE, _RETAIN) or name.startswith((_DELETE_FROM, _ORDER))


def _retain_keys(original: Object, patch: Object) -> None:
    if _RETAIN not in patch:
        return
    keep = patch.pop(_RETAIN)
    if not isinstance(keep, list) or not all(isinstance(name, str) for name in keep):
        raise BadRequest.of(f"invalid patch format of {_RETAIN}: a list of names is expected")
    kept = set(keep)
    stranger = next((name for name in patch if not _is_directive(name) and name not in kept), None)
    if stranger is not None:
        raise BadRequest.of(f"invalid patch format of {_RETAIN}: {stranger} is in the patch, but not in the list")
    for name in [name for name in original if name not in kept]:
        del original[name]


def _delete_values(original: Object, name: str, values: Any) -> None:
    if not isinstance(values, list) or any(isinstance(value, dict | list) for value in values):
        raise BadRequest.of(f"invalid patch format of primitive list: {_DELETE_FROM}{name}")
    if isinstance(original.get(name), list):
        gone = {_hashable(value) for value in values}
        original[name] = [value for value in original[name] if _hashable(value) not in gone]


# --- lists -----------------------------------------------------------------------------------------------------------


def _merge_list(original: list[Any], patch: list[Any], known: Field) -> list[Any]:
    if all(not isinstance(value, dict | list) for value in (*original, *patch)):
        merged = list(dict.fromkeys([*original, *patch]))
        return _arranged(merged, patch, original, "")
    key = known.merge_key
    if not all(isinstance(value, dict) for value in (*original, *patch)):
        raise BadRequest.of(f"cannot merge {known.name}: its elements are not all of one type")
    if not key:
        raise BadRequest.of(f"cannot merge lists without merge key: {known.name}")
    original, patch, replaced = _directed(original, patch, key)
    if replaced:
        return [_plain(value) for value in patch]
    merged = list(original)
    places = {_hashable(value.get(key)): index for index, value in reversed(list(enumerate(merged)))}
    inside = _inside(known.type.of)
    for value in patch:
        name = _hashable(_key_of(value, key))
        if name in places:
            merged[places[name]] = merge_object(merged[places[name]], value, inside)
        else:
            places[name] = len(merged)
            merged.append(_plain(value))
    return _arranged(merged, patch, original, key)


def _directed(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any], bool]:
    """The lists after the elements that only say what to do; whether the patch takes the whole list's place."""
    rest: list[Any] = []
    gone: set[Any] = set()
    replaced = False
    for value in patch:
        directive = value.get(_DIRECTIVE)
        if directive is None:
            rest.append(value)
        elif directive == "merge":
            rest.append({name: item for name, item in value.items() if name != _DIRECTIVE})
        elif directive == "delete":
            gone.add(_hashable(_key_of(value, key)))
        elif directive == "replace":
            replaced = True
            if len(value) > 1:
                rest.append({name: item for name, item in value.items() if name != _DIRECTIVE})
        else:
            raise BadRequest.of(f"unknown patch type found: {directive}")
    return [value for value in original if _hashable(value.get(key)) not in gone], rest, replaced


def _key_of(value: Object, key: str) -> Any:
    if value.get(key) is None:
        raise BadRequest.of(f"map: {value!r} does not contain declared merge key: {key}"[:500])
    return value[key]


def _hashable(value: Any) -> Any:
    """A merge key's value; true is not 1. A list or map is no key, but must not break the comparison."""
    return (type(value).__name__, str(value)) if isinstance(value, bool | dict | list) else value


def _identity(value: Any, key: str) -> Any:
    return _hashable(value.get(key)) if key and isinstance(value, dict) else _hashable(value)


def _arranged(merged: list[Any], first: list[Any], before: list[Any], key: str) -> list[Any]:
    """The elements that `first` names in its order, the others where they were among those.

    before: the list as it was, whose order rules between two elements that both stand in it.
    """
    order = {_identity(value, key): index for index, value in reversed(list(enumerate(first)))}
    was = {_identity(value, key): index for index, value in reversed(list(enumerate(before)))}
    named = sorted((one for one in merged if _identity(one, key) in order), key=lambda one: order[_identity(one, key)])
    others = [one for one in merged if _identity(one, key) not in order]
    others.sort(key=lambda one: was.get(_identity(one, key), len(was)))
    result: list[Any] = []
    left = right = 0
    while left < len(others) and right < len(named):
        mine, theirs = was.get(_identity(others[left], key)), was.get(_identity(named[right], key))
        if mine is not None and theirs is not None and mine < theirs:
            result.append(others[left])
            left += 1
        else:
            result.append(named[right])
            right += 1
    return result + others[left:] + named[right:]


def _check_order(within: Definition | None, name: str, patch: Object, order: Any) -> None:
    """What the patch has in its list must be in the order it gives, and in the same order."""
    if not isinstance(order, list):
        raise BadRequest.of(f"invalid patch format of {_ORDER}{name}: a list is expected")
    known = _field(within, name)
    values = patch.get(name)
    if known is None or "merge" not in known.patch_strategy or not isinstance(values, list):
        return
    key = known.merge_key
    places = {_identity(value, key): index for index, value in enumerate(order)}
    names = [_identity(value, key) for value in values if not (isinstance(value, dict) and _DIRECTIVE in value)]
    found = [places.get(one, -1) for one in names]
    if -1 in found or found != sorted(found):
        said = f"The order in patch list:\n{values!r}\n doesn't match {_ORDER}{name} list:\n{order!r}"
        raise BadRequest.of(said[:1000])


def _set_order(original: Object, name: str, order: list[Any], before: Any, within: Definition | None) -> None:
    known = _field(within, name)
    values = original.get(name)
    if known is None or "merge" not in known.patch_strategy or not isinstance(values, list):
        return
    original[name] = _arranged(values, order, before if isinstance(before, list) else [], known.merge_key)
