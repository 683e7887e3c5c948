"""One pod's status goes to the API when it has changed, and the pod is taken off the API when nothing of it is left.

It never holds up the pod: while the API is away the newest status waits.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from procorch.client import Unreachable
from procorch.clock import Backoff
from procorch.kubelet.record import PodRecord
from procorch.kubelet.status import difference, status_of
from procorch.kubelet.surroundings import Surroundings
from procorch.objects import ApiError, Conflict, NotFound, Object, get, is_deleting, key_of, uid_of

logger = logging.getLogger(__name__)


class Reporter:
    """pod: the newest that is known, as a function. gone: called when the API has no such pod any more."""

    def __init__(
        self, around: Surroundings, pod: Callable[[], Object], record: PodRecord, gone: Callable[[], None]
    ) -> None:
        self._around = around
        self._pod = pod
        self._record = record
        self._gone = gone
        self._dirty = asyncio.Event()
        self._over = False

    def stop(self) -> None:
        """There is nobody left to tell."""
        self._over = True
        self._dirty.set()

    def changed(self) -> None:
        self._dirty.set()

    async def run(self) -> None:
        """Until cancelled."""
        await self._around.synced.wait()
        backoff = Backoff(first=0.1, most=10.0)
        while True:
            await self._dirty.wait()
            self._dirty.clear()
            if self._over:
                return
            pod = self._pod()
            try:
                await self._send(pod)
                backoff.reset()
            except NotFound:
                self._gone()
                return
            except (ApiError, Unreachable) as error:
                if isinstance(error, Conflict) and await self._is_another(pod):
                    self._gone()
                    return
                logger.info("status not taken", extra={"pod": key_of(pod), "error": str(error)})
                self._dirty.set()
                await asyncio.sleep(backoff.next())

    async def _is_another(self, pod: Object) -> bool:
        """Whether the name belongs to another pod by now."""
        try:
            found = await self._around.client.get("Pod", key_of(pod))
        except NotFound:
            return True
        except (ApiError, Unreachable):
            return False
        return uid_of(found) != uid_of(pod)

    async def _send(self, pod: Object) -> None:
        around = self._around
        status = status_of(pod, self._record, around.node_ip, around.clock())
        if patch := difference(get(pod, ".status", {}), status):
            body = {"metadata": {"uid": uid_of(pod)}, "status": patch}
            await around.client.patch("Pod", key_of(pod), body, subresource="status")
        if is_deleting(pod) and self._record.torn_down:
            await around.client.delete("Pod", key_of(pod), uid=uid_of(pod), grace=0)
            self._gone()
