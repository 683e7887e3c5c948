"""What a pod may ask, is stored, and nobody acts on: each such field is told by its name in a Warning header.

Refusing it (unsupported.py) would keep manifests out that run well without. A field that is built is taken out here;
docs/pod-fields.md has a row for each one.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, part
from procorch.objects import get

# Path below the specification, a security context, or a mount → why nothing comes of it.
_SPEC = {
    "affinity.podAffinity": "the scheduler does not look at which pods are where",
    "affinity.podAntiAffinity": "the scheduler does not look at which pods are where",
    "topologySpreadConstraints": "the scheduler does not spread pods over anything but nodes",
    "schedulingGroup": "pods are scheduled one by one",
    "evictionResponders": "nobody is asked before an eviction",
}
_SECURITY = {
    "seLinuxOptions": "this is no SELinux",
    "windowsOptions": "nodes run Linux",
}
_POD_SECURITY = {"seLinuxChangePolicy": "this is no SELinux"}
_MOUNT = {"bindMountOptions": "mounts have their usual options"}
_FILTER = "there is no filter of system calls"


def unheeded(spec: Fields, path: str) -> Iterator[str]:
    """path: the specification's."""
    yield from _told(spec, path, _SPEC)
    yield from _security(part(spec, "securityContext"), f"{path}.securityContext", _SECURITY | _POD_SECURITY)
    for group in ("initContainers", "containers", "ephemeralContainers"):
        for where, container in indexed(spec.get(group), f"{path}.{group}"):
            yield from _security(part(container, "securityContext"), f"{where}.securityContext", _SECURITY)
            for at, mount in indexed(container.get("volumeMounts"), f"{where}.volumeMounts"):
                yield from _told(mount, at, _MOUNT)
    for where, volume in indexed(spec.get("volumes"), f"{path}.volumes"):
        if part(volume, "emptyDir").get("mode") is not None:
            yield _text(f"{where}.emptyDir.mode", "everybody may write to an emptyDir")


def _told(owner: Fields, path: str, table: dict[str, str]) -> Iterator[str]:
    for field, why in table.items():
        if get(owner, field):
            yield _text(f"{path}.{field}", why)


def _security(context: Fields, path: str, table: dict[str, str]) -> Iterator[str]:
    yield from _told(context, path, table)
    if part(context, "seccompProfile").get("type") == "RuntimeDefault":
        yield _text(f"{path}.seccompProfile.type", f"RuntimeDefault: {_FILTER}")


def _text(path: str, why: str) -> str:
    return f"{path}: not acted on: {why}"
