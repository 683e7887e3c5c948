"""A fresh local copy of a kind: listed once, then watched, and told of this process's own writes.

       LIST ──▶ replace ─┐
       watch ─▶ event ───┼──▶ Lister (key → object, indexes) ──▶ handlers(type, old, new)
    own writes ▶ written ┘

The three ways race, so each change is compared by resourceVersion with what is there: a late event that is older than
a write of our own is dropped. (A controller that sees the world a tenth of a second late makes twelve pods of three.)

Objects are kept without their managedFields: no loop decides by them, they take as much room as all the rest, and a
write that leaves them out changes nothing about them.
"""

from __future__ import annotations

import asyncio
import logging
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import aclosing

from procorch.client import Client, Unreachable, kind_of
from procorch.clock import Backoff
from procorch.kinds.kind import Kind
from procorch.lister import Decoded, Held, Lister, version_of
from procorch.objects import ApiError, Expired, Object, key_of, uid_of

logger = logging.getLogger(__name__)

Handler = Callable[[str, Object | None, Object | None], None]
"""(ADDED | MODIFIED | DELETED, old, new): old is None for ADDED, new is None for DELETED. Must not block."""

_FATAL = {400, 401, 403, 404, 405}
"""Answers that waiting may heal (a role bound later, a kind registered later), but that deserve a warning."""


class Handling(ABC):
    """A lister of one kind that is kept current, and who hears of each change.

    Run `run()` as a task; `await synced()` until the first list has arrived. Handlers are called for every object
    that comes, changes or goes, those of the first list included, and in the same turn of the loop as the lister.
    """

    def __init__(self, client: Client, kind: Kind, backoff: Backoff | None = None) -> None:
        self.kind = kind
        self.lister = Lister()
        self._client = client
        self._backoff = backoff or Backoff(first=0.05, most=5.0)
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        client.on_write.append(self.written)

    def add_handler(self, handler: Handler) -> None:
        """A handler that is added late hears of what is already there as ADDED."""
        self._handlers.append(handler)
        for obj in list(self.lister.values()):
            handler("ADDED", None, obj)

    async def synced(self) -> None:
        await self._synced.wait()

    @property
    def has_synced(self) -> bool:
        return self._synced.is_set()

    @abstractmethod
    async def run(self) -> None:
        """Until cancelled."""

    @abstractmethod
    def written(self, kind: Kind, obj: Object, gone: bool) -> None:
        """The client's hook: an object as this process's own write left it."""

    def close(self) -> None:
        """No more written objects; `run` is ended by cancelling it."""
        if self.written in self._client.on_write:
            self._client.on_write.remove(self.written)

    def _is_of_kind(self, kind: Kind) -> bool:
        return kind.plural == self.kind.plural and kind.group == self.kind.group

    def _upsert(self, key: str, new: Held, obj: Object) -> None:
        """Takes in what is newer than what is there. obj: the object that `new` holds."""
        known = self.lister.held(key)
        if known is not None:
            if new.revision <= known.revision:
                return
            if uid_of(known.object) != uid_of(obj):
                self._drop(key)
        old = self.lister.put(key, new, obj)
        self._tell("ADDED" if old is None else "MODIFIED", old, obj)

    def _drop(self, key: str) -> None:
        old = self.lister.drop(key)
        if old is not None:
            self._tell("DELETED", old, None)

    def _tell(self, type_: str, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            handler(type_, old, new)


class Informer(Handling):
    """Keeps `lister` like the API's objects of one kind (of one namespace, of those that the selectors choose)."""

    def __init__(
        self,
        client: Client,
        kind: str | Kind,
        namespace: str | None = None,
        field_selector: str = "",
        label_selector: str = "",
        *,
        backoff: Backoff | None = None,
        watch_seconds: int = 540,
    ) -> None:
        super().__init__(client, kind_of(kind), backoff)
        self._namespace = namespace
        self._field_selector = field_selector
        self._label_selector = label_selector
        self._watch_seconds = watch_seconds
        self._version = ""  # where the next watch begins; empty: list first
        self._gone: dict[str, str] = {}  # uid → key of what we deleted ourselves and whose DELETED is still to come

    async def run(self) -> None:
        """Until cancelled. A lost connection is resumed where it broke; a compacted version means listing again."""
        while True:
            try:
                if not self._version:
                    await self._list()
                if await self._watch():
                    continue
            except Expired:
                self._version = ""
                continue
            except Unreachable as error:
                logger.info("watch lost", extra={"kind": self.kind.name, "error": str(error)})
            except ApiError as error:
                level = logging.WARNING if error.code in _FATAL else logging.INFO
                logger.log(level, "watch refused", extra={"kind": self.kind.name, "error": str(error)})
                self._version = ""
            await asyncio.sleep(self._backoff.next())

    def written(self, kind: Kind, obj: Object, gone: bool) -> None:
        if not self._is_of_kind(kind):
            return
        if gone:
            self._written_off(obj)
        elif self._is_ours(obj) and version_of(obj) > int(self._version or 0):
            # Up to _version the watch has told all: an older object that is not here has been deleted since.
            self._take({**obj, "metadata": dict(obj["metadata"])})

    async def _list(self) -> None:
        found = await self._client.items(
            self.kind, self._namespace, self._label_selector, self._field_selector, resource_version=None
        )
        self._replace(found.objects, int(found.resource_version))
        self._version = found.resource_version
        self._backoff.reset()
        self._synced.set()

    async def _watch(self) -> bool:
        """Returns when the server ended the watch in good order: whether it lasted, so that the next may begin."""
        events = self._client.watch(
            self.kind,
            self._namespace,
            resource_version=self._version,
            label_selector=self._label_selector,
            field_selector=self._field_selector,
            bookmarks=True,
            managed_fields=False,
            timeout=self._watch_seconds,
        )
        began = asyncio.get_running_loop().time()
        async with aclosing(events):
            async for type_, obj in events:
                self._version = obj["metadata"]["resourceVersion"]
                self._backoff.reset()
                if type_ == "DELETED":
                    self._deleted(obj)
                elif type_ != "BOOKMARK":
                    self._take(obj)
        return asyncio.get_running_loop().time() - began >= 1

    # Applying what came, from wherever it came

    def _take(self, obj: Object) -> None:
        metadata = obj["metadata"]
        if metadata.get("uid") not in self._gone:
            metadata.pop("managedFields", None)
            self._upsert(key_of(obj), Decoded(obj), obj)

    def _deleted(self, obj: Object) -> None:
        metadata = obj["metadata"]
        key = key_of(obj)
        self._gone.pop(metadata.get("uid", ""), None)
        old = self.lister.get(key)
        if old is None or version_of(old) > version_of(obj):
            return
        # A watch with selectors says DELETED of what only ceased to match; the uid is then the same too.
        if old["metadata"].get("uid") == metadata.get("uid"):
            self._drop(key)

    def _written_off(self, obj: Object) -> None:
        metadata = obj["metadata"]
        key = key_of(obj)
        old = self.lister.get(key)
        if old is not None and old["metadata"].get("uid") == metadata["uid"]:
            self._gone[metadata["uid"]] = key
            self._drop(key)

    def _replace(self, objects: list[Object], version: int) -> None:
        """A whole list, as of `version`: what it does not name is gone, unless it was written since."""
        listed = {obj["metadata"].get("uid") for obj in objects}
        for key, old in list(self.lister.items()):
            if old["metadata"].get("uid") not in listed and version_of(old) <= version:
                self._drop(key)
        for uid in [uid for uid in self._gone if uid not in listed]:
            del self._gone[uid]
        for obj in objects:
            self._take(obj)

    def _is_ours(self, obj: Object) -> bool:
        """Whether a written object belongs here. With selectors only the server can tell: then only what we know."""
        if self._namespace and obj["metadata"].get("namespace") != self._namespace:
            return False
        return not (self._field_selector or self._label_selector) or key_of(obj) in self.lister
