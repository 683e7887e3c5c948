"""Security contexts of pods and containers.

Source: pkg/apis/core/validation (ValidateSecurityContext, validatePodSpecSecurityContext).
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, number, part, text, texts
from procorch.kinds.podspec.paths import local_path
from procorch.objects import Cause, Struct

_LARGEST_ID = 2**31 - 1
_LONGEST_PROFILE = 4095  # bytes of a path
_IPC_PREFIXES = ("kernel.shm", "kernel.msg", "fs.mqueue.")
_IPC_SYSCTLS = ("kernel.sem",)
_PROFILES = ("Localhost", "RuntimeDefault", "Unconfined")
_SYSCTL = re.compile(r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?")


def validate_pod_security(spec: Fields, path: str) -> Iterator[Cause]:
    """spec.securityContext. path: of that."""
    context = part(spec, "securityContext")
    yield from _ids(context, ("fsGroup", "runAsUser", "runAsGroup"), path)
    groups = context.get("supplementalGroups")
    for index, group in enumerate(groups if isinstance(groups, list) else ()):
        yield from _id(group, f"{path}.supplementalGroups[{index}]")
    if spec.get("shareProcessNamespace") is True and spec.get("hostPID") is True:
        message = "ShareProcessNamespace and HostPID cannot both be enabled"
        yield Cause.invalid(f"{path}.shareProcessNamespace", True, message)
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
        yield from _shared_sysctl(name, spec, f"{where}.name")
    yield from _choice(context, "fsGroupChangePolicy", ("Always", "OnRootMismatch"), path)
    yield from _seccomp(context, path)
    yield from _app_armor(context, path)
    yield from _choice(context, "supplementalGroupsPolicy", ("Merge", "Strict"), path)
    yield from _choice(context, "seLinuxChangePolicy", ("Recursive",), path)


def _shared_sysctl(name: str, spec: Fields, path: str) -> Iterator[Cause]:
    """What a pod shares with its node it may not set."""
    plain = name.replace("/", ".")
    if spec.get("hostNetwork") is True and plain.startswith("net."):
        yield Cause.invalid(path, name, "may not be specified when 'hostNetwork' is true")
    elif spec.get("hostIPC") is True and (plain.startswith(_IPC_PREFIXES) or plain in _IPC_SYSCTLS):
        yield Cause.invalid(path, name, "may not be specified when 'hostIPC' is true")


def _choice(context: Fields, field: str, choice: tuple[str, ...], path: str) -> Iterator[Cause]:
    if context.get(field) is not None and context[field] not in choice:
        yield Cause.unsupported(f"{path}.{field}", context[field], choice)


def validate_container_security(container: Fields, spec: Fields, path: str) -> Iterator[Cause]:
    """securityContext of one container. path: of that. spec: of its pod."""
    context = part(container, "securityContext")
    yield from _ids(context, ("runAsUser", "runAsGroup"), path)
    mount = context.get("procMount")
    if mount is not None and mount not in ("Default", "Unmasked"):
        yield Cause.unsupported(f"{path}.procMount", mount, ("Default", "Unmasked"))
    if mount == "Unmasked" and spec.get("hostUsers") is not False:
        yield Cause.invalid(f"{path}.procMount", mount, "`hostUsers` must be false to use `Unmasked`")
    yield from _seccomp(context, path)
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
    yield from _app_armor(context, path)


def _seccomp(context: Fields, path: str) -> Iterator[Cause]:
    profile = context.get("seccompProfile")
    if not isinstance(profile, dict):
        return
    kind, local, where = text(profile.get("type")), profile.get("localhostProfile"), f"{path}.seccompProfile"
    if not kind:
        yield Cause.required(f"{where}.type", "type is required when seccompProfile is set")
    elif kind not in _PROFILES:
        yield Cause.unsupported(f"{where}.type", kind, _PROFILES)
    if kind != "Localhost":
        if local is not None:
            shown = Struct(Type=kind, LocalhostProfile=local)
            yield Cause.invalid(f"{where}.localhostProfile", shown, "can only be set when seccomp type is Localhost")
    elif local is None:
        yield Cause.required(f"{where}.localhostProfile", "must be set when seccomp type is Localhost")
    else:
        yield from local_path(text(local), f"{where}.localhostProfile")


def _app_armor(context: Fields, path: str) -> Iterator[Cause]:
    profile = context.get("appArmorProfile")
    if not isinstance(profile, dict):
        return
    kind, local, where = text(profile.get("type")), profile.get("localhostProfile"), f"{path}.appArmorProfile"
    if not kind:
        yield Cause.required(f"{where}.type", "type is required when appArmorProfile is set")
    elif kind not in _PROFILES:
        yield Cause.unsupported(f"{where}.type", kind, _PROFILES)
    elif kind != "Localhost":
        if local is not None:
            yield Cause.invalid(f"{where}.localhostProfile", local, "can only be set when AppArmor type is Localhost")
    elif not local:
        yield Cause.required(f"{where}.localhostProfile", "must be set when AppArmor type is Localhost")
    else:
        if text(local) != text(local).strip():
            yield Cause.invalid(f"{where}.localhostProfile", local, "must not be padded with whitespace")
        if len(text(local).encode(errors="replace")) > _LONGEST_PROFILE:
            yield Cause.too_long(f"{where}.localhostProfile", _LONGEST_PROFILE)


def _ids(context: Fields, fields: tuple[str, ...], path: str) -> Iterator[Cause]:
    for field in fields:
        if context.get(field) is not None:
            yield from _id(context[field], f"{path}.{field}")


def _id(value: object, path: str) -> Iterator[Cause]:
    given = number(value)
    if given is not None and not 0 <= given <= _LARGEST_ID:
        yield Cause.invalid(path, given, f"must be between 0 and {_LARGEST_ID}, inclusive")
