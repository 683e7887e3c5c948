"""Which of several masters runs the control loops: a Lease in kube-system, as Kubernetes' own components hold one.

Others judge a lease by how long *they* have seen it unchanged, never by comparing clocks.
Source: client-go tools/leaderelection.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import math
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, Literal

from procorch.client import Client
from procorch.clock import Clock, micro_timestamp
from procorch.objects import AlreadyExists, ApiError, Conflict, NotFound, Object
from procorch.transport import Unreachable

logger = logging.getLogger(__name__)

NAMESPACE, NAME = "kube-system", "procorch-master"
DURATION = 15.0
"""Seconds without a renewal after which others may take over."""
DEADLINE = 10.0
"""Seconds without a successful renewal after which a leader stops; less than DURATION, so that never two lead."""
RETRY = 2.0
"""Seconds between two looks."""

Step = Literal["create", "take", "renew", "wait"]


@dataclass(frozen=True, slots=True)
class Observed:
    """What a lease said, and when (monotonic seconds) it was first seen to say so."""

    holder: str
    renewed: str
    at: float


def observe(lease: Object, before: Observed | None, now: float) -> Observed:
    spec = lease.get("spec") or {}
    holder, renewed = spec.get("holderIdentity") or "", spec.get("renewTime") or ""
    if before is not None and (before.holder, before.renewed) == (holder, renewed):
        return before
    return Observed(holder, renewed, now)


def decide(observed: Observed | None, identity: str, now: float) -> Step:
    """observed: None where there is no lease."""
    if observed is None:
        return "create"
    if observed.holder == identity:
        return "renew"
    if not observed.holder or now - observed.at > DURATION:
        return "take"
    return "wait"


class Election:
    """One candidate. identity: the same again after a restart, so that nobody has to wait for a dead predecessor.

    timer: monotonic seconds.
    """

    def __init__(self, client: Client, clock: Clock, identity: str, timer: Callable[[], float]) -> None:
        self._client = client
        self._clock = clock
        self._identity = identity
        self._timer = timer
        self._observed: Observed | None = None

    async def lead(self, work: Callable[[], Awaitable[None]]) -> None:
        """Until cancelled: runs `work` whenever and only while this candidate leads."""
        try:
            while True:
                while not await self._try():  # noqa: ASYNC110 - a lease that runs out tells nobody
                    await asyncio.sleep(RETRY)
                logger.info("this master leads", extra={"identity": self._identity})
                async with asyncio.TaskGroup() as tasks:
                    working = tasks.create_task(_forever(work), name="leader:work")
                    await self._hold()
                    working.cancel()
                logger.warning("this master leads no more", extra={"identity": self._identity})
        finally:
            await self._release()

    async def _hold(self) -> None:
        """Renews; returns when somebody else has it, or when it could not be renewed in time."""
        renewed = self._timer()
        while self._observed is not None and self._observed.holder == self._identity:
            await asyncio.sleep(RETRY)
            if await self._try():
                renewed = self._timer()
            elif self._timer() - renewed > DEADLINE:
                return

    async def _try(self) -> bool:
        """Whether this candidate leads from now on. What cannot be asked or is answered late counts as no."""
        try:
            async with asyncio.timeout(DEADLINE / 2):
                return await self._step()
        except (ApiError, Unreachable, TimeoutError) as error:
            logger.warning("the leader's lease was not reached", extra={"error": str(error)})
            return False

    async def _step(self) -> bool:
        lease: Object | None
        try:
            lease = await self._client.get("Lease", f"{NAMESPACE}/{NAME}")
            self._observed = observe(lease, self._observed, self._timer())
        except NotFound:
            lease, self._observed = None, None
        step = decide(self._observed, self._identity, self._timer())
        if step == "wait":
            return False
        try:
            if lease is None:
                metadata = {"name": NAME, "namespace": NAMESPACE}
                made = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": metadata}
                lease = await self._client.create({**made, "spec": self._spec({}, taken=True)})
            else:
                spec = self._spec(lease.get("spec") or {}, taken=step == "take")
                lease = await self._client.update({**lease, "spec": spec})
        except (AlreadyExists, Conflict):
            return False
        self._observed = observe(lease, self._observed, self._timer())
        return True

    def _spec(self, old: dict[str, Any], *, taken: bool) -> dict[str, Any]:
        now = micro_timestamp(self._clock())
        spec = {**old, "holderIdentity": self._identity, "leaseDurationSeconds": math.ceil(DURATION), "renewTime": now}
        if taken:
            spec |= {"acquireTime": now, "leaseTransitions": old.get("leaseTransitions", -1) + 1}
        return spec

    async def _release(self) -> None:
        """On the way out: others need not wait until it runs out."""
        if self._observed is None or self._observed.holder != self._identity:
            return
        with contextlib.suppress(ApiError, Unreachable, TimeoutError):
            async with asyncio.timeout(1.0):
                lease = await self._client.get("Lease", f"{NAMESPACE}/{NAME}")
                spec = {name: value for name, value in lease["spec"].items() if name != "holderIdentity"}
                if lease["spec"].get("holderIdentity") == self._identity:
                    await self._client.update({**lease, "spec": {**spec, "leaseDurationSeconds": 1}})


async def _forever(work: Callable[[], Awaitable[None]]) -> None:
    await work()
    raise RuntimeError("the control loops have ended")
