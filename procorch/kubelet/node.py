"""The node registers itself, and tells that it is alive: a Lease every ten seconds, its status when it changes.

Source of the numbers: Kubernetes' node documentation (lease of 40 s renewed every 10 s; status every 5 min).
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Collection
from typing import Any

from procorch.client import Client, Unreachable
from procorch.clock import Backoff, Clock, micro_timestamp
from procorch.events import EventRecorder, node_reference
from procorch.kubelet.measured import Measured
from procorch.kubelet.node_status import NodeConfig, node_object, status_of_node, system_info
from procorch.kubelet.status import difference
from procorch.objects import AlreadyExists, ApiError, NotFound, Object, get, labels_of

logger = logging.getLogger(__name__)

LEASE_SECONDS, RENEW_SECONDS = 40, 10.0
LOOK_SECONDS, REPORT_SECONDS = 10.0, 300.0
NAMESPACE = "kube-node-lease"


class NodeReporter:
    """images: the rows of status.images. problem: why the node is not ready, empty when it is.

    pressures: the conditions, MemoryPressure and the like, that are so.
    """

    def __init__(
        self,
        client: Client,
        config: NodeConfig,
        clock: Clock,
        events: EventRecorder,
        *,
        images: Callable[[], list[dict[str, Any]]],
        problem: Callable[[], str] = lambda: "",
        pressures: Callable[[], Collection[str]] = tuple,
        measure: Callable[[], Measured] | None = None,
    ) -> None:
        self._client = client
        self._config = config
        self._clock = clock
        self._events = events
        self._images = images
        self._problem = problem
        self._pressures = pressures
        self._measure = measure or (lambda: Measured.now(config.directory))
        self._info = system_info()
        self._reported_at = 0.0
        self._status: Object | None = None
        self._look = asyncio.Event()
        self.node: Object | None = None
        self.pod_cidr = ""  # that its pods are in already; "" where it takes what the masters give
        self._kept: Object = {}

    @property
    def name(self) -> str:
        return self._config.name

    async def register(self) -> Object:
        """The Node as the API has it: made, or found with its labels brought up to date. Tries until it succeeds."""
        backoff = Backoff(first=0.1, most=10.0)
        while True:
            try:
                self.node = await self._register()
                return self.node
            except (ApiError, Unreachable) as error:
                logger.warning("node not registered yet", extra={"error": str(error)})
                await asyncio.sleep(backoff.next())

    async def run(self) -> None:
        """Heartbeats until cancelled; `register` comes first."""
        self._events.event(node_reference(self._config.name), "Normal", "Starting", "Starting kubelet.")
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._renew(), name="node:lease")
            tasks.create_task(self._report(), name="node:status")

    def look(self) -> None:
        """Something that the status tells may have changed: it is not waited until the next look."""
        self._look.set()

    def lost(self, node: Object) -> None:
        """The API has no such node any more: it registers again. What was cordoned stays so."""
        logger.warning("node was deleted, registers again", extra={"node": self.name})
        self._kept = {"unschedulable": True} if get(node, ".spec.unschedulable") else {}
        self.node = self._status = None
        self.look()

    async def report(self) -> None:
        """The status, where it has changed or is old. Raises ApiError, Unreachable."""
        now = self._clock()
        if self.node is None or self._status is None:
            self.node = await self._client.get("Node", self._config.name)
        old: Object = self.node.get("status") or {}
        status = status_of_node(
            self._config, self._measure(), self._info, old, now,
            images=self._images(), pressures=self._pressures(), problem=self._problem(),
        )  # fmt: skip
        fresh = now - self._reported_at < REPORT_SECONDS
        if fresh and self._status is not None and _steady(self._status) == _steady(status):
            return
        patch = {name: value for name, value in difference(old, status).items() if name in status}
        self.node = await self._client.patch("Node", self._config.name, {"status": patch}, subresource="status")
        self._events_of(self._status, status)
        self._status, self._reported_at = status, now

    async def _register(self) -> Object:
        wanted = node_object(self._config)
        wanted["spec"] |= self._kept
        if self.pod_cidr:
            wanted["spec"] |= {"podCIDR": self.pod_cidr, "podCIDRs": [self.pod_cidr]}
        try:
            # The status comes with it: a Node without capacity would be seen by the scheduler.
            status = status_of_node(
                self._config, self._measure(), self._info, {}, self._clock(),
                images=self._images(), pressures=self._pressures(), problem=self._problem(),
            )  # fmt: skip
            return await self._client.create(wanted | {"status": status})
        except AlreadyExists:
            found = await self._client.get("Node", self._config.name)
        missing = {name: value for name, value in labels_of(wanted).items() if labels_of(found).get(name) != value}
        if missing:
            found = await self._client.patch("Node", self._config.name, {"metadata": {"labels": missing}})
        return found

    async def _renew(self) -> None:
        key, name = f"{NAMESPACE}/{self._config.name}", self._config.name
        while True:
            now = micro_timestamp(self._clock())
            spec = {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now}
            try:
                try:
                    await self._client.patch("Lease", key, {"spec": spec})
                except NotFound:
                    await self._client.create(self._lease(spec))
                await asyncio.sleep(RENEW_SECONDS)
            except (ApiError, Unreachable) as error:
                logger.info("lease not renewed", extra={"error": str(error)})
                await asyncio.sleep(2.0)

    def _lease(self, spec: Object) -> Object:
        lease: Object = {
            "apiVersion": "coordination.k8s.io/v1",
            "kind": "Lease",
            "metadata": {"name": self._config.name, "namespace": NAMESPACE},
            "spec": spec,
        }
        if self.node is not None:
            owner = {"apiVersion": "v1", "kind": "Node", "name": self._config.name, "uid": self.node["metadata"]["uid"]}
            lease["metadata"]["ownerReferences"] = [owner]
        return lease

    async def _report(self) -> None:
        while True:
            self._look.clear()
            try:
                await self.report()
            except NotFound:
                self.node, self._status = await self.register(), None
                continue
            except (ApiError, Unreachable) as error:
                logger.info("node status not taken", extra={"error": str(error)})
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(LOOK_SECONDS):
                    await self._look.wait()

    def _events_of(self, old: Object | None, new: Object) -> None:
        """NodeReady and the like, when a condition turns."""
        before = {row["type"]: row["status"] for row in (old or {}).get("conditions", [])}
        for row in new["conditions"]:
            if before.get(row["type"]) == row["status"] or not row.get("reason", "").startswith("Kubelet"):
                continue
            reason = row["reason"].removeprefix("Kubelet")
            reason = f"Node{reason}" if not reason.startswith("Not") else "NodeNotReady"
            message = f"Node {self._config.name} status is now: {reason}"
            self._events.event(node_reference(self._config.name), "Normal", reason, message)


def _steady(status: Object) -> Object:
    """What of a status is a change worth telling: not the time at which it was looked at."""
    rows = [{key: value for key, value in row.items() if key != "lastHeartbeatTime"} for row in status["conditions"]]
    return status | {"conditions": rows}
