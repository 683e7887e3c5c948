"""Bodies that are objects: decoded, of the expected kind, and their unknown fields treated as the client asks."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from procorch.api import body
from procorch.api.patch import Patch
from procorch.api.request import Request
from procorch.kinds import schema
from procorch.kinds.kind import Kind
from procorch.objects import ApiError, BadRequest, Cause, Invalid, Object

_MOST_WARNINGS, _LONGEST_WARNING = 20, 256
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")  # a field's name could hold a line end, and so a header of its own
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
    obj = body.decode(request.headers.get("content-type", ""), request.body, fields.repeated())
    fields.split(request.headers.get("content-type", ""), request.body)
    return typed(obj, kind.api_version, kind.name)


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
    obj = body.decode(request.headers.get("content-type", ""), request.body)
    if not isinstance(obj, dict):
        raise BadRequest.of("the body of the request is not an object")
    if obj.get("kind", DELETE_OPTIONS.name) != DELETE_OPTIONS.name:
        raise BadRequest.of(f"the body of a DELETE must be a DeleteOptions, not a {obj['kind']}")
    Fields("Ignore").settle(DELETE_OPTIONS, obj)
    return obj


def typed(obj: object, api_version: str, name: str) -> Object:
    """The object, which need not say what it is: the URL has said it. Clients made by generators leave it out.

    Raises BadRequest where it says that it is something else.
    """
    if not isinstance(obj, dict):
        raise BadRequest.of("the body of the request is not an object")
    said_version, said_kind = obj.get("apiVersion") or api_version, obj.get("kind") or name
    obj["apiVersion"], obj["kind"] = said_version, said_kind
    if said_version != api_version:
        raise BadRequest.of(
            f"the API version in the data ({said_version}) does not match the expected API version ({api_version})"
        )
    if said_kind != name:
        raise BadRequest.of(f"the kind of the object ({said_kind}) does not match the expected kind ({name})")
    metadata = obj.get("metadata")
    if metadata is None:
        obj["metadata"] = {}
    elif not isinstance(metadata, dict):
        raise BadRequest.of(f'{name} cannot be handled as a {name}: "metadata" is not an object')
    return obj
