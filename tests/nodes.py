"""Nodes without machines: what the API sees of them when pods are bound, become ready and end.

And what can be seen of the pods meanwhile: how many there were at most, and how few were available.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from random import Random

from procorch.client import Client
from procorch.clock import system_clock, timestamp
from procorch.controllers.daemonset_plan import node_of
from procorch.informer import Informer
from procorch.objects import ApiError, Object, get, is_deleting, key_of, uid_of
from procorch.pods import is_active, is_ready, is_terminal

BROKEN = "broken"
"""An image whose pods never become ready."""

SUCCEEDS = "succeeds"
FAILS = "fails"
"""Images whose pods end as soon as they run, the second with the exit code 1; `fails:3` with 3."""


class Nodes:
    """Looks after all pods of a cluster. Each step takes up to `slow` seconds; seed: of its moods."""

    def __init__(self, client: Client, *, slow: float = 0.01, seed: int = 0) -> None:
        self.most = 0
        self.least = 1 << 31
        self.images: set[frozenset[str]] = set()
        self._client = client
        self._slow = slow
        self._random = Random(seed)
        self._pods = Informer(client, "Pod")
        self._pods.add_handler(self._changed)
        self._busy: set[str] = set()
        self._closing = False
        self._tasks = asyncio.TaskGroup()

    def watch(self) -> None:
        """From now on: how many active pods there are at most (`most`), how few of them are ready (`least`), and
        which images pods run at the same time (`images`), those included that are just ending."""
        self.most, self.least, self.images = 0, 1 << 31, set()
        self._count()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Nodes]:
        async with self._tasks:
            reading = self._tasks.create_task(self._pods.run())
            await self._pods.synced()
            try:
                yield self
            finally:
                self._closing = True
                reading.cancel()
                self._pods.close()

    def _changed(self, type_: str, old: Object | None, new: Object | None) -> None:
        self._count()
        if new is not None and uid_of(new) not in self._busy:
            self._busy.add(uid_of(new))
            self._tasks.create_task(self._look_after(new))

    def _count(self) -> None:
        pods = list(self._pods.lister.values())
        self.most = max(self.most, sum(map(is_active, pods)))
        self.least = min(self.least, sum(1 for pod in pods if is_active(pod) and is_ready(pod)))
        running = (pod for pod in pods if not is_terminal(pod) and get(pod, ".spec.nodeName"))
        self.images.add(frozenset(image_of(pod) for pod in running))

    async def _look_after(self, pod: Object) -> None:
        """Until there is nothing to do for it: it stands as it should, or is gone."""
        uid = uid_of(pod)
        there: Object | None = pod
        while there is not None and uid_of(there) == uid and not self._closing:
            await asyncio.sleep(self._random.random() * self._slow)
            there = self._pods.lister.get(key_of(pod))
            if there is not None and not await self._step(there):
                break
            there = self._pods.lister.get(key_of(pod))
        self._busy.discard(uid)

    async def _step(self, pod: Object) -> bool:
        """Whether there may be more to do."""
        key, uid = key_of(pod), uid_of(pod)
        try:
            if is_deleting(pod):
                if pod["metadata"].get("finalizers") and not is_terminal(pod):
                    await self._end(pod, 137)  # somebody wants to see it
                await self._client.delete("Pod", key, uid=uid, grace=0)
                return False
            if not get(pod, ".spec.nodeName"):
                await self._client.bind(key, node_of(pod) or "node", uid)
                return True
            if is_terminal(pod) or image_of(pod) == BROKEN:
                return False
            if is_ready(pod):
                word, _, code = image_of(pod).partition(":")
                if word in (SUCCEEDS, FAILS):
                    await self._end(pod, 0 if word == SUCCEEDS else int(code or 1))
                return False
            condition = {"type": "Ready", "status": "True", "lastTransitionTime": timestamp(system_clock())}
            status = {"metadata": {"uid": uid}, "status": {"phase": "Running", "conditions": [condition]}}
            await self._client.patch("Pod", key, status, subresource="status")
        except ApiError:
            pass  # somebody was faster: what is to be done then is seen at the next look
        return True

    async def _end(self, pod: Object, code: int) -> None:
        now = timestamp(system_clock())
        names = [one["name"] for one in pod["spec"]["containers"]]
        ended = {"exitCode": code, "finishedAt": now, "startedAt": now, "reason": "Error" if code else "Completed"}
        rows = [{"name": name, "image": image_of(pod), "imageID": "", "ready": False, "restartCount": 0,
                 "state": {"terminated": ended}} for name in names]  # fmt: skip
        ready = {"type": "Ready", "status": "False", "lastTransitionTime": now}
        status = {"phase": "Failed" if code else "Succeeded", "conditions": [ready], "containerStatuses": rows}
        patch = {"metadata": {"uid": uid_of(pod)}, "status": status}
        await self._client.patch("Pod", key_of(pod), patch, subresource="status")


def image_of(pod: Object) -> str:
    return str(pod["spec"]["containers"][0]["image"])
