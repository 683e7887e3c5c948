"""Mirror pods: what the API shows of the static pods of this node: to be seen there, and to be changed only here.

A mirror that somebody deletes comes back, and one whose static pod is gone goes; the static pod notices neither.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from collections.abc import Callable, Mapping

from procorch.client import Client, Unreachable
from procorch.clock import Backoff
from procorch.kinds.podspec.mirror import MIRROR
from procorch.kubelet.record import PodRecord
from procorch.kubelet.static_pods import HASH
from procorch.kubelet.status import difference, status_of
from procorch.kubelet.surroundings import Surroundings
from procorch.objects import AlreadyExists, ApiError, NotFound, Object, get, is_deleting, key_of, uid_of

logger = logging.getLogger(__name__)


class Mirrors:
    """The mirrors of a node. wanted: the static pods that run here, by key.

    seen: called with a mirror's key when it has changed, or is gone.
    """

    def __init__(self, client: Client, node_name: str, wanted: Callable[[], Mapping[str, Object]]) -> None:
        self._client = client
        self._node_name = node_name
        self._wanted = wanted
        self._seen: dict[str, Object] = {}
        self._dirty = asyncio.Event()

    def changed(self, key: str, mirror: Object | None) -> None:
        """The API has it like this now."""
        if mirror is None:
            self._seen.pop(key, None)
        else:
            self._seen[key] = mirror
        self._dirty.set()

    def look(self) -> None:
        """A static pod has come or gone."""
        self._dirty.set()

    async def run(self) -> None:
        """Takes away mirrors of what is not here any more, until cancelled."""
        backoff = Backoff(first=0.5, most=30.0)
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            wanted = self._wanted()
            try:
                for key, mirror in list(self._seen.items()):
                    if key not in wanted:
                        await self._remove(key, mirror)
                backoff.reset()
            except (ApiError, Unreachable) as error:
                logger.info("mirror pod not removed", extra={"error": str(error)})
                self._dirty.set()
                await asyncio.sleep(backoff.next())

    async def current(self, pod: Object) -> Object:
        """The mirror of a static pod, made where there is none that shows it. Raises ApiError, Unreachable.

        AlreadyExists: it is not heard of yet, or the name is another pod's.
        """
        key = key_of(pod)
        mirror = self._seen.get(key)
        if mirror is not None and (is_deleting(mirror) or _hash(mirror) != pod["metadata"]["annotations"][HASH]):
            await self._remove(key, mirror)
            mirror = None
        if mirror is None:
            mirror = await self._client.create(await self._made(pod))
        self._seen[key] = mirror
        return mirror

    async def report(self, pod: Object, mirror: Object, status: Object) -> None:
        """Raises ApiError, Unreachable."""
        if patch := difference(mirror.get("status") or {}, status):
            body = {"metadata": {"uid": uid_of(mirror)}, "status": patch}
            self._seen[key_of(pod)] = await self._client.patch("Pod", key_of(pod), body, subresource="status")

    async def _remove(self, key: str, mirror: Object) -> None:
        with contextlib.suppress(NotFound):
            await self._client.delete("Pod", key, uid=uid_of(mirror), grace=0)
        if (known := self._seen.get(key)) is not None and uid_of(known) == uid_of(mirror):
            del self._seen[key]

    async def _made(self, pod: Object) -> Object:
        node = await self._client.get("Node", self._node_name)
        owner = {"apiVersion": "v1", "kind": "Node", "name": self._node_name, "uid": uid_of(node), "controller": True}
        metadata = {name: pod["metadata"][name] for name in ("name", "namespace", "labels") if name in pod["metadata"]}
        annotations = pod["metadata"]["annotations"]
        metadata |= {"annotations": annotations | {MIRROR: annotations[HASH]}, "ownerReferences": [owner]}
        return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": pod["spec"]}


class MirrorReporter:
    """A static pod's status goes to its mirror: as Reporter, which other pods have, and as little in the pod's way."""

    def __init__(self, around: Surroundings, mirrors: Mirrors, pod: Callable[[], Object], record: PodRecord) -> None:
        self._around = around
        self._mirrors = mirrors
        self._pod = pod
        self._record = record
        self._dirty = asyncio.Event()

    def stop(self) -> None:
        """The file is gone; the mirror shows how the pod ends."""

    def changed(self) -> None:
        self._dirty.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._around.synced.wait()
        backoff = Backoff(first=0.1, most=10.0)
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            try:
                await self._send()
                backoff.reset()
            except (ApiError, Unreachable) as error:
                if not isinstance(error, AlreadyExists):
                    logger.info("mirror pod not written", extra={"pod": key_of(self._pod()), "error": str(error)})
                self._dirty.set()
                await asyncio.sleep(backoff.next())

    async def _send(self) -> None:
        around, pod = self._around, self._pod()
        mirror = await self._mirrors.current(pod)
        metadata = pod["metadata"] | {"generation": get(mirror, ".metadata.generation", 1)}
        shown = pod | {"metadata": metadata, "status": mirror.get("status") or {}}
        status = status_of(shown, self._record, around.node_ip, around.clock())
        await self._mirrors.report(pod, mirror, status)


def _hash(mirror: Object) -> str:
    return str((mirror["metadata"].get("annotations") or {}).get(MIRROR, ""))
