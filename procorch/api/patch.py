"""The patches: JSON Patch (RFC 6902) and merge patch (RFC 7386) here, strategic merge patch in strategic.py."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import orjson

from procorch.api import body
from procorch.api.strategic import merge_object
from procorch.kinds.kind import Kind
from procorch.kinds.schema import of_kind
from procorch.objects import ApiError, BadRequest, Object, RequestEntityTooLarge, UnsupportedMediaType

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
APPLY_PATCH, APPLY_CBOR = "application/apply-patch+yaml", "application/apply-patch+cbor"  # fieldmanager/

#: Source: Kubernetes' maxJSONPatchOperations and JSONPatchMaxCopyBytes
MAX_OPERATIONS = 10_000
MAX_COPIED = 3 * 1024 * 1024
#: elements of lists that insertions and removals may shift, all operations together: a tenth of a second
MAX_SHIFTED = 100_000_000


@dataclass(frozen=True, slots=True)
class Patch:
    """A patch as a request brought it."""

    media: str
    body: bytes

    @property
    def is_json_patch(self) -> bool:
        return self.media == JSON_PATCH

    def shown(self, result: Object) -> str:
        """How Kubernetes quotes one that is refused: a strategic patch as a Go map, others by what they made."""
        if self.media == STRATEGIC_PATCH:
            return _as_go(orjson.loads(self.body))
        return orjson.dumps(result).decode()


def apply_patch(
    content_type: str,
    original: Object,
    patch: bytes | Object | list[Any],
    kind: Kind | str,
    duplicates: list[str] | None = None,
) -> Object:
    """What the patch makes of the object, as a new one; `original` stays as it is.

    patch: a request's body, or what stands in it. kind: a Kind or a definition's name; it tells a strategic merge
    which lists are merged by which key. duplicates: is given the paths of the body's fields that stand twice.
    Raises BadRequest (the patch is none), ApiError 422 (it does not apply), RequestEntityTooLarge,
    UnsupportedMediaType.
    """
    media = check_media(content_type)
    wanted = body.decode(body.JSON, patch, duplicates) if isinstance(patch, bytes) else patch
    try:
        if media == JSON_PATCH:
            return _object(apply_json_patch(_private(original), wanted))
        if not isinstance(wanted, dict):
            raise BadRequest.of("error decoding patch: a patch of this type is an object")
        if media == MERGE_PATCH:
            return _object(merge(_private(original), wanted))
        return _object(merge_object(_private(original), _private(wanted), _definition(kind)))
    except (RecursionError, orjson.JSONEncodeError) as error:
        raise BadRequest.of("error decoding patch: it makes the object nested too deep") from error


def check_media(content_type: str) -> str:
    """Which of TYPES it is. Raises UnsupportedMediaType."""
    media = content_type.partition(";")[0].strip().lower()
    if media not in TYPES:
        raise UnsupportedMediaType.of((*TYPES, APPLY_PATCH, APPLY_CBOR))
    return media


def _as_go(value: Any) -> str:
    """A value as Go's %+v prints it."""
    if isinstance(value, dict):
        return f"map[{' '.join(f'{name}:{_as_go(item)}' for name, item in sorted(value.items()))}]"
    if isinstance(value, list):
        return f"[{' '.join(map(_as_go, value))}]"
    if isinstance(value, bool):
        return "true" if value else "false"
    return "<nil>" if value is None else str(value)


def _private(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


def _definition(kind: Kind | str) -> Any:
    try:
        return of_kind(kind)
    except KeyError:
        return None


def _object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise _inapplicable("the patch makes something else of the object")
    orjson.dumps(value)  # what is nested too deep to be stored must be found here
    return value


def _inapplicable(message: str) -> ApiError:
    """In the words of apimachinery's NewGenericServerResponse, and then why.

    No causes: kubectl would print them after the field that they are about, and this is about none.
    """
    text = f"the server rejected our request due to an error in our request: {message}"
    return ApiError(text, 422, "Invalid")


# --- RFC 7386 --------------------------------------------------------------------------------------------------------


def merge(target: Any, patch: Any) -> Any:
    """RFC 7386's MergePatch; `target` is changed where it is an object."""
    if not isinstance(patch, dict):
        return patch
    result = target if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = merge(result.get(name), value)
    return result


# --- RFC 6902 --------------------------------------------------------------------------------------------------------


class _Missing(Exception):
    """A path leads nowhere: the words of the cause."""


def apply_json_patch(document: Any, operations: Any) -> Any:
    """The document after every operation, in order; it is changed. Raises BadRequest, ApiError 422 and 413."""
    if not isinstance(operations, list) or not all(isinstance(one, dict) for one in operations):
        raise BadRequest.of("error decoding patch: a JSON patch is a list of operations")
    if len(operations) > MAX_OPERATIONS:
        said = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise RequestEntityTooLarge(said, 413, "RequestEntityTooLarge")
    run = _Run(document)
    for operation in operations:
        run.apply(operation)
    return run.document


class _Run:
    def __init__(self, document: Any) -> None:
        self.document = document
        self._copied = 0
        self._shifted = 0

    def apply(self, operation: Object) -> None:
        name, path = operation.get("op"), operation.get("path")
        if not isinstance(path, str):
            raise _inapplicable(f"Unable to decode path field: {operation!r}"[:200])
        act: Callable[[Object, str], None] | None = getattr(self, f"_{name}", None) if name in _OPERATIONS else None
        if act is None:
            raise _inapplicable(f"Unexpected kind: {name}")
        act(operation, path)

    def _value(self, operation: Object) -> Any:
        if "value" not in operation:
            raise _inapplicable(f"{operation['op']} operation needs a value: {operation['path']}")
        return operation["value"]

    def _add(self, operation: Object, path: str) -> None:
        self._put(path, _private(self._value(operation)), "add")

    def _put(self, path: str, value: Any, verb: str) -> None:
        if path == "":
            self.document = value
            return
        try:
            holder, key = self._holder(path)
            if isinstance(holder, dict):
                holder[key] = value
            else:
                self._shift(holder)
                holder.insert(len(holder) if key == "-" else _index(key, len(holder)), value)
        except _Missing as error:
            raise _inapplicable(f'{verb} operation does not apply: doc is missing path: "{path}": {error}') from error

    def _shift(self, holder: list[Any]) -> None:
        self._shifted += len(holder)
        if self._shifted > MAX_SHIFTED:
            said = f"The JSON patch shifts more than {MAX_SHIFTED} elements of lists: send the list as a whole"
            raise RequestEntityTooLarge(said, 413, "RequestEntityTooLarge")

    def _remove(self, operation: Object, path: str) -> None:
        self._take(path, "remove")

    def _take(self, path: str, verb: str) -> Any:
        try:
            holder, key = self._holder(path)
        except _Missing as error:
            raise _inapplicable(f'{verb} operation does not apply: doc is missing path: "{path}": {error}') from error
        try:
            if isinstance(holder, list):
                self._shift(holder)
                return holder.pop(_index(key, len(holder) - 1))
            if key not in holder:
                raise _Missing(f"Unable to remove nonexistent key: {key}: missing value")
            return holder.pop(key)
        except _Missing as error:
            raise _inapplicable(f"error in {verb} for path: '{path}': {error}") from error

    def _replace(self, operation: Object, path: str) -> None:
        value = _private(self._value(operation))
        if path == "":
            self.document = value
            return
        try:
            holder, key = self._holder(path)
        except _Missing as error:
            raise _inapplicable(f"replace operation does not apply: doc is missing path: {path}: {error}") from error
        try:
            if isinstance(holder, list):
                holder[_index(key, len(holder) - 1)] = value
            elif key in holder:
                holder[key] = value
            else:
                raise _Missing("missing value")
        except _Missing as error:
            raise _inapplicable(f"replace operation does not apply: doc is missing key: {path}: {error}") from error

    def _move(self, operation: Object, path: str) -> None:
        source = self._source(operation)
        if path == source:
            self._at(source, "move")
            return
        if path.startswith(f"{source}/"):
            raise _inapplicable(f"move operation does not apply: {path} lies in {source}")
        self._put(path, self._take(source, "move"), "move")

    def _copy(self, operation: Object, path: str) -> None:
        encoded = orjson.dumps(self._at(self._source(operation), "copy"))
        self._copied += len(encoded)
        if self._copied > MAX_COPIED:
            raise _inapplicable(
                f"Unable to complete the copy, the accumulated size increase of copy is {self._copied}, "
                f"exceeding the limit {MAX_COPIED}"
            )
        self._put(path, orjson.loads(encoded), "copy")

    def _test(self, operation: Object, path: str) -> None:
        wanted = operation.get("value")
        try:
            found = self._get(path)
        except _Missing as error:
            if wanted is None:
                return
            raise _inapplicable(f"testing path {path} failed: {error}: test failed") from error
        if not _same(found, wanted):
            raise _inapplicable(f"testing value {path} failed: test failed")

    def _source(self, operation: Object) -> str:
        source = operation.get("from")
        if not isinstance(source, str):
            raise _inapplicable(f"{operation['op']} operation does not apply: it has no from")
        return source

    def _at(self, path: str, verb: str) -> Any:
        try:
            return self._get(path)
        except _Missing as error:
            said = f"{verb} operation does not apply: doc is missing from path: {path}: {error}"
            raise _inapplicable(said) from error

    def _get(self, path: str) -> Any:
        if path == "":
            return self.document
        holder, key = self._holder(path)
        return _step(holder, key)

    def _holder(self, path: str) -> tuple[Any, str]:
        """What holds the last step of a path, and that step."""
        if not path.startswith("/"):
            raise _Missing("missing value")
        *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
        here = self.document
        for step in steps:
            here = _step(here, step)
        if not isinstance(here, dict | list):
            raise _Missing("missing value")
        return here, last


_OPERATIONS = frozenset(("add", "remove", "replace", "move", "copy", "test"))


def _step(here: Any, step: str) -> Any:
    if isinstance(here, dict) and step in here:
        return here[step]
    if isinstance(here, list):
        return here[_index(step, len(here) - 1)]
    raise _Missing("missing value")


def _index(text: str, last: int) -> int:
    """An index of a list, 0 to `last`."""
    if not (text.isascii() and text.isdigit()) or (len(text) > 1 and text[0] == "0") or len(text) > 9:
        raise _Missing(f"Unable to access invalid index: {text}: invalid index referenced")
    if int(text) > last:
        raise _Missing(f"Unable to access invalid index: {text}: invalid index referenced")
    return int(text)


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON: true is not 1. Stops at the first difference, so it costs no more than the smaller value."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return len(one) == len(other) and all(key in other and _same(one[key], other[key]) for key in one)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(_same(left, right) for left, right in zip(one, other, strict=True))
    return bool(one == other)
