"""What may be wrong with a Service. Whether an address or node port is free and in range is the allocator's to say.

Source: pkg/apis/core/validation (ValidateService, ValidateServiceUpdate).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, labels, number, part, rows, text, texts
from procorch.kinds.metadata import validate_labels
from procorch.kinds.podspec.containers import PROTOCOLS
from procorch.kinds.podspec.probes import port_or_name
from procorch.names import (
    address,
    address_warnings,
    cidr,
    dns_label,
    dns_subdomain,
    label_key,
    port_number,
    range_warnings,
    special_address,
)
from procorch.objects import Cause, Object, Struct

_TYPES = ("ClusterIP", "ExternalName", "LoadBalancer", "NodePort")
_WITH_ADDRESS = ("ClusterIP", "LoadBalancer", "NodePort")
_POLICIES = ("Cluster", "Local")
_LONGEST_AFFINITY = 86400


def is_headless(spec: Fields) -> bool:
    return texts(spec.get("clusterIPs"))[:1] == ["None"] or spec.get("clusterIP") == "None"


def externally_reachable(spec: Fields) -> bool:
    return spec.get("type") in ("LoadBalancer", "NodePort") or (
        spec.get("type") == "ClusterIP" and bool(texts(spec.get("externalIPs")))
    )


def needs_health_port(spec: Fields) -> bool:
    """Whether a balancer asks each node, on a port of its own, if it has endpoints."""
    return spec.get("type") == "LoadBalancer" and spec.get("externalTrafficPolicy") == "Local"


def validate(service: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(service, "spec")
    if old is None or service.get("status") != old.get("status"):
        yield from _given(part(service, "status", "loadBalancer").get("ingress"), text(spec.get("type")))
    if old is not None:
        if spec == old.get("spec"):
            return
        yield from _update(spec, part(old, "spec"))
    yield from _type(spec)
    yield from _ports(spec)
    yield from validate_labels(spec.get("selector"), "spec.selector")
    yield from _affinity(spec)
    yield from _addresses(spec)
    yield from _balancer(spec)
    yield from _policies(spec)


def _given(value: object, kind: str) -> Iterator[Cause]:
    """Where a balancer says that it listens. kind: the Service's type. Source: ValidateLoadBalancerStatus."""
    if value and kind != "LoadBalancer":
        yield Cause.forbidden("status.loadBalancer.ingress", "may only be used when `spec.type` is 'LoadBalancer'")
        return
    for where, one in indexed(value, "status.loadBalancer.ingress"):
        given, host, mode = text(one.get("ip")), text(one.get("hostname")), one.get("ipMode")
        for message in address(given) if given else ():
            yield Cause.invalid(f"{where}.ip", given, message)
        if mode is not None and not given:
            yield Cause.forbidden(f"{where}.ipMode", "may not be specified when `ip` is not set")
        elif mode is not None and mode not in ("Proxy", "VIP"):
            yield Cause.unsupported(f"{where}.ipMode", mode, ("Proxy", "VIP"))
        for message in dns_subdomain(host) if host else ():
            yield Cause.invalid(f"{where}.hostname", host, message)
        if host and not address(host):
            yield Cause.invalid(f"{where}.hostname", host, "must be a DNS name, not an IP address")


def _update(spec: Fields, before: Fields) -> Iterator[Cause]:
    balanced = spec.get("type") == before.get("type") == "LoadBalancer"
    if balanced and spec.get("loadBalancerClass") != before.get("loadBalancerClass"):
        yield Cause.invalid("spec.loadBalancerClass", spec.get("loadBalancerClass"), "may not change once set")
    checked = needs_health_port(spec) and needs_health_port(before)
    if checked and spec.get("healthCheckNodePort") != before.get("healthCheckNodePort"):
        yield Cause.forbidden("spec.healthCheckNodePort", "field is immutable")
    if "ExternalName" in (spec.get("type"), before.get("type")) or (is_headless(spec) and is_headless(before)):
        return
    new, old = texts(spec.get("clusterIPs")), texts(before.get("clusterIPs"))
    if old and not new:
        yield Cause.invalid("spec.clusterIPs[0]", new, "primary clusterIP can not be unset")
    for index, (one, former) in enumerate(zip(new, old, strict=False)):
        if one != former:
            yield Cause.invalid(f"spec.clusterIPs[{index}]", new, "may not change once set")
    families, former_families = texts(spec.get("ipFamilies")), texts(before.get("ipFamilies"))
    if is_headless(spec) == is_headless(before) and families[:1] != former_families[:1] and former_families:
        yield Cause.invalid("spec.ipFamilies[0]", families, "may not change once set")


def _type(spec: Fields) -> Iterator[Cause]:
    kind, addresses = text(spec.get("type")), texts(spec.get("clusterIPs"))
    if not rows(spec.get("ports")) and not is_headless(spec) and kind != "ExternalName":
        yield Cause.required("spec.ports")
    if kind in ("LoadBalancer", "NodePort") and is_headless(spec):
        yield Cause.invalid("spec.clusterIPs[0]", "None", f"may not be set to 'None' for {kind} services")
    if kind == "ExternalName":
        for field, given in (("clusterIPs", addresses), ("ipFamilies", spec.get("ipFamilies"))):
            if given:
                yield Cause.forbidden(f"spec.{field}", "may not be set for ExternalName services")
        if spec.get("ipFamilyPolicy") is not None:
            yield Cause.forbidden("spec.ipFamilyPolicy", "may not be set for ExternalName services")
        name = text(spec.get("externalName")).removesuffix(".")
        if not name:
            yield Cause.required("spec.externalName")
        for message in dns_subdomain(name) if name else ():
            yield Cause.invalid("spec.externalName", name, message)
    if not kind:
        yield Cause.required("spec.type")
    elif kind not in _TYPES:
        yield Cause.unsupported("spec.type", kind, _TYPES)


def _ports(spec: Fields) -> Iterator[Cause]:
    ports = list(indexed(spec.get("ports"), "spec.ports"))
    names: set[str] = set()
    for where, port in ports:
        yield from _port(port, where, names, named=len(ports) > 1)
        if spec.get("type") == "ClusterIP" and port.get("nodePort"):
            yield Cause.forbidden(f"{where}.nodePort", "may not be used when `type` is 'ClusterIP'")
    for field in ("nodePort", "port"):
        taken: set[tuple[str, int]] = set()
        for where, port in ports:
            value = (text(port.get("protocol")), number(port.get(field)) or 0)
            if value[1] and value in taken:
                if field == "nodePort":
                    yield Cause.duplicate(f"{where}.nodePort", value[1])
                else:
                    shown = Struct(
                        Name="", Protocol=value[0], AppProtocol=None, Port=value[1], TargetPort=0, NodePort=0
                    )
                    yield Cause.duplicate(where, shown)
            taken.add(value)


def _port(port: Fields, path: str, names: set[str], *, named: bool) -> Iterator[Cause]:
    name, protocol = text(port.get("name")), text(port.get("protocol"))
    if not name and named:
        yield Cause.required(f"{path}.name")
    elif name:
        for message in dns_label(name):
            yield Cause.invalid(f"{path}.name", name, message)
        if name in names:
            yield Cause.duplicate(f"{path}.name", name)
        names.add(name)
    value = number(port.get("port")) or 0
    for message in port_number(value):
        yield Cause.invalid(f"{path}.port", value, message)
    if not protocol:
        yield Cause.required(f"{path}.protocol")
    elif protocol not in PROTOCOLS:
        yield Cause.unsupported(f"{path}.protocol", protocol, PROTOCOLS)
    yield from port_or_name(port.get("targetPort"), f"{path}.targetPort")
    if (application := port.get("appProtocol")) is not None:
        for message in label_key(text(application)):
            yield Cause.invalid(f"{path}.appProtocol", text(application), message)


def _affinity(spec: Fields) -> Iterator[Cause]:
    affinity = text(spec.get("sessionAffinity"))
    if not affinity:
        yield Cause.required("spec.sessionAffinity")
    elif affinity not in ("ClientIP", "None"):
        yield Cause.unsupported("spec.sessionAffinity", affinity, ("ClientIP", "None"))
    seconds = number(part(spec, "sessionAffinityConfig", "clientIP").get("timeoutSeconds"))
    if affinity == "ClientIP" and (seconds is None or not 0 < seconds <= _LONGEST_AFFINITY):
        yield Cause.invalid(
            "spec.sessionAffinityConfig.clientIP.timeoutSeconds",
            seconds or 0,
            f"must be greater than 0 and less than {_LONGEST_AFFINITY}",
        )
    if affinity == "None" and spec.get("sessionAffinityConfig") is not None:
        yield Cause.forbidden("spec.sessionAffinityConfig", "must not be set when session affinity is None")


def _addresses(spec: Fields) -> Iterator[Cause]:
    """clusterIP, clusterIPs, families. This cluster has IPv4 alone."""
    if spec.get("type") != "ExternalName":
        yield from _cluster_addresses(text(spec.get("clusterIP")), texts(spec.get("clusterIPs")))
        yield from _families(spec)
    for index, given in enumerate(texts(spec.get("externalIPs"))):
        for message in address(given) or special_address(given):
            yield Cause.invalid(f"spec.externalIPs[{index}]", given, message)


def _cluster_addresses(first: str, addresses: list[str]) -> Iterator[Cause]:
    if first and addresses and addresses[0] != first:
        yield Cause.invalid("spec.clusterIPs", addresses, "first value must match `clusterIP`")
    if not first and addresses:
        yield Cause.invalid("spec.clusterIPs", addresses, "must be empty when `clusterIP` is not specified")
    for index, given in enumerate(addresses):
        if index == 0 and given == "None":
            if len(addresses) > 1:
                yield Cause.invalid("spec.clusterIPs", addresses, "'None' must be the first and only value")
            continue
        for message in address(given):
            yield Cause.invalid(f"spec.clusterIPs[{index}]", given, message)
    if len(addresses) > 2:
        yield Cause.invalid("spec.clusterIPs", addresses, "may only hold up to 2 values")


def _families(spec: Fields) -> Iterator[Cause]:
    policy, both = text(spec.get("ipFamilyPolicy")), is_headless(spec) and not spec.get("selector")
    policies = ("PreferDualStack", "RequireDualStack", "SingleStack")
    if spec.get("ipFamilyPolicy") is not None and policy not in policies:
        yield Cause.unsupported("spec.ipFamilyPolicy", policy, policies)
    elif policy == "RequireDualStack" and not both:
        yield Cause.invalid("spec.ipFamilyPolicy", policy, "this cluster is not configured for dual-stack services")
    seen: set[str] = set()
    for index, family in enumerate(texts(spec.get("ipFamilies"))):
        if family not in ("IPv4", "IPv6"):
            yield Cause.unsupported(f"spec.ipFamilies[{index}]", family, ("IPv4", "IPv6"))
        if family in seen:
            yield Cause.duplicate(f"spec.ipFamilies[{index}]", family)
        elif family == "IPv6" and not both:
            yield Cause.invalid(f"spec.ipFamilies[{index}]", family, "not configured on this cluster")
        seen.add(family)


def _balancer(spec: Fields) -> Iterator[Cause]:
    balanced = spec.get("type") == "LoadBalancer"
    for index, given in enumerate(texts(spec.get("loadBalancerSourceRanges"))):
        if index == 0 and not balanced:
            yield Cause.forbidden("spec.LoadBalancerSourceRanges", "may only be used when `type` is 'LoadBalancer'")
        for message in cidr(given.strip()):
            yield Cause.invalid(f"spec.LoadBalancerSourceRanges[{index}]", given.strip(), message)
    if spec.get("allocateLoadBalancerNodePorts") is not None and not balanced:
        yield Cause.forbidden("spec.allocateLoadBalancerNodePorts", "may only be used when `type` is 'LoadBalancer'")
    if spec.get("loadBalancerClass") is not None and not balanced:
        yield Cause.forbidden("spec.loadBalancerClass", "may only be used when `type` is 'LoadBalancer'")
    elif (name := spec.get("loadBalancerClass")) is not None:
        for message in label_key(text(name)):
            yield Cause.invalid("spec.loadBalancerClass", text(name), message)


def _policies(spec: Fields) -> Iterator[Cause]:
    external = text(spec.get("externalTrafficPolicy"))
    if not externally_reachable(spec):
        if external:
            yield Cause.invalid(
                "spec.externalTrafficPolicy", external, "may only be set for externally-accessible services"
            )
    elif not external:
        yield Cause.required("spec.externalTrafficPolicy")
    elif external not in _POLICIES:
        yield Cause.unsupported("spec.externalTrafficPolicy", external, _POLICIES)
    if spec.get("healthCheckNodePort") and not needs_health_port(spec):
        yield Cause.invalid(
            "spec.healthCheckNodePort",
            spec["healthCheckNodePort"],
            "may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'",
        )
    elif check := number(spec.get("healthCheckNodePort")):
        for message in port_number(check):
            yield Cause.invalid("spec.healthCheckNodePort", check, message)
    internal = spec.get("internalTrafficPolicy")
    if internal is None and spec.get("type") in _WITH_ADDRESS:
        yield Cause.required("spec.internalTrafficPolicy")
    elif internal is not None and internal not in _POLICIES:
        yield Cause.unsupported("spec.internalTrafficPolicy", internal, _POLICIES)
    distribution = spec.get("trafficDistribution")
    choice = ("PreferClose", "PreferSameZone", "PreferSameNode")
    if distribution is not None and distribution not in choice:
        yield Cause.unsupported("spec.trafficDistribution", distribution, choice)


def warn(service: Object, old: Object | None) -> Iterator[str]:
    """What is ignored, or written in an old way. Source: pkg/api/service/warnings.go."""
    spec, kind = part(service, "spec"), part(service, "spec").get("type")
    hints = "service.kubernetes.io/topology-aware-hints"
    if hints in labels(part(service, "metadata").get("annotations")):
        yield f"annotation {hints} is deprecated, please use service.kubernetes.io/topology-mode instead"
    external, balancer = texts(spec.get("externalIPs")), text(spec.get("loadBalancerIP"))
    headless = kind == "ClusterIP" and spec.get("clusterIP") == "None"
    if headless:
        if balancer:
            yield "spec.loadBalancerIP is ignored for headless services"
        if external:
            yield "spec.externalIPs is ignored for headless services"
        if spec.get("sessionAffinity") != "None":
            yield "spec.SessionAffinity is ignored for headless services"
    else:
        for index, given in enumerate(texts(spec.get("clusterIPs"))):
            yield from address_warnings(given, f"spec.clusterIPs[{index}]")
    for index, given in enumerate(external):
        yield from address_warnings(given, f"spec.externalIPs[{index}]")
    if external and not headless and kind != "ExternalName":
        yield "spec.externalIPs is deprecated and may no longer be implemented in some clusters"
    if balancer:
        yield from address_warnings(balancer, "spec.loadBalancerIP")
    for index, given in enumerate(texts(spec.get("loadBalancerSourceRanges"))):
        yield from range_warnings(given, f"spec.loadBalancerSourceRanges[{index}]")
    if kind == "ExternalName" and external:
        yield 'spec.externalIPs is ignored when spec.type is "ExternalName"'
    if kind != "ExternalName" and text(spec.get("externalName")):
        yield 'spec.externalName is ignored when spec.type is not "ExternalName"'
    if spec.get("trafficDistribution") == "PreferClose":
        yield 'spec.trafficDistribution: "PreferClose" is deprecated; use "PreferSameZone"'
