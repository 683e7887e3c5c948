"""Services, EndpointSlices and the host ports of pods become the table that a node's proxy serves; Services also the
variables that pods start with.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from network.proxy import Backend, Key, ServicePort
from procorch.objects import Object, get, key_of, labels_of

_SERVICE_NAME = "kubernetes.io/service-name"
_PROTOCOLS = ("TCP", "UDP")
_DEFAULT_AFFINITY = 10_800
_EVERY = "0.0.0.0"


def service_ports(services: Iterable[Object], slices: Iterable[Object], node_name: str = "") -> tuple[ServicePort, ...]:
    """The whole table for one node, in a fixed order.

    node_name: whose own endpoints count where a traffic policy says `Local`. Headless Services, ExternalName,
    protocols other than TCP and UDP, and IPv6 give no rows. As in kube-proxy, endpoints that end but still serve are
    used when no other is ready.
    """
    of_service: dict[str, list[Object]] = defaultdict(list)
    for one in slices:
        if name := labels_of(one).get(_SERVICE_NAME):
            of_service[f"{one['metadata']['namespace']}/{name}"].append(one)
    rows: list[ServicePort] = []
    for service in sorted(services, key=key_of):
        rows += _rows(service, of_service.get(key_of(service), []), node_name)
    return tuple(rows)


def host_ports(pods: Iterable[Object], is_own: Callable[[str], bool]) -> tuple[ServicePort, ...]:
    """The rows of the ports that this node's pods have on it, while they live, in a fixed order.

    is_own: whether an address is one of the node's: with another hostIP a pod could take what is for a Service. Without
    a hostIP, or with 0.0.0.0, it is on every address. What is no TCP or UDP, and IPv6, gives no row. On the host's
    network a pod has its ports by itself.
    """
    rows: dict[Key, ServicePort] = {}
    for pod in sorted(pods, key=key_of):
        address = get(pod, ".status.podIP")
        if not address or get(pod, ".spec.hostNetwork") or get(pod, ".status.phase") in ("Succeeded", "Failed"):
            continue
        for port in _ports_of(pod):
            outside, host = port.get("hostPort"), port.get("hostIP") or _EVERY
            protocol = port.get("protocol") or "TCP"
            if not outside or protocol not in _PROTOCOLS or ":" in host:
                continue
            at, node_port = (None, outside) if host == _EVERY else (host, None)
            if at is not None and not is_own(at):
                continue
            backends = (Backend(address, port["containerPort"]),)
            name = f"{key_of(pod)}:{outside}"
            row = ServicePort(at, outside, protocol, node_port, backends, name=name)
            rows.setdefault(row.key, row)
    return tuple(rows.values())


def _ports_of(pod: Object) -> Iterator[Object]:
    sidecars = [one for one in get(pod, ".spec.initContainers", []) if one.get("restartPolicy") == "Always"]
    for container in (*get(pod, ".spec.containers", []), *sidecars):
        yield from container.get("ports") or ()


def has_cluster_ip(service: Object) -> bool:
    """False for headless Services and ExternalName."""
    address = get(service, ".spec.clusterIP", "")
    return address not in ("", "None") and get(service, ".spec.type") != "ExternalName"


def _rows(service: Object, slices: list[Object], node_name: str) -> Iterator[ServicePort]:
    if not has_cluster_ip(service):
        return
    address = service["spec"]["clusterIP"]
    if ":" in address:
        return
    affinity = _affinity(service)
    inside_local = get(service, ".spec.internalTrafficPolicy") == "Local"
    outside_local = get(service, ".spec.externalTrafficPolicy") == "Local"
    for port in get(service, ".spec.ports", []):
        protocol = port.get("protocol", "TCP")
        if protocol not in _PROTOCOLS:
            continue
        endpoints = _endpoints(slices, port)
        inside = _backends(endpoints, node_name if inside_local else "")
        outside = _backends(endpoints, node_name if outside_local else "")
        node_port = port.get("nodePort") or None
        name = f"{key_of(service)}:{port.get('name') or port['port']}"
        together = node_port is None or inside == outside
        yield ServicePort(address, port["port"], protocol, node_port if together else None, inside, affinity, name)
        if not together:
            yield ServicePort(None, port["port"], protocol, node_port, outside, affinity, name)
        for other in _other_addresses(service):
            yield ServicePort(other, port["port"], protocol, None, outside, affinity, name)


def _affinity(service: Object) -> int | None:
    if get(service, ".spec.sessionAffinity") != "ClientIP":
        return None
    return int(get(service, ".spec.sessionAffinityConfig.clientIP.timeoutSeconds", _DEFAULT_AFFINITY))


def _other_addresses(service: Object) -> Iterator[str]:
    """externalIPs, and the addresses that a load balancer passes packets on with."""
    yield from (one for one in get(service, ".spec.externalIPs", []) if ":" not in one)
    for ingress in get(service, ".status.loadBalancer.ingress", []):
        if ingress.get("ip") and ":" not in ingress["ip"] and ingress.get("ipMode", "VIP") == "VIP":
            yield ingress["ip"]


_Row = tuple[Backend, str, Object]
"""A backend, the node it is on, and its endpoint's conditions."""


def _endpoints(slices: list[Object], port: Object) -> list[_Row]:
    """The endpoints of one port of a Service; the slices have resolved named ports, each maybe to another number."""
    rows: list[_Row] = []
    for one in slices:
        if one.get("addressType", "IPv4") != "IPv4":
            continue
        numbers = [
            row["port"]
            for row in one.get("ports") or []
            if (row.get("name") or "") == (port.get("name") or "")
            and row.get("protocol", "TCP") == port.get("protocol", "TCP")
            and row.get("port")
        ]
        for endpoint in one.get("endpoints") or []:
            conditions = endpoint.get("conditions") or {}
            for address in endpoint.get("addresses") or []:
                rows += [(Backend(address, number), endpoint.get("nodeName") or "", conditions) for number in numbers]
    return rows


def _backends(endpoints: list[_Row], only_node: str) -> tuple[Backend, ...]:
    """The backends to use, sorted; of one node only where it is named."""
    here = [row for row in endpoints if not only_node or row[1] == only_node]

    def those(fits: Callable[[dict[str, Any]], bool]) -> tuple[Backend, ...]:
        return tuple(sorted({backend for backend, _, conditions in here if fits(conditions)}))

    return those(_is_ready) or those(_serves_while_ending)


def _is_ready(conditions: dict[str, Any]) -> bool:
    return conditions.get("ready") is not False  # left out means ready


def _serves_while_ending(conditions: dict[str, Any]) -> bool:
    return bool(conditions.get("serving") and conditions.get("terminating"))


def service_environment(services: Iterable[Object], namespace: str, links: bool = True) -> dict[str, str]:
    """The variables by which a pod of this namespace finds Services that exist when it starts.

    links: the pod's enableServiceLinks; without it only `kubernetes` of the namespace default is told of.
    Source: kubelet's getServiceEnvVarMap and pkg/kubelet/envvars.
    """
    chosen: dict[str, Object] = {}
    for service in services:
        if not has_cluster_ip(service):
            continue
        name, home = service["metadata"]["name"], service["metadata"].get("namespace")
        if home == namespace and links:
            chosen[name] = service
        elif home == "default" and name == "kubernetes":
            chosen.setdefault(name, service)
    environment: dict[str, str] = {}
    for name in sorted(chosen):
        environment.update(_variables(chosen[name]))
    return environment


def _variables(service: Object) -> Iterator[tuple[str, str]]:
    """One Service's variables; ports as `docker --link` named them too."""
    prefix = _variable(service["metadata"]["name"])
    address = service["spec"]["clusterIP"]
    ports = get(service, ".spec.ports", [])
    yield f"{prefix}_SERVICE_HOST", address
    for index, port in enumerate(ports):
        number, protocol = str(port["port"]), str(port.get("protocol") or "TCP")
        url = f"{protocol.lower()}://{f'[{address}]' if ':' in address else address}:{number}"
        if index == 0:
            yield f"{prefix}_SERVICE_PORT", number
            yield f"{prefix}_PORT", url
        if port.get("name"):
            yield f"{prefix}_SERVICE_PORT_{_variable(port['name'])}", number
        one = f"{prefix}_PORT_{number}_{protocol.upper()}"
        yield one, url
        yield f"{one}_PROTO", protocol.lower()
        yield f"{one}_PORT", number
        yield f"{one}_ADDR", address


def _variable(name: str) -> str:
    return name.upper().replace("-", "_")
