"""Strategic merge patch: a merge that knows which lists are merged by which key, and its directives.

    $patch: replace | delete                a map whose place the patch's takes, or that is emptied; in a merged list
                                            an element that goes, or the sign that the patch's list is the whole
    $retainKeys: [names]                    which keys of a map stay at all
    $deleteFromPrimitiveList/field: [...]   values that go from a list of scalars
    $setElementOrder/field: [...]           the order of a list

Source of the behaviour and the words: apimachinery pkg/util/strategicpatch, whose steps these are, one by one:

- What replaces something, and what a merged list gains, is taken as the patch has it: nulls and directives inside are
  fields like any others, so the check of fields drops nulls and tells of the rest.
- What is put where nothing was loses its nulls, and every map in it that has a $patch.
- Elements that a patch adds to a merged list come before those that it does not name, unless the list's own order
  says otherwise.

Where it differs: kube-apiserver answers 500 to most patches that break the rules; here each is 400 with its words.
"""

from __future__ import annotations

from typing import Any

from procorch.api import go
from procorch.kinds.schema import Definition, Type, definition
from procorch.objects import ApiError, BadRequest, Object

_DIRECTIVE = "$patch"
_RETAIN = "$retainKeys"
_DELETE_FROM = "$deleteFromPrimitiveList"
_ORDER = "$setElementOrder"

_Within = Definition | Type | None  # what is known of a map: its fields, or of what type its values are

_QUOTED = 1_000  # characters of a patch that a refusal repeats


def merge_object(original: Object, patch: Object, within: _Within) -> Object:
    """`original` with the patch merged in; both are used up. within: None where nothing is known of the fields.

    Raises BadRequest for a patch that breaks the rules, ApiError 422 for lists of lists.
    """
    if _DIRECTIVE in patch:
        return _directed_map(patch)
    if _RETAIN in patch:
        _retain_keys(original, patch)
    for name in [name for name in patch if name.startswith(_ORDER)]:
        _set_order(original, patch, name, within)
    for name in [name for name in patch if name.startswith(_DELETE_FROM)]:
        _delete_values(original, _field_of(name, "primitive list"), patch.pop(name))
    for name, value in patch.items():
        _merge_field(original, name, value, within)
    return original


def _directed_map(patch: Object) -> Object:
    if patch[_DIRECTIVE] == "replace":
        del patch[_DIRECTIVE]
        return patch
    if patch[_DIRECTIVE] == "delete":
        return {}
    raise _unknown(patch)


def _merge_field(original: Object, name: str, value: Any, within: _Within) -> None:
    if value is None:
        original.pop(name, None)
        return
    old = original.get(name)
    if isinstance(old, dict) and isinstance(value, dict):
        type_, strategy, _ = _facts(within, name)
        original[name] = value if strategy == "replace" else merge_object(old, value, _inside(type_))
    elif isinstance(old, list) and isinstance(value, list):
        type_, strategy, key = _facts(within, name)
        original[name] = _merge_list(old, value, type_, key) if strategy == "merge" else value
    else:
        _put(original, name, value)


def _put(original: Object, name: str, value: Any) -> None:
    """Where nothing was, or something of another type."""
    if isinstance(value, dict) and _DIRECTIVE in value:
        original.pop(name, None)
    else:
        original[name] = _without_directives(value)


def _without_directives(value: Any) -> Any:
    """Without nulls in maps and without the maps that have a $patch."""
    if isinstance(value, dict):
        return {name: _without_directives(item) for name, item in value.items()
                if item is not None and not _has_directive(item)}  # fmt: skip
    if isinstance(value, list):
        return [_without_directives(item) for item in value if not _has_directive(item)]
    return value


def _has_directive(value: Any) -> bool:
    return isinstance(value, dict) and _DIRECTIVE in value


def _retain_keys(original: Object, patch: Object) -> None:
    keep = patch.pop(_RETAIN)
    if not isinstance(keep, list) or not all(isinstance(name, str) for name in keep):
        raise BadRequest.of("invalid patch format of retainKeys")
    kept = set(keep)
    named = (name for name, value in patch.items() if value is not None and not name.startswith((_DELETE_FROM, _ORDER)))
    if not kept.issuperset(named):
        raise BadRequest.of("invalid patch format of retainKeys")
    for name in original.keys() - kept:
        del original[name]


def _delete_values(original: Object, name: str, values: Any) -> None:
    if values is None:
        original.pop(name, None)
    old = original.get(name)
    if not isinstance(old, list) or not isinstance(values, list):
        return
    if _element_type(old, values) is dict:
        raise BadRequest.of("invalid patch format of primitive list")
    gone = {_hashable(value) for value in values}
    original[name] = [value for value in old if _hashable(value) not in gone]


# --- what is known of fields -----------------------------------------------------------------------------------------


def _facts(within: _Within, name: str) -> tuple[Type | None, str, str]:
    """A field's type, its strategy (merge, replace or none), and the key by which elements are paired."""
    if isinstance(within, Definition) and name in within.fields:
        field = within.fields[name]
        strategy = next((one for one in field.patch_strategy if one != "retainKeys"), "")
        return field.type, strategy, field.merge_key
    return within.of if isinstance(within, Type) else None, "", ""


def _inside(type_: Type | None) -> _Within:
    """What is known inside of a map of this type."""
    if type_ is None:
        return None
    return definition(type_.name) if type_.form == "struct" else type_


# --- lists -----------------------------------------------------------------------------------------------------------


def _merge_list(original: list[Any], patch: list[Any], type_: Type | None, key: str) -> list[Any]:
    kind = _element_type(original, patch)
    if kind is None:
        return original
    if kind is not dict:
        return _arranged([*{_hashable(value): value for value in (*original, *patch)}.values()], patch, original, "")
    if not key:
        raise BadRequest.of("cannot merge lists without merge key for struct")
    original, patch = _directed_list(original, patch, key)
    merged = list(original)
    places = {_hashable(value.get(key)): index for index, value in reversed(list(enumerate(merged)))}
    inside = _inside(type_.of if type_ is not None else None)
    for value in patch:
        name = _hashable(_key_of(value, key))
        if name in places:
            merged[places[name]] = merge_object(merged[places[name]], value, inside)
        else:
            places[name] = len(merged)
            merged.append(value)
    return _arranged(merged, patch, original, key)


def _element_type(*lists: list[Any]) -> type | None:
    """What all elements are; None where there are none. Raises BadRequest, ApiError."""
    kinds = {type(value) for one in lists for value in one}
    if list in kinds:
        why = "the server rejected our request due to an error in our request: lists of lists are not supported"
        raise ApiError(why, 422, "Invalid")
    if len(kinds) > 1 or type(None) in kinds:
        said = " ".join(map(go.shown, lists))
        raise BadRequest.of(f"list element types are not identical: [{said[:_QUOTED]}]")
    return kinds.pop() if kinds else None


def _directed_list(original: list[Any], patch: list[Any], key: str) -> tuple[list[Any], list[Any]]:
    """The two lists after the elements that only say what to do."""
    rest: list[Any] = []
    gone: set[Any] = set()
    is_replaced = False
    for value in patch:
        if _DIRECTIVE not in value:
            rest.append(value)
            continue
        match value[_DIRECTIVE]:
            case "delete":
                gone.add(_hashable(_key_of(value, key)))
            case "replace":
                is_replaced = True
            case "merge":
                raise BadRequest.of("merging lists cannot yet be specified in the patch")
            case _:
                raise _unknown(value)
    if is_replaced:
        return rest, []
    return [value for value in original if _hashable(value.get(key)) not in gone], rest


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


def _set_order(original: Object, patch: Object, directive: str, within: _Within) -> None:
    """Merges the list that the directive is about, and puts it into the order that it gives."""
    order = patch.pop(directive)
    name = _field_of(directive, "setElementOrder list")
    old, new = original.get(name), patch.get(name)
    for value in (order, *(one for one in (old, new) if one is not None)):
        if not isinstance(value, list):
            raise BadRequest.of(f"expected a []interface {{}}, but received a {go.type_of(value)}")
    type_, strategy, key = _facts(within, name)
    if type_ is None:
        raise BadRequest.of(f'unable to find api field in struct for the json field "{name[:100]}"')
    _check_order(new or [], order, key)
    if old is None and new is None:
        return
    if old is None:
        merged = _without_directives(new)
    elif new is None:
        merged = old
    else:
        merged = _merge_list(old, new, type_, key) if strategy == "merge" else new
    patch.pop(name, None)
    kind = _element_type(merged, order)
    if kind is dict and not key:
        raise BadRequest.of("cannot merge lists without merge key for struct")
    if kind is dict:
        for value in order:
            _key_of(value, key)
    original[name] = _arranged(merged, order, old or [], key if kind is dict else "")


def _check_order(patch: list[Any], order: list[Any], key: str) -> None:
    """What the patch has in its list must be in the order it gives, and in the same order."""
    if not patch or not order:
        return
    kept = [value for value in patch if not (_has_directive(value) and value[_DIRECTIVE] == "delete")]
    at = place = 0
    while at < len(kept) and place < len(order):
        if _has_directive(kept[at]):
            at += 1
            continue
        if _key_in(kept[at], key) == _key_in(order[place], key):
            at += 1
        place += 1
    if at < len(kept):
        said = f"{go.shown(patch)}\n doesn't match {_ORDER} list:\n{go.shown(order)}\n"
        raise BadRequest.of(f"The order in patch list:\n{said[:_QUOTED]}")


# --- keys ------------------------------------------------------------------------------------------------------------


def _field_of(directive: str, what: str) -> str:
    """The field that stands after a directive's slash."""
    prefix, slash, name = directive.partition("/")
    if not slash or prefix not in (_DELETE_FROM, _ORDER):
        raise BadRequest.of(f"invalid patch format of {what}")
    return name


def _key_of(value: Object, key: str) -> Any:
    if key not in value:
        raise BadRequest.of(f"map: {go.shown(value)[:_QUOTED]} does not contain declared merge key: {key}")
    return value[key]


def _key_in(value: Any, key: str) -> Any:
    if not key:
        return _hashable(value)
    if not isinstance(value, dict):
        raise BadRequest.of(f"expected a map[string]interface {{}}, but received a {go.type_of(value)}")
    return _hashable(_key_of(value, key))


def _hashable(value: Any) -> Any:
    """A merge key's value; true is not 1. A list or map is no key, but must not break the comparison."""
    return (type(value).__name__, str(value)) if isinstance(value, bool | dict | list) else value


def _identity(value: Any, key: str) -> Any:
    return _hashable(value.get(key)) if key and isinstance(value, dict) else _hashable(value)


def _unknown(patch: Object) -> BadRequest:
    return BadRequest.of(f"unknown patch type: {go.shown(patch[_DIRECTIVE])} in map: {go.shown(patch)[:_QUOTED]}")
