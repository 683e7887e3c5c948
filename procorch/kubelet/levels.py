"""The groups above the pods: what pods of a class get together, and what all of them may use of the node.

    procorch              not more than the node has without what is reserved
    ├─ pod…               Guaranteed
    ├─ burstable/pod…     shares: what its pods ask for together
    └─ besteffort/pod…    the least share there is: it gets what nobody else wants

Source: the kubelet's QoS container manager and "Reserve Compute Resources for System Daemons".
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Mapping

from procorch.kinds.podspec.resources import qos_class
from procorch.kubelet.sizes import LEAST_REQUEST, pod_limits
from procorch.objects import Object
from procorch.quantity import byte_count, cpu_millis
from runtime import Limits, Runtime, RuntimeFailed

logger = logging.getLogger(__name__)

LEVELS = ("burstable", "besteffort")
SETTLE_SECONDS = 0.1  # many pods at once are one change


def level_of(pod: Object) -> str:
    """The path of its class below that of all pods; Guaranteed ones are there themselves."""
    qos = qos_class(pod).lower()
    return qos if qos in LEVELS else ""


def level_limits(pods: Iterable[Object]) -> dict[str, Limits]:
    """Of each level. pods: those of the node, as they are allocated."""
    asked = sum(pod_limits(pod).cpu_request_millis or 0 for pod in pods if level_of(pod) == "burstable")
    return {"burstable": Limits(max(asked, LEAST_REQUEST)), "besteffort": Limits(LEAST_REQUEST)}


def node_limits(allocatable: Mapping[str, str], memory: int, reserved: Mapping[str, str]) -> Limits:
    """Of all pods together: processor time by shares, memory only where some is reserved. memory: the node's, bytes."""
    kept = byte_count(reserved.get("memory", "0"))
    return Limits(cpu_millis(allocatable.get("cpu", "0")) or None, None, memory - kept if kept else None)


class Levels:
    """The groups above the pods follow what these ask for. node: of all together. pods: those that take something."""

    def __init__(self, runtime: Runtime, node: Limits, pods: Callable[[], Iterable[Object]]) -> None:
        self._runtime = runtime
        self._node = node
        self._pods = pods
        self._known: dict[str, Limits] = {"": Limits()}
        self._changed = asyncio.Event()

    def changed(self) -> None:
        """A pod takes something else than before."""
        self._changed.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            self._set({"": self._node, **level_limits(self._pods())})
            await self._changed.wait()
            self._changed.clear()
            await asyncio.sleep(SETTLE_SECONDS)

    def _set(self, wanted: Mapping[str, Limits]) -> None:
        for level, limits in wanted.items():
            if self._known.get(level) != limits:
                try:
                    self._runtime.groups.create(f"{self._runtime.cgroup}/{level}".rstrip("/"), limits)
                except RuntimeFailed as error:
                    logger.warning("level of pods not limited", extra={"level": level, "error": str(error)})
                self._known[level] = limits
