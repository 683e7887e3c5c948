"""Service: one address and name for the pods that its selector chooses.

Its cluster address and node ports are given out by the API together with the row; here they are kept, defaulted around
and checked. Source: pkg/apis/core/v1/defaults.go, pkg/registry/core/service (strategy), pkg/printers.
"""

from __future__ import annotations

from procorch.kinds.cells import AGE, NAME, label_text
from procorch.kinds.fields import Fields, fill, fill_text, made, number, part, rows, text, texts
from procorch.kinds.kind import Column, Kind
from procorch.kinds.service_validation import externally_reachable, is_headless, needs_health_port, validate, warn
from procorch.names import dns_label
from procorch.objects import Object

_THREE_HOURS = 10800
_WITH_ADDRESS = ("ClusterIP", "NodePort", "LoadBalancer")
_WITH_NODE_PORTS = ("NodePort", "LoadBalancer")
_BALANCER_WIDTH = 16


def default(service: Object) -> None:
    spec = made(service, "spec")
    fill_text(spec, "sessionAffinity", "None")
    if spec["sessionAffinity"] == "None":
        spec.pop("sessionAffinityConfig", None)
    elif spec["sessionAffinity"] == "ClientIP":
        config = part(spec, "sessionAffinityConfig", "clientIP")
        if number(config.get("timeoutSeconds")) is None:
            spec["sessionAffinityConfig"] = {"clientIP": {"timeoutSeconds": _THREE_HOURS}}
    fill_text(spec, "type", "ClusterIP")
    for port in rows(spec.get("ports")):
        fill_text(port, "protocol", "TCP")
        if port.get("targetPort") in (None, 0, ""):
            port["targetPort"] = port.get("port") or 0
    if externally_reachable(spec):
        fill_text(spec, "externalTrafficPolicy", "Cluster")
    if spec["type"] in _WITH_ADDRESS:
        fill(spec, "internalTrafficPolicy", "Cluster")
    if spec["type"] == "LoadBalancer":
        fill(spec, "allocateLoadBalancerNodePorts", True)
        for ingress in rows(part(service, "status", "loadBalancer").get("ingress")):
            if text(ingress.get("ip")):
                fill(ingress, "ipMode", "VIP")


def prepare(service: Object, old: Object | None) -> None:
    """The status stays the controllers'; an update that leaves allocated values out keeps them."""
    spec = made(service, "spec")
    if old is None:
        service["status"] = {"loadBalancer": {}}
    else:
        before = part(old, "spec")
        service["status"] = old.get("status", {"loadBalancer": {}})
        if spec.get("type") != "LoadBalancer":  # the balancer goes in its own time, and is nobody's business any more
            service["status"] = {**part(service, "status"), "loadBalancer": {}}
        _keep_allocated(spec, before)
        _drop_of_old_type(spec, before)
    _pair_addresses(spec, {} if old is None else part(old, "spec"))
    if spec.get("type") in _WITH_ADDRESS:
        _families(spec)


def _keep_allocated(spec: Fields, before: Fields) -> None:
    if spec.get("type") in _WITH_ADDRESS and before.get("type") in _WITH_ADDRESS:
        if not text(spec.get("clusterIP")) or not texts(spec.get("clusterIPs")):
            for field in ("clusterIP", "clusterIPs"):
                if field in before and not spec.get(field):
                    spec[field] = before[field]
        for field in ("ipFamilies", "ipFamilyPolicy"):
            if not spec.get(field) and before.get(field):
                spec[field] = before[field]
    if spec.get("type") in _WITH_NODE_PORTS and before.get("type") in _WITH_NODE_PORTS:
        taken = {number(port.get("nodePort")) for port in rows(spec.get("ports"))}
        known = {text(port.get("name")): number(port.get("nodePort")) for port in rows(before.get("ports"))}
        for port in rows(spec.get("ports")):
            former = known.get(text(port.get("name")))
            if not port.get("nodePort") and former and former not in taken:
                port["nodePort"] = former
                taken.add(former)
        if needs_health_port(spec) and before.get("healthCheckNodePort") and not spec.get("healthCheckNodePort"):
            spec["healthCheckNodePort"] = before["healthCheckNodePort"]


def _drop_of_old_type(spec: Fields, before: Fields) -> None:
    """A changed type takes along the values of the old one that the client did not touch."""
    if not needs_health_port(spec) and spec.get("healthCheckNodePort") == before.get("healthCheckNodePort"):
        spec.pop("healthCheckNodePort", None)
    if before.get("type") == spec.get("type"):
        return
    dropped: list[str] = []
    if spec.get("type") == "ExternalName":
        dropped += ["clusterIP", "clusterIPs", "ipFamilies", "ipFamilyPolicy"]
    if spec.get("type") != "LoadBalancer":
        dropped += ["allocateLoadBalancerNodePorts", "loadBalancerClass"]
    if not externally_reachable(spec):
        dropped.append("externalTrafficPolicy")
    for field in dropped:
        if spec.get(field) == before.get(field):
            spec.pop(field, None)
    if spec.get("type") not in _WITH_NODE_PORTS:
        ports = {number(port.get("nodePort")) for port in rows(before.get("ports"))}
        for port in rows(spec.get("ports")):
            if number(port.get("nodePort")) in ports:
                port.pop("nodePort", None)


def _pair_addresses(spec: Fields, before: Fields) -> None:
    """clusterIP and clusterIPs[0] are one value: who sets or clears the first means both."""
    address, addresses = text(spec.get("clusterIP")), texts(spec.get("clusterIPs"))
    if address and not addresses:
        spec["clusterIPs"] = [address]
    elif before and address != text(before.get("clusterIP")) and addresses == texts(before.get("clusterIPs")):
        if address:
            spec["clusterIPs"] = [address, *addresses[1:]]
        else:
            spec.pop("clusterIPs", None)


def _families(spec: Fields) -> None:
    """IPv4 alone, unless asked otherwise; a headless Service without selector may hold addresses of both."""
    both = is_headless(spec) and not spec.get("selector")
    fill_text(spec, "ipFamilyPolicy", "RequireDualStack" if both else "SingleStack")
    if not spec.get("ipFamilies"):
        spec["ipFamilies"] = ["IPv4"]
    if both and spec["ipFamilies"] == ["IPv4"] and spec["ipFamilyPolicy"] != "SingleStack":
        spec["ipFamilies"] = ["IPv4", "IPv6"]


def _external_address(service: Object, now: float) -> str:
    spec = part(service, "spec")
    external = texts(spec.get("externalIPs"))
    match spec.get("type"):
        case "ClusterIP" | "NodePort":
            return ",".join(external) or "<none>"
        case "LoadBalancer":
            ingress = rows(part(service, "status", "loadBalancer").get("ingress"))
            given = ",".join(sorted({text(one.get("ip")) or text(one.get("hostname")) for one in ingress} - {""}))
            if len(given) > _BALANCER_WIDTH:
                given = given[: _BALANCER_WIDTH - 3] + "..."
            return ",".join([*filter(None, given.split(",")), *external]) or "<pending>"
        case "ExternalName":
            return text(spec.get("externalName"))
    return "<unknown>"


def _ports(service: Object, now: float) -> str:
    shown = []
    for port in rows(part(service, "spec").get("ports")):
        node_port = number(port.get("nodePort"))
        shown.append(f"{port.get('port')}{f':{node_port}' if node_port else ''}/{port.get('protocol')}")
    return ",".join(shown) or "<none>"


def _address(service: Object, now: float) -> str:
    return (texts(part(service, "spec").get("clusterIPs")) or ["<none>"])[0]


KIND = Kind(
    "Service", "services", shows_deleted=True,
    short_names=("svc",), categories=("all",), subresources=("status", "proxy"),
    name_format=dns_label, put_creates=True,
    default=default, prepare=prepare, validate=validate, warn=warn,
    columns=(
        NAME,
        Column("Type", ".spec.type"),
        Column("Cluster-IP", _address),
        Column("External-IP", _external_address),
        Column("Port(s)", _ports),
        AGE,
        Column("Selector", lambda obj, now: label_text(part(obj, "spec").get("selector")), priority=1),
    ),
    fields={"spec.clusterIP": ".spec.clusterIP", "spec.type": ".spec.type"},
)  # fmt: skip
