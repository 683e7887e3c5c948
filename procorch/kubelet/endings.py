"""How a container is asked to end: its preStop hook, then its signal, beside the worker, which goes on meanwhile.

SIGKILL is the plan's matter, when the grace is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from procorch.kubelet.container_images import Spawn
from procorch.kubelet.plan import all_containers, stop_signal
from procorch.kubelet.pod_actions import PodActions
from procorch.kubelet.pod_health import PodHealth
from procorch.kubelet.record import PodRecord
from procorch.kubelet.surroundings import Surroundings
from procorch.objects import Object


class Endings:
    """Of one pod's containers. pod: as it is now. health: runs the hooks, where the worker is at work. spawn: its."""

    def __init__(
        self,
        around: Surroundings,
        record: PodRecord,
        actions: PodActions,
        pod: Callable[[], Object],
        health: Callable[[], PodHealth | None],
        spawn: Spawn,
    ) -> None:
        self._around = around
        self._record = record
        self._actions = actions
        self._pod = pod
        self._health = health
        self._spawn = spawn
        self._hooks: dict[str, asyncio.Task[None]] = {}

    def stop(self, name: str, grace: float, why: str) -> None:
        """The hook, unless it has begun already, and the signal. why: the event's message; empty for the usual one."""
        one = self._record.of(name)
        one.stopped_at = self._around.clock()  # it stays ready while it runs: what is being ended may still serve
        path = f"spec.containers{{{name}}}"
        self._around.events.event(
            self._pod(), "Normal", "Killing", why or f"Stopping container {name}", field_path=path
        )
        self._spawn(self._hook_and_signal(name, grace), f"stop:{name}")

    def hook(self, name: str, grace: float) -> None:
        """The hook alone: the signal comes when all that the container serves have ended."""
        self._record.of(name).hooked = True
        self._hooks[name] = self._spawn(self._hook(name, grace), f"hook:{name}")

    async def _hook(self, name: str, grace: float) -> None:
        attempt, health = self._record.of(name).current, self._health()
        if health is not None and attempt is not None:
            await health.before_end(self._pod(), self._container(name), attempt, grace)

    async def _hook_and_signal(self, name: str, grace: float) -> None:
        attempt = self._record.of(name).current
        await (self._hooks.pop(name, None) or self._hook(name, grace))
        if self._record.of(name).current is attempt:
            await self._actions.signal(name, stop_signal(self._container(name)))

    def _container(self, name: str) -> dict[str, Any]:
        return next(one for one in all_containers(self._pod()) if one["name"] == name)
