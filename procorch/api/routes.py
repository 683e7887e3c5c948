"""One decoded path: what is authorised is what is routed."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Protocol
from urllib.parse import unquote_to_bytes

from procorch.api.request import is_true
from procorch.kinds.kind import Kind
from procorch.objects import ApiError, BadRequest, MethodNotAllowed

_BY_METHOD = {"GET": "get", "HEAD": "get", "POST": "create", "PUT": "update", "PATCH": "patch", "DELETE": "delete"}
_METHODS = {"get": "GET", "list": "GET", "watch": "GET", "create": "POST", "update": "PUT", "patch": "PATCH",
            "delete": "DELETE", "deletecollection": "DELETE"}  # fmt: skip
_CONNECTS = ("exec", "attach", "portforward")


class Kinds(Protocol):
    """What of the registry routes need: None where there is no such kind."""

    def get(self, group: str, version: str, plural: str) -> Kind | None: ...


@dataclass(frozen=True, slots=True)
class Route:
    """Where a request goes, and what the authorizer judges.

    verb: get, list, watch, create, update, patch, delete, deletecollection; for a path that is no resource the
    method in lower case. kind: None for a path that is no resource, or a resource that is unknown.
    resource: plural as asked for; empty where the path is no resource.
    name: of a list or watch the one that `fieldSelector=metadata.name=…` names, as Kubernetes' authorizers see it.
    """

    verb: str
    path: str
    segments: tuple[str, ...]
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    namespace: str | None = None
    name: str | None = None
    kind: Kind | None = None
    rest: tuple[str, ...] = ()

    @property
    def is_collection(self) -> bool:
        return self.verb in ("list", "watch", "deletecollection") or (self.verb == "create" and not self.name)


def decode(path: str) -> tuple[str, ...]:
    """The path's segments, decoded once each; a slash that was encoded stays inside its segment, one at the end does
    not matter.

    Raises BadRequest for what is no UTF-8, for NUL, and for the segments `.` and `..`; NotFound for two slashes.
    """
    if path.isascii() and not any(mark in path for mark in ("%", "\0", "/.", "//")):  # nearly all are so
        return tuple(filter(None, path.split("/")))
    segments = []
    for raw in path.removeprefix("/").removesuffix("/").split("/") if path.strip("/") else ():
        if not raw:
            if "proxy" in segments:  # what lies behind it is not ours to judge
                continue
            raise not_found()
        try:
            segment = unquote_to_bytes(raw).decode()
        except UnicodeDecodeError:
            raise BadRequest.of("the path is not UTF-8") from None
        if "\0" in segment or segment in (".", ".."):
            raise BadRequest.of("the path contains a segment that is not allowed")
        segments.append(segment)
    return tuple(segments)


def parse(kinds: Kinds, method: str, path: str, query: Mapping[str, str]) -> Route:
    """Source of the shape: apiserver pkg/endpoints/request, RequestInfo. Raises BadRequest, MethodNotAllowed."""
    segments = decode(path)
    shown = "/" + "/".join(segments)
    if segments[:1] == ("api",) and len(segments) > 2:
        group, version, rest = "", segments[1], segments[2:]
    elif segments[:1] == ("apis",) and len(segments) > 3:
        group, version, rest = segments[1], segments[2], segments[3:]
    else:
        return Route(method.lower(), shown, segments)
    watching = rest[0] == "watch" and len(rest) > 1  # the old way to ask for a watch, /api/v1/watch/pods
    if watching:
        rest = rest[1:]
    namespace: str | None = None
    if rest[0] == "namespaces" and len(rest) > 2 and rest[2] not in ("status", "finalize"):
        namespace, rest = rest[1], rest[2:]
    kind = kinds.get(group, version, rest[0])
    if kind is not None and namespace is not None and not kind.namespaced:
        kind = None
    name = rest[1] if len(rest) > 1 else None
    subresource = rest[2] if len(rest) > 2 else ""
    verb = _verb(method, name, subresource, query)
    if watching:
        if method != "GET" or subresource:
            raise not_found()
        verb = "watch"
    if name is None and verb in ("list", "watch", "deletecollection"):
        name = _name_selected(query)
    return Route(
        verb, shown, segments, group, version, rest[0], subresource, namespace, name, kind, rest[3:]
    )  # fmt: skip


def _verb(method: str, name: str | None, subresource: str, query: Mapping[str, str]) -> str:
    verb = "get" if method == "OPTIONS" and subresource == "proxy" else _BY_METHOD.get(method)
    if verb is not None and subresource == "proxy":
        return verb  # the query is for the server behind it
    if verb is None:
        raise MethodNotAllowed.of()
    if subresource in _CONNECTS:
        return "create"  # a GET that upgrades writes as much as a POST does
    if name is None:
        if verb == "get":
            return "watch" if is_true(query, "watch") else "list"
        if verb == "delete":
            return "deletecollection"
        if verb != "create":
            raise MethodNotAllowed.of()
    return verb


def _name_selected(query: Mapping[str, str]) -> str | None:
    for part in query.get("fieldSelector", "").split(","):
        field, equals, value = part.partition("=")
        if field == "metadata.name" and equals:
            return value.lstrip("=")
    return None


def methods_of(route: Route, below: tuple[str, ...]) -> list[str]:
    """The methods that a path knows, for the header Allow. below: the verbs of its subresource."""
    if route.kind is None:
        return ["GET", "HEAD"]
    if route.subresource:
        verbs: Iterable[str] = below
    elif route.name is None and route.kind.namespaced and not route.namespace:
        verbs = ["list"]
    elif route.name is None:
        verbs = [one for one in route.kind.verbs if one in ("list", "watch", "create", "deletecollection")]
    else:
        verbs = [one for one in route.kind.verbs if one in ("get", "update", "patch", "delete")]
    methods = {_METHODS[verb] for verb in verbs if verb in _METHODS}
    return sorted(methods | ({"HEAD"} if "GET" in methods else set()))


def not_found() -> ApiError:
    """The answer to a path that leads nowhere."""
    return ApiError("the server could not find the requested resource", 404, "NotFound", nameless=True)
