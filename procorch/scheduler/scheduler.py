"""The scheduler: pods without a node get one.

Pods, Nodes (informers) ──▶ Cluster (numbers) ─┐
pods without a node ──▶ PodQueue ──▶ plan ──▶ assume ──▶ bind (its own task) ──▶ Event Scheduled
                            │ no node
                            └──▶ Event FailedScheduling, condition PodScheduled=False, back into the queue
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from contextlib import nullcontext
from typing import Any

from procorch.client import Client, Unreachable
from procorch.clock import Clock, timestamp
from procorch.events import EventRecorder
from procorch.informers import Informers
from procorch.objects import ApiError, Conflict, NotFound, Object, condition_of, get, is_deleting, uid_of
from procorch.pod_resources import sizes_told
from procorch.pods import is_terminal
from procorch.scheduler.claims import waits_for
from procorch.scheduler.cluster import Cluster, PodInfo, pod_info
from procorch.scheduler.plan import Placement, plan, refused
from procorch.scheduler.queue import FIRST, MOST, PodQueue, Waiting

logger = logging.getLogger(__name__)

NAME = "default-scheduler"
BINDINGS = 64
"""So many bindings are under way at once."""


class Scheduler:
    """Run `run()` as a task. backoff: seconds that an unschedulable pod waits, first and most."""

    def __init__(
        self,
        client: Client,
        clock: Clock,
        *,
        name: str = NAME,
        draw: Callable[[], float] = random.random,
        backoff: tuple[float, float] = (FIRST, MOST),
        informers: Informers | None = None,
    ) -> None:
        """informers: those of others, who run them around `run()`; this has its own when there are none."""
        self.cluster = Cluster()
        self.queue = PodQueue(first=backoff[0], most=backoff[1])
        self._client = client
        self._clock = clock
        self._name = name
        self._draw = draw
        self._start = 0
        self._assumed: set[str] = set()
        self._events = EventRecorder(client, name, clock)
        self._informers = informers if informers is not None else Informers(client)
        self._runs_informers = informers is None
        self._bindings = asyncio.Semaphore(BINDINGS)
        self._synced = asyncio.Event()
        # Nodes before pods, so that a pod's node is known when the pod is counted.
        self._informers.of("Node").add_handler(self._node_changed)
        self._informers.of("PersistentVolumeClaim").add_handler(self._claim_changed)
        self._informers.of("Pod").add_handler(self._pod_changed)

    async def run(self) -> None:
        """Until cancelled."""
        reading = self._informers.running() if self._runs_informers else nullcontext()
        async with asyncio.TaskGroup() as tasks, reading:
            tasks.create_task(self._events.run(), name="scheduler:events")
            self._synced.set()
            try:
                while True:
                    entry = await self.queue.pop()
                    await self._bindings.acquire()
                    self._try(entry, tasks)
                    await asyncio.sleep(0)  # the bindings' turn
            finally:
                self.queue.close()

    async def synced(self) -> None:
        await self._synced.wait()

    # What changes

    def _node_changed(self, type_: str, old: Object | None, new: Object | None) -> None:
        if new is None:
            assert old is not None
            self.cluster.remove_node(old["metadata"]["name"])
            return
        if old is None or matters(old) != matters(new):
            self.cluster.set_node(new)
            self.queue.move_all()

    def _claim_changed(self, type_: str, old: Object | None, new: Object | None) -> None:
        self.queue.move_all()

    def _pod_changed(self, type_: str, old: Object | None, new: Object | None) -> None:
        if new is None or is_terminal(new):
            pod = new or old
            assert pod is not None
            self._forget(uid_of(pod))
        elif get(new, ".spec.nodeName"):
            self._assumed.discard(uid_of(new))
            self.queue.remove(uid_of(new))
            known = self.cluster.pod(uid_of(new))
            if known is None or old is None or old["spec"] != new["spec"] or sizes_told(old) != sizes_told(new):
                info = pod_info(new)
                self.cluster.put(info, info.node_name)
                if known is not None and known.requests != info.requests:  # resized in place
                    self.queue.move_all()
        elif is_deleting(new):
            self._forget(uid_of(new))
        elif uid_of(new) not in self._assumed and self._is_mine(new):
            if old is None or old["spec"] != new["spec"] or not self.queue.knows(uid_of(new)):
                self.queue.add(pod_info(new))
            else:
                self.queue.update(pod_info(new))

    def _is_mine(self, pod: Object) -> bool:
        spec = pod["spec"]
        return spec.get("schedulerName", self._name) == self._name and not spec.get("schedulingGates")

    def _forget(self, uid: str) -> None:
        self.queue.remove(uid)
        self._assumed.discard(uid)
        if self.cluster.remove(uid):
            self.queue.move_all()

    # One pod

    def _try(self, entry: Waiting, tasks: asyncio.TaskGroup) -> None:
        """Decides, without waiting for anything; what has to be written is a task, which frees a binding's place."""
        pod = entry.pod
        nodes = self.cluster.ready_nodes()
        why = waits_for(pod.pod, self._informers["PersistentVolumeClaim"]) if nodes else ""
        hopeless = Placement("", refused(pod, len(nodes), why)) if why else None
        placed = hopeless or plan(pod, nodes, self._start, self._draw)
        self._start = (self._start + placed.looked_at) % max(len(nodes), 1)
        if placed.node:
            self._assumed.add(pod.uid)
            self.cluster.put(pod, placed.node)
            tasks.create_task(self._bind(entry, placed.node), name=f"bind:{pod.key}")
        else:
            self.queue.failed(entry)
            tasks.create_task(self._tell(pod, placed.message), name=f"unschedulable:{pod.key}")

    async def _bind(self, entry: Waiting, node: str) -> None:
        pod = entry.pod
        try:
            await self._client.bind(pod.key, node, pod.uid)
        except (ApiError, Unreachable) as error:
            self._unassume(entry, error)
        else:
            self.queue.remove(pod.uid)
            message = f"Successfully assigned {pod.key} to {node}"
            self._events.event(pod.pod, "Normal", "Scheduled", message, action="Binding")
        finally:
            self._bindings.release()

    def _unassume(self, entry: Waiting, error: Exception) -> None:
        pod = entry.pod
        logger.info("binding failed", extra={"pod": pod.key, "error": str(error)})
        if pod.uid not in self._assumed:
            return  # the informer has it on a node, or it is gone: the failure was only our answer getting lost
        self._assumed.discard(pod.uid)
        self.cluster.remove(pod.uid)
        known = self._informers["Pod"].get(pod.key)
        if isinstance(error, NotFound) or known is None or uid_of(known) != pod.uid:
            self.queue.remove(pod.uid)
            return
        entry.pod = pod_info(known)
        if not isinstance(error, Conflict):
            message = f"running Bind: {error}"
            self._events.event(pod.pod, "Warning", "FailedScheduling", message, action="Scheduling")
        self.queue.failed(entry, at_once=True)

    async def _tell(self, pod: PodInfo, message: str) -> None:
        """The Event each time, the condition when it says something new."""
        try:
            self._events.event(pod.pod, "Warning", "FailedScheduling", message, action="Scheduling")
            known = self._informers["Pod"].get(pod.key, pod.pod)
            old = condition_of(known, "PodScheduled")
            if old is None or old["status"] != "False" or old.get("message") != message:
                patch = self._condition(pod, old, message)
                await self._client.patch("Pod", pod.key, patch, type="strategic", subresource="status")
        except (ApiError, Unreachable) as error:
            logger.info("status not written", extra={"pod": pod.key, "error": str(error)})
        finally:
            self._bindings.release()

    def _condition(self, pod: PodInfo, old: Object | None, message: str) -> dict[str, Any]:
        since = timestamp(self._clock())
        if old is not None and old["status"] == "False":
            since = old.get("lastTransitionTime") or since
        row = {
            "type": "PodScheduled",
            "status": "False",
            "reason": "Unschedulable",
            "message": message,
            "lastProbeTime": None,
            "lastTransitionTime": since,
        }
        return {"metadata": {"uid": pod.uid}, "status": {"conditions": [row]}}


def matters(node: Object) -> tuple[Any, ...]:
    """Of a node, what may decide about a pod; the rest of it changes with every heartbeat."""
    return (
        get(node, ".status.allocatable"),
        get(node, ".status.capacity"),
        get(node, ".spec.taints"),
        get(node, ".spec.unschedulable"),
        node["metadata"].get("labels"),
    )
