"""What the API answers, read: an object, lines that come in pieces, or why not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping

import orjson

from procorch.objects import ApiError, Object
from procorch.transport import Answer, StreamAnswer

_REASONS = {
    400: "BadRequest", 401: "Unauthorized", 403: "Forbidden", 404: "NotFound", 405: "MethodNotAllowed",
    406: "NotAcceptable", 409: "Conflict", 410: "Expired", 413: "RequestEntityTooLarge",
    415: "UnsupportedMediaType", 422: "Invalid", 429: "TooManyRequests", 503: "ServiceUnavailable", 504: "Timeout",
}  # fmt: skip


def object_of(answer: Answer) -> Object:
    found: Object = orjson.loads(answer.body)
    return found


async def lines_of(chunks: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The non-empty lines of a body that comes in pieces cut anywhere."""
    rest: list[bytes] = []  # a list: joining a long line piece by piece would be quadratic
    async for chunk in chunks:
        head, newline, tail = chunk.rpartition(b"\n")
        if not newline:
            rest.append(chunk)
            continue
        for line in b"".join((*rest, head)).split(b"\n"):
            if line:
                yield line
        rest = [tail] if tail else []
    if last := b"".join(rest):
        yield last


async def refused(answer: StreamAnswer) -> None:
    """Raises the error that a stream began with, if it did."""
    if answer.status >= 400:
        raise error_of(answer.status, answer.headers, b"".join([chunk async for chunk in answer.chunks]))


def error_of(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """Of an answer from 400 on. body: a Status, or what somebody on the way says."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        found = None
    if isinstance(found, dict) and found.get("kind") == "Status":
        found.setdefault("code", status)
        error = ApiError.from_status(found)
    else:  # not our API: a proxy on the way, or no API at all
        text = body[:200].decode("utf-8", "replace").strip()
        error = ApiError.from_status({"message": text, "code": status, "reason": _REASONS.get(status, "")})
    if error.retry_after is None and headers.get("retry-after", "").isdigit():
        error.retry_after = int(headers["retry-after"])
    return error
