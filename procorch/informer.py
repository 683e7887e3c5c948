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
from collections.abc import AsyncIterator, Callable, Iterable, Iterator, Mapping
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from typing import Any

from procorch.client import Client, Unreachable, kind_of
from procorch.clock import Backoff
from procorch.kinds.kind import Kind
from procorch.objects import ApiError, Expired, Object, key_of, labels_of, owners_of

logger = logging.getLogger(__name__)

Handler = Callable[[str, Object | None, Object | None], None]
"""(ADDED | MODIFIED | DELETED, old, new): old is None for ADDED, new is None for DELETED. Must not block."""

_FATAL = {400, 401, 403, 404, 405}
"""Answers that waiting may heal (a role bound later, a kind registered later), but that deserve a warning."""


class Lister(Mapping[str, Object]):
    """What is known of a kind: key → object, read-only. Indexes cost one dict each and are always current."""

    def __init__(self) -> None:
        self._objects: dict[str, Object] = {}
        self._indexes: dict[str, _Index] = {}
        self.add_index("owner", lambda obj: [owner["uid"] for owner in owners_of(obj)])
        self.add_index("namespace", lambda obj: [obj["metadata"].get("namespace") or ""])

    def __getitem__(self, key: str) -> Object:
        return self._objects[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._objects)

    def __len__(self) -> int:
        return len(self._objects)

    def get(self, key: str, default: Any = None) -> Any:
        return self._objects.get(key, default)

    def add_index(self, name: str, values: Callable[[Object], Iterable[str]]) -> None:
        """values: under which words an object is found by `by(name, word)`. Adding a known name again does nothing."""
        if name not in self._indexes:
            self._indexes[name] = _Index(values)
            for key, obj in self._objects.items():
                self._indexes[name].put(key, None, obj)

    def by(self, index: str, word: str) -> list[Object]:
        return [self._objects[key] for key in self._indexes[index].keys.get(word, ())]

    def by_owner(self, uid: str) -> list[Object]:
        """The objects with this uid in their ownerReferences, whether it controls them or not."""
        return self.by("owner", uid)

    def by_namespace(self, namespace: str) -> list[Object]:
        return self.by("namespace", namespace)

    def by_label(self, name: str, value: str) -> list[Object]:
        """The objects that carry the label; the index over this label name is made when it is first asked for."""
        self.add_index(f"label:{name}", lambda obj: [labels[name]] if name in (labels := labels_of(obj)) else [])
        return self.by(f"label:{name}", value)

    def _put(self, key: str, obj: Object | None) -> Object | None:
        """Only the informer calls this; returns what was there."""
        old = self._objects.pop(key, None) if obj is None else self._objects.get(key)
        if obj is not None:
            self._objects[key] = obj
        for index in self._indexes.values():
            index.put(key, old, obj)
        return old


class _Index:
    """word → keys, in the order in which they came."""

    def __init__(self, values: Callable[[Object], Iterable[str]]) -> None:
        self.values = values
        self.keys: dict[str, dict[str, None]] = {}

    def put(self, key: str, old: Object | None, new: Object | None) -> None:
        before = list(self.values(old)) if old is not None else []
        after = list(self.values(new)) if new is not None else []
        if before == after:
            return
        for word in before:
            if word not in after and (keys := self.keys.get(word)) is not None:
                keys.pop(key, None)
                if not keys:
                    del self.keys[word]
        for word in after:
            self.keys.setdefault(word, {})[key] = None


class Informer:
    """Keeps `lister` like the API's objects of one kind (of one namespace, of those that the selectors choose).

    Run `run()` as a task; `await synced()` until the first list has arrived. Handlers are called for every object
    that comes, changes or goes, those of the first list included, and in the same turn of the loop as the lister.
    """

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
        self.kind = kind_of(kind)
        self.lister = Lister()
        self._client = client
        self._namespace = namespace
        self._field_selector = field_selector
        self._label_selector = label_selector
        self._backoff = backoff or Backoff(first=0.05, most=5.0)
        self._watch_seconds = watch_seconds
        self._handlers: list[Handler] = []
        self._synced = asyncio.Event()
        self._version = ""  # where the next watch begins; empty: list first
        self._gone: dict[str, str] = {}  # uid → key of what we deleted ourselves and whose DELETED is still to come
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

    def close(self) -> None:
        """No more written objects; `run` is ended by cancelling it."""
        if self.written in self._client.on_write:
            self._client.on_write.remove(self.written)

    def written(self, kind: Kind, obj: Object, gone: bool) -> None:
        """The client's hook: an object as this process's own write left it."""
        if kind.plural != self.kind.plural or kind.group != self.kind.group:
            return
        if gone:
            self._written_off(obj)
        elif self._is_ours(obj) and version_of(obj) > int(self._version or 0):
            # Up to _version the watch has told all: an older object that is not here has been deleted since.
            self._upsert({**obj, "metadata": dict(obj["metadata"])})

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
                    self._upsert(obj)
        return asyncio.get_running_loop().time() - began >= 1

    # Applying what came, from wherever it came

    def _upsert(self, obj: Object) -> None:
        key = key_of(obj)
        metadata = obj["metadata"]
        if metadata.get("uid") in self._gone:
            return
        metadata.pop("managedFields", None)
        old = self.lister.get(key)
        if old is not None:
            if version_of(obj) <= version_of(old):
                return
            if old["metadata"].get("uid") != metadata.get("uid"):
                self._drop(key)
                old = None
        self.lister._put(key, obj)
        self._tell("MODIFIED" if old is not None else "ADDED", old, obj)

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
            self._upsert(obj)

    def _drop(self, key: str) -> None:
        old = self.lister._put(key, None)
        if old is not None:
            self._tell("DELETED", old, None)

    def _tell(self, type_: str, old: Object | None, new: Object | None) -> None:
        for handler in self._handlers:
            handler(type_, old, new)

    def _is_ours(self, obj: Object) -> bool:
        """Whether a written object belongs here. With selectors only the server can tell: then only what we know."""
        if self._namespace and obj["metadata"].get("namespace") != self._namespace:
            return False
        return not (self._field_selector or self._label_selector) or key_of(obj) in self.lister


class Informers(Mapping[str, Lister]):
    """One informer a kind, shared by all who ask; as a mapping: kind name → Lister."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self._informers: dict[str, Informer] = {}

    def of(self, kind: str) -> Informer:
        """The kind's informer, made when first asked for; it runs from `running()` on."""
        if kind not in self._informers:
            self._informers[kind] = Informer(self.client, kind)
        return self._informers[kind]

    def __getitem__(self, kind: str) -> Lister:
        return self._informers[kind].lister

    def __iter__(self) -> Iterator[str]:
        return iter(self._informers)

    def __len__(self) -> int:
        return len(self._informers)

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        """All of them run, and are synced when the block begins; they end with it."""
        async with AsyncExitStack() as stack:
            tasks = await stack.enter_async_context(asyncio.TaskGroup())
            running = [
                tasks.create_task(informer.run(), name=f"informer:{kind}") for kind, informer in self._informers.items()
            ]
            try:
                for informer in self._informers.values():
                    await informer.synced()
                yield
            finally:
                for task in running:
                    task.cancel()
                for informer in self._informers.values():
                    informer.close()


def version_of(obj: Object) -> int:
    """The resourceVersion as the number it is."""
    return int(obj["metadata"].get("resourceVersion") or 0)
