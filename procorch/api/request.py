"""What the API takes and gives: a Request, who asks it, and a Response; no sockets here."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import orjson
from multidict import MultiMapping

from procorch.objects import ApiError, Invalid, Object, shortened

if TYPE_CHECKING:
    from procorch.api.streaming import Connect, Proxied

JSON = "application/json"
MASTERS = "system:masters"
LOCAL = "local"  # the remote of what comes from the master's own process
AUTHENTICATED = "system:authenticated"
LONGEST_MESSAGE = 32_000  # characters of a refusal, which may quote 100 long values


@dataclass(frozen=True, slots=True)
class User:
    """Who asks. groups: without system:authenticated, which every User that got this far is in."""

    name: str
    groups: tuple[str, ...] = ()
    uid: str = ""
    extra: Mapping[str, tuple[str, ...]] = field(default_factory=dict)


@dataclass(slots=True)
class Request:
    """One request.

    path: as it came, percent-encoded and without the query; routes.parse decodes it, once.
    query: decoded; of a name that came twice the first value, as in Go; `values_of` gives all.
    headers: names in lower case; of a header that came twice the values are joined by a comma.
    user: whom the transport itself vouches for (a TLS client certificate, the master's own process), or None.
    remote: the peer's address, for logs.
    receive: gets the body, which is still to come; None where it has come, or there is none.
    marks: headers that the answer will have, a refusal too.
    """

    method: str
    path: str
    query: Mapping[str, str]
    headers: Mapping[str, str]
    body: bytes = b""
    user: User | None = None
    remote: str = ""
    receive: Callable[[], Awaitable[bytes]] | None = None
    marks: dict[str, str] = field(default_factory=dict)

    async def arrive(self) -> None:
        """Waits for the body. Raises ApiError."""
        if self.receive is not None:
            self.body = await self.receive()
            self.receive = None


@dataclass(slots=True)
class Response:
    """One answer. stream: a body that is still being made (watch, log); then `body` is empty.

    connect: what the connection is about from now on, or which server gives the answer.
    """

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    stream: AsyncIterator[bytes] | None = None
    connect: Connect | Proxied | None = None


def answer(obj: Object, status: int = 200) -> Response:
    """An object as JSON."""
    return Response(status, {"Content-Type": JSON}, orjson.dumps(obj))


def text(body: str, status: int = 200, content_type: str = "text/plain; charset=utf-8") -> Response:
    return Response(status, {"Content-Type": content_type}, body.encode())


def refusal(error: ApiError) -> Response:
    """The error as a Status, with its Retry-After."""
    status = error.status()
    status["message"] = shortened(status["message"], LONGEST_MESSAGE)
    response = answer(status, error.code)
    if error.retry_after is not None:
        response.headers["Retry-After"] = str(error.retry_after)
    return response


def values_of(query: Mapping[str, str], name: str) -> list[str]:
    """All values of a parameter that may stand more than once."""
    if isinstance(query, MultiMapping):
        return list(query.getall(name, []))
    return [query[name]] if name in query else []


def is_true(query: Mapping[str, str], name: str) -> bool:
    """A boolean parameter as Kubernetes reads it: absent, `false` and `0` are no; everything else is yes."""
    value = query.get(name)
    return value is not None and value.lower() not in ("false", "0")


def whole_number(query: Mapping[str, str], name: str) -> int | None:
    """A parameter that is a whole number, not below 0; None where it is absent or empty. Raises Invalid."""
    value = query.get(name, "")
    if not value:
        return None
    if not (value.isascii() and value.isdigit()) or len(value) > 18:
        raise _bad_option(name, value)
    return int(value)


def _bad_option(name: str, value: str) -> ApiError:
    from procorch.objects import Cause

    return Invalid.of("ListOptions", "", [Cause.invalid(name, value, "must be a whole number")], "meta.k8s.io")
