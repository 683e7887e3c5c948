"""Probes and lifecycle hooks.

Source: pkg/apis/core/validation (validateProbe, validateHandler, validateLifecycle).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, mapping, number, rows, text, texts
from procorch.names import header_name, port_name, port_number
from procorch.objects import Cause

_PROBES = ("exec", "httpGet", "tcpSocket", "grpc")
_HOOKS = ("exec", "httpGet", "tcpSocket", "sleep")
_ONE_SUCCESS = ("livenessProbe", "startupProbe")
_NOT_NEGATIVE = "must be greater than or equal to 0"
_SECONDS = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")


def validate_probes(container: Fields, spec: Fields, path: str) -> Iterator[Cause]:
    """The three probes and both hooks of one container. spec: that it is in."""
    grace = number(spec.get("terminationGracePeriodSeconds"))
    for hook in ("postStart", "preStop"):
        handler = mapping(container.get("lifecycle")).get(hook)
        if isinstance(handler, dict):
            yield from _handler(handler, grace, f"{path}.lifecycle.{hook}", _HOOKS)
    for name in ("livenessProbe", "readinessProbe", "startupProbe"):
        probe = container.get(name)
        if isinstance(probe, dict):
            yield from _probe(probe, name, grace, f"{path}.{name}")


def _probe(probe: Fields, name: str, grace: int | None, path: str) -> Iterator[Cause]:
    yield from _handler(probe, grace, path, _PROBES)
    for field in _SECONDS:
        if (value := number(probe.get(field))) is not None and value < 0:
            yield Cause.invalid(f"{path}.{field}", value, _NOT_NEGATIVE)
    own_grace = number(probe.get("terminationGracePeriodSeconds"))
    if own_grace is not None and own_grace <= 0:
        yield Cause.invalid(f"{path}.terminationGracePeriodSeconds", own_grace, "must be greater than 0")
    if name in _ONE_SUCCESS and probe.get("successThreshold", 0) != 1:
        yield Cause.invalid(f"{path}.successThreshold", probe.get("successThreshold", 0), "must be 1")
    if name == "readinessProbe" and own_grace is not None:
        yield Cause.invalid(f"{path}.terminationGracePeriodSeconds", own_grace, "must not be set for readinessProbes")


def _handler(handler: Fields, grace: int | None, path: str, kinds: tuple[str, ...]) -> Iterator[Cause]:
    found = False
    for kind in kinds:
        action = handler.get(kind)
        if not isinstance(action, dict):
            continue
        if found:
            yield Cause.forbidden(f"{path}.{kind}", "may not specify more than 1 handler type")
            continue
        found = True
        yield from _action(kind, action, grace, f"{path}.{kind}")
    if not found:
        yield Cause.required(path, "must specify a handler type")


def _action(kind: str, action: Fields, grace: int | None, path: str) -> Iterator[Cause]:
    if kind == "exec":
        if not texts(action.get("command")):
            yield Cause.required(f"{path}.command")
    elif kind == "sleep":
        seconds = number(action.get("seconds")) or 0
        if grace is not None and not 0 <= seconds <= grace:
            yield Cause.invalid(
                path, seconds, f"must be non-negative and less than terminationGracePeriodSeconds ({grace})"
            )
    else:
        if kind == "httpGet" and not text(action.get("path")):
            yield Cause.required(f"{path}.path")
        yield from port_or_name(action.get("port"), f"{path}.port")
        if kind == "httpGet":
            yield from _http_get(action, path)


def _http_get(action: Fields, path: str) -> Iterator[Cause]:
    if action.get("scheme") not in ("HTTP", "HTTPS"):
        yield Cause.unsupported(f"{path}.scheme", action.get("scheme"), ("HTTP", "HTTPS"))
    for header in rows(action.get("httpHeaders")):
        for message in header_name(text(header.get("name"))):
            yield Cause.invalid(f"{path}.httpHeaders", text(header.get("name")), message)


def port_or_name(value: object, path: str) -> Iterator[Cause]:
    """A port as a number or as the name of a container's port."""
    if isinstance(value, str):
        for message in port_name(value):
            yield Cause.invalid(path, value, message)
    else:
        for message in port_number(number(value) or 0):
            yield Cause.invalid(path, number(value) or 0, message)
