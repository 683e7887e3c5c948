"""PriorityClass: a name for how much a pod matters, and the number behind it.

Source: pkg/apis/scheduling/v1 (defaults.go, helpers.go), pkg/apis/scheduling/validation, pkg/printers.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from procorch.kinds.cells import AGE, NAME
from procorch.kinds.fields import fill, made, number, part, text
from procorch.kinds.kind import Column, Kind
from procorch.objects import Cause, Object

PREEMPT = "PreemptLowerPriority"
POLICIES = (PREEMPT, "Never")
_RESERVED = "system-"
_HIGHEST = 1_000_000_000
#: what every cluster has: name → value, description
_SYSTEM = {
    "system-cluster-critical": (
        2_000_000_000,
        "Used for system critical pods that must run in the cluster, but can be moved to another node if necessary.",
    ),
    "system-node-critical": (
        2_000_001_000,
        "Used for system critical pods that must not be moved from their current node.",
    ),
}


def system_classes() -> list[Object]:
    """The two that every cluster has; nobody may delete them."""
    return [
        {
            "apiVersion": KIND.api_version,
            "kind": KIND.name,
            "metadata": {"name": name},
            "value": value,
            "description": description,
            "preemptionPolicy": PREEMPT,
        }
        for name, (value, description) in _SYSTEM.items()
    ]


def is_system(name: str) -> bool:
    return name in _SYSTEM


def default_of(classes: Iterable[Object]) -> Object | None:
    """The class of pods that name none: of several the one of the lowest value; None where none is marked."""
    marked = [one for one in classes if one.get("globalDefault") is True]
    return min(marked, key=lambda one: number(one.get("value")) or 0, default=None)


def default(priority_class: Object) -> None:
    fill(priority_class, "preemptionPolicy", PREEMPT)
    fill(priority_class, "value", 0)


def prepare(priority_class: Object, old: Object | None) -> None:
    """The first generation is the only one: what matters of it does not change."""
    if old is None:
        made(priority_class, "metadata")["generation"] = 1


def validate(priority_class: Object, old: Object | None) -> Iterator[Cause]:
    value, policy = number(priority_class.get("value")) or 0, priority_class.get("preemptionPolicy")
    if old is not None:
        if value != (number(old.get("value")) or 0):
            yield Cause.forbidden("value", "may not be changed in an update.")
        if policy != old.get("preemptionPolicy"):
            yield Cause.invalid("preemptionPolicy", policy, "field is immutable")
        return
    name = text(part(priority_class, "metadata").get("name"))
    if name.startswith(_RESERVED):
        if why := _unlike_system(name, value, priority_class.get("globalDefault") is True):
            yield Cause.forbidden(
                "metadata.name",
                f"priority class names with '{_RESERVED}' prefix are reserved for system use only. error: {why}",
            )
    elif value > _HIGHEST:
        yield Cause.forbidden("value", f"maximum allowed value of a user defined priority is {_HIGHEST}")
    if policy == "":
        yield Cause.required("preemptionPolicy")
    elif policy is not None and policy not in POLICIES:
        yield Cause.unsupported("preemptionPolicy", policy, POLICIES)


def _unlike_system(name: str, value: int, is_default: bool) -> str:
    """Why this is not one of the classes that every cluster has; empty where it is."""
    if name not in _SYSTEM:
        return f"{name} is not a known system priority class"
    if value != _SYSTEM[name][0]:
        return f"value of {name} PriorityClass must be {_SYSTEM[name][0]}"
    return f"globalDefault of {name} PriorityClass must be false" if is_default else ""


KIND = Kind(
    "PriorityClass", "priorityclasses", group="scheduling.k8s.io", namespaced=False,
    short_names=("pc",),
    default=default, prepare=prepare, validate=validate,
    columns=(
        NAME,
        Column("Value", ".value", "integer"),
        Column("Global-Default", lambda obj, now: obj.get("globalDefault") is True, "boolean"),
        AGE,
        Column("PreemptionPolicy", ".preemptionPolicy"),
    ),
)  # fmt: skip
