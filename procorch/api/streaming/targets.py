"""Where a proxied request goes: a pod's port, or one of a Service's endpoints.

Source: pkg/registry/core/{pod,service}/…/proxy.go (ResourceLocation), apimachinery pkg/util/net SplitSchemeNamePort and
pkg/util/proxy IsProxyableIP.
"""

from __future__ import annotations

import ipaddress
import random
from dataclasses import dataclass
from typing import TYPE_CHECKING

from procorch.api.routes import Route
from procorch.kinds import KINDS
from procorch.kinds.fields import rows
from procorch.objects import ApiError, BadRequest, Object, ServiceUnavailable, get, labels_of

if TYPE_CHECKING:
    from procorch.api.api import Api

_SERVICE_NAME = "kubernetes.io/service-name"


@dataclass(frozen=True, slots=True)
class Target:
    """node: the one that can reach the address; empty for any."""

    scheme: str
    address: str
    port: int
    node: str

    @property
    def host(self) -> str:
        """As a URL and a Host header have it."""
        address = f"[{self.address}]" if ":" in self.address else self.address
        return address if self.port == _default(self.scheme) else f"{address}:{self.port}"


def _default(scheme: str) -> int:
    return 443 if scheme == "https" else 80


def split_name(text: str) -> tuple[str, str, str]:
    """(scheme, name, port) of `name`, `name:port`, `scheme:name:port`; what is left out is empty. Raises BadRequest."""
    parts = text.split(":")
    if len(parts) == 3 and parts[0] in ("http", "https", ""):
        scheme, name, port = parts
    elif len(parts) <= 2:
        scheme, (name, port) = "", (*parts, "")[:2]
    else:
        name = scheme = port = ""
    if not name:
        raise BadRequest.of(f'invalid service or pod request "{text[:100]}"')
    return scheme, name, port


def pod_target(api: Api, route: Route) -> Target:
    """Raises ApiError."""
    scheme, name, port = split_name(route.name or "")
    pod = api.rest.entry(KINDS["Pod"], route.namespace, name).object
    address = str(get(pod, ".status.podIP", ""))
    if not port:
        named = [row for one in rows(pod["spec"].get("containers")) for row in rows(one.get("ports"))]
        port = str(named[0]["containerPort"]) if named else ""
    elif not port.isdecimal():
        raise BadRequest.of(f'invalid port "{port[:100]}": a pod is proxied to by the number of its port')
    return target_of(scheme, address, int(port) if port else None, str(get(pod, ".spec.nodeName", "")))


def service_target(api: Api, route: Route, draw: random.Random) -> Target:
    """One of the endpoints that are ready. Raises ApiError."""
    scheme, name, port = split_name(route.name or "")
    service = api.rest.entry(KINDS["Service"], route.namespace, name).object
    port_name = _port_name(service, name, port)
    found = []
    for entry in api.cache.shelf(KINDS["EndpointSlice"]).in_namespace(route.namespace):
        one = entry.object
        if labels_of(one).get(_SERVICE_NAME) != name:
            continue
        for row in rows(one.get("ports")):
            if (row.get("name") or "") == port_name and row.get("port"):
                found += [
                    (endpoint, int(row["port"])) for endpoint in rows(one.get("endpoints")) if _is_ready(endpoint)
                ]
    if not found:
        raise ServiceUnavailable.of(f'no endpoints available for service "{name}"')
    endpoint, number = draw.choice(found)
    return target_of(scheme, str(endpoint["addresses"][0]), number, str(endpoint.get("nodeName") or ""))


def _port_name(service: Object, name: str, asked: str) -> str:
    """A Service's port is named by its name or its number."""
    ports = rows(get(service, ".spec.ports"))
    for row in ports:
        if asked in (row.get("name") or "", str(row.get("port"))):
            return str(row.get("name") or "")
    if not asked and len(ports) == 1:
        return str(ports[0].get("name") or "")
    raise ServiceUnavailable.of(f'no service port "{asked[:100]}" found for service "{name}"')


def _is_ready(endpoint: Object) -> bool:
    return get(endpoint, ".conditions.ready") is not False and bool(endpoint.get("addresses"))


def target_of(scheme: str, address: str, port: int | None, node: str) -> Target:
    """Raises ApiError for an address that belongs to no pod."""
    try:
        where = ipaddress.ip_address(address)
    except ValueError:
        raise BadRequest.of("address not allowed") from None
    if where.is_loopback or where.is_link_local or where.is_multicast or where.is_unspecified:
        raise ApiError("address not allowed", 403, "Forbidden")
    scheme = scheme or "http"
    return Target(scheme, address, port if port is not None else _default(scheme), node)
