"""The token in a page of a list with which the next one is asked for.

Its form is Kubernetes': base64url of {"v":"meta.k8s.io/v1","rv":…,"start":…}, where rv -1 goes on at the present
state. Source: apiserver pkg/storage/continue.go, etcd3/errors.go. A token names no more than a place in the list that
was asked for, so a forged one opens nothing.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass

import orjson

from procorch.objects import BadRequest, Expired

_VERSION = "meta.k8s.io/v1"
_PRESENT = -1
_TOO_OLD = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


@dataclass(frozen=True, slots=True)
class Continuation:
    """revision: of the list that goes on; None for the present state. after: the last key (`namespace/name`) seen."""

    revision: int | None
    after: str

    def token(self) -> str:
        row = {"v": _VERSION, "rv": _PRESENT if self.revision is None else self.revision, "start": f"{self.after}\0"}
        return base64.urlsafe_b64encode(orjson.dumps(row)).rstrip(b"=").decode()

    def expired(self) -> Expired:
        """The refusal of one whose revision is gone, with a token that goes on without it."""
        error = Expired.of(_TOO_OLD)
        error.continue_token = Continuation(None, self.after).token()
        return error


def read(token: str, *, namespaced: bool, namespace: str | None) -> Continuation:
    """The place that a token names in a list of such objects, of one namespace or (None) of all. Raises BadRequest."""
    try:
        row = orjson.loads(base64.b64decode(token + "=" * (-len(token) % 4), altchars=b"-_", validate=True))
    except (ValueError, binascii.Error):
        raise _invalid("") from None
    if not isinstance(row, dict) or row.get("v") != _VERSION:
        raise _invalid(": server does not recognize this encoded version")
    revision, start = row.get("rv"), row.get("start")
    if type(revision) is not int or revision == 0 or not -(1 << 63) <= revision < 1 << 63:
        raise _invalid(": incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not isinstance(start, str) or not start:
        raise _invalid(": encoded start key empty (version meta.k8s.io/v1)")
    after = start.removesuffix("\0")
    steps = after.split("/")
    inside = namespace is None or steps[0] == namespace
    if len(steps) != 1 + namespaced or "" in steps or "\0" in after or not inside:
        raise _invalid("")
    return Continuation(revision if revision > 0 else None, after)


def _invalid(why: str) -> BadRequest:
    return BadRequest.of(f"invalid continue token: continue key is not valid{why}")
