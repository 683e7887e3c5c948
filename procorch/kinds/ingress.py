"""Ingress and IngressClass: which Service answers for which host and path, and who sees to it.

Source: pkg/apis/networking/v1/defaults.go, pkg/apis/networking/validation, pkg/printers (printIngress).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import Fields, fill, indexed, labels, made, number, part, rows, same, text, texts
from procorch.kinds.kind import Column, Kind
from procorch.names import (
    address,
    dns_label,
    dns_subdomain,
    path_segment,
    port_name,
    port_number,
    wildcard_subdomain,
)
from procorch.objects import Cause, Object

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_CLASS = "ingressclass.kubernetes.io/is-default-class"
_GROUP = "networking.k8s.io"
_PATH_TYPES = ("Exact", "ImplementationSpecific", "Prefix")
_FORBIDDEN_PARTS, _FORBIDDEN_ENDS = ("//", "/./", "/../", "%2f", "%2F"), ("/..", "/.")
_LONGEST_CONTROLLER = 250
_HTTP_PATH = r"[A-Za-z0-9/\-._~%!$&'()*+,;=:]+"
_MOST_HOSTS = 3


def default(ingress: Object) -> None:
    made(ingress, "spec")


def prepare(ingress: Object, old: Object | None) -> None:
    """The status is the controller's."""
    ingress["status"] = {"loadBalancer": {}} if old is None else old.get("status", {"loadBalancer": {}})


def validate(ingress: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(ingress, "spec")
    if old is None or spec != old.get("spec"):
        yield from _spec(spec)
    named = spec.get("ingressClassName")
    annotation = labels(part(ingress, "metadata").get("annotations")).get(CLASS_ANNOTATION)
    if old is None and annotation is not None and named is not None and annotation != named:
        yield Cause.invalid(
            f"annotations.{CLASS_ANNOTATION}", annotation, "must match `ingressClassName` when both are specified"
        )
    for where, one in indexed(part(ingress, "status", "loadBalancer").get("ingress"), "status.loadBalancer.ingress"):
        yield from _outside(one, where)


def _outside(one: Fields, path: str) -> Iterator[Cause]:
    given, host = text(one.get("ip")), text(one.get("hostname"))
    for message in address(given) if given else ():
        yield Cause.invalid(f"{path}.ip", given, message)
    if host:
        for message in dns_subdomain(host):
            yield Cause.invalid(f"{path}.hostname", host, message)
        if _is_address(host):
            yield Cause.invalid(f"{path}.hostname", host, "must be a DNS name, not an IP address")


def _spec(spec: Fields) -> Iterator[Cause]:
    if not rows(spec.get("rules")) and spec.get("defaultBackend") is None:
        yield Cause.invalid("spec", spec.get("rules"), "either `defaultBackend` or `rules` must be specified")
    if isinstance(spec.get("defaultBackend"), dict):
        yield from _backend(spec["defaultBackend"], "spec.defaultBackend")
    for where, rule in indexed(spec.get("rules"), "spec.rules"):
        host = text(rule.get("host"))
        if host:
            if _is_address(host):
                yield Cause.invalid(f"{where}.host", host, "must be a DNS name, not an IP address")
            yield from _host(host, f"{where}.host")
        if isinstance(rule.get("http"), dict):
            yield from _paths(rule["http"].get("paths"), f"{where}.http.paths")
    for where, tls in indexed(spec.get("tls"), "spec.tls"):
        for index, host in enumerate(texts(tls.get("hosts"))):
            yield from _host(host, f"{where}.hosts[{index}]")
        if secret := text(tls.get("secretName")):
            for message in dns_subdomain(secret):
                yield Cause.invalid(f"{where}.secretName", secret, message)
    if spec.get("ingressClassName") is not None:
        for message in dns_subdomain(text(spec["ingressClassName"])):
            yield Cause.invalid("spec.ingressClassName", text(spec["ingressClassName"]), message)


def warn(ingress: Object, old: Object | None) -> Iterator[str]:
    annotated = CLASS_ANNOTATION in labels(part(ingress, "metadata").get("annotations"))
    if old is None and annotated and part(ingress, "spec").get("ingressClassName") is None:
        yield f"annotation \"{CLASS_ANNOTATION}\" is deprecated, please use 'spec.ingressClassName' instead"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host if ":" in host else re.sub(r"(^|\.)0+(?=\d)", r"\1", host))
    except ValueError:
        return False
    return True


def _host(host: str, path: str) -> Iterator[Cause]:
    for message in wildcard_subdomain(host) if "*" in host else dns_subdomain(host):
        yield Cause.invalid(path, host, message)


def _paths(value: object, path: str) -> Iterator[Cause]:
    if not rows(value):
        yield Cause.required(path)
    for where, one in indexed(value, path):
        kind, given = one.get("pathType"), text(one.get("path"))
        if kind is None:
            yield Cause.required(f"{where}.pathType", "pathType must be specified")
            continue
        if kind not in _PATH_TYPES:
            yield Cause.unsupported(f"{where}.pathType", kind, _PATH_TYPES)
        elif not given.startswith("/") and (given or kind != "ImplementationSpecific"):
            yield Cause.invalid(f"{where}.path", given, "must be an absolute path")
        if kind in ("Exact", "Prefix"):
            for mark in _FORBIDDEN_PARTS:
                if mark in given:
                    yield Cause.invalid(f"{where}.path", given, f"must not contain '{mark}'")
            for mark in _FORBIDDEN_ENDS:
                if given.endswith(mark):
                    yield Cause.invalid(f"{where}.path", given, f"cannot end with '{mark}'")
        yield from _backend(part(one, "backend"), f"{where}.backend")


def _backend(backend: Fields, path: str) -> Iterator[Cause]:
    resource, service = backend.get("resource"), backend.get("service")
    if isinstance(resource, dict) and isinstance(service, dict):
        yield Cause.invalid(path, "", "cannot set both resource and service backends")
    elif isinstance(resource, dict):
        yield from _reference(resource, f"{path}.resource")
    elif isinstance(service, dict):
        name = text(service.get("name"))
        if not name:
            yield Cause.required(f"{path}.service.name")
        for message in dns_label(name) if name else ():
            yield Cause.invalid(f"{path}.service.name", name, message)
        yield from _port(part(service, "port"), path)
    else:
        yield Cause.invalid(path, "", "resource or service backend is required")


def _port(port: Fields, path: str) -> Iterator[Cause]:
    name, value = text(port.get("name")), number(port.get("number")) or 0
    if name and value:
        yield Cause.invalid(path, "", "cannot set both port name & port number")
    elif name:
        for message in port_name(name):
            yield Cause.invalid(f"{path}.service.port.name", name, message)
    elif value:
        for message in port_number(value):
            yield Cause.invalid(f"{path}.service.port.number", value, message)
    else:
        yield Cause.required(path, "port name or number is required")


def _reference(reference: Fields, path: str) -> Iterator[Cause]:
    """The object of another kind that is named: its group, kind and name."""
    if reference.get("apiGroup") is not None:
        for message in dns_subdomain(text(reference["apiGroup"])):
            yield Cause.invalid(f"{path}.apiGroup", text(reference["apiGroup"]), message)
    for field in ("kind", "name"):
        value = text(reference.get(field))
        if not value:
            yield Cause.required(f"{path}.{field}")
        for message in path_segment(value):
            yield Cause.invalid(f"{path}.{field}", value, message)


def default_class(ingress_class: Object) -> None:
    if isinstance(parameters := made(ingress_class, "spec").get("parameters"), dict):
        fill(parameters, "scope", "Cluster")


def validate_class(ingress_class: Object, old: Object | None) -> Iterator[Cause]:
    spec = part(ingress_class, "spec")
    controller = text(spec.get("controller"))
    if old is not None and not same(controller, text(part(old, "spec").get("controller"))):
        yield Cause.invalid("spec.controller", controller, "field is immutable")
    yield from _controller(controller, "spec.controller")
    if isinstance(spec.get("parameters"), dict):
        yield from _parameters(spec["parameters"], "spec.parameters")


def _controller(name: str, path: str) -> Iterator[Cause]:
    if not name:
        yield Cause.required(path)
        return
    if len(name.encode(errors="replace")) > _LONGEST_CONTROLLER:
        yield Cause.too_long(path, _LONGEST_CONTROLLER)
    domain, _, rest = name.partition("/")
    if not domain or not rest:
        yield Cause.invalid(path, name, 'must be a domain-prefixed path (such as "acme.io/foo")')
        return
    for message in dns_subdomain(domain):
        yield Cause.invalid(path, domain, message)
    if not re.fullmatch(_HTTP_PATH, rest):
        yield Cause.invalid(path, rest, f"Invalid path (regex used for validation is '{_HTTP_PATH}')")


def _parameters(parameters: Fields, path: str) -> Iterator[Cause]:
    yield from _reference(parameters, path)
    scope, namespace = parameters.get("scope"), parameters.get("namespace")
    if scope is None:
        yield Cause.required(f"{path}.scope")
    elif scope not in ("Cluster", "Namespace"):
        yield Cause.unsupported(f"{path}.scope", scope, ("Cluster", "Namespace"))
    elif scope == "Cluster" and namespace is not None:
        yield Cause.forbidden(f"{path}.namespace", "`parameters.scope` is set to 'Cluster'")
    elif scope == "Namespace" and namespace is None:
        yield Cause.required(f"{path}.namespace", "`parameters.scope` is set to 'Namespace'")
    elif scope == "Namespace":
        for message in dns_label(text(namespace)):
            yield Cause.invalid(f"{path}.namespace", text(namespace), message)


def _class_of(ingress: Object, now: float) -> str:
    name = part(ingress, "spec").get("ingressClassName")
    annotation = labels(part(ingress, "metadata").get("annotations")).get(CLASS_ANNOTATION)
    return text(name) if name is not None else annotation if annotation is not None else "<none>"


def _hosts(ingress: Object, now: float) -> str:
    rules = rows(part(ingress, "spec").get("rules"))
    hosts: list[str] = []
    more = False
    for rule in rules:
        if len(hosts) == _MOST_HOSTS:
            more = True
        elif text(rule.get("host")):
            hosts.append(text(rule["host"]))
    return (",".join(hosts) or "*") + (f" + {len(rules) - _MOST_HOSTS} more..." if more else "")


def _addresses(ingress: Object, now: float) -> str:
    given = rows(part(ingress, "status", "loadBalancer").get("ingress"))
    return ",".join(sorted({text(one.get("ip")) or text(one.get("hostname")) for one in given} - {""}))


def _ports(ingress: Object, now: float) -> str:
    return "80, 443" if rows(part(ingress, "spec").get("tls")) else "80"


def _parameters_of(ingress_class: Object, now: float) -> str:
    parameters = part(ingress_class, "spec", "parameters")
    if not parameters:
        return "<none>"
    group, kind = text(parameters.get("apiGroup")), text(parameters.get("kind"))
    return f"{kind}.{group}/{text(parameters.get('name'))}" if group else f"{kind}/{text(parameters.get('name'))}"


INGRESS = Kind(
    "Ingress", "ingresses", group=_GROUP,
    short_names=("ing",), subresources=("status",),
    default=default, prepare=prepare, validate=validate, warn=warn,
    columns=(
        NAME,
        Column("Class", _class_of),
        Column("Hosts", _hosts),
        Column("Address", _addresses),
        Column("Ports", _ports),
        AGE,
    ),
    generation=True,
)  # fmt: skip
INGRESS_CLASS = Kind(
    "IngressClass", "ingressclasses", group=_GROUP, namespaced=False,
    default=default_class, validate=validate_class,
    columns=(NAME, Column("Controller", ".spec.controller"), Column("Parameters", _parameters_of), AGE),
    generation=True,
)  # fmt: skip
