"""Security contexts of pods and containers.

Source: pkg/apis/core/validation (ValidateSecurityContext, validatePodSpecSecurityContext).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, number, part, text, texts
from procorch.objects import Cause

_LARGEST_ID = 2**31 - 1
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = re.compile(r"[a-z0-9]([-_a-z0-9]*[a-z0-9])?([./][a-z0-9]([-_a-z0-9]*[a-z0-9])?)*")


def validate_pod_security(context: Fields, path: str) -> Iterator[Cause]:
    """spec.securityContext."""
    yield from _ids(context, ("runAsUser", "runAsGroup", "fsGroup"), path)
    groups = context.get("supplementalGroups")
    for index, group in enumerate(groups if isinstance(groups, list) else ()):
        yield from _id(group, f"{path}.supplementalGroups[{index}]")
    names: set[str] = set()
    for where, sysctl in indexed(context.get("sysctls"), f"{path}.sysctls"):
        name = text(sysctl.get("name"))
        if not name:
            yield Cause.required(f"{where}.name")
        elif len(name) > 253 or not _SYSCTL.fullmatch(name):
            pattern = _SYSCTL.pattern
            yield Cause.invalid(f"{where}.name", name, f"must have at most 253 characters and match regex ^{pattern}$")
        elif name in names:
            yield Cause.duplicate(f"{where}.name", name)
        names.add(name)
    policy = context.get("fsGroupChangePolicy")
    if policy is not None and policy not in ("Always", "OnRootMismatch"):
        yield Cause.unsupported(f"{path}.fsGroupChangePolicy", policy, ("Always", "OnRootMismatch"))
    yield from _profiles(context, path)


def validate_container_security(context: Fields, path: str) -> Iterator[Cause]:
    """securityContext of one container."""
    yield from _ids(context, ("runAsUser", "runAsGroup"), path)
    yield from _profiles(context, path)
    if context.get("allowPrivilegeEscalation") is False:
        if context.get("privileged") is True:
            yield Cause.invalid(
                path, context, "cannot set `allowPrivilegeEscalation` to false and `privileged` to true"
            )
        if "CAP_SYS_ADMIN" in texts(part(context, "capabilities").get("add")):
            yield Cause.invalid(
                path,
                context,
                "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN",
            )


def _profiles(context: Fields, path: str) -> Iterator[Cause]:
    for field, word in (("seccompProfile", "seccomp"), ("appArmorProfile", "AppArmor")):
        profile = context.get(field)
        if not isinstance(profile, dict):
            continue
        kind = text(profile.get("type"))
        if not kind:
            yield Cause.required(f"{path}.{field}.type", f"type is required when {field} is set")
        elif kind not in _PROFILES:
            yield Cause.unsupported(f"{path}.{field}.type", kind, _PROFILES)
        if kind == "Localhost" and not text(profile.get("localhostProfile")):
            yield Cause.required(f"{path}.{field}.localhostProfile", f"must be set when {word} type is Localhost")
        if kind != "Localhost" and profile.get("localhostProfile") is not None:
            yield Cause.invalid(
                f"{path}.{field}.localhostProfile", profile, f"can only be set when {word} type is Localhost"
            )


def _ids(context: Fields, fields: tuple[str, ...], path: str) -> Iterator[Cause]:
    for field in fields:
        if context.get(field) is not None:
            yield from _id(context[field], f"{path}.{field}")


def _id(value: object, path: str) -> Iterator[Cause]:
    given = number(value)
    if given is not None and not 0 <= given <= _LARGEST_ID:
        yield Cause.invalid(path, given, f"must be between 0 and {_LARGEST_ID}, inclusive")
