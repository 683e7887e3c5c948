"""How a pod's containers are: hooks after their start and before their end, and their probes."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from zlib import crc32

from procorch.kubelet import probes
from procorch.kubelet.handlers import Heard, Outcome, Target, ask, run_hook
from procorch.kubelet.plan import all_containers, init_containers, is_sidecar
from procorch.kubelet.record import Attempt, ContainerRecord, PodRecord, process_name
from procorch.kubelet.restarts import restarts
from procorch.kubelet.surroundings import Surroundings
from procorch.objects import Object, get
from runtime import ProcessSpec, Sandbox

_HOOK_SECONDS = 3600.0  # Kubernetes sets no bound: the container is simply not yet started

# Outcome of a probe → the event's reason and its words.
_WORDS = {
    Outcome.WARNING: ("ProbeWarning", "warning"),
    Outcome.BAD: ("Unhealthy", "failed"),
    Outcome.ERROR: ("Unhealthy", "errored and resulted in unknown state"),
}
# … and how it is counted.
_COUNTED = {Outcome.GOOD: "successful", Outcome.WARNING: "successful", Outcome.BAD: "failed", Outcome.ERROR: "unknown"}
_ASKS = ("startupProbe", "readinessProbe", "livenessProbe", "lifecycle")


class PodHealth:
    """Runs tasks for the attempts that run, and notes in the record what they find.

    changed: called when the record has changed.
    """

    def __init__(
        self, around: Surroundings, record: PodRecord, tasks: asyncio.TaskGroup, changed: Callable[[], None]
    ) -> None:
        self._around = around
        self._record = record
        self._tasks = tasks
        self._changed = changed
        self._watching: dict[str, tuple[int, str, asyncio.Task[None]]] = {}

    def follow(self, pod: Object, sandbox: Sandbox | None) -> None:
        """Begin to watch attempts that are new (or were found running), and leave those that have ended."""
        for container in all_containers(pod):
            name = container["name"]
            one = self._record.containers.get(name)
            attempt = one.current if one is not None else None
            known = self._watching.get(name)
            current = attempt is not None and attempt.running and sandbox is not None
            if known is not None:
                assert attempt is not None
                if current and known[:2] == (attempt.number, attempt.sandbox):
                    continue
                known[2].cancel()
                del self._watching[name]
            if current and attempt is not None and sandbox is not None and one is not None:
                work = self._watch(pod, container, one, attempt, sandbox)
                task = self._tasks.create_task(work, name=f"health:{name}")
                self._watching[name] = (attempt.number, attempt.sandbox, task)

    def close(self) -> None:
        for _, _, task in self._watching.values():
            task.cancel()
        self._watching.clear()

    async def before_end(self, pod: Object, container: Mapping[str, Any], attempt: Attempt, grace: float) -> None:
        """The preStop hook, for at most the grace."""
        hook = get(container, "lifecycle.preStop")
        sandbox = self._around.runtime.sandboxes.get(attempt.sandbox)
        known = self._record.of(container["name"]).launch is not None
        if not hook or sandbox is None or grace <= 0 or not known:
            return
        good, heard = await run_hook(hook, self._target(container, attempt, sandbox), grace)
        if not good:
            self._event(pod, container["name"], "Warning", "FailedPreStopHook", f"PreStopHook failed: {heard}")

    async def _watch(
        self, pod: Object, container: Mapping[str, Any], one: ContainerRecord, attempt: Attempt, sandbox: Sandbox
    ) -> None:
        if one.launch is None and any(container.get(name) for name in _ASKS):
            one.unhealthy = f"Container {container['name']} is not known well enough to be asked, will be restarted"
            self._changed()
            return
        target = self._target(container, attempt, sandbox)
        if not one.started:
            hook = get(container, "lifecycle.postStart")
            if hook:
                good, heard = await run_hook(hook, target, _HOOK_SECONDS)
                if not good:
                    self._event(
                        pod, container["name"], "Warning", "FailedPostStartHook", f"PostStartHook failed: {heard}"
                    )
                    one.unhealthy = "FailedPostStartHook"
                    self._changed()
                    return
            if container in init_containers(pod) and not is_sidecar(container):
                return
            if (probe := container.get("startupProbe")) is not None:
                await self._probe(pod, container, probe, "Startup", target, partial(self._startup, pod, container, one))
                if not one.started:
                    return
        one.started = True
        readiness, liveness = container.get("readinessProbe"), container.get("livenessProbe")
        if readiness is None:
            one.ready = True
        self._changed()
        async with asyncio.TaskGroup() as tasks:
            if readiness is not None:
                found = partial(self._readiness, one)
                tasks.create_task(self._probe(pod, container, readiness, "Readiness", target, found))
            if liveness is not None:
                found = partial(self._liveness, pod, container, one, "liveness", liveness)
                tasks.create_task(self._probe(pod, container, liveness, "Liveness", target, found))

    async def _probe(
        self,
        pod: Object,
        container: Mapping[str, Any],
        probe: Mapping[str, Any],
        kind: str,
        target: Target,
        found: Callable[[bool], bool],
    ) -> None:
        one = self._record.of(container["name"])

        def over() -> bool:
            """A container that is being stopped is asked only whether it still serves."""
            return one.stopped_at is not None and kind != "Readiness"

        def told(outcome: Outcome, heard: str) -> None:
            if not over():
                reason, words = _WORDS[outcome]
                self._event(pod, container["name"], "Warning", reason, f"{kind} probe {words}: {heard}")

        def running_for() -> float:
            began = one.current.started_at if one.current is not None else None
            return 0.0 if began is None else self._around.clock() - began

        handler = {key: probe[key] for key in ("exec", "httpGet", "tcpSocket", "grpc") if probe.get(key) is not None}

        async def asked(timeout: float) -> Heard:
            outcome, heard = await ask(handler, target, timeout)
            self._around.probes.count(pod["metadata"], container["name"], kind, _COUNTED[outcome])
            return outcome, heard

        await probes.watch(
            probe,
            asked,
            running_for=running_for,
            found=lambda good: over() or found(good),
            told=told,
            share=crc32(f"{one.launch and one.launch.log_path}{kind}".encode()) / 2**32,
        )

    def _startup(self, pod: Object, container: Mapping[str, Any], one: ContainerRecord, good: bool) -> bool:
        if good:
            one.started = True
            return True
        return self._liveness(pod, container, one, "startup", container["startupProbe"], good)

    def _readiness(self, one: ContainerRecord, good: bool) -> bool:
        if one.ready != good:
            one.ready = good
            self._changed()
        return False

    def _liveness(
        self,
        pod: Object,
        container: Mapping[str, Any],
        one: ContainerRecord,
        kind: str,
        probe: Mapping[str, Any],
        good: bool,
    ) -> bool:
        if good:
            return False
        words = ", will be restarted" if restarts(pod, container, None) else ""
        one.unhealthy = f"Container {container['name']} failed {kind} probe{words}"
        one.unhealthy_grace = probe.get("terminationGracePeriodSeconds")
        self._changed()
        return True

    def _target(self, container: Mapping[str, Any], attempt: Attempt, sandbox: Sandbox) -> Target:
        name = container["name"]
        # No launch: the disk lost the record. Then nothing is asked of the container (see _watch and before_end).
        launch = self._record.of(name).launch or ProcessSpec(process_name(name, attempt.number), ())
        return Target(sandbox, container, attempt.number, launch, self._record.address)

    def _event(self, pod: Object, name: str, type_: str, reason: str, message: str) -> None:
        self._around.events.event(pod, type_, reason, message, field_path=f"spec.containers{{{name}}}")
