"""What is no resource: version, health, metrics, discovery, OpenAPI, and the list of these paths."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import orjson

from procorch import exposition
from procorch.api import flow_dumps, health, issuer
from procorch.api.health import Check
from procorch.api.metrics import Histograms
from procorch.api.request import JSON, Request, Response, text
from procorch.api.routes import Route
from procorch.exposition import MEDIA, Family
from procorch.objects import MethodNotAllowed

if TYPE_CHECKING:
    from procorch.api.api import Api

VERSION = {
    "major": "1",
    "minor": "37",
    "emulationMajor": "1",
    "emulationMinor": "37",
    "minCompatibilityMajor": "1",
    "minCompatibilityMinor": "36",
    "gitVersion": "v1.37.0+procorch",
    "gitCommit": "",
    "gitTreeState": "clean",
    "buildDate": "2026-11-01T00:00:00Z",
    "goVersion": "none",
    "compiler": "CPython",
    "platform": "linux/amd64",
}
_HEALTH = ("livez", "readyz", "healthz")
_OTHERS = ("/metrics", "/metrics/slis", "/openapi/v2", "/openapi/v3", "/version", "/cacerts")


def serve(api: Api, route: Route, request: Request) -> Response:
    """Raises NotFound, MethodNotAllowed."""
    if route.verb not in ("get", "head"):
        raise MethodNotAllowed.of()
    match route.segments:
        case () | ("",):
            return _shown({"paths": _paths(api)})
        case ("version",):
            return _shown(VERSION)
        case ("livez" | "readyz" | "healthz", *_):
            return health.answer(route.segments, request.query, _checks(api), api.health)
        case ("cacerts",):
            return text(api.config.ca_pem.decode(), content_type="application/x-pem-file")
        case ("metrics",):
            return text(api.metrics.text(_families(api)), content_type=MEDIA)
        case ("metrics", "slis"):
            return text(exposition.text([*api.health.families(), *exposition.process_families()]), content_type=MEDIA)
        case (".well-known", "openid-configuration") if api.service_accounts is not None:
            tokens = api.service_accounts
            return issuer.configuration(tokens.issuer, tokens.algorithm, api.config.advertise)
        case ("openid", "v1", "jwks") if api.service_accounts is not None:
            return issuer.keys(api.service_accounts.public_key, api.service_accounts.algorithm)
        case ("debug", "api_priority_and_fairness", dump) if dump in flow_dumps.DUMPS:
            now = asyncio.get_running_loop().time()
            return text(flow_dumps.DUMPS[dump](api.fairness, request.query, now))
        case ("openapi", *_):
            return api.openapi.answer(request)
        case ("api" | "apis", *_):
            return nowhere() if is_nowhere(api, route) else api.discovery.answer(route.path, request)
    return nowhere()


def is_nowhere(api: Api, route: Route) -> bool:
    """Whether it lies in an API group that nobody serves: Kubernetes answers as to any path that it does not know."""
    return route.segments[:1] == ("apis",) and len(route.segments) > 1 and not api.discovery.has(route.segments[1])


def nowhere() -> Response:
    """As Go's server answers where nothing is."""
    response = text("404 page not found\n", 404)
    response.headers["X-Content-Type-Options"] = "nosniff"
    return response


def _shown(value: object) -> Response:
    """Kubernetes indents these for everybody."""
    return Response(200, {"Content-Type": JSON}, orjson.dumps(value, option=orjson.OPT_INDENT_2))


def _paths(api: Api) -> list[str]:
    checks = [f"/{where}/{check.name}" for where in _HEALTH for check in _checks(api)]
    keys = (issuer.CONFIGURATION, issuer.KEYS) if api.service_accounts is not None else ()
    return sorted([*api.discovery.paths, *_OTHERS, *keys, *(f"/{where}" for where in _HEALTH), *checks])


def _checks(api: Api) -> list[Check]:
    behind = api.log.revision - api.cache.revision
    damaged = len(api.log.damaged)  # it serves all the rest: no reason to be restarted
    return [
        Check("ping"),
        Check("store", note=f"has {damaged} damaged values: see `procorch check`" if damaged else ""),
        Check("watch-cache", "" if behind <= 0 else f"{behind} revisions behind"),
    ]


def _families(api: Api) -> list[Family | Histograms]:
    shelves = list(api.cache.shelves())
    stored = {
        f'resource="{shelf.kind.plural}{shelf.kind.group and f".{shelf.kind.group}"}"': float(len(shelf.entries))
        for shelf in shelves
    }
    objects = {
        f'group="{shelf.kind.group}",resource="{shelf.kind.plural}"': float(len(shelf.entries)) for shelf in shelves
    }
    log = api.log
    return [
        Family("kubernetes_build_info", "The version that is served.", "gauge",
               {f'major="1",minor="37",git_version="{VERSION["gitVersion"]}"': 1}),
        Family("procorch_store_revision", "Newest committed revision of the store.", "gauge", {"": log.revision}),
        Family("procorch_store_oldest_revision", "Oldest revision that can be read.", "gauge", {"": log.oldest}),
        Family("procorch_store_damaged", "Changes found not to be as they were written.", "gauge",
               {"": len(log.damaged)}),
        Family("procorch_node_links", "Nodes that are connected.", "gauge", {"": len(api.links)}),
        Family("apiserver_storage_objects", "Objects stored, by resource.", "gauge", stored),
        Family("apiserver_resource_objects", "Objects stored, by group and resource.", "gauge", objects),
        Family("apiserver_longrunning_requests", "Requests that last until their client goes: open watches.", "gauge",
               api.listing.open_watches()),
        Family("apiserver_watch_events_total", "Events sent to watchers, by resource.", "counter",
               api.listing.events_sent()),
        *api.fairness.metrics.families(api.fairness.levels.values()),
        *exposition.process_families(),
    ]  # fmt: skip
