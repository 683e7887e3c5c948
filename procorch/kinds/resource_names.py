"""Which names of resources there are: in a container, a quota, a limit range, anywhere.

Source: pkg/apis/core/helper (the standard names), pkg/apis/core/validation (validateResourceName and what uses it).
"""

from __future__ import annotations

from collections.abc import Iterator

from procorch.names import label_key
from procorch.objects import Cause

CONTAINER = ("cpu", "memory", "ephemeral-storage")
#: pieces, of which there is no half
COUNTED = ("pods", "resourcequotas", "services", "replicationcontrollers", "secrets", "configmaps",
           "persistentvolumeclaims", "services.nodeports", "services.loadbalancers")  # fmt: skip
QUOTA = frozenset((
    *CONTAINER, *COUNTED, "requests.storage",
    *(f"{side}.{name}" for side in ("requests", "limits") for name in CONTAINER),
))  # fmt: skip
STANDARD = QUOTA | {"storage"}


def is_huge_pages(name: str) -> bool:
    return name.startswith("hugepages-")


def is_native(name: str) -> bool:
    """Kubernetes' own, not something that a device brings."""
    return "/" not in name or "kubernetes.io/" in name


def is_counted(name: str) -> bool:
    return name in COUNTED or is_huge_pages(name) or not is_native(name)


def may_overcommit(name: str) -> bool:
    """Whether the requests of all may be less than what they are limited to."""
    return is_native(name) and not is_huge_pages(name)


def validate_resource_name(name: str, path: str) -> Iterator[Cause]:
    """A name of a resource of any sort."""
    problems = label_key(name)
    for message in problems:
        yield Cause.invalid(path, name, message)
    if not problems and "/" not in name and name not in STANDARD and not _is_quota_huge_pages(name):
        yield Cause.invalid(path, name, "must be a standard resource type or fully qualified")


def validate_container_resource(name: str, path: str) -> Iterator[Cause]:
    yield from validate_resource_name(name, path)
    if "/" not in name:
        if name not in CONTAINER and not is_huge_pages(name):
            yield Cause.invalid(path, name, "must be a standard resource for containers")
    elif not is_native(name) and (name.startswith("requests.") or label_key(f"requests.{name}")):
        yield Cause.invalid(path, name, "doesn't follow extended resource name standard")


def validate_quota_resource(name: str, path: str) -> Iterator[Cause]:
    yield from validate_resource_name(name, path)
    if "/" not in name and not is_quota(name):
        yield Cause.invalid(path, name, "must be a standard resource for quota")


def is_quota(name: str) -> bool:
    """A name without a prefix of which a quota knows what it counts."""
    return name in QUOTA or _is_quota_huge_pages(name)


def _is_quota_huge_pages(name: str) -> bool:
    return is_huge_pages(name) or name.startswith("requests.hugepages-")
