"""What a client wants back: the Accept header read once, and an answer turned into the form that it asks for.

Source: apiserver pkg/endpoints/handlers/negotiation, and goautoneg's order of clauses. What one clause asks and cannot
have is left to the next; who leaves no choice gets 406.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache

from procorch.api import protobuf
from procorch.api.media import ALL, CBOR, FRAMINGS, JSON, PROTOBUF, Framing, indented, written
from procorch.api.request import Request, Response
from procorch.kinds.kind import Kind
from procorch.objects import NotAcceptable

_VIEWS = ("Table", "PartialObjectMetadata", "PartialObjectMetadataList")
_STREAMS = (f"{JSON};stream=watch", f"{PROTOBUF};stream=watch", FRAMINGS[CBOR].media)
_META_VERSIONS = ("v1", "v1beta1")
_PEOPLE = ("curl", "Wget", "Mozilla/5.0")  # user agents that show what they get
_WORTH_A_THREAD = 512 << 10  # bytes of JSON whose conversion would hold everybody up


@dataclass(frozen=True, slots=True)
class Form:
    """media: one of media.ALL. view: "" for the object itself, or one of _VIEWS, in this version of meta.k8s.io.

    stream: it names itself a watch's form. pretty: indented.
    """

    media: str = JSON
    view: str = ""
    version: str = "v1"
    stream: bool = False
    pretty: bool = False

    def framing_of(self, kind: Kind) -> Framing:
        """Raises NotAcceptable for a media type in which there are no watches."""
        found = FRAMINGS.get(self.media)
        if found is None:
            raise NotAcceptable.of(_STREAMS)
        if self.media == PROTOBUF and not self.view and not protobuf.describes(kind.api_version, kind.name):
            return FRAMINGS[JSON]
        return found

    def check_one(self, kind: str) -> None:
        """What is asked of one object. Raises NotAcceptable."""
        if self.view == "PartialObjectMetadataList":
            why = f"you requested PartialObjectMetadataList, but the requested object is not a list ({kind})"
            raise NotAcceptable(why, 406, "NotAcceptable")

    def check_list(self, kind: str) -> None:
        """What is asked of a list. Raises NotAcceptable."""
        if self.view == "PartialObjectMetadata":
            why = f"you requested PartialObjectMetadata, but the requested object is a list ({kind}List)"
            raise NotAcceptable(why, 406, "NotAcceptable")

    def check_untabled(self, resource: str, group: str) -> None:
        """What is asked of something without rows and columns. Raises NotAcceptable."""
        if self.view == "Table":
            why = f"the resource {resource}.{group} does not support being converted to a Table"
            raise NotAcceptable(why, 406, "NotAcceptable")


def form_of(request: Request, *, streams: bool = False) -> Form:
    """streams: there are watches of it. Raises NotAcceptable."""
    form = _form(request.headers.get("accept", ""))
    if form is None:
        raise NotAcceptable.at_all((*ALL, *_STREAMS) if streams else ALL)
    return form


def form_of_error(request: Request) -> Form:
    """A refusal is told in any case."""
    try:
        return form_of(request)
    except NotAcceptable:
        return Form()


@lru_cache(maxsize=512)
def _form(accept: str) -> Form | None:
    """None where there is nothing of the types that it names. Raises NotAcceptable."""
    if not accept.strip():
        return Form()
    known = False
    for type_, options in clauses(accept):
        for media in ALL:
            if type_ == media or type_ in ("*/*", "application/*"):
                known = True
                found = _offered(media, options)
                if found is not None:
                    return found
        if type_ == "application/cbor-seq":
            return Form(CBOR, stream=True)
    if known:
        raise NotAcceptable.of(ALL)
    return None


def _offered(media: str, options: Mapping[str, str]) -> Form | None:
    """The form that a clause's parameters ask for; None where it is not to be had."""
    asked = tuple(options.get(name, "") for name in ("as", "g", "v"))
    view, group, version = asked
    if any(asked):
        if view not in _VIEWS or group != "meta.k8s.io" or version not in _META_VERSIONS:
            return None
        if view == "Table" and media == PROTOBUF:
            return None
    stream = options.get("stream", "")
    if stream and (stream != "watch" or media not in FRAMINGS):
        return None
    return Form(media, view, version or "v1", bool(stream), options.get("pretty") == "1")


def clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """The media types of an Accept header and their parameters, in the order in which they are preferred."""
    found = []
    for position, clause in enumerate(accept.split(",")):
        media, *parameters = (part.strip() for part in clause.split(";"))
        options = {}
        for part in parameters:
            name, _, value = part.partition("=")
            options[name.strip().lower()] = value.strip().strip('"')
        try:
            weight = float(options.pop("q", "1"))
        except ValueError:
            weight = 0.0
        if weight > 0:
            found.append((-weight, position, media.lower(), options))
    return [(media, options) for _, _, media, options in sorted(found, key=lambda row: row[:2])]


async def shaped(response: Response, request: Request) -> Response:
    """An answer that is a JSON object, in the form that its request asks for; others as they are.

    What cannot be written in that form stays JSON, which is acceptable to every client of Kubernetes.
    """
    if response.stream is not None or response.headers.get("Content-Type") != JSON:
        return response
    form = form_of_error(request)
    pretty = _pretty(form, request)
    if form.media == JSON and not pretty:
        return response
    size = len(response.body)
    args = (response.body, form.media, pretty)
    body = _shape(*args) if size < _WORTH_A_THREAD else await asyncio.to_thread(_shape, *args)
    if body is not None:
        response.body = body
        response.headers["Content-Type"] = form.media
    return response


def _shape(body: bytes, media: str, pretty: bool) -> bytes | None:
    return indented(body) if media == JSON and pretty else written(body, media)


def _pretty(form: Form, request: Request) -> bool:
    asked = request.query.get("pretty", "")
    if asked:
        return asked in ("1", "t", "T", "true", "TRUE", "True")
    return form.pretty or request.headers.get("user-agent", "").startswith(_PEOPLE)
