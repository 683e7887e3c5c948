"""What Kubernetes knows and this version does not do, where keeping silent would mislead: refused by its name.

A field that is built is taken out of the tables here. Volume sources are not here: an event on the pod tells of them.
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.kinds.fields import Fields, indexed, part
from procorch.objects import Cause

_NOT_BUILT = "not supported"

# Field of the specification → the values that ask for nothing.
_SPEC: dict[str, tuple[object, ...]] = {
    "hostUsers": (None, True),
    "resourceClaims": (None, []),
}
_CONTAINER: dict[str, tuple[object, ...]] = {
    "volumeDevices": (None, []),
}


def unsupported(spec: Fields, path: str) -> Iterator[Cause]:
    """The fields of a pod specification that are not built."""
    for field, nothing in _SPEC.items():
        if spec.get(field) not in nothing:
            yield Cause.forbidden(f"{path}.{field}", _NOT_BUILT)
    if part(spec, "os").get("name") == "windows":
        yield Cause.forbidden(f"{path}.os.name", f"{_NOT_BUILT}: nodes run Linux")
    for group in ("containers", "initContainers", "ephemeralContainers"):
        for where, container in indexed(spec.get(group), f"{path}.{group}"):
            for field, nothing in _CONTAINER.items():
                if container.get(field) not in nothing:
                    yield Cause.forbidden(f"{where}.{field}", _NOT_BUILT)
