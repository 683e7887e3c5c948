"""A node for people to read: how it is, what it has, and what its pods ask of it."""

from __future__ import annotations

from collections.abc import Iterable
from fractions import Fraction
from typing import Any

from cli.descriptions.page import Grid, Page, Value, moment
from procorch import quantity
from procorch.kinds.cells import creation_age
from procorch.objects import Object, get

RESOURCES = ("cpu", "memory", "ephemeral-storage")


def describe_node(node: Object, pods: Iterable[Object], lease: Object | None, now: float) -> Page:
    """pods: all that are bound to it. lease: its heartbeat. now: seconds since the epoch."""
    spec, status = node.get("spec") or {}, node.get("status") or {}
    page: dict[str, Value] = {
        "Taints": [_taint(one) for one in spec.get("taints") or []],
        "Unschedulable": "true" if spec.get("unschedulable") else "false",
        "Lease": {
            "HolderIdentity": str(get(lease, ".spec.holderIdentity", "<unset>")),
            "RenewTime": moment(get(lease, ".spec.renewTime")),
        }
        if lease
        else None,
        "Conditions": Grid(
            ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"),
            [_condition(one) for one in status.get("conditions") or []],
        ),
        "Addresses": {str(one.get("type")): str(one.get("address")) for one in status.get("addresses") or []},
    }
    for title in ("capacity", "allocatable"):
        page[title.capitalize()] = {name: str(value) for name, value in sorted((status.get(title) or {}).items())}
    page["System Info"] = _system(status.get("nodeInfo") or {})
    page["PodCIDR"] = spec.get("podCIDR")
    alive = [pod for pod in pods if get(pod, ".status.phase") not in ("Succeeded", "Failed")]
    return {**page, **_load(alive, status.get("allocatable") or {}, now)}


def _taint(taint: Object) -> str:
    value = f"={taint['value']}" if taint.get("value") else ""
    return f"{taint.get('key')}{value}:{taint.get('effect')}"


def _condition(row: Object) -> tuple[str, ...]:
    return (
        str(row.get("type")),
        str(row.get("status")),
        moment(row.get("lastHeartbeatTime")),
        moment(row.get("lastTransitionTime")),
        str(row.get("reason") or ""),
        str(row.get("message") or ""),
    )


def _system(info: Object) -> Page:
    names = {
        "Machine ID": "machineID", "System UUID": "systemUUID", "Boot ID": "bootID", "Kernel Version": "kernelVersion",
        "OS Image": "osImage", "Operating System": "operatingSystem", "Architecture": "architecture",
        "Container Runtime Version": "containerRuntimeVersion", "Kubelet Version": "kubeletVersion",
    }  # fmt: skip
    return {title: str(info[field]) for title, field in names.items() if info.get(field)}


def _load(pods: list[Object], allocatable: Object, now: float) -> Page:
    """The pods, and the sums of what they ask for against what there is."""
    rows, sums = [], {(name, field): Fraction(0) for name in RESOURCES for field in ("requests", "limits")}
    for pod in pods:
        cells = []
        for name, field in ((n, f) for n in ("cpu", "memory") for f in ("requests", "limits")):
            cells.append(_share(name, wanted_by(pod, name, field), allocatable))
        for name, field in sums:
            sums[name, field] += wanted_by(pod, name, field)
        rows.append((pod["metadata"].get("namespace", ""), pod["metadata"]["name"], *cells, creation_age(pod, now)))
    headings = ("Namespace", "Name", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits", "Age")
    totals = [
        (name, *(_share(name, sums[name, field], allocatable) for field in ("requests", "limits")))
        for name in RESOURCES
    ]
    return {
        f"Non-terminated Pods ({len(rows)} in total)": Grid(headings, rows),
        "Allocated resources": Grid(("Resource", "Requests", "Limits"), totals),
    }


def wanted_by(pod: Object, resource: str, field: str) -> Fraction:
    """What a pod asks for: its containers together, or its largest init container if that is more."""
    spec = pod.get("spec") or {}

    def amount(container: Object) -> Fraction:
        return _parse(get(container, f".resources.{field}", {}).get(resource, 0))

    together = sum((amount(one) for one in spec.get("containers") or []), Fraction(0))
    return max([together, *(amount(one) for one in spec.get("initContainers") or [])])


def _share(name: str, amount: Fraction, allocatable: Object) -> str:
    """`250m (12%)`"""
    shown = quantity.format_cpu(int(amount * 1000)) if name == "cpu" else quantity.format_bytes(int(amount))
    whole = _parse(allocatable.get(name, 0))
    return f"{shown} ({int(amount * 100 / whole) if whole else 0}%)"


def _parse(text: Any) -> Fraction:
    try:
        return quantity.parse(text)
    except ValueError:
        return Fraction(0)
