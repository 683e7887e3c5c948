"""ServiceCIDR and IPAddress: where Services' addresses come from, and who has one.

Source: pkg/apis/networking/validation, pkg/printers (printServiceCIDR, printIPAddress).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import made, part, same, text, texts
from procorch.kinds.kind import ALL_METADATA, Column, Kind
from procorch.names import address, cidr, dns_subdomain, path_segment
from procorch.objects import Cause, Object

_GROUP = "networking.k8s.io"
_IMMUTABLE = "field is immutable"
_MOST = 2  # one of each family


def default(service_cidr: Object) -> None:
    made(service_cidr, "spec")


def prepare(service_cidr: Object, old: Object | None) -> None:
    """The status is a controller's."""
    service_cidr["status"] = {} if old is None else old.get("status", {})


def validate(service_cidr: Object, old: Object | None) -> Iterator[Cause]:
    ranges = texts(part(service_cidr, "spec").get("cidrs"))
    if old is None:
        yield from _ranges(ranges)
        return
    before = texts(part(old, "spec").get("cidrs"))
    if len(ranges) == len(before):
        for index, (one, former) in enumerate(zip(ranges, before, strict=True)):
            if one != former:
                yield Cause.invalid(f"spec.cidrs[{index}]", one, _IMMUTABLE)
    elif len(before) == 1 and len(ranges) == _MOST:  # a second family is added
        if ranges[0] != before[0]:
            yield Cause.invalid("spec.cidrs[0]", ranges[0], _IMMUTABLE)
        yield from _ranges(ranges)
    else:
        yield Cause.invalid("spec.cidrs", ranges, _IMMUTABLE)


def _ranges(ranges: list[str]) -> Iterator[Cause]:
    path = "spec.cidrs"
    if not ranges:
        yield Cause.required(path, "at least one CIDR required")
        return
    if len(ranges) > _MOST:
        yield Cause.invalid(path, {"CIDRs": ranges}, "may only hold up to 2 values")
        return
    wrong = [(index, message) for index, one in enumerate(ranges) for message in cidr(one)]
    for index, message in wrong:
        yield Cause.invalid(f"{path}[{index}]", ranges[index], message)
    if not wrong and len({":" in one for one in ranges}) < len(ranges):
        yield Cause.invalid(
            path,
            ranges,
            "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64",
        )


def default_address(ip: Object) -> None:
    made(ip, "spec")


def validate_address(ip: Object, old: Object | None) -> Iterator[Cause]:
    path, parent = "spec.parentRef", part(ip, "spec").get("parentRef")
    if old is not None and not same(parent, part(old, "spec").get("parentRef")):
        yield Cause.invalid(path, parent, _IMMUTABLE)
    if not isinstance(parent, dict):
        yield Cause.required(path)
        return
    for message in dns_subdomain(text(parent["group"])) if text(parent.get("group")) else ():
        yield Cause.invalid(f"{path}.group", text(parent["group"]), message)
    for field in ("resource", "name", "namespace"):
        value = text(parent.get(field))
        if not value and field != "namespace":
            yield Cause.required(f"{path}.{field}")
        for message in path_segment(value):
            yield Cause.invalid(f"{path}.{field}", value, message)


def _parent(ip: Object, now: float) -> str:
    parent = part(ip, "spec", "parentRef")
    if not parent:
        return "<none>"
    group, resource = text(parent.get("group")), text(parent.get("resource"))
    steps = [f"{resource}.{group}".lower() if group else resource.lower(), text(parent.get("namespace"))]
    return "/".join([*filter(None, steps), text(parent.get("name"))])


SERVICE_CIDR = Kind(
    "ServiceCIDR", "servicecidrs", group=_GROUP, namespaced=False,
    subresources=("status",), status_keeps=ALL_METADATA,
    default=default, prepare=prepare, validate=validate,
    columns=(NAME, Column("CIDRs", lambda obj, now: ",".join(texts(part(obj, "spec").get("cidrs")))), AGE),
)  # fmt: skip
IP_ADDRESS = Kind(
    "IPAddress", "ipaddresses", group=_GROUP, namespaced=False,
    short_names=("ip",),
    name_format=address, default=default_address, validate=validate_address,
    columns=(NAME, Column("ParentRef", _parent)),
)  # fmt: skip
