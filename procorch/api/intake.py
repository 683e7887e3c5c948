"""Bodies that are objects: decoded, of the expected kind, and their unknown fields treated as the client asks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from procorch.api import body, go, go_json
from procorch.api.patch import Patch
from procorch.api.request import Request
from procorch.kinds import schema
from procorch.kinds.kind import Kind
from procorch.objects import ApiError, BadRequest, Cause, Invalid, Object

_MOST_WARNINGS, _LONGEST_WARNING = 20, 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # a field's name could hold a line end, and so a header of its own
_PACKAGES = {"": "core", "events.k8s.io": "core"}  # of Go, where its name is not the group's
DELETE_OPTIONS = Kind("DeleteOptions", "deleteoptions", group="meta.k8s.io")


@dataclass(slots=True)
class Fields:
    """How a write treats unknown and duplicate fields: the query's fieldValidation; Warn where it is absent."""

    mode: str = "Warn"
    warnings: list[str] = field(default_factory=list)
    duplicates: list[str] = field(default_factory=list)
    strangers: list[str] = field(default_factory=list)  # members of a JSON patch that operations have not got
    text: bytes = b""  # of the object that has the duplicates, where it is JSON
    lines: list[str] = field(default_factory=list)  # what YAML's reader says of duplicates

    @classmethod
    def asked(cls, query: Mapping[str, str]) -> Fields:
        return cls(query.get("fieldValidation") or "Warn")  # options.check_write has seen to it that there is such

    def warn(self, messages: Iterable[str]) -> None:
        """Each once, however often a write is tried."""
        self.warnings += [one for one in messages if one not in self.warnings]

    def headers(self) -> dict[str, str]:
        """Source of the form: RFC 7234's Warning, as client-go prints it."""
        if not self.warnings:
            return {}
        shown = (_CONTROL.sub(" ", one)[:_LONGEST_WARNING] for one in self.warnings[:_MOST_WARNINGS])
        quoted = (one.replace("\\", "\\\\").replace('"', '\\"') for one in shown)
        return {"Warning": ", ".join(f'299 - "{one}"' for one in quoted)}

    def settle(self, kind: Kind, obj: Object, patch: Patch | None = None) -> None:
        """Checks the types, and drops unknown fields or refuses them. patch: that led to `obj`.

        Raises BadRequest; for a patch Invalid.
        """
        problems = schema.check(kind, obj)
        if problems.errors:
            raise self._refusal(kind, problems.errors[0].message, patch, obj)
        messages = self._messages(problems.unknown, patch)
        if self.mode == "Strict" and (messages or self.lines):
            told = [yaml_errors(self.lines), *messages] if self.lines else messages
            raise self._refusal(kind, f"strict decoding error: {', '.join(told)}", patch, obj)
        problems.prune()
        if self.mode == "Warn":
            self.warnings += self.lines + messages

    def _messages(self, unknown: list[str], patch: Patch | None) -> list[str]:
        """As Kubernetes orders them: of a patch its own text's first, of an object as they stand in it.

        Of an object a field that is unknown and stands twice, or lies in one, is only unknown.
        """
        known = self.duplicates
        if patch is None and unknown:
            inside = tuple(f"{path}{step}" for path in unknown for step in ".[")
            known = [path for path in known if path not in unknown and not path.startswith(inside)]
        rows = [(path, f'duplicate field "{path}"') for path in known]
        if patch is not None and patch.is_json_patch:
            rows += [(path, f'unknown field "{path}"') for path in self.strangers]
            rows = [(path, f"json patch {message}") for path, message in rows]
        rows += [(path, f'unknown field "{path}"') for path in unknown]
        if known and unknown and self.text:
            places = body.places(self.text)
            rows.sort(key=lambda row: places.get(row[0], 0))
        return [message for _, message in rows]

    def _refusal(self, kind: Kind, why: str, patch: Patch | None, obj: Object) -> ApiError:
        if patch is not None:
            return Invalid.of("", "", [Cause.invalid("patch", patch.shown(obj), why)])
        return BadRequest.of(f'{kind.name} in version "{kind.version}" cannot be handled as a {kind.name}: {why}')

    def split(self, content_type: str, text: bytes) -> None:
        """Sorts what a body's reader has found by the body's form."""
        self.text, self.lines = b"", []
        if self.duplicates and body.is_yaml(content_type):
            self.lines, self.duplicates = self.duplicates, []
        elif self.duplicates and body.is_json(content_type):
            self.text = text

    def repeated(self) -> list[str] | None:
        """Where the paths of fields that stand twice are to be written; None where nobody wants to know."""
        self.duplicates = []
        return None if self.mode == "Ignore" else self.duplicates


def yaml_errors(lines: list[str]) -> str:
    """As go-yaml tells all of them at once."""
    return "\n  ".join(["yaml: unmarshal errors:", *lines])


def read(request: Request, kind: Kind, fields: Fields) -> Object:
    """The request's body as an object of this kind. Raises BadRequest, UnsupportedMediaType."""
    media = request.headers.get("content-type", "")
    try:
        obj = body.decode(media, request.body, fields.repeated())
        why = unnamed(obj)
    except body.Malformed as error:
        why = _said(error, media)
    if why:
        shown = _summary(request.body)
        raise BadRequest.of(f"the object provided is unrecognized (must be of type {kind.name}): {why} ({shown})")
    fields.split(media, request.body)
    return typed({} if obj is None else obj, kind)


_UNNAMED = "couldn't get version/kind; json parse error: "
_SHOWN = 30  # bytes of a body that cannot be read


def unnamed(obj: object) -> str:
    """Why nobody can tell what it is; empty where one can."""
    why = go_json.misplaced(obj)
    if why:
        return f"{_UNNAMED}{why}"
    version = obj.get("apiVersion") if isinstance(obj, dict) else None
    return f"unexpected GroupVersion string: {version}" if version and version.count("/") > 1 else ""


def _said(error: body.Malformed, media: str) -> str:
    return error.said if body.is_yaml(media) else f"{_UNNAMED}{error.said}"


def _summary(data: bytes) -> str:
    """Source: summarizeData in apiserver pkg/endpoints/handlers."""
    if not data:
        return "<empty>"
    begun = data[:_SHOWN]
    shown = begun.decode(errors="replace") if data[:1] == b"{" else begun.hex()
    return f"{shown} ..." if len(data) > _SHOWN else shown


def read_whole(request: Request, kind: Kind) -> Object:
    """As `read`, with its types checked and unknown fields dropped: for what is not stored (Binding, Scale …)."""
    fields = Fields.asked(request.query)
    obj = read(request, kind, fields)
    fields.settle(kind, obj)
    return obj


def read_options(request: Request) -> Object:
    """The DeleteOptions of a DELETE; {} for no body. Raises BadRequest."""
    if not request.body.strip():
        return {}
    media = request.headers.get("content-type", "")
    try:
        obj = body.decode(media, request.body)
        why = unnamed(obj)
    except body.Malformed as error:
        why = _said(error, media)
    if why:
        raise BadRequest.of(why)
    obj = obj or {}
    if (obj.get("kind") or DELETE_OPTIONS.name) != DELETE_OPTIONS.name:
        scheme = "k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"
        raise BadRequest.of(_unregistered(obj["kind"], obj.get("apiVersion") or "v1", scheme))
    Fields("Ignore").settle(DELETE_OPTIONS, obj)
    return obj


def _unregistered(name: str, api_version: str, scheme: str) -> str:
    return f'no kind "{name}" is registered for version "{api_version}" in scheme "{scheme}"'


def typed(obj: Object, kind: Kind) -> Object:
    """The object, which need not say what it is: the URL has said it. Clients made by generators leave it out.

    Raises BadRequest where it says that it is something else.
    """
    name = kind.name
    version, said = obj.get("apiVersion") or kind.api_version, obj.get("kind") or name
    obj["apiVersion"], obj["kind"] = version, said
    if (version, said) != (kind.api_version, name):
        raise _refused(said, version, name, stranger(said, version, kind))
    metadata = obj.get("metadata")
    if metadata is None:
        obj["metadata"] = {}
    elif not isinstance(metadata, dict):
        what = f"json: cannot unmarshal {go.json_type_of(metadata)} into Go struct field {name}.metadata"
        raise _refused(name, version, name, f"{what} of type v1.ObjectMeta")
    return obj


def _refused(said: str, api_version: str, name: str, why: str) -> BadRequest:
    version = api_version.rpartition("/")[2]
    return BadRequest.of(f'{said} in version "{version}" cannot be handled as a {name}: {why}')


def stranger(said: str, api_version: str, kind: Kind) -> str:
    """Why an object of another kind or version is none of this kind."""
    group, _, version = api_version.rpartition("/")
    try:
        schema.name_of(group, version, said)
    except KeyError:
        return _unregistered(said, api_version, "pkg/api/legacyscheme/scheme.go:30")
    package = _PACKAGES.get(kind.group) or kind.group.partition(".")[0]
    return f"converting ({version}.{said}) to ({package}.{kind.name}): unknown conversion"
