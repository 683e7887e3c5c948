"""JSON Patch (RFC 6902), as the library behind Kubernetes' API carries it out.

Source: evanphx/json-patch v4, whose words these are. Clients see where it is more lenient than the RFC: `replace` and
`copy` take a key that a map has not got (what is copied is null then), an operation without a value has null, an index
may have leading zeros, and a negative one counts from the end. Only `test` and `replace` know the whole document.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import orjson

from procorch.api import go
from procorch.objects import ApiError, BadRequest, Object, RequestEntityTooLarge

#: Source: Kubernetes' maxJSONPatchOperations and JSONPatchMaxCopyBytes
MAX_OPERATIONS = 10_000
MAX_COPIED = 3 * 1024 * 1024
#: elements of lists that insertions and removals may shift, all operations together: a tenth of a second
MAX_SHIFTED = 100_000_000
_INT = 1 << 63


class _Missing(Exception):
    """A path leads nowhere."""


class _Wrong(Exception):
    """What a path leads to is there, but not what its last step names: the words of the cause."""


def inapplicable(message: str) -> ApiError:
    """In the words of apimachinery's NewGenericServerResponse, and then why.

    No causes: kubectl would print them after the field that they are about, and this is about none.
    """
    text = f"the server rejected our request due to an error in our request: {message}"
    return ApiError(text, 422, "Invalid", nameless=True)


def apply_json_patch(document: Any, operations: Any) -> Any:
    """The document after every operation, in order; it is changed. Raises BadRequest, ApiError 422 and 413."""
    _check(operations)
    if len(operations or ()) > MAX_OPERATIONS:
        said = f"The allowed maximum operations in a JSON patch is {MAX_OPERATIONS}, got {len(operations)}"
        raise RequestEntityTooLarge(said, 413, "RequestEntityTooLarge")
    run = _Run(document)
    for operation in operations or ():
        run.apply(operation)
    return run.document


def strangers(operations: Any) -> list[str]:
    """The paths of members that no operation has, for those who want to be told."""
    return [
        f"[{index}].{name}"
        for index, operation in enumerate(operations or ())
        for name in operation
        if name not in ("op", "path", "from", "value")
    ]


def _check(operations: Any) -> None:
    """Whether it is a list of operations, as Go's decoder would say. null is a patch that does nothing."""
    said = "error decoding patch: json: cannot unmarshal"
    if operations is not None and not isinstance(operations, list):
        raise BadRequest.of(f"{said} {go.json_type_of(operations)} into Go value of type []handlers.jsonPatchOp")
    for operation in operations or ():
        if not isinstance(operation, dict):
            raise BadRequest.of(f"{said} {go.json_type_of(operation)} into Go value of type handlers.jsonPatchOp")
        for name in ("op", "path", "from"):
            value = operation.get(name)
            if value is not None and not isinstance(value, str):
                kind = go.json_type_of(value)
                raise BadRequest.of(f"{said} {kind} into Go struct field jsonPatchOp.{name} of type string")


def _private(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


class _Run:
    def __init__(self, document: Any) -> None:
        self.document = document
        self._copied = 0
        self._shifted = 0

    def apply(self, operation: Object) -> None:
        name = operation.get("op")
        act: Callable[[Object], None] | None = getattr(self, f"_{name}", None) if name in _OPERATIONS else None
        if act is None:
            raise inapplicable(f"Unexpected kind: {name or 'unknown'}")
        act(operation)

    # The operations

    def _add(self, operation: Object) -> None:
        path = _text(operation, "path", "add operation failed to decode path: missing value")
        holder, key = self._holder(path, f'add operation does not apply: doc is missing path: "{path}"')
        self._put(holder, key, _private(operation.get("value")), f"error in add for path: '{path}'")

    def _remove(self, operation: Object) -> None:
        path = _text(operation, "path", "remove operation failed to decode path: missing value")
        holder, key = self._holder(path, f'remove operation does not apply: doc is missing path: "{path}"')
        self._take(holder, key, f"error in remove for path: '{path}'")

    def _replace(self, operation: Object) -> None:
        path = _text(operation, "path", "replace operation failed to decode path: operation missing path field: "
                     "missing value")  # fmt: skip
        value = _private(operation.get("value"))
        if path == "":
            if not isinstance(value, dict | list):
                raise inapplicable("replace operation value must be object or array")
            self.document = value
            return
        holder, key = self._holder(path, f"replace operation does not apply: doc is missing path: {path}")
        if isinstance(holder, dict):
            holder[key] = value
            return
        try:
            holder[_index(key, len(holder) - 1, len(holder))] = value
        except _Wrong:
            raise inapplicable(f"replace operation does not apply: doc is missing key: {path}: missing value") from None

    def _move(self, operation: Object) -> None:
        source = _text(operation, "from", "move operation failed to decode from: operation, missing from field: "
                       "missing value")  # fmt: skip
        holder, key = self._holder(source, f"move operation does not apply: doc is missing from path: {source}")
        value = self._take(holder, key, f"error in move for path: '{key}'")
        path = _text(operation, "path", "move operation failed to decode path: operation missing path field: "
                     "missing value")  # fmt: skip
        holder, key = self._holder(path, f"move operation does not apply: doc is missing destination path: {path}")
        self._put(holder, key, value, f"error in move for path: '{path}'")

    def _copy(self, operation: Object) -> None:
        source = _text(operation, "from", "copy operation failed to decode from: operation, missing from field: "
                       "missing value")  # fmt: skip
        holder, key = self._holder(source, f"copy operation does not apply: doc is missing from path: {source}")
        value = self._get(holder, key, f"error in copy for from: '{source}'")
        path = _text(operation, "path", "copy operation failed to decode path: missing value")
        holder, key = self._holder(path, f"copy operation does not apply: doc is missing destination path: {path}")
        encoded = orjson.dumps(value)
        self._copied += len(encoded)
        if self._copied > MAX_COPIED:
            raise inapplicable(
                f"Unable to complete the copy, the accumulated size increase of copy is {self._copied}, "
                f"exceeding the limit {MAX_COPIED}"
            )
        self._put(holder, key, orjson.loads(encoded), "error while adding value during copy")

    def _test(self, operation: Object) -> None:
        path = _text(operation, "path", "test operation failed to decode path: operation missing path field: "
                     "missing value")  # fmt: skip
        found = self.document
        if path != "":
            holder, key = self._holder(path, f"test operation does not apply: is missing path: {path}")
            found = self._get(holder, key, f"error in test for path: '{path}'")
        if not _same(found, operation.get("value")):
            raise inapplicable(f"testing value {path} failed: test failed")

    # What they do

    def _holder(self, path: str, otherwise: str) -> tuple[Any, str]:
        """The map or list that holds the last step of a path, and that step."""
        try:
            if not path.startswith("/"):
                raise _Missing
            *steps, last = (step.replace("~1", "/").replace("~0", "~") for step in path[1:].split("/"))
            here = self.document
            for step in steps:
                here = _step(here, step)
            if not isinstance(here, dict | list):
                raise _Missing
        except _Missing:
            raise inapplicable(f"{otherwise}: missing value") from None
        return here, last

    def _get(self, holder: Any, key: str, otherwise: str) -> Any:
        """None for a key that a map has not got."""
        if isinstance(holder, dict):
            return holder.get(key)
        try:
            return holder[_index(key, len(holder) - 1, len(holder))]
        except _Wrong as error:
            raise inapplicable(f"{otherwise}: {error}") from None

    def _put(self, holder: Any, key: str, value: Any, otherwise: str) -> None:
        if isinstance(holder, dict):
            holder[key] = value
            return
        try:
            index = len(holder) if key == "-" else _index(key, len(holder), len(holder) + 1)
        except _Wrong as error:
            about = "" if "invalid index" in str(error) else f"value was not a proper array index: '{key}': "
            raise inapplicable(f"{otherwise}: {about}{error}") from None
        self._shift(holder)
        holder.insert(index, value)

    def _take(self, holder: Any, key: str, otherwise: str) -> Any:
        if isinstance(holder, dict):
            if key not in holder:
                raise inapplicable(f"{otherwise}: Unable to remove nonexistent key: {key}: missing value")
            return holder.pop(key)
        try:
            index = _index(key, len(holder) - 1, len(holder))
        except _Wrong as error:
            raise inapplicable(f"{otherwise}: {error}") from None
        self._shift(holder)
        return holder.pop(index)

    def _shift(self, holder: list[Any]) -> None:
        self._shifted += len(holder)
        if self._shifted > MAX_SHIFTED:
            said = f"The JSON patch shifts more than {MAX_SHIFTED} elements of lists: send the list as a whole"
            raise RequestEntityTooLarge(said, 413, "RequestEntityTooLarge")


_OPERATIONS = frozenset(("add", "remove", "replace", "move", "copy", "test"))


def _text(operation: Object, name: str, otherwise: str) -> str:
    """A member that has been checked to be text, or absent."""
    value: str | None = operation.get(name)
    if value is None:
        raise inapplicable(otherwise)
    return value


def _step(here: Any, step: str) -> Any:
    if isinstance(here, dict) and step in here:
        return here[step]
    if isinstance(here, list):
        try:
            return here[_index(step, len(here) - 1, len(here))]
        except _Wrong:
            raise _Missing from None
    raise _Missing


def _index(text: str, last: int, size: int) -> int:
    """An index of a list, 0 to `last`; a negative one counts from `size`. Raises _Wrong."""
    why = go.misread(text, "Atoi", -_INT, _INT - 1)
    if why is not None:
        raise _Wrong(why)
    index = int(text)
    if index > last or index < -size:
        raise _Wrong(f"Unable to access invalid index: {index}: invalid index referenced")
    return index + size if index < 0 else index


def _same(one: Any, other: Any) -> bool:
    """Equal as JSON text is: true is not 1, and 1.0 is not. Stops at the first difference, so it costs no more than
    the smaller value."""
    if type(one) is not type(other):
        return False
    if isinstance(one, dict):
        return len(one) == len(other) and all(key in other and _same(one[key], other[key]) for key in one)
    if isinstance(one, list):
        return len(one) == len(other) and all(_same(left, right) for left, right in zip(one, other, strict=True))
    return bool(one == other)
