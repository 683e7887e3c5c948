"""The patches: merge patch (RFC 7386) here, JSON Patch in json_patch.py, strategic merge patch in strategic.py."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import orjson

from procorch.api import body, go, json_patch
from procorch.api.json_patch import apply_json_patch, inapplicable
from procorch.api.strategic import merge_object
from procorch.kinds.kind import Kind
from procorch.kinds.schema import of_kind
from procorch.objects import BadRequest, Object, UnsupportedMediaType

JSON_PATCH = "application/json-patch+json"
MERGE_PATCH = "application/merge-patch+json"
STRATEGIC_PATCH = "application/strategic-merge-patch+json"
TYPES = (JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH)
APPLY_PATCH, APPLY_CBOR = "application/apply-patch+yaml", "application/apply-patch+cbor"  # fieldmanager/


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
            return go.shown(orjson.loads(self.body))
        return orjson.dumps(result).decode()


def apply_patch(
    content_type: str,
    original: Object,
    patch: bytes | Object | list[Any],
    kind: Kind | str,
    duplicates: list[str] | None = None,
    strangers: list[str] | None = None,
) -> Object:
    """What the patch makes of the object, as a new one; `original` stays as it is.

    patch: a request's body, or what stands in it. kind: a Kind or a definition's name; it tells a strategic merge
    which lists are merged by which key. duplicates: is given the paths of the body's fields that stand twice.
    strangers: those of the members that a JSON patch's operations should not have.
    Raises BadRequest (the patch is none), ApiError 422 (it does not apply), RequestEntityTooLarge,
    UnsupportedMediaType.
    """
    media = check_media(content_type)
    wanted = _decoded(patch, media, duplicates) if isinstance(patch, bytes) else patch
    try:
        if media == JSON_PATCH:
            result = _object(apply_json_patch(_private(original), wanted))
            if strangers is not None:
                strangers[:] = json_patch.strangers(wanted)
            return result
        wanted = _map_of(wanted, media)
        if media == MERGE_PATCH:
            return _object(merge(_private(original), wanted))
        return _object(merge_object(_private(original), _private(wanted), _definition(kind)))
    except (RecursionError, orjson.JSONEncodeError) as error:
        raise BadRequest.of("error decoding patch: it makes the object nested too deep") from error


def _decoded(patch: bytes, media: str, duplicates: list[str] | None) -> Any:
    try:
        return body.decode(body.JSON, patch, duplicates)
    except body.Malformed as error:
        raise BadRequest.of(
            error.said if media == STRATEGIC_PATCH else f"error decoding patch: {error.said}"
        ) from error
    except BadRequest as error:
        raise BadRequest.of(f"invalid JSON patch: {error.message}") from error


def _map_of(wanted: Any, media: str) -> Object:
    """A patch that should be an object. null is a strategic patch that does nothing, but no merge patch."""
    if isinstance(wanted, dict):
        return wanted
    if wanted is None:
        if media == STRATEGIC_PATCH:
            return {}
        raise BadRequest.of("Invalid JSON Patch")
    said = f"json: cannot unmarshal {go.json_type_of(wanted)} into Go value of type map[string]interface {{}}"
    raise BadRequest.of(said if media == STRATEGIC_PATCH else f"error decoding patch: {said}")


def check_media(content_type: str) -> str:
    """Which of TYPES it is. Raises UnsupportedMediaType."""
    media = content_type.partition(";")[0].strip().lower()
    if media not in TYPES:
        raise UnsupportedMediaType.at_all()
    return media


def _private(value: Any) -> Any:
    return orjson.loads(orjson.dumps(value))


def _definition(kind: Kind | str) -> Any:
    try:
        return of_kind(kind)
    except KeyError:
        return None


def _object(value: Any) -> Object:
    if not isinstance(value, dict):
        raise inapplicable("the patch makes something else of the object")
    orjson.dumps(value)  # what is nested too deep to be stored must be found here
    return value


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
