"""The images of one pod's containers: found at once, or fetched while the pod's worker goes on; and what is told of it.

    find ──▶ there: the container may start
         ──▶ to be fetched: a task; its end wakes the worker, which asks again
         ──▶ a problem: ErrImagePull, then ImagePullBackOff until the next try or until something changes

Source of reasons and words: the kubelet's pkg/kubelet/images and pkg/kubelet/events.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from typing import Any

from procorch.events import EventRecorder
from procorch.kubelet.environment import Find
from procorch.kubelet.images import Fetched, ImageProblem, Keyring, Pull, Resolved, Unpack, keyring_of
from procorch.kubelet.record import PodRecord
from procorch.kubelet.retries import Retries
from procorch.kubelet.surroundings import Surroundings
from procorch.objects import Object

Spawn = Callable[[Coroutine[Any, Any, None], str], "asyncio.Task[None]"]


@dataclass(slots=True)
class _Fetch:
    what: Unpack | Pull
    image: str
    task: asyncio.Task[None]
    outcome: Fetched | ImageProblem | None = None


@dataclass(frozen=True, slots=True)
class _Failure:
    """Why a container's image could not be had. by_registry: asking again is a matter of the back-off alone."""

    image: str
    policy: str
    message: str
    by_registry: bool


class ContainerImages:
    """find_of: how a pod's Secrets are read. spawn: begins a task of the pod's worker, with a name.

    wake: called when one has ended.
    """

    def __init__(
        self,
        around: Surroundings,
        record: PodRecord,
        retries: Retries,
        find_of: Callable[[Object], Find],
        spawn: Spawn,
        wake: Callable[[], None],
    ) -> None:
        self._around = around
        self._record = record
        self._retries = retries
        self._find_of = find_of
        self._spawn = spawn
        self._wake = wake
        self._fetches: dict[str, _Fetch] = {}
        self._failures: dict[str, _Failure] = {}

    def get(self, pod: Object, container: Object) -> Resolved | None:
        """The image to start the container with; None where it is not there, and then why is in the record."""
        name, image = container["name"], container.get("image") or ""
        fetch = self._fetches.get(name)
        if fetch is not None and fetch.image != image:
            fetch.task.cancel()
            fetch = None
        try:
            if fetch is None:
                found = self._find(image, container.get("imagePullPolicy") or "")
                if isinstance(found, Resolved):
                    return self._use(pod, name, image, Fetched(found))
                fetch = self._begin(pod, name, image, found)
            if fetch.outcome is None:
                return None
            del self._fetches[name]
            if isinstance(fetch.outcome, ImageProblem):
                raise fetch.outcome
            return self._use(pod, name, image, fetch.outcome)
        except ImageProblem as problem:
            self._failed(pod, container, problem, by_registry=fetch is not None and isinstance(fetch.what, Pull))
            return None

    def waits(self, pod: Object, name: str) -> None:
        """It is not tried now, and its last try failed for want of an image."""
        retry, record = self._retries.of(name), self._record.of(name)
        if record.waiting is not None and record.waiting[0] in ("ErrImageNeverPull", "InvalidImageName"):
            return
        message = f'Back-off pulling image "{retry.image}": {retry.note}'
        if record.waiting != ("ImagePullBackOff", message):
            record.waiting = ("ImagePullBackOff", message)
            self._tell(pod, name, "Normal", "BackOff", f'Back-off pulling image "{retry.image}"')
            self._tell(pod, name, "Warning", "Failed", "Error: ImagePullBackOff")

    def changed(self) -> bool:
        """What a name means on this node may have changed: whether that is so for an image that is waited for."""
        helped = False
        for name, failure in self._failures.items():
            if not self._retries.is_image(name):
                continue
            try:
                found = self._find(failure.image, failure.policy)
                same = isinstance(found, Pull) and failure.by_registry
            except ImageProblem as problem:
                same = str(problem) == failure.message
            if not same:
                self._retries.at_once(name)
                helped = True
        return helped

    def close(self) -> None:
        """Nobody waits for the images any more."""
        for fetch in self._fetches.values():
            fetch.task.cancel()
        self._fetches.clear()

    def _find(self, image: str, policy: str) -> Resolved | Unpack | Pull:
        return self._around.resolver.find(image, self._around.images.values(), policy)

    def _begin(self, pod: Object, name: str, image: str, what: Unpack | Pull) -> _Fetch:
        async def keyring() -> Keyring:
            found, problems = await keyring_of(pod, self._find_of(pod))
            for problem in problems:
                self._around.events.event(pod, "Warning", "FailedToRetrieveImagePullSecret", problem)
            return found

        async def work() -> None:
            begun = time.monotonic()
            pulling = f'Pulling image "{image}"'
            try:
                fetch.outcome = await self._around.resolver.fetch(
                    what, keyring, lambda: self._tell(pod, name, "Normal", "Pulling", pulling)
                )
                if fetch.outcome.pull is not None:
                    took, waited = spent(fetch.outcome.pull), spent(time.monotonic() - begun)
                    said = f'Successfully pulled image "{image}" in {took} ({waited} including waiting). '
                    self._tell(pod, name, "Normal", "Pulled", f"{said}Image size: {fetch.outcome.size} bytes.")
            except ImageProblem as problem:
                fetch.outcome = problem
            self._wake()

        fetch = self._fetches[name] = _Fetch(what, image, self._spawn(work(), f"image:{image}"))
        return fetch

    def _use(self, pod: Object, name: str, image: str, found: Fetched) -> Resolved:
        self._failures.pop(name, None)
        if found.resolved.root.path is not None:
            self._around.resolver.store.note_use(found.resolved.root.path)
        if found.resolved.stored and found.pull is None:
            there = f'Container image "{image}" already present on machine and can be accessed by the pod'
            self._tell(pod, name, "Normal", "Pulled", there)
        return found.resolved

    def _failed(self, pod: Object, container: Object, problem: ImageProblem, *, by_registry: bool) -> None:
        name, image = container["name"], container.get("image") or ""
        record = self._record.of(name)
        record.waiting = (problem.reason, str(problem))
        self._failures[name] = _Failure(image, container.get("imagePullPolicy") or "", str(problem), by_registry)
        self._retries.failed(name, self._around.clock(), image=image, note=f"{problem.reason}: {problem}")
        match problem.reason:
            case "ErrImageNeverPull":
                self._tell(pod, name, "Warning", "ErrImageNeverPull", str(problem))
            case "InvalidImageName":
                said = f'Failed to apply default image tag "{image}": {problem}'
                self._tell(pod, name, "Warning", "InspectFailed", said)
            case _:
                self._tell(pod, name, "Warning", "Failed", f'Failed to pull image "{image}": {problem}')
        self._tell(pod, name, "Warning", "Failed", f"Error: {problem.reason}")

    def _tell(self, pod: Object, name: str, type_: str, reason: str, message: str) -> None:
        tell(self._around.events, pod, name, type_, reason, message)


def tell(events: EventRecorder, pod: Object, container: str, type_: str, reason: str, message: str) -> None:
    """An event about one container."""
    events.event(pod, type_, reason, message, field_path=f"spec.containers{{{container}}}")


def spent(seconds: float) -> str:
    """As Go prints a duration that was cut to milliseconds: 313ms, 1.661s, 1m2.5s."""
    milliseconds = int(seconds * 1000)
    if 0 < milliseconds < 1000:
        return f"{milliseconds}ms"
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes}m{rest / 1000:g}s" if minutes else f"{rest / 1000:g}s"
