"""What only an administrator asks of a master: a backup, a check, a compaction, other keys. No resources: /procorch/….

Who may: as for every path that is neither public nor a resource, system:masters alone (`authorize.py`).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import store
from procorch.api import encryption
from procorch.api.request import Request, Response, answer, whole_number
from procorch.api.routes import Route, not_found
from procorch.objects import BadRequest, Cause, Invalid, MethodNotAllowed, Object

if TYPE_CHECKING:
    from procorch.api.api import Api

ROOT = "procorch"


async def serve(api: Api, route: Route, request: Request) -> Response:
    """Raises ApiError, store.LogError."""
    handlers = {"backup": ("get", _backup), "check": ("get", _check), "compact": ("post", _compact)}
    name = route.segments[1] if len(route.segments) == 2 else ""
    if name == "encryption":
        return await encryption.serve(api, route, request)
    if name not in handlers:
        raise not_found()
    verb, handle = handlers[name]
    if route.verb != verb:
        raise MethodNotAllowed.of()
    return await handle(api, request)


async def _backup(api: Api, request: Request) -> Response:
    snapshot = await api.log.backup()
    return Response(200, {"Content-Type": "application/octet-stream"}, stream=snapshot.stream())


async def _check(api: Api, request: Request) -> Response:
    changes, damaged = await api.log.check()
    rows = [
        {"key": one.key, "revision": one.revision, "newest": one.is_newest, "named": one.is_named} for one in damaged
    ]
    return answer({"changes": changes, "revision": api.log.revision, "damaged": rows})


async def _compact(api: Api, request: Request) -> Response:
    """?revision=N, or ?keep=SECONDS of history; with neither, everything but the present goes."""
    revision, keep = whole_number(request.query, "revision"), whole_number(request.query, "keep")
    if revision is not None and keep is not None:
        raise BadRequest.of("revision and keep exclude each other")
    if keep is not None:
        try:
            revision = await api.log.revision_at(api.clock() - keep)
        except store.Compacted:
            revision = api.log.oldest  # that much and less is kept already
    newest = await api.log.current()
    if revision is None:
        revision = newest
    if revision > newest:
        cause = Cause.invalid("revision", revision, f"is in the future, the newest is {newest}")
        raise Invalid.of("Compaction", "", [cause], "procorch.dev")
    before = api.log.oldest
    await api.log.compact(revision)
    told: Object = {"before": before, "oldest": api.log.oldest, "revision": newest}
    return answer(told)
