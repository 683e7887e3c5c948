"""The API server without its sockets: a Request in, a Response out, never an exception.

A request's way: one decoded path → who asks → may they → the verb → a Status for whatever went wrong.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

import store
from procorch.api import (
    bindings,
    custom_metrics,
    deadline,
    discovery,
    health,
    housekeeping,
    levels,
    metadata,
    plain,
    reviews,
    subresources,
    verbs,
)
from procorch.api.accept import form_of, shaped
from procorch.api.allocation import Allocations
from procorch.api.auth import Authenticator, ServiceAccountTokens, impersonated
from procorch.api.authorize import Authorizer
from procorch.api.cache import Cache, LostEntry
from procorch.api.drawing import Draw
from procorch.api.expiry import Expiry
from procorch.api.fairness import Fairness
from procorch.api.fieldmanager import Apply, Update, is_apply, manager_of
from procorch.api.flows import Flows
from procorch.api.links import Links
from procorch.api.listing import Listing
from procorch.api.measurements import Measurements
from procorch.api.metrics import Metrics, Series
from procorch.api.openapi import OpenAPI
from procorch.api.options import check_timeout, check_write
from procorch.api.request import LOCAL, Request, Response, User, answer, is_true, refusal
from procorch.api.rest import Rest
from procorch.api.routes import Route, methods_of, not_found, parse
from procorch.api.scraping import Scraping
from procorch.clock import Clock, system_clock
from procorch.kinds import KINDS
from procorch.kinds.kind import Kind
from procorch.objects import (
    ApiError,
    BadRequest,
    MethodNotAllowed,
    Object,
    ServiceUnavailable,
    Timeout,
    TooManyRequests,
)

logger = logging.getLogger(__name__)

BOOKMARK_SECONDS = 30.0
# kubectl looks for a kind that it does not find among these before it says that there is none
_DEFINITIONS = ("apiextensions.k8s.io", "customresourcedefinitions", "list")
_NO_DEFINITIONS = {"kind": "CustomResourceDefinitionList", "apiVersion": "apiextensions.k8s.io/v1", "metadata": {},
                   "items": []}  # fmt: skip
_BY_STATE = (401, 403, 404, 409, 422)  # refusals that could be otherwise were something else stored
_VERBS = {"create": "POST", "update": "PUT", "head": "GET"}  # in metrics, as Kubernetes names them
_SHAPED = (("api",), ("apis",))  # what has a form that the client chooses
_LONG = ("log", "exec", "attach", "portforward", "proxy")  # they last as long as the client likes
_LONGEST_AUDIT_ID = 64
_AUDIT_IDS = Draw()  # of their own: who gives a draw for uids expects to find nothing else in it
_OPEN = ("/livez", "/readyz", "/healthz", "/cacerts")  # for those who cannot have a credential yet


@dataclass(frozen=True, slots=True)
class ApiConfig:
    """What one cluster's API is told.

    node_port_range: first and last. ca_pem: served at /cacerts. service_account_key: PEM, signs tokens; empty for
    none. issuer: of those tokens, also their audience. tokens: static bearer tokens. advertise: host:port that
    discovery shows. encryption: the file by which the log's values are encrypted, None where they are not.
    """

    service_cidr: str = "10.96.0.0/12"
    node_port_range: tuple[int, int] = (30000, 32767)
    ca_pem: bytes = b""
    service_account_key: bytes = b""
    issuer: str = "https://kubernetes.default.svc.cluster.local"
    tokens: dict[str, User] = field(default_factory=dict)
    advertise: str = ""
    encryption: Path | None = None


class Api:
    """log: opened; `close` leaves it open. authenticator, authorizer: made of the config where they are None.

    `start` before the first `handle`. draw: makes uids, generated names, addresses and ports.
    """

    def __init__(
        self,
        log: store.Log,
        *,
        clock: Clock = system_clock,
        config: ApiConfig | None = None,
        authenticator: Authenticator | None = None,
        authorizer: Authorizer | None = None,
        draw: random.Random | None = None,
        timer: Callable[[], float] = time.monotonic,
    ) -> None:
        self.config = config or ApiConfig()
        self.clock = clock
        self.links = Links()
        self.measurements = Measurements(self.links, timer)
        self.scraping = Scraping(self.links, clock, timer)
        self.log = log
        self.cache = Cache(log, KINDS)
        self.draw = draw = draw or Draw()
        self.allocations = Allocations(log, self.config.service_cidr, self.config.node_port_range, draw)
        self.rest = Rest(log, self.cache, self.allocations, clock, draw)
        self.listing = Listing(self.cache, log, draw.random)
        self.metrics = Metrics()
        self.health = health.Tally()
        self.fairness = Fairness()
        self._flows = Flows(self.cache, self.fairness)
        key = self.config.service_account_key
        self.service_accounts = ServiceAccountTokens(key, self.config.issuer) if key else None
        self.authenticator = authenticator or Authenticator(
            self.lookup, clock, self.service_accounts, self.config.tokens
        )
        self._authorizer = authorizer
        self.discovery = discovery.Discovery(
            [bindings.KIND, *KINDS, *reviews.KINDS, *custom_metrics.DISCOVERED], self.config.advertise
        )
        self.openapi = OpenAPI([bindings.KIND, *KINDS, *reviews.KINDS])
        self._timer = timer
        self._started = False
        self._ticker: asyncio.TimerHandle | None = None

    async def start(self) -> None:
        """Reads the store. Raises the store's errors."""
        await self.cache.start()
        await self.allocations.start()
        self.authorizer = self._authorizer or Authorizer(self.cache)
        self.expiry = Expiry(self.log, self.cache, self.clock)
        self._started = True
        self._tick()

    async def close(self) -> None:
        """Ends watches and links; the log stays open."""
        self._started = False
        if self._ticker is not None:
            self._ticker.cancel()
        self.listing.close()
        self.measurements.close()
        self.links.close()
        if hasattr(self, "authorizer"):
            self.authorizer.close()
            self.expiry.close()
        self._flows.close()
        self.allocations.close()
        self.cache.close()

    def lookup(self, kind: str, key: str) -> Object | None:
        """An object as it stands, to be read only; None where it is not there, or cannot be read."""
        entry = self.cache.shelf(KINDS[kind]).entries.get(key)
        return None if entry is None or isinstance(entry, LostEntry) else entry.object

    async def handle(self, request: Request) -> Response:
        """The one door. Never raises (but for cancellation)."""
        began, route = self._timer(), None
        try:
            route = parse(KINDS, request.method, request.path, request.query)
            response = await deadline.within(_seconds(route, request), self._decide(route, request))
        except Exception as error:
            problem = as_api_error(error)
            if problem.code >= 500 and problem.reason == "InternalError" and not isinstance(error, store.LogError):
                logger.exception("request failed", extra={"method": request.method, "path": request.path})
            else:
                self._audit(request, route, problem)
            response = refusal(problem)
            response.headers.update(self._about(problem, route, request))
            if route is None or route.segments[:1] in _SHAPED:
                response = await shaped(response, request)
        if request.remote != LOCAL:
            response.headers |= {"Audit-Id": _audit_id(request), **request.marks}
            response.headers.setdefault("Cache-Control", "no-cache, private")
        if route is not None:
            seconds = None if response.stream is not None else self._timer() - began
            self.metrics.count(_series(route, request), response.status, seconds, len(response.body))
        return response

    def _about(self, problem: ApiError, route: Route | None, request: Request) -> dict[str, str]:
        """Headers of a refusal: what could be asked instead, and that a browser should not guess what it is."""
        if problem.code == 403:
            return {"X-Content-Type-Options": "nosniff"}
        if problem.code != 405:
            return {}
        with contextlib.suppress(ApiError):
            asked = route or parse(KINDS, "GET", request.path, request.query)
            below = subresources.TABLE.get(asked.subresource)
            return {"Allow": ", ".join(methods_of(asked, tuple(below.verbs) if below is not None else ()))}
        return {}

    def authorize(self, request: Request) -> tuple[Route, User]:
        """Who asks, and that they may: for what http does itself (a node's link). Raises ApiError."""
        route = parse(KINDS, request.method, request.path, request.query)
        user = impersonated(self.authenticator.authenticate(request), request.headers)
        self.authorizer.check(user, route, request.query)
        return route, user

    def is_dry_run(self, request: Request) -> bool:
        """The value is All by now, or none."""
        return bool(request.query.get("dryRun"))

    def update_by(self, route: Route, request: Request) -> Update:
        """How the request's writer becomes the manager of what it changes."""
        assert route.kind is not None
        return Update(manager_of(request), route.kind, route.subresource, self.clock())

    def apply_by(self, route: Route, request: Request, kind: Kind) -> Apply:
        """The request as an apply to objects of this kind."""
        return Apply(
            manager_of(request), is_true(request.query, "force"), kind, route.subresource, self.clock()
        )  # fmt: skip

    def main_route(self, route: Route) -> Route:
        """The route of the object to which a subresource belongs."""
        return replace(route, subresource="")

    async def _decide(self, route: Route, request: Request) -> Response:
        """No refusal rests on a memory that is older than the request: another master may have written since."""
        known = self.cache.revision
        try:
            return await self._answer(route, request)
        except ApiError as error:
            if error.code not in _BY_STATE or not self._started or not await self.cache.has_more(known):
                raise
        return await self._answer(route, request)

    async def _answer(self, route: Route, request: Request) -> Response:
        if not self._started:
            raise ServiceUnavailable.of("the API server is starting or going down")
        if route.verb != "watch" and route.subresource not in _LONG:
            check_timeout(request.query)
        if not route.resource and route.segments[:1] and f"/{route.segments[0]}" in _OPEN:
            return plain.serve(self, route, request)
        user = impersonated(self.authenticator.authenticate(request), request.headers)
        has_seat = request.remote != LOCAL and route.subresource not in _LONG
        placed = self._flows.place(user, route, request.headers.get("user-agent", "")) if has_seat else None
        if placed is not None:
            request.marks.update(placed.headers)  # who is refused is told, too
        self.authorizer.check(user, route, request.query)
        if route.subresource != "proxy":  # whose body is passed on as it comes
            await request.arrive()  # who may not ask need not be listened to
        if placed is None:
            return await self._perform(route, request, user)
        who = (user.name, route.verb, route.path, route.namespace or "", route.name or "",
               f"{route.group}/{route.version}".lstrip("/"), route.resource, route.subresource)  # fmt: skip
        width = self._width(route, request)
        async with self.fairness.seat(placed.level, placed.flow, width, placed.schema, who):
            return await self._perform(route, request, user)

    async def _perform(self, route: Route, request: Request, user: User) -> Response:
        """In the form that is asked for, too: of a large list that is most of the work, so it is done in the seat."""
        response = await self._dispatch(route, request, user)
        return await shaped(response, request) if route.segments[:1] in _SHAPED else response

    async def _dispatch(self, route: Route, request: Request, user: User) -> Response:
        if route.segments[:1] == (housekeeping.ROOT,):
            return await housekeeping.serve(self, route, request)
        if not route.resource:
            return plain.serve(self, route, request)
        review = reviews.TABLE.get((route.group, route.resource))
        if review is not None and route.verb == "create":
            form_of(request).check_untabled(route.resource, route.group)
            return review(self, user, route, request)
        if (route.group, route.resource, route.verb) == _DEFINITIONS:
            return answer(_NO_DEFINITIONS)
        if (route.group, route.resource) == (bindings.KIND.group, bindings.KIND.plural):
            return await bindings.serve(self, route, request)
        if plain.is_nowhere(self, route):
            return plain.nowhere()
        if route.group == custom_metrics.GROUP:
            return await custom_metrics.serve(self, route, request)
        if route.kind is None or (route.kind.namespaced and not route.namespace and not route.is_collection):
            raise not_found()
        if route.verb in ("create", "update", "patch") and route.subresource != "proxy":
            check_write(route.verb, request.query, applies=route.verb == "patch" and is_apply(request))
        if route.verb in ("create", "update", "patch", "delete") and route.subresource not in _LONG:
            form_of(request)  # before anything is done whose answer nobody could read
        if route.subresource:
            return await verbs.below(self, route, request, user)
        if route.verb not in route.kind.verbs:
            raise MethodNotAllowed.of()
        return await verbs.TABLE[route.verb](self, route, request, user)

    def _width(self, route: Route, request: Request) -> int:
        """The seats that it takes: how much there is to be done, as far as one can see."""
        if route.kind is None or route.subresource:
            return levels.width(size=len(request.body))
        match route.verb:
            case "list" | "watch" | "deletecollection":
                return levels.width(objects=self.listing.looks_at(route, request.query))
            case "get":
                return 1
        return levels.width(watchers=len(self.cache.shelf(route.kind).listeners), size=len(request.body))

    def _tick(self) -> None:
        self.listing.bookmark()
        self._ticker = asyncio.get_running_loop().call_later(BOOKMARK_SECONDS, self._tick)

    def _audit(self, request: Request, route: Route | None, error: ApiError) -> None:
        """One line for each request that was refused; what happens all day is for debugging only.

        Refusals quote what was sent: of a Secret the log has the reason alone.
        """
        level = logging.DEBUG if error.code in (404, 409, 410) else logging.INFO
        if logger.isEnabledFor(level):
            is_secret = route is not None and route.resource == "secrets"
            facts = {"method": request.method, "path": request.path[:200], "code": error.code,
                     "remote": request.remote, "why": error.reason if is_secret else error.message[:300]}  # fmt: skip
            logger.log(level, "request refused", extra=facts)


def _seconds(route: Route, request: Request) -> float | None:
    """How long it may take; None for what lasts, and where nobody said."""
    lasts = route.verb == "watch" or route.subresource in _LONG
    return None if lasts else deadline.seconds_of(request.query)


def _audit_id(request: Request) -> str:
    """By which a client finds its request again: its own, or a new one. Source: apiserver's WithAuditInit."""
    return request.headers.get("audit-id", "")[:_LONGEST_AUDIT_ID] or metadata.new_uid(_AUDIT_IDS)


def _series(route: Route, request: Request) -> Series:
    """How a request is counted. What nobody serves has no name, or clients could fill the memory with names."""
    kind, verb = route.kind, _VERBS.get(route.verb, route.verb.upper())
    if kind is None:
        where = f"/{route.segments[0]}" if route.segments[:1] and f"/{route.segments[0]}" in _OPEN else ""
        return (verb if verb in ("GET", "POST", "PUT", "PATCH", "DELETE") else "other", "", "", "", "", where, "")
    if verb == "PATCH" and "apply-patch" in request.headers.get("content-type", ""):
        verb = "APPLY"
    dry_run = "All" if request.query.get("dryRun") == "All" else ""
    below = route.subresource if route.subresource in kind.subresources else ""
    scope = "resource" if route.name else "namespace" if route.namespace else "cluster"
    return (verb, dry_run, kind.group, kind.version, kind.plural, below, scope)


def as_api_error(error: Exception) -> ApiError:
    """What went wrong, in the API's words."""
    match error:
        case ApiError():
            return error
        case store.Damaged():
            return ApiError(f"the store is damaged: {error}; see `procorch check`", 500, "InternalError")
        case store.StorageFull():  # without Retry-After: kubectl would ask ten times before it tells anybody
            return ApiError(f"the store is full and nothing was changed: {error}", 507, "InsufficientStorage")
        case store.Unknown():
            return Timeout.of(f"the store cannot say whether the write was done: {error}")
        case store.Unusable():
            return ServiceUnavailable.of(f"the store is not available: {error}")
        case store.Unavailable():
            return TooManyRequests.of(f"the store cannot write now and nothing was changed: {error}")
        case ExceptionGroup() if len(error.exceptions) >= 1 and isinstance(error.exceptions[0], Exception):
            return as_api_error(error.exceptions[0])
        case RecursionError():
            return BadRequest.of("the body of the request is nested too deeply")
        case _:
            return ApiError(f"Internal error occurred: {type(error).__name__}", 500, "InternalError")
