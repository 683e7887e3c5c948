"""The operations in the OpenAPI documents: which methods each path of a kind has, what they take and what they give."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from procorch.kinds import schema
from procorch.kinds.kind import Kind
from procorch.objects import Object

_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_PATCH_TYPES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json",
                "application/strategic-merge-patch+json")  # fmt: skip
_ANSWER_TYPES = ("application/json", "application/yaml", "application/vnd.kubernetes.protobuf", "application/cbor")
_STREAM_TYPES = (*_ANSWER_TYPES, "application/json;stream=watch", "application/vnd.kubernetes.protobuf;stream=watch",
                 "application/cbor-seq")  # fmt: skip
#: what a subresource takes and gives, where it is not the kind itself
SUBRESOURCES = {
    "scale": ("autoscaling", "v1", "Scale"),
    "binding": ("", "v1", "Binding"),
    "eviction": ("policy", "v1", "Eviction"),
    "token": ("authentication.k8s.io", "v1", "TokenRequest"),
}
_STREAMS = ("container", "stderr", "stdin", "stdout", "tty")
#: what is upgraded to a connection, and its options: their kind, and their names in the query
CONNECTS = {"exec": ("PodExecOptions", ("command", *_STREAMS)), "attach": ("PodAttachOptions", _STREAMS),
            "portforward": ("PodPortForwardOptions", ("ports",))}  # fmt: skip
_ANY_METHOD = ("get", "put", "post", "delete", "options", "head", "patch")
#: in the names of operations
_SPELLED = {"ephemeralcontainers": "Ephemeralcontainers", "{path}": "WithPath"}
_TYPES = {"limit": "integer", "timeoutSeconds": "integer", "gracePeriodSeconds": "integer", "watch": "boolean",
          "allowWatchBookmarks": "boolean", "sendInitialEvents": "boolean", "force": "boolean",
          "orphanDependents": "boolean", "stderr": "boolean", "stdin": "boolean", "stdout": "boolean",
          "tty": "boolean", "ports": "integer"}  # fmt: skip
_CHOICE = ("continue", "fieldSelector", "labelSelector", "limit", "resourceVersion", "resourceVersionMatch",
           "sendInitialEvents", "timeoutSeconds")  # fmt: skip
_DELETE = ("dryRun", "gracePeriodSeconds", "orphanDependents", "propagationPolicy")
_WRITE = ("dryRun", "fieldManager", "fieldValidation")
_OPTIONS = {"get": (), "list": ("allowWatchBookmarks", *_CHOICE, "watch"), "post": _WRITE, "put": _WRITE,
            "patch": (*_WRITE, "force"), "delete": _DELETE, "deletecollection": (*_CHOICE, *_DELETE)}  # fmt: skip
#: HTTP method, action, and the kind that is meant
_Row = tuple[str, str, tuple[str, str, str]]


def _gvk(group: str, version: str, kind: str) -> Object:
    return {"group": group, "version": version, "kind": kind}


def _operations(kind: Kind) -> Iterator[tuple[str, list[_Row]]]:
    """Path templates, each with rows of HTTP method, action, and the kind that is meant."""
    own = (kind.group, kind.version, kind.name)
    items = kind.path("{namespace}" if kind.namespaced else None)
    one = f"{items}/{{name}}"
    on_items = {"list": ("get", "list"), "create": ("post", "post"), "deletecollection": ("delete", "deletecollection")}
    on_one = {"get": ("get", "get"), "update": ("put", "put"), "patch": ("patch", "patch"),
              "delete": ("delete", "delete")}  # fmt: skip
    yield items, [(*row, own) for verb, row in on_items.items() if verb in kind.verbs]
    yield one, [(*row, own) for verb, row in on_one.items() if verb in kind.verbs]
    if kind.namespaced and "list" in kind.verbs:
        yield kind.path(), [("get", "list", own)]
    for name in kind.subresources:
        meant = SUBRESOURCES.get(name, own)
        if name == "finalize":
            yield f"{one}/{name}", [("put", "put", meant)]
        elif name in ("binding", "eviction", "token"):
            yield f"{one}/{name}", [("post", "post", meant)]
        elif name == "log":
            yield f"{one}/{name}", [("get", "get", own)]
        elif name in CONNECTS:
            meant = ("", "v1", CONNECTS[name][0])
            yield f"{one}/{name}", [("get", "connectGet", meant), ("post", "connectPost", meant)]
        elif name == "proxy":
            meant = ("", "v1", f"{kind.name}ProxyOptions")
            rows = [(method, f"connect{method.title()}", meant) for method in _ANY_METHOD]
            yield f"{one}/{name}", rows
            yield f"{one}/{name}/{{path}}", rows
        else:
            yield f"{one}/{name}", [("get", "get", meant), ("put", "put", meant), ("patch", "patch", meant)]


def _parameter(name: str, place: str, *, third: bool) -> Object:
    required = {"required": True} if place == "path" else {}
    type_ = _TYPES.get(name, "string")
    typed: Object = {"schema": {"type": type_, "uniqueItems": True}} if third else {"type": type_, "uniqueItems": True}
    return {"name": name, "in": place, **required, **typed}


def _path_parameters(path: str, *, third: bool) -> list[Object]:
    steps = [step[1:-1] for step in path.split("/") if step.startswith("{")]
    return [_parameter(name, "path", third=third) for name in steps] + [_parameter("pretty", "query", third=third)]


_VERBS = {"get": "read", "list": "list", "post": "create", "put": "replace", "patch": "patch", "delete": "delete",
          "deletecollection": "delete"}  # fmt: skip


def _operation_id(kind: Kind, path: str, action: str) -> str:
    """As Kubernetes' generated clients know it: `listCoreV1PodForAllNamespaces`, `replaceAppsV1DeploymentScale`."""
    group = "".join(part.title() for part in (kind.group.removesuffix(".k8s.io") or "core").split("."))
    connected = action.removeprefix("connect")
    verb, before = ("connect", connected) if connected != action else (_VERBS[action], "")
    if action == "deletecollection":
        before = "Collection"
    if "{namespace}" in path:
        before += "Namespaced"
    below = path.partition("/{name}/")[2].split("/")
    after = "".join(_SPELLED.get(part, part.title()) for part in below if part)
    if kind.namespaced and action == "list" and "{namespace}" not in path:
        after = "ForAllNamespaces"
    return f"{verb}{group}{kind.version.title()}{before}{kind.name}{after}"


def _given(kind: Kind, path: str, row: _Row) -> str:
    """The definition of what is answered; empty for text."""
    _, action, meant = row
    if path.endswith("/log") or action.startswith("connect"):
        return ""
    if action == "deletecollection" or (action == "delete" and not kind.shows_deleted):
        return f"{_META}Status"
    group, version, name = meant
    try:
        return schema.name_of(group, version, f"{name}List" if action == "list" else name)
    except KeyError:
        return ""


def _responses(kind: Kind, path: str, row: _Row, *, third: bool) -> Object:
    name, types = _given(kind, path, row), _STREAM_TYPES if row[1] == "list" else _ANSWER_TYPES
    said: Object = {"description": "OK"}
    if name and third:
        reference = {"$ref": f"#/components/schemas/{name}"}
        said["content"] = {media: {"schema": reference} for media in types}
    elif name:
        said["schema"] = {"$ref": f"#/definitions/{name}"}
    found: Object = {"200": said}
    if row[0] in ("post", "put", "patch"):
        found["201"] = {**said, "description": "Created"}
    if row[0] in ("post", "delete"):
        found["202"] = {**said, "description": "Accepted"}
    return {**found, "401": {"description": "Unauthorized"}}


def _operation(kind: Kind, path: str, row: _Row, *, third: bool) -> Object:
    method, action, meant = row
    connects = action.startswith("connect")
    below = path.partition("{name}/")[2].partition("/")[0]
    names = _OPTIONS[action] if not connects else CONNECTS[below][1] if below in CONNECTS else ()
    parameters = [_parameter(name, "query", third=third) for name in names]
    result: Object = {
        "operationId": _operation_id(kind, path, action),
        "tags": [f"{kind.group.partition('.')[0] or 'core'}_{kind.version}"],
        "x-kubernetes-action": "connect" if connects else action,
        "x-kubernetes-group-version-kind": _gvk(*meant),
        "parameters": parameters,
        "responses": _responses(kind, path, row, third=third),
    }
    if not third:
        result["produces"] = list(_STREAM_TYPES if action == "list" else _ANSWER_TYPES)
    if method in ("post", "put", "patch", "delete") and not connects:
        _take(result, method, schema.name_of(*meant) if method in ("post", "put") else "", third=third)
    return result


def _take(operation: Object, method: str, name: str, *, third: bool) -> None:
    """The body that an operation takes. name: its definition; patches and DeleteOptions have theirs."""
    name = name or f"{_META}{'Patch' if method == 'patch' else 'DeleteOptions'}"
    inner = {"$ref": ("#/components/schemas/" if third else "#/definitions/") + name}
    types, required = _PATCH_TYPES if method == "patch" else ("*/*",), {"required": True} if method != "delete" else {}
    if third:
        operation["requestBody"] = {"content": {media: {"schema": inner} for media in types}, **required}
    else:
        operation["consumes"] = list(types)
        body = {"name": "body", "in": "body", **required, "schema": inner}
        operation["parameters"] = [body, *operation["parameters"]]


def paths_of(kinds: Iterable[Kind], *, third: bool) -> Object:
    """Every path with its operations. third: as OpenAPI 3 has them."""
    result: Object = {}
    for kind in kinds:
        for path, rows in _operations(kind):
            if not rows:  # what is only asked, never stored, has no object at a path
                continue
            item: Object = {row[0]: _operation(kind, path, row, third=third) for row in rows}
            item["parameters"] = _path_parameters(path, third=third)
            result.setdefault(path, {}).update(item)
    return result
