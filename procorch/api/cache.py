"""The watch cache: the log's bytes of every object, the recent changes, and who watches them."""

from __future__ import annotations

import asyncio
from bisect import bisect_left, insort
from collections import OrderedDict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

import orjson

import store
from procorch.api.encoding import decode, encode, pieces, with_revision
from procorch.kinds.kind import Kind
from procorch.managed_fields import split
from procorch.objects import ApiError, Expired, Object, Timeout

WINDOW = 1_000  # changes of one kind kept in memory; older ones are read from the log
DECODED = 16 << 20  # bytes of JSON, of all kinds together, whose decoded objects are kept; those take five times that
REPLACED = 64  # objects that are no more and may yet be decoded: those that loops have still to hear of
FRESH_TIMEOUT = 3.0  # seconds that a read waits for a revision that is not here yet, as in Kubernetes


class Entry:
    """One object at one revision, as the log has it: the very bytes, so that an object is in memory once."""

    __slots__ = ("_object", "_value", "key", "revision")

    def __init__(self, key: str, value: bytes, revision: int) -> None:
        self.key = key  # "namespace/name" or "name"
        self.revision = revision
        self._value = value
        self._object: Object | None = None

    @property
    def data(self) -> bytes:
        """Its JSON with the resourceVersion: made anew each time, which takes less than half a microsecond."""
        return with_revision(self._value, self.revision)

    @property
    def object(self) -> Object:
        """Decoded, for selectors, tables and decisions: not to be changed. `copy()` may be.

        It is kept until DECODED bytes of others were asked for: as a dict an object takes five times its bytes.
        Without its managedFields, which would take as much time and room as all the rest: `whole` has them.
        """
        obj = self._object
        if obj is None:
            obj = self._object = self.decoded()
            _decoded.keep(self)
        return obj

    def decoded(self) -> Object:
        """`object`, but not kept: for who looks at all of them once."""
        return self._object or decode(with_revision(split(self._value)[0], self.revision))

    @property
    def whole(self) -> Object:
        """`object` with its managedFields, decoded each time. Not to be changed either."""
        return self._with(orjson.loads)

    @property
    def for_json(self) -> Object:
        """`whole` for orjson.dumps alone: its managedFields are a Fragment, not decoded."""
        return self._with(orjson.Fragment)

    def _with(self, read: Callable[[bytes], Any]) -> Object:
        managed = split(self._value)[1]
        if not managed:
            return self.object
        return {**self.object, "metadata": {**self.object["metadata"], "managedFields": read(managed)}}

    def forget_object(self) -> None:
        """Frees what `object` keeps."""
        self._object = None

    @property
    def size(self) -> int:
        """Bytes of its JSON."""
        return len(self._value)

    def pieces(self) -> tuple[bytes, memoryview]:
        """`data` as a row of a list, without apiVersion and kind; in two parts: the long one is not copied."""
        return pieces(self._value, self.revision)

    def at(self, revision: int) -> Entry:
        """The same object under another revision."""
        return Entry(self.key, self._value, revision)

    def copy(self, managed: Any = None) -> Object:
        """A private copy (a decode of the bytes is a tenth of a deepcopy).

        managed: what stands for its managedFields, which then are not decoded: those of `whole`, which must not be
        changed, or of `for_json`.
        """
        if managed is None:
            return decode(self.data)
        obj = decode(with_revision(split(self._value)[0], self.revision))
        obj["metadata"]["managedFields"] = managed
        return obj


class _Decoded:
    """The entries that keep their decoded object, oldest first: one budget for all that this process has.

    limit: bytes of their JSON.
    """

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._size = 0
        self._entries: OrderedDict[Entry, None] = OrderedDict()
        self._replaced: deque[Entry] = deque()

    def keep(self, entry: Entry) -> None:
        self._entries[entry] = None
        self._size += entry.size
        while self._size > self._limit:
            self._drop(next(iter(self._entries)))

    def replaced(self, entry: Entry) -> None:
        """Another took its place: soon nobody asks for it. Not at once, for it is still being told of."""
        self._replaced.append(entry)
        if len(self._replaced) > REPLACED:
            self._drop(self._replaced.popleft())

    def _drop(self, entry: Entry) -> None:
        if entry in self._entries:
            del self._entries[entry]
            self._size -= entry.size
            entry.forget_object()


_decoded = _Decoded(DECODED)


class LostEntry(Entry):
    """One whose value does not open: it is there, can be deleted and replaced, and is never shown.

    What stands in its place has a name, for whoever walks over all objects.
    """

    __slots__ = ("why",)

    def __init__(self, kind: Kind, key: str, value: store.Lost, revision: int) -> None:
        namespace, _, name = key.rpartition("/")
        place = {"name": name, "namespace": namespace} if kind.namespaced else {"name": name}
        super().__init__(key, encode(kind, {"metadata": {**place, "uid": ""}}), revision)
        self.why = value.why

    def error(self, kind: Kind) -> ApiError:
        """In the word that Kubernetes has for it."""
        details = {"name": self.key.rpartition("/")[2], "group": kind.group, "kind": kind.plural}
        why = f'{kind.plural} "{self.key}" cannot be read: what the store holds {self.why}'
        return ApiError(f"{why}; delete it, or restore a backup", 500, "StorageReadError", details)


def entry_of(kind: Kind, key: str, value: bytes, revision: int) -> Entry:
    """What the store holds."""
    if isinstance(value, store.Lost):
        return LostEntry(kind, key, value, revision)
    return Entry(key, value, revision)


class Change:
    """What one revision did to one object: old → new; None for not there. lines: encoded once for all watchers."""

    __slots__ = ("_last", "key", "lines", "new", "old", "revision")

    def __init__(self, key: str, revision: int, new: Entry | None, old: Entry | None) -> None:
        self.key = key
        self.revision = revision
        self.new = new
        self.old = old
        self.lines: dict[Any, bytes] = {}
        self._last: Entry | None = None

    def last(self) -> Entry:
        """The old object under this change's revision: what a DELETED event carries."""
        if self._last is None:
            assert self.old is not None
            self._last = self.old.at(self.revision)
        return self._last


Listener = Callable[[Change], None]


class Shelf:
    """All objects of one kind, in key order, with a window of their recent changes."""

    def __init__(self, kind: Kind) -> None:
        self.kind = kind
        self.prefix = kind.store_key()
        self.entries: dict[str, Entry] = {}
        self.keys: list[str] = []  # sorted
        self.lost: dict[str, LostEntry] = {}  # those of the entries
        self.changed = 0  # revision of the newest change
        self.window: deque[Change] = deque()
        self.window_after = 0  # the window has every change after this revision
        self.listeners: dict[Listener, None] = {}  # a dict: in order, and quick to leave

    def load(self, rows: Iterable[store.Row], revision: int) -> None:
        for row in rows:
            key = row.key[len(self.prefix) :]
            entry = self.entries[key] = entry_of(self.kind, key, row.value, row.revision)
            if isinstance(entry, LostEntry):
                self.lost[key] = entry
        self.keys = sorted(self.entries)
        self.changed = self.window_after = revision

    def within(self, namespace: str) -> Iterator[Entry]:
        """The objects of one namespace, however many the others have."""
        prefix, keys = f"{namespace}/", self.keys
        for index in range(bisect_left(keys, prefix), len(keys)):
            if not keys[index].startswith(prefix):
                return
            yield self.entries[keys[index]]

    def apply(self, event: store.Event) -> None:
        """Takes the event in and tells the listeners."""
        key = event.key[len(self.prefix) :]
        old = self.entries.get(key)
        new = None if event.value is None else entry_of(self.kind, key, event.value, event.revision)
        self.changed = event.revision
        self.lost.pop(key, None)
        if isinstance(new, LostEntry):
            self.lost[key] = new
        if new is not None:
            if old is None:
                insort(self.keys, key)
            self.entries[key] = new
        elif old is not None:
            del self.entries[key]
            del self.keys[bisect_left(self.keys, key)]
        else:
            return
        change = Change(key, event.revision, new, old)
        self.window.append(change)
        if len(self.window) > WINDOW:
            self.window_after = self.window.popleft().revision
        for listener in tuple(self.listeners):
            listener(change)
        change.lines.clear()  # said to all; who comes later has it encoded again
        if old is not None:
            _decoded.replaced(old)

    def count(self, namespace: str | None) -> int:
        """How many there are in a namespace, or in all."""
        first, last = self._range(namespace)
        return last - first

    def _range(self, namespace: str | None) -> tuple[int, int]:
        keys = self.keys
        if not namespace:
            return 0, len(keys)
        return bisect_left(keys, f"{namespace}/"), bisect_left(keys, f"{namespace}0")  # "0" is what follows "/"

    def in_namespace(self, namespace: str | None, after: str = "") -> Iterator[Entry]:
        """The entries in key order, of one namespace or (None) of all; those behind the key `after`."""
        keys = self.keys
        first, last = self._range(namespace)
        if after:
            first = max(first, bisect_left(keys, after + "\0"))
        entries = self.entries
        for index in range(first, last):
            yield entries[keys[index]]


class Cache:
    """Follows the log. Everything here is a memory read on the event loop.

    kinds: those that have a storage of their own; a key under /registry that belongs to none is passed over.
    """

    def __init__(self, log: store.Log, kinds: Iterable[Kind]) -> None:
        self._log = log
        self._shelves = {kind.store_key(): Shelf(kind) for kind in kinds if kind.guise_of is None}
        self._unsubscribe: Callable[[], None] | None = None
        self._early: list[store.Event] | None = []
        self._waiting: list[tuple[int, asyncio.Future[None]]] = []
        self.revision = 0

    async def start(self) -> None:
        self._unsubscribe = self._log.subscribe(self._receive)
        revision = self._log.revision
        for prefix, shelf in self._shelves.items():
            shelf.load(await self._log.items(prefix, revision=revision), revision)
        self.revision = revision
        early, self._early = self._early or [], None
        self._receive([event for event in early if event.revision > revision])

    def close(self) -> None:
        if self._unsubscribe is not None:
            self._unsubscribe()
            self._unsubscribe = None

    async def has_more(self, revision: int) -> bool:
        """Whether others had committed something that the cache did not know at a revision. Never where nobody else
        writes."""
        return self._log.is_shared and await self.fresh() > revision

    def shelf(self, kind: Kind) -> Shelf:
        return self._shelves[kind.store_key()]

    def shelves(self) -> Iterable[Shelf]:
        return self._shelves.values()

    async def fresh(self, revision: int | None = None) -> int:
        """Waits until the cache has this revision (None: the newest that anybody has committed); what it has then.

        Raises Timeout after 3 s, in the words by which client-go knows that it must ask again, and the store's errors.
        """
        wanted = revision or 0
        if revision is None or revision > self.revision:  # of another master, perhaps
            wanted = max(wanted, await self._log.current())
        if self.revision < wanted:
            future: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append((wanted, future))
            try:
                async with asyncio.timeout(FRESH_TIMEOUT):
                    await future
            except TimeoutError:
                error = Timeout.of(f"Timeout: Too large resource version: {wanted}, current: {self.revision}", 1)
                error.details["causes"] = [
                    {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
                ]
                raise error from None
            finally:
                self._waiting = [row for row in self._waiting if row[1] is not future]
        return self.revision

    async def since(self, shelf: Shelf, revision: int) -> list[Change]:
        """The changes of one kind after a revision and up to now. Raises Expired where history is compacted.

        Now is the moment of the call: changes that come while the log is read are left to the listener.
        """
        if revision >= shelf.changed:
            return []
        if revision >= shelf.window_after:
            return [change for change in shelf.window if change.revision > revision]
        until, cut = self.revision, len(shelf.prefix)
        try:
            events = await self._log.events(revision, shelf.prefix)
        except store.Compacted as error:
            raise Expired.of(f"too old resource version: {revision} ({error.oldest})") from None
        if any(isinstance(event.value, store.Lost) for event in events):
            raise Expired.of(f"too old resource version: {revision} (what happened then cannot be read)")
        kind = shelf.kind
        return [
            Change(event.key[cut:], event.revision, *_both(kind, event, cut))
            for event in events
            if event.revision <= until
        ]

    def _receive(self, events: Sequence[store.Event]) -> None:
        if self._early is not None:
            self._early.extend(events)
            return
        for event in events:
            shelf = self._shelf_of(event.key)
            if shelf is not None:
                shelf.apply(event)
            self.revision = event.revision
        for wanted, future in self._waiting:
            if wanted <= self.revision and not future.done():
                future.set_result(None)

    def _shelf_of(self, key: str) -> Shelf | None:
        if not key.startswith("/registry/"):
            return None
        end = key.find("/", 10) + 1
        return self._shelves.get(key[:end]) or self._shelves.get(key[: key.find("/", end) + 1])


def _both(kind: Kind, event: store.Event, cut: int) -> tuple[Entry | None, Entry | None]:
    key, before = event.key[cut:], event.previous
    new = None if event.value is None else Entry(key, event.value, event.revision)
    return new, None if before is None else entry_of(kind, key, before.value, before.revision)
