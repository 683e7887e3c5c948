"""What the API speaks, for its clients: OpenAPI v2 whole, and v3 one document a group version.

kubectl reads it to explain fields, to merge patches, and to learn from the patch operations' parameters whether the
server checks fields itself (`fieldValidation`). The documents are made when they are first asked for, of the field
tables, and of our own words for the kinds and for the fields that are read most.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterable, Iterator
from email.utils import formatdate
from functools import cached_property, partial
from typing import Any
from urllib.parse import unquote

import orjson

from procorch.api import openapi_binary, openapi_v3_binary
from procorch.api.accept import clauses
from procorch.api.openapi_operations import SUBRESOURCES, paths_of
from procorch.api.request import JSON, Request, Response
from procorch.kinds import descriptions, schema
from procorch.kinds.kind import Kind
from procorch.kinds.schema import Definition, Field, Type
from procorch.objects import Object

VERSION = "v1.37.0"
#: what answers v2@v1.0: an @ is in no media type that Go can read
V2_BINARY = "application/com.github.proto-openapi.spec.v2.v1.0+protobuf"
V3_BINARY = "application/com.github.proto-openapi.spec.v3.v1.0+protobuf"
_META = "io.k8s.apimachinery.pkg.apis.meta.v1."
_INFO = {"title": "Kubernetes", "version": VERSION}
#: definitions that operations use beside the kinds' own
_GENERAL = (_META + "Patch", _META + "DeleteOptions", _META + "Status", _META + "WatchEvent", _META + "APIResourceList",
            _META + "APIGroup")  # fmt: skip
_SCALARS: dict[str, tuple[str, str]] = {
    "string": ("string", ""),
    "bool": ("boolean", ""),
    "int32": ("integer", "int32"),
    "int64": ("integer", "int64"),
    "uint32": ("integer", "int64"),
    "double": ("number", "double"),
    "bytes": ("string", "byte"),
}
#: types that have a definition of their own in the documents, though the field tables know them as scalars
_NAMED = {
    "time": _META + "Time",
    "microtime": _META + "MicroTime",
    "duration": _META + "Duration",
    "fields": _META + "FieldsV1",
    "raw": "io.k8s.apimachinery.pkg.runtime.RawExtension",
    "intstr": "io.k8s.apimachinery.pkg.util.intstr.IntOrString",
    "quantity": "io.k8s.apimachinery.pkg.api.resource.Quantity",
}
_FORMS: dict[str, Object] = {
    _META + "Patch": {"type": "object"},
    _NAMED["time"]: {"type": "string", "format": "date-time"},
    _NAMED["microtime"]: {"type": "string", "format": "date-time"},
    _NAMED["duration"]: {"type": "string"},
    _NAMED["fields"]: {"type": "object"},
    _NAMED["raw"]: {"type": "object"},
}
_EITHER = {
    _NAMED["intstr"]: ({"type": "string", "format": "int-or-string"},
                       {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]}),
    _NAMED["quantity"]: ({"type": "string"}, {"oneOf": [{"type": "string"}, {"type": "number"}]}),
}  # fmt: skip


def etag(document: bytes) -> str:
    """A strong ETag for the bytes, quotes included."""
    return f'"{hashlib.sha512(document).hexdigest()[:64].upper()}"'


class OpenAPI:
    """The documents for these kinds; each is made once, when it is first asked for."""

    def __init__(self, kinds: Iterable[Kind]) -> None:
        self._kinds = tuple(kinds)
        self._v3: dict[str, bytes] = {}
        self._v3_binary: dict[str, bytes] = {}
        self._tags: dict[int, str] = {}

    def v2(self) -> bytes:
        """Swagger 2.0, as JSON."""
        return self._v2_json

    def v2_proto(self) -> bytes:
        """The same as gnostic's protobuf message (kubectl before 1.21, and client-go's OpenAPISchema)."""
        return self._v2_binary

    def v3_index(self) -> bytes:
        """Where the documents are; their URLs change with their contents."""
        return self._index

    def v3(self, group_version: str) -> bytes | None:
        """The document of `v1` or `apps/v1`."""
        if group_version not in self._v3:
            kinds = [kind for kind in self._kinds if kind.api_version == group_version]
            if not kinds:
                return None
            self._v3[group_version] = orjson.dumps(_v3_document(kinds))
        return self._v3[group_version]

    def v3_proto(self, group_version: str) -> bytes:
        """The same as gnostic's protobuf message; of a group version that `v3` has."""
        if group_version not in self._v3_binary:
            document = orjson.loads(self.v3(group_version) or b"")
            self._v3_binary[group_version] = openapi_v3_binary.encode(document)
        return self._v3_binary[group_version]

    def answer(self, request: Request) -> Response:
        """GET /openapi/v2, /openapi/v3 and below. A URL with a hash stands for one content; with another hash it is
        sent on to the present one."""
        asked = clauses(request.headers.get("accept") or "*/*")
        path = unquote(request.path).rstrip("/")
        offered: dict[str, Callable[[], bytes]] = {JSON: self.v3_index}
        tagged: bytes | None = None  # what the ETag is of, where it is not the answer itself
        if path == "/openapi/v2":
            offered = {JSON: self.v2, V2_BINARY: self.v2_proto, V2_BINARY.replace(".v1.0", "@v1.0"): self.v2_proto}
        elif path != "/openapi/v3":
            prefix, _, version = path.removeprefix("/openapi/v3/").partition("/")
            found = self.v3(version) if prefix in ("api", "apis") else None
            if found is None:
                headers = {"Content-Type": "text/plain; charset=utf-8", "X-Content-Type-Options": "nosniff"}
                return Response(404, headers, b"404 page not found\n")
            binary, tagged = partial(self.v3_proto, version), found
            offered = {JSON: lambda: found, V3_BINARY: binary, V3_BINARY.replace(".v1.0", "@v1.0"): binary}
        media = next((one for type_, _ in asked for one in offered if type_ in (one, "*/*", "application/*")), None)
        if media is None:
            return Response(406, {"Content-Type": "text/plain; charset=utf-8"}, b"Not Acceptable\n")
        document = offered[media]()
        return self._told(document, self._tag_of(tagged or document), media.replace("@", "."), path, request)

    def _tag_of(self, document: bytes) -> str:
        if id(document) not in self._tags:  # each document lives as long as this object
            self._tags[id(document)] = etag(document)
        return self._tags[id(document)]

    def _told(self, document: bytes, tag: str, media: str, path: str, request: Request) -> Response:
        headers = {"ETag": tag, "Vary": "Accept", "Content-Type": media}
        hash_ = request.query.get("hash", "")
        if hash_ and hash_ != tag.strip('"') and path.startswith("/openapi/v3/"):
            return Response(301, {**headers, "Location": f"{path}?hash={tag.strip(chr(34))}"})
        if hash_:
            year = formatdate(time.time() + 365 * 86400, usegmt=True)
            headers |= {"Cache-Control": "public, immutable", "Expires": year}
        if tag in (one.strip().removeprefix("W/") for one in request.headers.get("if-none-match", "").split(",")):
            return Response(304, headers)
        return Response(200, headers, document)

    @cached_property
    def _v2_json(self) -> bytes:
        return orjson.dumps(_v2_document(self._kinds))

    @cached_property
    def _v2_binary(self) -> bytes:
        return openapi_binary.encode(_v2_document(self._kinds))

    @cached_property
    def _index(self) -> bytes:
        paths = {}
        for version in dict.fromkeys(kind.api_version for kind in self._kinds):
            digest = etag(self.v3(version) or b"").strip('"')
            where = f"{'apis' if '/' in version else 'api'}/{version}"
            paths[where] = {"serverRelativeURL": f"/openapi/v3/{where}?hash={digest}"}
        return orjson.dumps({"paths": paths})


# --- schemas ---------------------------------------------------------------------------------------------------------


def _definitions_of(kinds: Iterable[Kind]) -> Iterator[str]:
    for kind in kinds:
        for name in (kind.name, f"{kind.name}List"):
            try:
                yield schema.name_of(kind.group, kind.version, name)
            except KeyError:
                continue
        for subresource in kind.subresources:
            if subresource in SUBRESOURCES:
                yield schema.name_of(*SUBRESOURCES[subresource])


def _reachable(roots: Iterable[str]) -> list[str]:
    """The names of all definitions that these lead to."""
    found: dict[str, None] = {}
    todo = list(roots)
    while todo:
        name = todo.pop()
        if name in found:
            continue
        found[name] = None
        if name in _FORMS or name in _EITHER:
            continue
        for one in schema.definition(name).fields.values():
            type_ = one.type
            while type_.of is not None:
                type_ = type_.of
            if target := type_.name or _NAMED.get(type_.form):
                todo.append(target)
    return sorted(found)


def _schema_of(type_: Type, refer: Callable[[str], Object]) -> Object:
    if type_.form == "list" and type_.of is not None:
        return {"type": "array", "items": _schema_of(type_.of, refer)}
    if type_.form == "map" and type_.of is not None:
        return {"type": "object", "additionalProperties": _schema_of(type_.of, refer)}
    if name := type_.name or _NAMED.get(type_.form, ""):
        return refer(name)
    if type_.form not in _SCALARS:
        return {}
    kind, form = _SCALARS[type_.form]
    return {"type": kind, "format": form} if form else {"type": kind}


def _zero(type_: Type) -> Any:
    """What Go has where nothing is said; None where that is not to be told apart from a value."""
    if type_.form == "struct":
        return {}
    kind, _ = _SCALARS.get(type_.form, ("", ""))
    return {"string": "", "integer": 0, "boolean": False}.get(kind) if type_.form != "bytes" else None


def _property(within: str, one: Field, refer: Callable[[str], Object], *, third: bool) -> Object:
    """third: as in OpenAPI 3, which knows defaults, and lets nothing stand beside a $ref: that goes into an allOf."""
    result = _schema_of(one.type, refer)
    beside: Object = {}
    if text := descriptions.of_field(within, one.name):
        beside["description"] = text
    if third and "$ref" in result:
        result = {"allOf": [result]}
    if third:
        default = one.default
        if default is None and not one.pointer and (one.type.form == "struct" or not one.omit):
            default = _zero(one.type)
        if default is not None:
            beside["default"] = default
    inner, type_ = result, one.type
    while type_.of is not None:
        inner, type_ = inner["items" if type_.form == "list" else "additionalProperties"], type_.of
    if one.enum:
        inner["enum"] = list(one.enum)
    if one.format:
        beside["format"] = one.format
    if one.list_type:
        beside["x-kubernetes-list-type"] = one.list_type
    if one.list_map_keys:
        beside["x-kubernetes-list-map-keys"] = list(one.list_map_keys)
    if one.map_type:
        beside["x-kubernetes-map-type"] = one.map_type
    if one.patch_strategy:
        beside["x-kubernetes-patch-strategy"] = ",".join(one.patch_strategy)
    if one.merge_key:
        beside["x-kubernetes-patch-merge-key"] = one.merge_key
    return {**result, **beside}


def _definition(it: Definition, refer: Callable[[str], Object], served: set[tuple[str, str]], *, third: bool) -> Object:
    result: Object = {
        "type": "object",
        "properties": {name: _property(it.name, one, refer, third=third) for name, one in it.fields.items()},
    }
    if text := descriptions.of_definition(it.name):
        result["description"] = text
    required = [name for name, one in it.fields.items() if one.required]
    if required:
        result["required"] = required
    if it.map_type:
        result["x-kubernetes-map-type"] = it.map_type
    if it.unions:
        result["x-kubernetes-unions"] = it.unions
    kinds = [it.kind] if it.kind else []
    if it.name in (_META + "DeleteOptions", _META + "WatchEvent"):
        kinds = [(group, version, it.name.rpartition(".")[2]) for group, version in sorted(served)]
    elif it.name == _META + "Status":
        kinds = [("", "v1", "Status")]
    if kinds:
        rows = [{"group": group, "version": version, "kind": kind} for group, version, kind in kinds]
        result["x-kubernetes-group-version-kind"] = rows
    return result


def _schemas(kinds: Iterable[Kind], prefix: str, *, third: bool) -> Object:
    """Every schema these kinds need, by name."""
    kinds = tuple(kinds)
    served = {(kind.group, kind.version) for kind in kinds} | {("", "v1")}

    def refer(name: str) -> Object:
        return {"$ref": prefix + name}

    result: Object = {}
    for name in _reachable((*_definitions_of(kinds), *_GENERAL)):
        if name in _FORMS:
            result[name] = _FORMS[name]
        elif name in _EITHER:
            result[name] = _EITHER[name][third]
        else:
            result[name] = _definition(schema.definition(name), refer, served, third=third)
    return result


def _v2_document(kinds: tuple[Kind, ...]) -> Object:
    return {
        "swagger": "2.0",
        "info": _INFO,
        "paths": paths_of(kinds, third=False),
        "definitions": _schemas(kinds, "#/definitions/", third=False),
    }


def _v3_document(kinds: list[Kind]) -> Any:
    return {
        "openapi": "3.0.0",
        "info": _INFO,
        "paths": paths_of(kinds, third=True),
        "components": {"schemas": _schemas(kinds, "#/components/schemas/", third=True)},
    }
