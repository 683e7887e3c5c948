"""What runs controllers: keys in a queue, `reconcile(key)`, again later when it fails.

    informer ──▶ watches[kind](object) ──▶ keys ──▶ WorkQueue ──▶ n workers ──▶ reconcile(key, context)
                                              ▲                                     │
                                              └──── after a while: asked for, or back-off ◀┘

A key is never worked on twice at once, and a key that is added while it is worked on is worked on once more. In the
shape of client-go's workqueue and controller-runtime.
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Any

from procorch.client import Client, Unreachable
from procorch.clock import Backoff, Clock
from procorch.controllers.config import ControllerConfig
from procorch.events import EventRecorder
from procorch.informers import Informers
from procorch.lister import Lister, Words
from procorch.objects import ApiError, Conflict, Object, controller_of, key_of

logger = logging.getLogger(__name__)

Listers = Mapping[str, Lister]
KeysOf = Callable[[Object, Listers], Iterable[str]]
"""Which keys a changed object concerns; asked of the object as it was and as it is."""


@dataclass(frozen=True, slots=True)
class Context:
    """All that a reconcile may touch.

    lister: kind name → what is known of it. events: recorded as this controller.
    state: what one controller remembers between its calls; only what may be forgotten, for a restart forgets it.
    """

    lister: Listers
    client: Client
    clock: Clock
    events: EventRecorder
    config: ControllerConfig = field(default_factory=ControllerConfig)
    state: dict[str, Any] = field(default_factory=dict)


Reconcile = Callable[[str, Context], Awaitable[float | None]]
"""Makes one key right; returns the seconds until it wants to look again, or None. Raises when it cannot."""


@dataclass(frozen=True, slots=True)
class Controller:
    """A named reconcile, and the kinds whose changes call it.

    watches: kind → keys that an object of it concerns. reads: kinds that it only looks at.
    indexes: (kind, name) → under which words its lister has an object, for `by`.
    component: the name under which its events appear. workers: how many keys at once.
    resync: seconds after which every key of the first watched kind is looked at again, whatever happened; 0 never.
    """

    name: str
    reconcile: Reconcile
    watches: Mapping[str, KeysOf]
    reads: tuple[str, ...] = ()
    indexes: Mapping[tuple[str, str], Words] = field(default_factory=dict)
    component: str = ""
    workers: int = 5
    resync: float = 600.0


def own(obj: Object, lister: Listers) -> Iterable[str]:
    """The object concerns itself."""
    return (key_of(obj),)


def owner(kind: str) -> KeysOf:
    """The object concerns the object of this kind that controls it."""

    def keys(obj: Object, lister: Listers) -> Iterable[str]:
        reference = controller_of(obj)
        if reference is None or reference["kind"] != kind:
            return ()
        return (f"{obj['metadata']['namespace']}/{reference['name']}",)

    return keys


class WorkQueue:
    """Keys to work on: each once, never the same one twice at a time; failures wait 5 ms, 10 ms … 1,000 s."""

    def __init__(
        self, *, first: float = 0.005, most: float = 1000.0, draw: Callable[[], float] = random.random
    ) -> None:
        self._first, self._most, self._draw = first, most, draw
        self._ready: dict[str, None] = {}
        self._working: set[str] = set()
        self._again: set[str] = set()
        self._timers: dict[str, tuple[float, asyncio.Handle]] = {}  # the loop's time; uvloop's handles do not tell it
        self._backoffs: dict[str, Backoff] = {}
        self._waiters: list[asyncio.Future[None]] = []

    def __len__(self) -> int:
        return len(self._ready)

    @property
    def is_idle(self) -> bool:
        """Nothing is ready or being worked on; what waits for its time does not count."""
        return not self._ready and not self._working

    def add(self, key: str) -> None:
        if key in self._working:
            self._again.add(key)
            return
        self._ready[key] = None
        self._wake_one()

    def add_after(self, key: str, seconds: float) -> None:
        """The earlier of two times wins."""
        loop = asyncio.get_running_loop()
        when = loop.time() + max(0.0, seconds)
        timer = self._timers.get(key)
        if timer is not None:
            if timer[0] <= when:
                return
            timer[1].cancel()
        self._timers[key] = when, loop.call_at(when, self._time_is_up, key)

    def add_failed(self, key: str) -> float:
        """Again after its back-off; returns the seconds."""
        backoff = self._backoffs.setdefault(key, Backoff(self._first, self._most, jitter=0.1, draw=self._draw))
        wait = backoff.next()
        self.add_after(key, wait)
        return wait

    def forget(self, key: str) -> None:
        """It went well: the next failure begins with the first wait."""
        self._backoffs.pop(key, None)

    async def get(self) -> str:
        """The oldest ready key; `done` must follow."""
        while not self._ready:
            waiter = asyncio.get_running_loop().create_future()
            self._waiters.append(waiter)
            try:
                await waiter
            except asyncio.CancelledError:
                if waiter.done() and not waiter.cancelled() and self._ready:
                    self._wake_one()  # the call that was meant for us goes to another
                raise
        key = next(iter(self._ready))
        del self._ready[key]
        self._working.add(key)
        if self._ready:
            self._wake_one()
        return key

    def done(self, key: str) -> None:
        self._working.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def close(self) -> None:
        for _, timer in self._timers.values():
            timer.cancel()
        self._timers.clear()

    def _wake_one(self) -> None:
        while self._waiters:
            waiter = self._waiters.pop()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _time_is_up(self, key: str) -> None:
        self._timers.pop(key, None)
        self.add(key)


class Runner:
    """Runs controllers over one set of informers, until cancelled."""

    def __init__(
        self,
        controllers: Iterable[Controller],
        client: Client,
        clock: Clock,
        config: ControllerConfig | None = None,
        *,
        informers: Informers | None = None,
    ) -> None:
        """informers: those of others, who run them around `run()`; this has its own when there are none."""
        self.informers = informers if informers is not None else Informers(client)
        self._runs_informers = informers is None
        self.queues: dict[str, WorkQueue] = {}
        self._controllers = tuple(controllers)
        self._client = client
        self._clock = clock
        self._config = config or ControllerConfig()
        self._synced = asyncio.Event()
        for controller in self._controllers:
            self.queues[controller.name] = WorkQueue(draw=self._config.draw)
            for kind in (*controller.watches, *controller.reads):
                self.informers.of(kind)
            for (kind, name), words in controller.indexes.items():
                self.informers[kind].add_index(name, words)
        for controller in self._controllers:
            for kind, keys_of in controller.watches.items():
                self._connect(kind, keys_of, self.queues[controller.name])

    async def run(self) -> None:
        reading = self.informers.running() if self._runs_informers else nullcontext()
        async with asyncio.TaskGroup() as tasks, reading:
            recorders: dict[str, EventRecorder] = {}
            for controller in self._controllers:
                component = controller.component or f"{controller.name}-controller"
                if component not in recorders:
                    recorders[component] = EventRecorder(self._client, component, self._clock)
                    tasks.create_task(recorders[component].run(), name=f"events:{component}")
                context = Context(self.informers, self._client, self._clock, recorders[component], self._config)
                for number in range(controller.workers):
                    tasks.create_task(self._work(controller, context), name=f"{controller.name}:{number}")
                if controller.resync:
                    tasks.create_task(self._resync(controller), name=f"{controller.name}:resync")
            self._synced.set()
            try:
                await asyncio.Event().wait()
            finally:
                for queue in self.queues.values():
                    queue.close()

    async def synced(self) -> None:
        """All informers have their first list, and the workers work."""
        await self._synced.wait()

    def _connect(self, kind: str, keys_of: KeysOf, queue: WorkQueue) -> None:
        def changed(type_: str, old: Object | None, new: Object | None) -> None:
            for obj in (old, new):
                if obj is None:
                    continue
                try:
                    for key in keys_of(obj, self.informers):
                        queue.add(key)
                except Exception:  # one odd object must not end the informer that all controllers share
                    logger.exception("no keys of an object", extra={"kind": kind, "key": key_of(obj)})

        self.informers.of(kind).add_handler(changed)

    async def _work(self, controller: Controller, context: Context) -> None:
        queue = self.queues[controller.name]
        while True:
            key = await queue.get()
            try:
                await self._once(controller, context, queue, key)
            finally:
                queue.done(key)

    async def _once(self, controller: Controller, context: Context, queue: WorkQueue, key: str) -> None:
        try:
            again = await controller.reconcile(key, context)
        except (Conflict, Unreachable) as error:  # the usual: somebody was quicker, or the API is away
            wait = queue.add_failed(key)
            extra = {"controller": controller.name, "key": key, "error": str(error), "wait": wait}
            logger.info("reconcile again", extra=extra)
        except Exception as error:
            wait = queue.add_failed(key)
            extra = {"controller": controller.name, "key": key, "error": str(error), "wait": wait}
            logger.warning("reconcile failed", extra=extra, exc_info=not isinstance(error, ApiError))
        else:
            queue.forget(key)
            if again is not None:
                queue.add_after(key, again)

    async def _resync(self, controller: Controller) -> None:
        kind, keys_of = next(iter(controller.watches.items()))
        while True:
            await asyncio.sleep(controller.resync)
            for obj in list(self.informers[kind].values()):
                for key in keys_of(obj, self.informers):
                    self.queues[controller.name].add(key)
