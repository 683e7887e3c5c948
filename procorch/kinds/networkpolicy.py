"""NetworkPolicy: whose packets the pods that it chooses accept, and to whom they may send some.

Source: pkg/apis/networking/v1/defaults.go, pkg/apis/networking/validation, pkg/printers (printNetworkPolicy).
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME, selector_text
from procorch.kinds.fields import Fields, fill, indexed, made, number, part, rows, text, texts
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.containers import PROTOCOLS
from procorch.kinds.podspec.scheduling import validate_selector
from procorch.names import cidr, port_name, port_number, range_warnings
from procorch.objects import Cause, Object

_WAYS = (("ingress", "from"), ("egress", "to"))
_TYPES = ("Ingress", "Egress")


def default(policy: Object) -> None:
    spec = made(policy, "spec")
    fill(spec, "podSelector", {})
    if not spec.get("policyTypes"):
        spec["policyTypes"] = ["Ingress", "Egress"] if rows(spec.get("egress")) else ["Ingress"]
    for way, _ in _WAYS:
        for rule in rows(spec.get(way)):
            for port in rows(rule.get("ports")):
                fill(port, "protocol", "TCP")


def validate(policy: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(policy, "spec")
    if old is not None and spec == old.get("spec"):
        return
    yield from validate_selector(spec.get("podSelector"), "spec.podSelector")
    for way, peers in _WAYS:
        for where, rule in indexed(spec.get(way), f"spec.{way}"):
            for at, port in indexed(rule.get("ports"), f"{where}.ports"):
                yield from _port(port, at)
            for at, peer in indexed(rule.get(peers), f"{where}.{peers}"):
                yield from _peer(peer, at)
    types = texts(spec.get("policyTypes"))
    if len(types) > len(_TYPES):
        yield Cause.invalid("spec.policyTypes", types, "may not specify more than two policyTypes")
        return
    for index, one in enumerate(types):
        if one not in _TYPES:
            yield Cause.unsupported(f"spec.policyTypes[{index}]", one, _TYPES)


def _port(port: Fields, path: str) -> Iterator[Cause]:
    protocol, value, last = port.get("protocol"), port.get("port"), number(port.get("endPort"))
    if protocol is not None and protocol not in PROTOCOLS:
        yield Cause.unsupported(f"{path}.protocol", protocol, ("TCP", "UDP", "SCTP"))
    first = number(value)
    if first is not None:
        for message in port_number(first):
            yield Cause.invalid(f"{path}.port", first, message)
        if last is not None:
            if last < first:
                yield Cause.invalid(f"{path}.endPort", first, "must be greater than or equal to `port`")
            for message in port_number(last):
                yield Cause.invalid(f"{path}.endPort", last, message)
    elif value is not None:
        if last is not None:
            yield Cause.invalid(f"{path}.endPort", last, "may not be specified when `port` is non-numeric")
        for message in port_name(text(value)):
            yield Cause.invalid(f"{path}.port", text(value), message)
    elif last is not None:
        yield Cause.invalid(f"{path}.endPort", last, "may not be specified when `port` is not specified")


def _peer(peer: Fields, path: str) -> Iterator[Cause]:
    given = [field for field in ("podSelector", "namespaceSelector", "ipBlock") if isinstance(peer.get(field), dict)]
    for field in given:
        if field == "ipBlock":
            yield from _block(part(peer, field), f"{path}.ipBlock")
        else:
            yield from validate_selector(peer[field], f"{path}.{field}")
    if not given:
        yield Cause.required(path, "must specify a peer")
    elif len(given) > 1 and "ipBlock" in given:
        yield Cause.forbidden(path, "may not specify both ipBlock and another peer")


def _block(block: Fields, path: str) -> Iterator[Cause]:
    whole = text(block.get("cidr"))
    if not whole:
        yield Cause.required(f"{path}.cidr")
        return
    for message in cidr(whole):
        yield Cause.invalid(f"{path}.cidr", whole, message)
    network = _network(whole) if "/" in whole else None
    if network is None:
        return
    for index, given in enumerate(texts(block.get("except"))):
        where = f"{path}.except[{index}]"
        for message in cidr(given):
            yield Cause.invalid(where, given, message)
        hole = _network(given) if "/" in given else None
        if hole is not None and (hole == network or not _within(hole, network)):
            yield Cause.invalid(where, given, "must be a strict subset of `cidr`")


def warn(policy: Object, old: Object | None) -> Iterator[str]:
    """Ranges that are written in an old way. Source: pkg/registry/networking/networkpolicy/strategy.go."""
    for way, peers in _WAYS:
        for where, rule in indexed(part(policy, "spec").get(way), f"spec.{way}"):
            for at, peer in indexed(rule.get(peers), f"{where}.{peers}"):
                block = part(peer, "ipBlock")
                yield from range_warnings(text(block.get("cidr")), f"{at}.ipBlock.cidr")
                for index, given in enumerate(texts(block.get("except"))):
                    yield from range_warnings(given, f"{at}.ipBlock.except[{index}]")


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def _network(given: str) -> _Network | None:
    try:
        return ipaddress.ip_network(given, strict=False)
    except ValueError:
        return None


def _within(hole: _Network, network: _Network) -> bool:
    return (
        hole.version == network.version
        and hole.prefixlen > network.prefixlen
        and hole.network_address in network
    )  # fmt: skip


KIND = Kind(
    "NetworkPolicy", "networkpolicies", group="networking.k8s.io",
    short_names=("netpol",),
    default=default, validate=validate, warn=warn,
    columns=(NAME, Column("Pod-Selector", lambda obj, now: selector_text(part(obj, "spec").get("podSelector"))), AGE),
    generation=True,
)  # fmt: skip
