"""A pod that runs becomes larger or smaller: what it asks for is allocated, and then that is brought about.

    spec ──admission──▶ record.allocated (on disk) ──▶ cgroups ──read back──▶ status
          Deferred, Infeasible: PodResizePending        PodResizeInProgress until both are alike

An agent that is killed anywhere in between goes on from the record and from what the kernel has. Memory is not made
less than what is in use: that waits, and the condition says for what. Source: Kubernetes' "Resize CPU and Memory
Resources assigned to Containers", and the order of steps in the kubelet's doPodResizeAction.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

import orjson

from procorch.kubelet.admission import COMPUTE, amounts, resize_refusal
from procorch.kubelet.plan import lasting_containers
from procorch.kubelet.record import PodRecord, process_name
from procorch.kubelet.sizes import actual, container_limits, differ, only, pod_limits
from procorch.kubelet.surroundings import Surroundings
from procorch.objects import Object, get, key_of, uid_of
from runtime import Limits, RuntimeFailed, Sandbox

logger = logging.getLogger(__name__)

RETRY_SECONDS = 5.0
Allocation = dict[str, Any]


def allocation_of(pod: Object) -> Allocation:
    """What a pod asks for, as it is written down: by container, and of the pod as a whole."""
    rows = {one["name"]: one.get("resources") or {} for one in lasting_containers(pod)}
    return {"containers": rows, "pod": pod["spec"].get("resources")}


def allocated_pod(pod: Object, allocation: Allocation) -> Object:
    """The pod as large as it was allowed to be, whatever it asks for."""
    if allocation_of(pod) == allocation:
        return pod
    spec = dict(pod["spec"])
    for group in ("initContainers", "containers"):
        if spec.get(group):
            spec[group] = [
                {**one, "resources": allocation["containers"].get(one["name"], one.get("resources") or {})}
                for one in spec[group]
            ]
    if allocation["pod"] is not None:
        spec["resources"] = allocation["pod"]
    return {**pod, "spec": spec}


def must_restart(container: Mapping[str, Any], changed: tuple[str, ...]) -> bool:
    """Whether its program wants to be started anew for that; changed: of cpu and memory."""
    policy = {row["resourceName"]: row["restartPolicy"] for row in container.get("resizePolicy") or ()}
    return any(policy.get(name) == "RestartContainer" for name in changed)


class Resizer:
    """One pod's. changed: told when what is allocated is something else than before."""

    def __init__(self, around: Surroundings, record: PodRecord, changed: Callable[[], None]) -> None:
        self._around = around
        self._record = record
        self._changed = changed
        self._whole: tuple[str, Limits] | None = None  # the pod's limits as the kernel has them, and of which sandbox

    def sized(self, pod: Object) -> Object:
        """The pod with what is allocated to it."""
        return pod if self._record.allocated is None else allocated_pod(pod, self._record.allocated)

    def allocate(self, pod: Object) -> None:
        """Grants what it asks for, or says in the record why not."""
        record, wanted = self._record, allocation_of(pod)
        if record.allocated is None or record.allocated == wanted:
            record.allocated, record.pending = wanted, None
            return
        others = self._around.others(uid_of(pod))
        refusal = resize_refusal(pod, others, amounts(self._around.allocatable))
        if refusal is None:
            record.allocated, record.pending = wanted, None
            self._changed()
            logger.info("resize allocated", extra={"pod": key_of(pod)})
        elif record.pending != (told := [refusal.reason, refusal.message]):
            record.pending = told
            self._event(pod, "Warning", f"Resize{refusal.reason}", refusal.message)

    def apply(self, pod: Object, sandbox: Sandbox) -> float | None:
        """Brings about what is allocated. pod: sized. Seconds until the next try, where something is in the way."""
        record = self._record
        try:
            whole, parts, restarts = self._differences(pod, sandbox)
            if not whole and not parts and not restarts:
                self._completed(pod)
                return None
            self._started(pod)
            for name in restarts:
                record.of(name).restart = f"Container {name} resize requires restart"
            for resource in reversed(COMPUTE):
                self._change(pod, sandbox, resource, resource in whole, parts, shrink=not restarts)
            self._forget(parts)
            whole, parts, restarts = self._differences(pod, sandbox)
        except RuntimeFailed as error:
            self._forget(record.containers)
            return self._failed(pod, str(error))
        if parts or (whole and not restarts):
            return self._failed(pod, f"the kernel has other limits than were set: {', '.join([*whole, *parts])}")
        record.resizing = ["", ""]
        if not restarts:
            self._completed(pod)
        return None

    # What is otherwise

    def _differences(
        self, pod: Object, sandbox: Sandbox
    ) -> tuple[tuple[str, ...], dict[str, tuple[str, ...]], list[str]]:
        """(cpu and memory of the pod as a whole, those of containers to change as they run, names of those to restart).

        What was read once is remembered until something is written.
        """
        if self._whole is None or self._whole[0] != sandbox.id:
            self._whole = (sandbox.id, sandbox.limits())
        wanted = sandbox.rounded(pod_limits(pod))
        whole = differ(wanted, self._whole[1])
        self._record.actual = actual(pod["spec"].get("resources") or {}, wanted, self._whole[1])
        parts: dict[str, tuple[str, ...]] = {}
        restarts = []
        for container in lasting_containers(pod):
            name = container["name"]
            one = self._record.containers.get(name)
            if one is None or one.current is None or not one.current.running or one.current.sandbox != sandbox.id:
                continue
            if one.limits is None:
                one.limits = sandbox.limits(process_name(name, one.current.number))
            wanted = sandbox.rounded(container_limits(pod, container))
            one.actual = actual(container.get("resources") or {}, wanted, one.limits)
            if changed := differ(wanted, one.limits):
                if must_restart(container, changed):
                    restarts.append(name)
                else:
                    parts[name] = changed
        return whole, parts, restarts

    def _forget(self, names: Mapping[str, object]) -> None:
        self._whole = None
        for name in names:
            self._record.of(name).limits = None

    # Changing it

    def _change(
        self,
        pod: Object,
        sandbox: Sandbox,
        resource: str,
        whole: bool,
        parts: Mapping[str, tuple[str, ...]],
        *,
        shrink: bool,
    ) -> None:
        """One resource: the pod grows before its containers do and shrinks after them, for none may exceed it."""
        assert self._whole is not None
        wanted, seen = only(pod_limits(pod), resource), self._whole[1]
        grows = whole and _grows(wanted, seen, resource)
        rows = {one["name"]: one for one in lasting_containers(pod)}
        changes = [
            (process_name(name, current.number), only(container_limits(pod, rows[name]), resource))
            for name, changed in parts.items()
            if resource in changed and (current := self._record.of(name).current) is not None
        ]
        if resource == "memory":
            for name, limits in changes:
                _check_use(sandbox, name, limits)
            if whole and not grows:
                _check_use(sandbox, "", wanted)
        if grows:
            sandbox.limit(wanted)
        for name, limits in changes:
            sandbox.limit(limits, name)
        if whole and not grows and shrink:
            sandbox.limit(wanted)

    # What is told

    def _started(self, pod: Object) -> None:
        if self._record.resizing is None:
            self._record.resizing = ["", ""]
            self._event(pod, "Normal", "ResizeStarted", f"Pod resize started: {_told(pod)}")

    def _completed(self, pod: Object) -> None:
        if self._record.resizing is not None:
            self._record.resizing = None
            self._event(pod, "Normal", "ResizeCompleted", f"Pod resize completed: {_told(pod)}")
            logger.info("pod resized", extra={"pod": key_of(pod)})
            self._around.freed()

    def _failed(self, pod: Object, message: str) -> float:
        if self._record.resizing != ["Error", message]:
            self._record.resizing = ["Error", message]
            self._event(pod, "Warning", "ResizeError", f"Pod resize error: {message}")
        return RETRY_SECONDS

    def _event(self, pod: Object, type_: str, reason: str, message: str) -> None:
        self._around.events.event(pod, type_, reason, message)


def _grows(wanted: Limits, seen: Limits, resource: str) -> bool:
    if resource == "memory":
        before, after = seen.memory_limit_bytes, wanted.memory_limit_bytes
    else:
        before, after = seen.cpu_limit_millis, wanted.cpu_limit_millis
    return before is not None and (after is None or after > before)


def _check_use(sandbox: Sandbox, process: str, wanted: Limits) -> None:
    """Raises RuntimeFailed. Version 2's kernel would make room by killing.

    process: its name in the sandbox, or "" for all of it. Pages in use that can be had back do not count.
    """
    if wanted.memory_limit_bytes is None:
        return
    used = sandbox.usage(process).working_set_bytes
    if used >= wanted.memory_limit_bytes:
        what = f'container "{process.rpartition(".")[0]}"' if process else "pod"
        text = f"attempting to set {what} memory limit ({wanted.memory_limit_bytes}) below current usage ({used})"
        raise RuntimeFailed(text)


def _told(pod: Object) -> str:
    """As Kubernetes' events do it: JSON."""
    rows = [{"name": one["name"], "resources": one.get("resources") or {}} for one in pod["spec"]["containers"]]
    told: dict[str, Any] = {"containers": rows, "generation": get(pod, ".metadata.generation", 1)}
    return orjson.dumps(told).decode()
