"""How large a pod and its containers are: their requests and limits as numbers for the kernel, and back as quantities.

Source: the kubelet's ResourceConfigForPod, and generateLinuxContainerResources for pods that have limits of their own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from procorch.kubelet.plan import init_containers, is_sidecar, lasting_containers
from procorch.objects import Object, get
from procorch.quantity import byte_count, cpu_millis, format_bytes, format_cpu
from runtime import Limits

LEAST_REQUEST = 2  # millicores: the smallest share that the kernel has
_Sizes = tuple[int | None, int | None, int | None]


def container_limits(pod: Object, container: Mapping[str, Any], pids: int | None = None) -> Limits:
    """One container's; without a limit of its own it may use what its pod may. pids: at most so many processes."""
    request, cpu, memory = _sizes_of(container)
    _, pod_cpu, pod_memory = _sizes_of(pod["spec"])
    return Limits(request or LEAST_REQUEST, cpu or pod_cpu, memory or pod_memory, pids)


def pod_limits(pod: Object, pids: int | None = None) -> Limits:
    """The pod's own where it has some, else the sum, and no limit unless every container has one.

    Init containers run alone, sidecars beside the others.
    """
    requests: list[int] = []
    totals: list[list[int | None]] = [[], []]
    alone: list[_Sizes] = []
    for container in lasting_containers(pod):
        one = _sizes_of(container)
        if container in init_containers(pod) and not is_sidecar(container):
            alone.append(one)
            continue
        requests.append(one[0] or 0)
        totals[0].append(one[1])
        totals[1].append(one[2])
    sums = [None if None in rows else sum(row for row in rows if row is not None) for rows in totals]
    for one in alone:
        requests = [max(sum(requests), one[0] or 0)]
        for index, value in enumerate(one[1:]):
            total = sums[index]
            sums[index] = None if value is None or total is None else max(total, value)
    request, cpu, memory = _sizes_of(pod["spec"])
    return Limits(request or sum(requests) or LEAST_REQUEST, cpu or sums[0], memory or sums[1], pids)


def _sizes_of(owner: Mapping[str, Any]) -> _Sizes:
    """(cpu request, cpu limit) in millicores and the memory limit in bytes; None where there is none, or it is 0."""
    limits, requests = get(owner, "resources.limits", {}), get(owner, "resources.requests", {})
    request = requests.get("cpu", limits.get("cpu"))
    return (
        None if request is None else cpu_millis(request),
        None if limits.get("cpu") is None else cpu_millis(limits["cpu"]) or None,
        None if limits.get("memory") is None else byte_count(limits["memory"]) or None,
    )


def differ(wanted: Limits, seen: Limits) -> tuple[str, ...]:
    """Which of cpu and memory the kernel has otherwise. wanted: rounded as the kernel does it."""
    cpu = wanted.cpu_request_millis != seen.cpu_request_millis or _other(wanted.cpu_limit_millis, seen.cpu_limit_millis)
    memory = _other(wanted.memory_limit_bytes, seen.memory_limit_bytes)
    return tuple(name for name, different in (("cpu", cpu), ("memory", memory)) if different)


def _other(wanted: int | None, seen: int | None) -> bool:
    """A limit that was set stays: none is ever taken away from what runs."""
    return wanted is not None and wanted != seen


def actual(allocated: Mapping[str, Any], wanted: Limits, seen: Limits) -> dict[str, Any]:
    """A `resources` of the status: what was allocated, with what the kernel has where that is something else.

    wanted: the limits that follow from `allocated`, rounded as the kernel does it.
    """
    limits, requests = dict(allocated.get("limits") or {}), dict(allocated.get("requests") or {})
    if "cpu" in limits and seen.cpu_limit_millis not in (None, wanted.cpu_limit_millis):
        limits["cpu"] = format_cpu(seen.cpu_limit_millis or 0)
    if "memory" in limits and seen.memory_limit_bytes not in (None, wanted.memory_limit_bytes):
        limits["memory"] = format_bytes(seen.memory_limit_bytes or 0)
    if "cpu" in requests and seen.cpu_request_millis not in (None, wanted.cpu_request_millis):
        requests["cpu"] = format_cpu(seen.cpu_request_millis or 0)
    named = (("limits", limits), ("requests", requests))
    return {**allocated, **{side: table for side, table in named if table}}


def only(limits: Limits, resource: str) -> Limits:
    """cpu or memory alone of the limits."""
    if resource == "memory":
        return Limits(memory_limit_bytes=limits.memory_limit_bytes)
    return replace(limits, memory_limit_bytes=None, pids=None)
