"""What `kubectl get` shows in a cell: ages, selectors, containers.

Source: apimachinery pkg/util/duration (HumanDuration), pkg/printers/internalversion.
"""

from __future__ import annotations

from collections.abc import Mapping

from procorch.clock import parse_timestamp
from procorch.kinds.fields import Fields, labels, part, rows, text
from procorch.kinds.kind import Column
from procorch.objects import Object
from procorch.selectors import LabelSelector

_MINUTE, _HOUR, _DAY, _YEAR = 60, 3600, 24 * 3600, 365 * 24 * 3600


def human_duration(seconds: float) -> str:
    """Two or three figures of a duration: 119s, 5m20s, 3h12m, 47h, 6d4h, 400d, 3y40d."""
    whole = int(seconds)
    if whole < -1:
        return "<invalid>"
    if whole < 0:
        return "0s"
    if whole < 2 * _MINUTE:
        return f"{whole}s"
    for size, mark, below, finer, fine_mark, coarse_from in (
        (_MINUTE, "m", 10, 1, "s", 3 * 60),
        (_HOUR, "h", 8, _MINUTE, "m", 48),
        (_DAY, "d", 8, _HOUR, "h", 2 * 365),
        (_YEAR, "y", 8, _DAY, "d", None),
    ):
        count = whole // size
        if coarse_from is None or count < coarse_from:
            rest = whole % size // finer
            return f"{count}{mark}{rest}{fine_mark}" if count < below and rest else f"{count}{mark}"
    raise AssertionError("the last row has no end")


def age(timestamp: object, now: float) -> str:
    """How long ago a time of the API was, as kubectl's AGE; `<unknown>` for none.

    now: seconds since the epoch.
    """
    try:
        return human_duration(now - parse_timestamp(text(timestamp)))
    except ValueError:
        return "<unknown>"


def creation_age(obj: Object, now: float) -> str:
    return age(part(obj, "metadata").get("creationTimestamp"), now)


NAME = Column("Name", ".metadata.name", format="name")
AGE = Column("Age", creation_age)
CREATED = Column("Created At", ".metadata.creationTimestamp", "date")
"""What Kubernetes shows of a kind for which nobody wrote columns, beside the name."""


def label_text(pairs: Mapping[str, str] | object) -> str:
    """`a=b,c=d`, or `<none>`."""
    return ",".join(f"{key}={value}" for key, value in sorted(labels(pairs).items())) or "<none>"


def selector_text(selector: object) -> str:
    """A {matchLabels, matchExpressions} in one line; `<none>` for an empty one."""
    try:
        return str(LabelSelector.of(selector if isinstance(selector, dict) else None)) or "<none>"
    except (ValueError, TypeError, AttributeError):
        return "<invalid>"


def container_names(spec: Fields) -> str:
    return ",".join(text(one.get("name")) for one in rows(spec.get("containers")))


def container_images(spec: Fields) -> str:
    return ",".join(text(one.get("image")) for one in rows(spec.get("containers")))


def replica_columns(selector: Column) -> tuple[Column, ...]:
    """The columns of what keeps a number of pods: ReplicationController and ReplicaSet."""
    return (
        NAME,
        Column("Desired", ".spec.replicas", "integer"),
        Column("Current", ".status.replicas", "integer"),
        Column("Ready", ".status.readyReplicas", "integer"),
        AGE,
        Column("Containers", lambda obj, now: container_names(part(obj, "spec", "template", "spec")), priority=1),
        Column("Images", lambda obj, now: container_images(part(obj, "spec", "template", "spec")), priority=1),
        selector,
    )
