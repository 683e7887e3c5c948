"""Endpoints and EndpointSlice: the addresses behind a Service, in the old form and the new.

Source: pkg/apis/core/validation (ValidateEndpoints), pkg/apis/discovery/validation, pkg/printers.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import (
    Fields,
    fill,
    fill_text,
    indexed,
    labels,
    mapping,
    number,
    part,
    rows,
    same,
    text,
    texts,
)
from procorch.kinds.kind import Column, Kind
from procorch.kinds.podspec.containers import PROTOCOLS
from procorch.names import (
    address,
    address_warnings,
    dns_label,
    dns_subdomain,
    label_key,
    label_value,
    port_number,
    special_address,
)
from procorch.objects import Cause, Object

_SHOWN = 3
_LEADING_ZEROS = re.compile(r"\d{1,4}(\.\d{1,4}){3}", re.ASCII)
_ADDRESS_TYPES = ("FQDN", "IPv4", "IPv6")
_MOST_ENDPOINTS, _MOST_PORTS, _MOST_ADDRESSES, _MOST_HINTS = 1000, 100, 100, 8


def default_endpoints(endpoints: Object) -> None:
    for subset in rows(endpoints.get("subsets")):
        for port in rows(subset.get("ports")):
            fill_text(port, "protocol", "TCP")


def validate_endpoints(endpoints: Object, old: Object | None) -> Iterator[Cause]:
    if old is not None and same(endpoints.get("subsets"), old.get("subsets")):
        return
    for where, subset in indexed(endpoints.get("subsets"), "subsets"):
        if not rows(subset.get("addresses")) and not rows(subset.get("notReadyAddresses")):
            yield Cause.required(where, "must specify `addresses` or `notReadyAddresses`")
        for field in ("addresses", "notReadyAddresses"):
            for at, one in indexed(subset.get(field), f"{where}.{field}"):
                yield from _endpoint_address(one, at)
        ports = list(indexed(subset.get("ports"), f"{where}.ports"))
        for at, port in ports:
            name = text(port.get("name"))
            if not name and len(ports) > 1:
                yield Cause.required(f"{at}.name")
            for message in dns_label(name) if name else ():
                yield Cause.invalid(f"{at}.name", name, message)
            for message in port_number(number(port.get("port")) or 0):
                yield Cause.invalid(f"{at}.port", number(port.get("port")) or 0, message)
            yield from _protocol(port, at)
            yield from _application(port, at)


def warn_endpoints(endpoints: Object, old: Object | None) -> Iterator[str]:
    """Source: pkg/registry/core/endpoint/strategy.go."""
    labelled = labels(part(endpoints, "metadata").get("labels"))
    if "endpoints.kubernetes.io/managed-by" not in labelled:
        yield "v1 Endpoints is deprecated in v1.33+; use discovery.k8s.io/v1 EndpointSlice"
    for where, subset in indexed(endpoints.get("subsets"), "subsets"):
        for field in ("addresses", "notReadyAddresses"):
            for at, one in indexed(subset.get(field), f"{where}.{field}"):
                yield from address_warnings(text(one.get("ip")), f"{at}.ip")


def _application(port: Fields, path: str) -> Iterator[Cause]:
    if (name := port.get("appProtocol")) is not None:
        for message in label_key(text(name)):
            yield Cause.invalid(f"{path}.appProtocol", text(name), message)


def _protocol(port: Fields, path: str) -> Iterator[Cause]:
    protocol = text(port.get("protocol"))
    if not protocol:
        yield Cause.required(f"{path}.protocol")
    elif protocol not in PROTOCOLS:
        yield Cause.unsupported(f"{path}.protocol", protocol, PROTOCOLS)


def _endpoint_address(one: Fields, path: str) -> Iterator[Cause]:
    given = text(one.get("ip"))
    problems = address(given)
    for message in problems:
        yield Cause.invalid(f"{path}.ip", given, message)
    if host := text(one.get("hostname")):
        for message in dns_label(host):
            yield Cause.invalid(f"{path}.hostname", host, message)
    if (node := one.get("nodeName")) is not None:
        for message in dns_subdomain(text(node)):
            yield Cause.invalid(f"{path}.nodeName", text(node), message)
    for message in _special(given):
        yield Cause.invalid(f"{path}.ip", given, message)


def _special(given: str) -> list[str]:
    try:
        return special_address(given)
    except ValueError:
        return [] if _LEADING_ZEROS.fullmatch(given) else ["must be a valid IP address"]


def default_slice(slice_: Object) -> None:
    for port in rows(slice_.get("ports")):
        fill(port, "name", "")
        fill(port, "protocol", "TCP")


def validate_slice(slice_: Object, old: Object | None) -> Iterator[Cause]:
    kind = text(slice_.get("addressType"))
    if not kind:
        yield Cause.required("addressType")
    elif kind not in _ADDRESS_TYPES:
        yield Cause.unsupported("addressType", kind, _ADDRESS_TYPES)
    if old is not None and kind != old.get("addressType"):
        yield Cause.invalid("addressType", kind, "field is immutable")
    for field, most in (("endpoints", _MOST_ENDPOINTS), ("ports", _MOST_PORTS)):
        if len(rows(slice_.get(field))) > most:
            yield Cause.too_many(field, len(rows(slice_[field])), most)
            return
    for where, endpoint in indexed(slice_.get("endpoints"), "endpoints"):
        yield from _slice_endpoint(endpoint, kind, where)
    names: set[str] = set()
    for where, port in indexed(slice_.get("ports"), "ports"):
        name = text(port.get("name"))
        for message in dns_label(name) if name else ():
            yield Cause.invalid(f"{where}.name", name, message)
        if name in names:
            yield Cause.duplicate(f"{where}.name", name)
        names.add(name)
        if (protocol := port.get("protocol")) not in PROTOCOLS:
            yield Cause.unsupported(f"{where}.protocol", text(protocol), PROTOCOLS)
        yield from _application(port, where)


def _slice_endpoint(endpoint: Fields, kind: str, path: str) -> Iterator[Cause]:
    addresses = texts(endpoint.get("addresses"))
    if not addresses:
        yield Cause.required(f"{path}.addresses", "must contain at least 1 address")
    if len(addresses) > _MOST_ADDRESSES:
        yield Cause.too_many(f"{path}.addresses", len(addresses), _MOST_ADDRESSES)
    for index, given in enumerate(addresses):
        where = f"{path}.addresses[{index}]"
        problems = dns_subdomain(given) if kind == "FQDN" else address(given)
        if not problems and kind in ("IPv4", "IPv6") and (":" in given) != (kind == "IPv6"):
            problems = [f"must be an {kind} address"]
        for message in problems:
            yield Cause.invalid(where, given, message)
        for message in [] if problems or kind == "FQDN" else special_address(given):
            yield Cause.invalid(where, given, message)
    yield from _hints(mapping(endpoint.get("hints")), f"{path}.hints")
    for field, form in (("nodeName", dns_subdomain), ("hostname", dns_label)):
        if (name := endpoint.get(field)) is not None:
            for message in form(text(name)):
                yield Cause.invalid(f"{path}.{field}", text(name), message)


def _hints(hints: Fields, path: str) -> Iterator[Cause]:
    for field, form in (("forZones", label_value), ("forNodes", dns_subdomain)):
        given = rows(hints.get(field))
        if len(given) > _MOST_HINTS:
            yield Cause.too_many(f"{path}.{field}", len(given), _MOST_HINTS)
            return
        names: set[str] = set()
        for where, row in indexed(hints.get(field), f"{path}.{field}"):
            name = text(row.get("name"))
            if name in names:
                yield Cause.duplicate(f"{where}.name", name)
            names.add(name)
            for message in form(name):
                yield Cause.invalid(f"{where}.name", name, message)


def _more(shown: list[str]) -> str:
    text_ = ",".join(shown[:_SHOWN])
    return f"{text_} + {len(shown) - _SHOWN} more..." if len(shown) > _SHOWN else text_


def _host_port(host: str, port: object) -> str:
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _endpoints_cell(endpoints: Object, now: float) -> str:
    """Every ready address with every port; addresses alone where no port is named."""
    shown = []
    for subset in rows(endpoints.get("subsets")):
        hosts, ports = [text(one.get("ip")) for one in rows(subset.get("addresses"))], rows(subset.get("ports"))
        shown += [_host_port(host, port.get("port")) for port in ports for host in hosts] if ports else hosts
    return _more(shown) or "<none>"


def _slice_ports(slice_: Object, now: float) -> str:
    ports = rows(slice_.get("ports"))
    if not ports:
        return "<unset>"
    shown = [next(one for one in (port.get("port"), port.get("name"), "*") if one is not None) for port in ports]
    return _more([str(one) for one in shown]) or "<unset>"


def _slice_addresses(slice_: Object, now: float) -> str:
    found = [given for endpoint in rows(slice_.get("endpoints")) for given in texts(endpoint.get("addresses"))]
    return _more(found) or "<unset>"


ENDPOINTS = Kind(
    "Endpoints", "endpoints",
    singular="endpoints", short_names=("ep",), put_creates=True,
    default=default_endpoints, validate=validate_endpoints, warn=warn_endpoints,
    columns=(NAME, Column("Endpoints", _endpoints_cell), AGE),
)  # fmt: skip

ENDPOINT_SLICE = Kind(
    "EndpointSlice", "endpointslices", group="discovery.k8s.io",
    default=default_slice, validate=validate_slice,
    columns=(
        NAME,
        Column("AddressType", ".addressType"),
        Column("Ports", _slice_ports),
        Column("Endpoints", _slice_addresses),
        AGE,
    ),
    generation=True, counts_labels=True,
)  # fmt: skip
