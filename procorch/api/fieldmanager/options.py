"""What a request says of its field manager, and the configuration that an apply carries.

Source: apiserver pkg/endpoints/handlers (managerOrUserAgent). What of it is refused is in api/options.py.
"""

from __future__ import annotations

import orjson

from procorch.api import body, cbor
from procorch.api.intake import Fields
from procorch.api.options import LONGEST_MANAGER
from procorch.api.patch import APPLY_CBOR, APPLY_PATCH
from procorch.api.request import Request

_UNKNOWN = "unknown"


def is_apply(request: Request) -> bool:
    return _media(request) in (APPLY_PATCH, APPLY_CBOR)


def manager_of(request: Request) -> str:
    """Who writes: the query's fieldManager, else the first word of the User-Agent."""
    return request.query.get("fieldManager") or _program(request.headers.get("user-agent", "")) or _UNKNOWN


def config_of(request: Request, fields: Fields) -> object:
    """The body: YAML, mostly JSON, which is read much quicker, or CBOR. Raises BadRequest, RequestEntityTooLarge."""
    fields.duplicates = []
    wanted = None if fields.mode == "Ignore" else fields.duplicates
    media = body.YAML
    if _media(request) == APPLY_CBOR:
        media = cbor.MEDIA
    elif request.body.lstrip()[:1] == b"{" and _is_json(request.body):
        media = body.JSON
    return body.decode(media, request.body, wanted)


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


def _program(agent: str) -> str:
    """`kubectl/v1.37.0 (linux/amd64) …` → kubectl"""
    word = "".join(letter for letter in agent.partition("/")[0] if letter.isprintable())
    return word.encode()[:LONGEST_MANAGER].decode("utf-8", "ignore")
