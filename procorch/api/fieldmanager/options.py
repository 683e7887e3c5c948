"""What a request says of its field manager, and the configuration that an apply carries.

Source: apimachinery pkg/apis/meta/v1/validation; apiserver pkg/endpoints/handlers (managerOrUserAgent).
"""

from __future__ import annotations

from collections.abc import Mapping

import orjson

from procorch.api import body
from procorch.api.intake import Fields
from procorch.api.patch import APPLY_PATCH
from procorch.api.request import Request, is_true
from procorch.objects import Cause, Invalid

LONGEST = 128  # bytes of a manager's name
_UNKNOWN = "unknown"
_OPTIONS = {"create": "CreateOptions", "update": "UpdateOptions", "patch": "PatchOptions"}


def is_apply(request: Request) -> bool:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower() == APPLY_PATCH


def manager_of(request: Request, verb: str) -> str:
    """Who writes: the query's fieldManager, else the first word of the User-Agent. Raises Invalid.

    verb: create, update or patch, of anything but an apply.
    """
    causes = _name_causes(request.query)
    if verb == "patch" and "force" in request.query:
        causes.append(Cause.forbidden("force", "may not be specified for non-apply patch"))
    _refuse(causes, verb)
    return request.query.get("fieldManager") or _program(request.headers.get("user-agent", "")) or _UNKNOWN


def applier_of(request: Request) -> tuple[str, bool]:
    """Who applies, and whether by force. Raises Invalid."""
    manager = request.query.get("fieldManager", "")
    causes = [] if manager else [Cause.required("fieldManager", "is required for apply patch")]
    _refuse([*causes, *_name_causes(request.query)], "patch")
    return manager, is_true(request.query, "force")


def config_of(request: Request, fields: Fields) -> object:
    """The body: YAML, and mostly JSON, which is read much quicker. Raises BadRequest, RequestEntityTooLarge."""
    fields.duplicates = []
    wanted = None if fields.mode == "Ignore" else fields.duplicates
    media = body.YAML
    if request.body.lstrip()[:1] == b"{" and _is_json(request.body):
        media = body.JSON
    return body.decode(media, request.body, wanted)


def _is_json(data: bytes) -> bool:
    if len(data) > body.MAX_BYTES:
        return True
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


def _program(agent: str) -> str:
    """`kubectl/v1.37.0 (linux/amd64) …` → kubectl"""
    word = "".join(letter for letter in agent.partition("/")[0] if letter.isprintable())
    return word.encode()[:LONGEST].decode("utf-8", "ignore")


def _name_causes(query: Mapping[str, str]) -> list[Cause]:
    name = query.get("fieldManager", "")
    causes = []
    if len(name.encode("utf-8", "surrogatepass")) > LONGEST:
        causes.append(Cause.too_long("fieldManager", LONGEST))
    if not name.isprintable():
        causes.append(Cause.invalid("fieldManager", name, "should only contain printable characters"))
    return causes


def _refuse(causes: list[Cause], verb: str) -> None:
    if causes:
        raise Invalid.of(_OPTIONS[verb], "", causes, "meta.k8s.io")
