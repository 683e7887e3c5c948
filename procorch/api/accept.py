"""What a client wants back: Accept headers read once, and objects in the form that they ask for.

A JSON answer is acceptable to every client of Kubernetes, so whatever cannot be served falls back to it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import yaml

from procorch.api import protobuf
from procorch.api.encoding import decode
from procorch.api.request import JSON, Response
from procorch.objects import NotAcceptable

YAML = "application/yaml"
PROTOBUF = "application/vnd.kubernetes.protobuf"
_ANY = ("*/*", "application/*")


@dataclass(frozen=True, slots=True)
class Form:
    """media: JSON, YAML or PROTOBUF. view: "" for the object itself, Table, PartialObjectMetadata(List)."""

    media: str = JSON
    view: str = ""


@lru_cache(maxsize=512)
def form_of(accept: str) -> Form:
    """The first clause that can be served, in the order of their q values. Raises NotAcceptable."""
    clauses = []
    for position, clause in enumerate(accept.split(",")):
        media, *parameters = (part.strip() for part in clause.split(";"))
        options = dict(part.split("=", 1) for part in parameters if "=" in part)
        try:
            weight = float(options.get("q", "1"))
        except ValueError:
            weight = 0.0
        clauses.append((-weight, position, media.lower(), options))
    for weight, _, media, options in sorted(clauses, key=lambda row: row[:2]):
        if weight == 0:
            continue
        view = options.get("as", "")
        if view and (options.get("g"), options.get("v")) != ("meta.k8s.io", "v1"):
            continue
        if view not in ("", "Table", "PartialObjectMetadata", "PartialObjectMetadataList"):
            continue
        if media in ("", JSON, "text/*", "text/plain", *_ANY):
            return Form(JSON, view)
        if media == YAML:
            return Form(YAML, view)
        if media == PROTOBUF:
            return Form(JSON if view else PROTOBUF, view)
    if not accept.strip():
        return Form()
    raise NotAcceptable.of((JSON, YAML, PROTOBUF))


@lru_cache(maxsize=512)
def parameter(accept: str, name: str) -> bool:
    """Whether a clause of the header has this parameter (`as=APIGroupDiscoveryList`)."""
    return re.search(rf";\s*{re.escape(name)}\s*(;|,|$)", accept) is not None


def render(data: bytes, form: Form, status: int = 200) -> Response:
    """An encoded object in the media type that was asked for."""
    if form.media == YAML:
        text = yaml.dump(decode(data), Dumper=_Dumper, sort_keys=True, allow_unicode=True)
        return Response(status, {"Content-Type": YAML}, text.encode())
    if form.media == PROTOBUF and not form.view:
        encoded = _protobuf(data)
        if encoded is not None:
            return Response(status, {"Content-Type": PROTOBUF}, encoded)
    return Response(status, {"Content-Type": JSON}, data)


def _protobuf(data: bytes) -> bytes | None:
    try:
        return protobuf.encode(decode(data))
    except (KeyError, ValueError):  # no field table for this kind
        return None


_Dumper: type = getattr(yaml, "CSafeDumper", yaml.SafeDumper)
