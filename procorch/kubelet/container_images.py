"""The images of one pod's containers: found at once, or fetched while the pod's worker goes on; and what is told of it.

find ──▶ there: the container may start
     ──▶ to be fetched: a task; its end wakes the worker, which asks again
     ──▶ a problem: ErrImagePull, then ImagePullBackOff until the next try or until something changes
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from procorch.events import EventRecorder
from procorch.kubelet.images import ImageProblem, Resolved, Unpack
from procorch.kubelet.record import PodRecord
from procorch.kubelet.retries import Retries
from procorch.kubelet.surroundings import Surroundings
from procorch.objects import Object

Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]


@dataclass(slots=True)
class _Fetch:
    image: str
    task: asyncio.Task[None]
    outcome: Resolved | ImageProblem | None = None


class ContainerImages:
    """spawn: begins a task of the pod's worker, with a name. wake: called when one has ended."""

    def __init__(
        self, around: Surroundings, record: PodRecord, retries: Retries, spawn: Spawn, wake: Callable[[], None]
    ) -> None:
        self._around = around
        self._record = record
        self._retries = retries
        self._spawn = spawn
        self._wake = wake
        self._fetches: dict[str, _Fetch] = {}

    def get(self, pod: Object, container: Object) -> Resolved | None:
        """The image to start the container with; None where it is not there, and then why is in the record."""
        name, image = container["name"], container.get("image") or ""
        fetch = self._fetches.get(name)
        if fetch is not None and fetch.image != image:
            fetch.task.cancel()
            fetch = None
        try:
            if fetch is None:
                found = self._around.resolver.find(image, self._around.images.values())
                if isinstance(found, Resolved):
                    return found
                fetch = self._begin(name, image, found)
            if fetch.outcome is None:
                return None
            del self._fetches[name]
            if isinstance(fetch.outcome, ImageProblem):
                raise fetch.outcome
            return fetch.outcome
        except ImageProblem as problem:
            self._failed(pod, name, image, problem)
            return None

    def waits(self, pod: Object, name: str) -> None:
        """It is not tried now, and its last try failed for want of an image."""
        retry = self._retries.of(name)
        message = f'Back-off pulling image "{retry.image}": {retry.note}'
        record = self._record.of(name)
        if record.waiting != ("ImagePullBackOff", message):
            record.waiting = ("ImagePullBackOff", message)
            tell(self._around.events, pod, name, "Normal", "BackOff", f'Back-off pulling image "{retry.image}"')
            tell(self._around.events, pod, name, "Warning", "Failed", "Error: ImagePullBackOff")

    def close(self) -> None:
        """Nobody waits for the images any more."""
        for fetch in self._fetches.values():
            fetch.task.cancel()
        self._fetches.clear()

    def _begin(self, name: str, image: str, what: Unpack) -> _Fetch:
        async def work() -> None:
            try:
                fetch.outcome = await self._around.resolver.fetch(what)
            except ImageProblem as problem:
                fetch.outcome = problem
            self._wake()

        fetch = self._fetches[name] = _Fetch(image, self._spawn(work(), f"image:{image}"))
        return fetch

    def _failed(self, pod: Object, name: str, image: str, problem: ImageProblem) -> None:
        record, events = self._record.of(name), self._around.events
        record.waiting = (problem.reason, str(problem))
        self._retries.failed(name, self._around.clock(), image=image, note=f"{problem.reason}: {problem}")
        tell(events, pod, name, "Warning", "Failed", f'Failed to pull image "{image}": {problem}')
        tell(events, pod, name, "Warning", "Failed", f"Error: {problem.reason}")


def tell(events: EventRecorder, pod: Object, container: str, type_: str, reason: str, message: str) -> None:
    """An event about one container."""
    events.event(pod, type_, reason, message, field_path=f"spec.containers{{{container}}}")
