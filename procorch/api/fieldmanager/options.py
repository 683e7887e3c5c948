"""What a request says of its field manager, and the configuration that an apply carries.

Source: apiserver pkg/endpoints/handlers (managerOrUserAgent). What of it is refused is in api/options.py.
"""

from __future__ import annotations

from functools import lru_cache

import orjson

from procorch.api import body, cbor
from procorch.api.intake import Fields, yaml_errors
from procorch.api.options import LONGEST_MANAGER
from procorch.api.patch import APPLY_CBOR, APPLY_PATCH
from procorch.api.request import Request
from procorch.objects import BadRequest

_UNKNOWN = "unknown"


def is_apply(request: Request) -> bool:
    return _media(request) in (APPLY_PATCH, APPLY_CBOR)


def manager_of(request: Request) -> str:
    """Who writes: the query's fieldManager, else the first word of the User-Agent."""
    return request.query.get("fieldManager") or _program(request.headers.get("user-agent", "")) or _UNKNOWN


def config_of(request: Request, fields: Fields) -> object:
    """The body: YAML, mostly JSON, which is read much quicker, or CBOR. Raises BadRequest, RequestEntityTooLarge."""
    wanted = fields.repeated()
    media = body.YAML
    if _media(request) == APPLY_CBOR:
        media = cbor.MEDIA
    elif request.body.lstrip()[:1] == b"{" and _is_json(request.body):
        media = body.JSON
    try:
        config = body.decode(media, request.body, wanted)
    except body.Malformed as error:
        raise BadRequest.of(f"error decoding YAML: error converting YAML to JSON: {error.said}") from error
    if wanted:
        _tell(request.body, fields)
    return config


def _tell(text: bytes, fields: Fields) -> None:
    """What stands twice is told as YAML's reader tells it, of JSON too. Raises BadRequest where that is refused."""
    fields.duplicates = []
    body.decode(body.YAML, text, fields.duplicates)
    fields.split(body.YAML, text)
    if fields.mode == "Strict":
        why = f"error converting YAML to JSON: {yaml_errors(fields.lines)}"
        raise BadRequest.of(f"error strict decoding patch: {why}")


def _media(request: Request) -> str:
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def _is_json(data: bytes) -> bool:
    if len(data) > body.MAX_BYTES:
        return True
    try:
        orjson.loads(data)
    except orjson.JSONDecodeError:
        return False
    return True


@lru_cache(maxsize=256)
def _program(agent: str) -> str:
    """`kubectl/v1.37.0 (linux/amd64) …` → kubectl"""
    word = "".join(letter for letter in agent.partition("/")[0] if letter.isprintable())
    return word.encode()[:LONGEST_MANAGER].decode("utf-8", "ignore")
