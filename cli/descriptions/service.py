"""A Service for people to read, with the addresses that answer for it."""

from __future__ import annotations

from collections.abc import Iterable

from cli.descriptions.page import NONE, Page, Value, pairs
from procorch.objects import Object, get


def describe_service(service: Object, slices: Iterable[Object]) -> Page:
    """slices: the EndpointSlices of this Service."""
    spec = service["spec"]
    found = list(slices)
    page: dict[str, Value] = {
        "Selector": ",".join(pairs(spec.get("selector"))) or NONE,
        "Type": spec.get("type"),
        "IP Families": ",".join(spec.get("ipFamilies") or []) or None,
        "IP": str(spec.get("clusterIP") or "") or None,
        "External IPs": ",".join(spec.get("externalIPs") or []) or None,
        "External Name": spec.get("externalName"),
    }
    ports = spec.get("ports") or []
    for port in ports:
        name = str(port.get("name") or "<unset>")
        mark = f" ({name})" if len(ports) > 1 else ""  # a page has each name once
        protocol = port.get("protocol", "TCP")
        page[f"Port{mark}"] = f"{name}  {port.get('port')}/{protocol}"
        page[f"TargetPort{mark}"] = f"{port.get('targetPort')}/{protocol}"
        page[f"NodePort{mark}"] = f"{name}  {port['nodePort']}/{protocol}" if port.get("nodePort") else None
        page[f"Endpoints{mark}"] = _endpoints(found, str(port.get("name") or ""))
    page["Session Affinity"] = spec.get("sessionAffinity")
    page["Affinity Timeout"] = _seconds(get(spec, ".sessionAffinityConfig.clientIP.timeoutSeconds"))
    page["External Traffic Policy"] = spec.get("externalTrafficPolicy")
    page["Internal Traffic Policy"] = spec.get("internalTrafficPolicy")
    return page


def _endpoints(slices: list[Object], name: str) -> str:
    """`10.240.0.2:80,…` of the ready addresses behind the port of that name; three, and how many more."""
    found = []
    for one in slices:
        numbers = [port.get("port") for port in one.get("ports") or [] if (port.get("name") or "") == name]
        for endpoint in one.get("endpoints") or []:
            if get(endpoint, ".conditions.ready", True):
                found += [f"{ip}:{number}" for ip in endpoint.get("addresses") or [] for number in numbers]
    found.sort()
    more = f" + {len(found) - 3} more..." if len(found) > 3 else ""
    return (",".join(found[:3]) + more) or NONE


def _seconds(value: object) -> str | None:
    return None if value is None else f"{value}s"
