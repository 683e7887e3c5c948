"""Reading Kubernetes objects: plain dicts as on the wire, and the API's errors in Kubernetes' words."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import islice
from typing import Any, TypedDict

Object = dict[str, Any]

#: A refusal quotes what was sent, which may be megabytes: no more causes than this, no more characters of a value,
#: and no more of a name. Kubernetes has no such limits.
MOST_CAUSES, LONGEST_VALUE, LONGEST_NAME = 100, 2_000, 300


class OwnerReference(TypedDict, total=False):
    """One row of metadata.ownerReferences."""

    apiVersion: str
    kind: str
    name: str
    uid: str
    controller: bool
    blockOwnerDeletion: bool


def get(obj: Mapping[str, Any], path: str, default: Any = None) -> Any:
    """The value at a dotted path (`.spec.nodeName`), or `default` where a step is missing or null."""
    value: Any = obj
    for step in _steps(path):
        # An object is a dict; asking for Mapping alone is ten times slower, and controllers ask all day.
        if not isinstance(value, dict) and not isinstance(value, Mapping):
            return default
        if (value := value.get(step)) is None:
            return default
    return value


@lru_cache(1024)
def _steps(path: str) -> tuple[str, ...]:
    return tuple(path.lstrip(".").split("."))


def key_of(obj: Mapping[str, Any]) -> str:
    """`namespace/name`, or `name` for what is in no namespace."""
    metadata = obj["metadata"]
    namespace = metadata.get("namespace")
    return f"{namespace}/{metadata['name']}" if namespace else str(metadata["name"])


def split_key(key: str) -> tuple[str | None, str]:
    """`namespace/name` in its two parts; the namespace is None for what is in none."""
    namespace, slash, name = key.rpartition("/")
    return (namespace if slash else None), name


def labels_of(obj: Mapping[str, Any]) -> dict[str, str]:
    return obj["metadata"].get("labels") or {}


def annotations_of(obj: Mapping[str, Any]) -> dict[str, str]:
    return obj["metadata"].get("annotations") or {}


def uid_of(obj: Mapping[str, Any]) -> str:
    return str(obj["metadata"]["uid"])


def owners_of(obj: Mapping[str, Any]) -> list[OwnerReference]:
    return obj["metadata"].get("ownerReferences") or []


def controller_of(obj: Mapping[str, Any]) -> OwnerReference | None:
    """The one owner that manages the object, if it has one."""
    return next((owner for owner in owners_of(obj) if owner.get("controller")), None)


def owner_reference(owner: Mapping[str, Any]) -> OwnerReference:
    """The ownerReferences row that makes `owner` the controller of an object."""
    return {
        "apiVersion": owner["apiVersion"],
        "kind": owner["kind"],
        "name": owner["metadata"]["name"],
        "uid": owner["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }


def is_deleting(obj: Mapping[str, Any]) -> bool:
    return obj["metadata"].get("deletionTimestamp") is not None


def condition_of(obj: Mapping[str, Any], type_: str) -> dict[str, Any] | None:
    """The row of status.conditions of this type."""
    rows: list[dict[str, Any]] = get(obj, ".status.conditions", [])
    return next((row for row in rows if row.get("type") == type_), None)


@dataclass(frozen=True, slots=True)
class Cause:
    """One thing that is wrong with one field, as a Status carries it in details.causes."""

    field: str
    message: str
    reason: str = "FieldValueInvalid"

    @classmethod
    def invalid(cls, field: str, value: object, detail: str) -> Cause:
        return cls(field, f"Invalid value: {_shown(value)}{': ' if detail else ''}{detail}", "FieldValueInvalid")

    @classmethod
    def required(cls, field: str, detail: str = "") -> Cause:
        return cls(field, "Required value" + (f": {detail}" if detail else ""), "FieldValueRequired")

    @classmethod
    def unsupported(cls, field: str, value: object, supported: Iterable[str]) -> Cause:
        """supported: in the order that is shown; a set is sorted first."""
        choice = ", ".join(_shown(one) for one in (sorted(supported) if isinstance(supported, Set) else supported))
        return cls(field, f"Unsupported value: {_shown(value)}: supported values: {choice}", "FieldValueNotSupported")

    @classmethod
    def forbidden(cls, field: str, detail: str) -> Cause:
        return cls(field, f"Forbidden: {detail}", "FieldValueForbidden")

    @classmethod
    def duplicate(cls, field: str, value: object) -> Cause:
        return cls(field, f"Duplicate value: {_shown(value)}", "FieldValueDuplicate")

    @classmethod
    def not_found(cls, field: str, value: object) -> Cause:
        return cls(field, f"Not found: {_shown(value)}", "FieldValueNotFound")

    @classmethod
    def too_long(cls, field: str, limit: int) -> Cause:
        """limit: bytes."""
        return cls(field, f"Too long: may not be more than {limit} byte{'s'[: limit != 1]}", "FieldValueTooLong")

    @classmethod
    def too_many(cls, field: str, count: int, limit: int) -> Cause:
        return cls(field, f"Too many: {count}: must have at most {limit} item{'s'[: limit != 1]}", "FieldValueTooMany")


_GO_QUOTED = {
    **{chr(code): f"\\x{code:02x}" for code in (*range(32), 127)},
    **{"\\": "\\\\", '"': '\\"', "\a": "\\a", "\b": "\\b", "\f": "\\f", "\n": "\\n", "\r": "\\r"},
    **{"\t": "\\t", "\v": "\\v"},
}
_GO_TABLE = str.maketrans(_GO_QUOTED)
_HTML_TABLE = str.maketrans({"<": "\\u003c", ">": "\\u003e", "&": "\\u0026"})


class Struct(dict[str, Any]):
    """A struct of Go's in a message: under Go's names, in the order of its fields."""


def _shown(value: object) -> str:
    """A value inside a message as Go prints it: text as %q, numbers plainly, the rest as encoding/json does."""
    if isinstance(value, str):
        return f'"{shortened(value, LONGEST_VALUE).translate(_GO_TABLE)}"'
    if isinstance(value, int | float) and not isinstance(value, bool):
        return str(value)
    try:
        ordered = isinstance(value, Struct)
        text = json.dumps(value, default=str, separators=(",", ":"), sort_keys=not ordered, ensure_ascii=False)
    except TypeError:  # YAML's keys need not all be text
        text = str(value)
    return shortened(text, LONGEST_VALUE).translate(_HTML_TABLE)


def shortened(text: str, most: int) -> str:
    """The text, or its beginning and three dots where it has more than so many characters."""
    return text if len(text) <= most else f"{text[:most]}..."


@dataclass
class ApiError(Exception):
    """What the API answers instead of an object: a Status with Kubernetes' code, reason and words.

    retry_after: seconds, sent as the Retry-After header and details.retryAfterSeconds.
    continue_token: with which a list that has lost its snapshot goes on all the same.
    nameless: it is about no object that could be named; Kubernetes shows details then too, though there are none.
    """

    message: str
    code: int = 500
    reason: str = "InternalError"
    details: dict[str, Any] = field(default_factory=dict)
    retry_after: int | None = None
    continue_token: str = ""
    nameless: bool = False

    def __str__(self) -> str:
        return self.message

    def status(self) -> Object:
        """The Status object that goes over the wire."""
        status: Object = {
            "kind": "Status",
            "apiVersion": "v1",
            "metadata": {"continue": self.continue_token} if self.continue_token else {},
            "status": "Failure",
            "message": self.message,
            "reason": self.reason,
            "code": self.code,
        }
        details = dict(self.details)
        if self.retry_after is not None:
            details["retryAfterSeconds"] = self.retry_after
        if details or self.nameless:
            status["details"] = details
        return status

    @staticmethod
    def from_status(status: Mapping[str, Any]) -> ApiError:
        """The exception for a Status received; a class of its own where `reason` has one."""
        error = ApiError(
            str(status.get("message") or status.get("reason") or "unknown error"),
            int(status.get("code") or 500),
            str(status.get("reason") or ""),
            dict(status.get("details") or {}),
            continue_token=str((status.get("metadata") or {}).get("continue") or ""),
        )
        kind = _BY_REASON.get(error.reason, ApiError)
        error.__class__ = kind
        return error


def _named(resource: str, group: str, name: str) -> tuple[str, dict[str, Any]]:
    """How Kubernetes names a resource in a message (`pods`, `replicasets.apps`), and the details beside it."""
    details = {"name": shortened(name, LONGEST_NAME), "group": group, "kind": resource}
    return (f"{resource}.{group}" if group else resource), {k: v for k, v in details.items() if v}


class NotFound(ApiError):
    @classmethod
    def of(cls, resource: str, name: str, group: str = "") -> NotFound:
        shown, details = _named(resource, group, name)
        return cls(f'{shown} "{name}" not found', 404, "NotFound", details)


class AlreadyExists(ApiError):
    @classmethod
    def of(cls, resource: str, name: str, group: str = "") -> AlreadyExists:
        shown, details = _named(resource, group, name)
        return cls(f'{shown} "{name}" already exists', 409, "AlreadyExists", details)


class Conflict(ApiError):
    @classmethod
    def of(cls, resource: str, name: str, group: str = "", why: str = "") -> Conflict:
        shown, details = _named(resource, group, name)
        why = why or ("the object has been modified; please apply your changes to the latest version and try again")
        return cls(f'Operation cannot be fulfilled on {shown} "{name}": {why}', 409, "Conflict", details)


class Invalid(ApiError):
    @classmethod
    def of(cls, kind: str, name: str, causes: Iterable[Cause], group: str = "") -> Invalid:
        """Source of the wording: apimachinery pkg/api/errors NewInvalid and field.ErrorList's aggregate."""
        every = iter(causes)
        rows = list(islice(every, MOST_CAUSES))
        lines = list(dict.fromkeys(f"{cause.field}: {cause.message}" for cause in rows))
        if next(every, None) is not None:
            lines.append("and more")
        text = lines[0] if len(lines) == 1 else f"[{', '.join(lines)}]"
        shown, details = _named(kind, group, name)
        details["causes"] = [{"reason": c.reason, "message": c.message, "field": c.field} for c in rows]
        return cls(f'{shown} "{shortened(name, LONGEST_NAME)}" is invalid: {text}', 422, "Invalid", details)


class BadRequest(ApiError):
    @classmethod
    def of(cls, message: str) -> BadRequest:
        return cls(message, 400, "BadRequest")


class Unauthorized(ApiError):
    @classmethod
    def of(cls, message: str = "Unauthorized") -> Unauthorized:
        return cls(message, 401, "Unauthorized")


class Forbidden(ApiError):
    @classmethod
    def of(cls, resource: str, name: str, why: str, group: str = "") -> Forbidden:
        shown, details = _named(resource, group, name)
        quoted = f' "{name}"' if name else ""
        return cls(f"{shown}{quoted} is forbidden: {why}", 403, "Forbidden", details)


class MethodNotAllowed(ApiError):
    @classmethod
    def of(cls, message: str = "the server does not allow this method on the requested resource") -> MethodNotAllowed:
        return cls(message, 405, "MethodNotAllowed", nameless=True)


class NotAcceptable(ApiError):
    @classmethod
    def of(cls, accepted: Iterable[str]) -> NotAcceptable:
        """Of a type that there is, not the form that its parameters ask for."""
        return cls("only the following media types are accepted: " + ", ".join(accepted), 406, "NotAcceptable")

    @classmethod
    def at_all(cls, available: Iterable[str]) -> NotAcceptable:
        """None of the types that are asked for. Source of the words: go-restful, by which kube-apiserver routes."""
        message = f"406: Not Acceptable\n\nAvailable representations: {', '.join(available)}"
        return cls(message, 406, "NotAcceptable", nameless=True)


class UnsupportedMediaType(ApiError):
    @classmethod
    def of(cls, accepted: Iterable[str]) -> UnsupportedMediaType:
        return cls(
            "the body of the request was in an unknown format - accepted media types include: " + ", ".join(accepted),
            415,
            "UnsupportedMediaType",
        )

    @classmethod
    def at_all(cls) -> UnsupportedMediaType:
        """What is no patch. Source of the words: go-restful, by which kube-apiserver routes."""
        return cls("415: Unsupported Media Type", 415, "UnsupportedMediaType", nameless=True)


class RequestEntityTooLarge(ApiError):
    @classmethod
    def of(cls, limit: int) -> RequestEntityTooLarge:
        return cls(f"Request entity too large: limit is {limit}", 413, "RequestEntityTooLarge")


class Expired(ApiError):
    @classmethod
    def of(cls, message: str) -> Expired:
        return cls(message, 410, "Expired")


class TooManyRequests(ApiError):
    @classmethod
    def of(cls, message: str, retry_after: int = 1) -> TooManyRequests:
        return cls(message, 429, "TooManyRequests", retry_after=retry_after)


class ServiceUnavailable(ApiError):
    @classmethod
    def of(cls, message: str) -> ServiceUnavailable:
        return cls(message, 503, "ServiceUnavailable")


class Timeout(ApiError):
    @classmethod
    def of(cls, message: str, retry_after: int = 0) -> Timeout:
        return cls(message, 504, "Timeout", retry_after=retry_after or None, nameless=True)


_BY_REASON: dict[str, type[ApiError]] = {
    kind.__name__: kind
    for kind in (
        NotFound, AlreadyExists, Conflict, Invalid, BadRequest, Unauthorized, Forbidden, MethodNotAllowed,
        NotAcceptable, UnsupportedMediaType, RequestEntityTooLarge, Expired, TooManyRequests, ServiceUnavailable,
        Timeout,
    )
}  # fmt: skip
