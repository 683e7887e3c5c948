"""The verbs that write, for every kind alike: default, validate, and one row in the log.

A write reads the object from the cache, decides, and appends with the revision it has read as precondition. When
somebody else was quicker it decides again on the newer object, unless the client named a resourceVersion.
"""

from __future__ import annotations

import asyncio
import contextlib
import copy
import random
from collections.abc import Callable

import store
from procorch.api import admission, classes, deletion, intake, limits, metadata
from procorch.api.allocation import Allocations, Taken, release
from procorch.api.cache import Cache, Entry, LostEntry
from procorch.api.charges import Charges
from procorch.api.encoding import encode
from procorch.api.fieldmanager import Apply, keep_times
from procorch.api.intake import Fields
from procorch.api.patch import Patch, apply_patch, check_media
from procorch.api.quotas import Quotas
from procorch.api.request import Request
from procorch.api.routes import Route
from procorch.api.validation import check_finalizers, validate
from procorch.clock import Clock, timestamp
from procorch.kinds.kind import Kind
from procorch.objects import AlreadyExists, BadRequest, Conflict, NotFound, Object, is_deleting

TRIES = 16  # of a write that names no version: everybody else is as entitled, so somebody gets through each time
_AT_ONCE = 64  # deletions of one deletecollection in flight

Change = Callable[[Object], Object]
Read = Callable[[], Object]
"""What the request's body says, decoded anew each time: a write that is tried has used it up."""
Track = Callable[[Object, Object | None], None]
"""(the new object, the old one): says in metadata.managedFields of the new one who manages what."""


class Rest:
    """clock: seconds since the epoch. draw: makes uids and generated names."""

    def __init__(
        self, log: store.Log, cache: Cache, allocations: Allocations, clock: Clock, draw: random.Random
    ) -> None:
        self._log = log
        self._cache = cache
        self._allocations = allocations
        self._quotas = Quotas(cache, clock)
        self._charges = Charges(log, self._quotas)
        self._clock = clock
        self._draw = draw

    def entry(self, kind: Kind, namespace: str | None, name: str) -> Entry:
        """The object as it stands. Raises NotFound; ApiError where the store's value does not open."""
        entry = self._entry(kind, namespace, name)
        if isinstance(entry, LostEntry):
            raise entry.error(kind)
        return entry

    def _entry(self, kind: Kind, namespace: str | None, name: str) -> Entry:
        kind = kind.storage
        entry = self._cache.shelf(kind).entries.get(f"{namespace}/{name}" if kind.namespaced else name)
        if entry is None:
            raise NotFound.of(kind.plural, name, kind.group)
        return entry

    async def create(
        self, route: Route, obj: Object, fields: Fields, track: Track | None = None, *, dry_run: bool
    ) -> Entry:
        """Raises AlreadyExists, Invalid, NotFound (no such namespace), Forbidden (it is being deleted)."""
        asked = _kind(route)
        fields.settle(asked, obj)
        fields.warn(metadata.single_owners(obj) if obj.get("metadata") else ())
        kind, obj = asked.storage, asked.stored(obj)
        metadata.begin(kind, obj, route.namespace, self._clock(), self._draw)
        admission.check_namespace(self._cache, kind, obj)
        metadata.drop_empty(obj)
        kind.default(obj)
        if track is not None:  # before what the server adds: that is nobody's
            track(obj, None)
        kind.admit(obj)
        classes.assign(self._cache, kind, obj)
        admission.use_service_account(self._cache, kind, obj, self._draw)
        limits.fill(self._cache, kind, obj)
        kind.prepare(obj, None)
        validate(asked, obj, None)
        limits.check(self._cache, kind, obj)
        classes.check(self._cache, kind, obj, None)
        admission.check_subject(kind, obj)
        fields.warn(kind.warn(obj, None))
        if _key(kind, obj) in self._cache.shelf(kind).entries:  # before its addresses are found to be taken: by itself
            raise AlreadyExists.of(kind.plural, obj["metadata"]["name"], kind.group)
        return await self._place(kind, obj, dry_run=dry_run)

    async def _place(self, kind: Kind, obj: Object, *, dry_run: bool) -> Entry:
        """A new object's row, with what it claims and what it costs. Raises AlreadyExists, Invalid, Forbidden."""
        for _ in range(TRIES):
            wanted, claims = self._claimed(kind, obj, None)
            key, value = _row_key(kind, wanted), encode(kind, wanted)
            if dry_run:
                self._quotas.check(kind, wanted)
                return Entry(_key(kind, wanted), value, 0)
            try:
                revision = await self._charges.append(kind, wanted, [store.Write(key, value, 0), *claims])
                return Entry(_key(kind, wanted), value, revision)
            except store.Conflict as conflict:
                if conflict.key == key:
                    raise AlreadyExists.of(kind.plural, obj["metadata"]["name"], kind.group) from None
                self._clash(obj, conflict.key)
        raise self._busy(kind, obj["metadata"]["name"])

    async def update(
        self, route: Route, read: Read, fields: Fields, track: Track, admit: Change, *, dry_run: bool
    ) -> tuple[Entry, bool]:
        """PUT; whether it made the object, as of some kinds it does. admit: whether it may be made.

        Raises NotFound, Conflict, Invalid.
        """
        kind, name = _kind(route), route.name
        assert name is not None

        def stored() -> Object:
            fields.warnings.clear()
            obj = read()
            metadata.check_name(obj, name)
            metadata.place(kind, obj, route.namespace)
            fields.settle(kind, obj)
            fields.warn(metadata.single_owners(obj))
            return kind.stored(obj)

        wanted = _again(stored(), stored)
        for _ in range(TRIES):
            try:
                changed = await self.change(
                    route, lambda old: wanted(), fields, track, shared=True, dry_run=dry_run
                )  # fmt: skip
            except NotFound:
                if not kind.put_creates or route.subresource:
                    raise
            else:
                return changed, False
            obj = read()
            metadata.check_name(obj, name)
            obj["metadata"].pop("resourceVersion", None)
            with contextlib.suppress(AlreadyExists):
                return await self.create(route, admit(obj), fields, track, dry_run=dry_run), True
        raise self._busy(kind, name)

    async def patch(
        self, route: Route, request: Request, fields: Fields, track: Track | None = None, *, dry_run: bool
    ) -> Entry:
        """PATCH. Raises NotFound, Conflict, Invalid, BadRequest, UnsupportedMediaType."""
        kind = _kind(route)
        assert route.name is not None
        name, content_type = route.name, request.headers.get("content-type", "")
        patch = Patch(check_media(content_type), request.body)

        def patched(old: Object) -> Object:
            fields.warnings.clear()
            obj = apply_patch(content_type, kind.shown(old), request.body, kind, fields.repeated(), fields.strangers)
            if not isinstance(obj.get("metadata"), dict):
                raise BadRequest.of("the patch removes the metadata")
            if why := intake.unnamed(obj):
                raise BadRequest.of(why)
            intake.typed(obj, kind)
            metadata.check_name(obj, name)
            metadata.place(kind, obj, route.namespace)
            fields.settle(kind, obj, patch)
            fields.warn(metadata.single_owners(obj, patched=True))
            return kind.stored(obj)

        return await self.change(route, patched, fields, track, shared=True, dry_run=dry_run)

    async def apply(
        self, route: Route, read: Read, fields: Fields, apply: Apply, admit: Change, *, dry_run: bool
    ) -> tuple[Entry, bool]:
        """Server-side apply; whether it made the object. admit: whether it may be made, and what the server adds.

        Raises Conflict, Invalid, BadRequest; NotFound for a subresource of an object that is not there.
        """
        kind, name = _kind(route), route.name
        assert name is not None
        first = read()
        config, said = _again(first, read), {"metadata": dict(first.get("metadata") or {})}

        def settled(live: Object | None) -> Object:
            fields.warnings.clear()
            obj = apply.to(live, config())
            metadata.check_name(obj, name)
            metadata.place(kind, obj, route.namespace)
            if live is not None:  # a new one is settled when it is created
                fields.settle(kind, obj)
            return obj

        for _ in range(TRIES):
            try:
                changed = await self.change(
                    route, lambda old: kind.stored(settled(kind.shown(old))), fields, dry_run=dry_run
                )  # fmt: skip
            except NotFound:
                if route.subresource:
                    raise
            else:
                return changed, False
            metadata.check_unborn(kind, said, name)
            with contextlib.suppress(AlreadyExists):
                return await self.create(route, admit(settled(None)), fields, dry_run=dry_run), True
        raise self._busy(kind, name)

    async def change(
        self,
        route: Route,
        change: Change,
        fields: Fields | None = None,
        track: Track | None = None,
        *,
        opaque: bool = False,
        shared: bool = False,
        dry_run: bool = False,
    ) -> Entry:
        """Reads, changes a private copy, checks and appends; again where another writer was quicker.

        A change that names a resourceVersion meets the newer object then, and is a Conflict. One that changes nothing
        writes nothing, and the object keeps its resourceVersion. `change` is about the stored object.

        fields: takes the warnings. opaque: nobody becomes a manager by it, so that managedFields are not even decoded.
        shared: `change` leaves what it is given as it is, and makes something of its own.
        """
        kind = _kind(route).storage
        assert route.name is not None
        for _ in range(TRIES):
            entry = self.entry(kind, route.namespace, route.name)
            old = entry.for_json if opaque else entry.whole
            given = old if shared else entry.copy(old["metadata"].get("managedFields"))
            obj = self._successor(_kind(route), change(given), old, route.subresource, track)
            if fields is not None and not route.subresource:
                fields.warn(kind.warn(obj, old))
            wanted, claims = self._claimed(kind, obj, old, route.subresource)
            if wanted == old and not deletion.is_finished(wanted):
                if await self._is_newest(kind, entry):
                    return entry
                continue
            if dry_run:
                return Entry(entry.key, encode(kind, wanted), entry.revision)
            try:
                if deletion.is_finished(wanted):
                    return await self._remove(kind, wanted, entry)
                return await self._append(kind, wanted, store.Write("", None, entry.revision), claims, entry)
            except store.Conflict as conflict:
                if conflict.key != _row_key(kind, wanted):
                    self._clash(obj, conflict.key)
        raise self._busy(kind, route.name)

    async def delete(
        self, kind: Kind, namespace: str | None, name: str, options: deletion.Options
    ) -> tuple[Entry, bool]:
        """The object as it stands now or stood last, and whether it is gone. Raises NotFound, Conflict.

        Also one that cannot be read: there would be no other way to be rid of it.
        """
        kind = kind.storage
        for _ in range(TRIES):
            entry = self._entry(kind, namespace, name)
            deletion.check_preconditions(kind, entry.object, options)
            admission.check_delete(kind, entry.object)
            old = entry.for_json  # nobody decides about the end by who managed what
            obj = entry.copy(old["metadata"].get("managedFields"))
            staying = deletion.decide(kind, obj, options, self._clock())
            if options.dry_run:
                return entry, staying is None
            try:
                if staying is None:
                    obj["metadata"].pop("finalizers", None)
                    return await self._remove(kind, obj, entry), True
                if staying == old:
                    if await self._is_newest(kind, entry):
                        return entry, False
                    continue
                precondition = store.Write("", None, entry.revision)
                return await self._append(kind, staying, precondition, [], entry, spare=True), False
            except store.Conflict:
                if options.resource_version is not None:
                    raise Conflict.of(kind.plural, name, kind.group) from None
        raise self._busy(kind, name)

    async def delete_all(self, kind: Kind, found: list[Entry], options: deletion.Options) -> list[Entry]:
        """All of these, many at once; what somebody else deletes meanwhile is no error."""
        turn = asyncio.Semaphore(_AT_ONCE)

        async def one(entry: Entry) -> Entry | None:
            namespace, _, name = entry.key.rpartition("/")
            async with turn:
                try:
                    return (await self.delete(kind, namespace or None, name, options))[0]
                except NotFound:
                    return None

        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(one(entry)) for entry in found]
        return [entry for task in tasks if (entry := task.result()) is not None]

    def _successor(self, asked: Kind, obj: Object, old: Object, subresource: str, track: Track | None) -> Object:
        kind = asked.storage
        metadata.succeed(kind, obj, old, subresource)
        metadata.drop_empty(obj)
        kind.default(obj)
        if track is not None:
            track(obj, old)
        if not subresource:
            kind.prepare(obj, old)
        part = kind.parts.get(subresource)
        if part is not None and part.prepare is not None:
            part.prepare(obj, old, timestamp(self._clock()))
        if not subresource or part is not None:
            metadata.count_generation(kind, obj, old, metadata.desired)
        if subresource != "binding":  # which sets what a client may not change
            validate(asked, obj, old, part)
        limits.check(self._cache, kind, obj, old, subresource)
        if not subresource:
            classes.check(self._cache, kind, obj, old)
        if is_deleting(old):
            check_finalizers(kind, obj, old)
        keep_times(obj, old)
        return obj

    def _claimed(
        self, kind: Kind, obj: Object, old: Object | None, subresource: str = ""
    ) -> tuple[Object, list[store.Write]]:
        """The object with the addresses it gets, and the rows that go with it: those, and of one that changes its share
        of quotas; what a new one costs is charged when it is written."""
        wanted, claims = obj, []
        if kind.name == "Service" and not subresource:
            wanted = copy.deepcopy(obj)
            claims = self._allocations.claim(wanted, old)
        if old is not None:
            claims += self._quotas.charge(kind, wanted, old, subresource)
        return wanted, claims

    def _clash(self, asked: Object, key: str) -> None:
        """Somebody else was quicker with a row that goes with the object. Raises Invalid where it asked for that."""
        if not self._quotas.is_mine(key):
            with contextlib.suppress(Taken):
                self._allocations.clash(asked, key)

    async def _append(
        self,
        kind: Kind,
        obj: Object,
        precondition: store.Write,
        claims: list[store.Write],
        old: Entry | None = None,
        *,
        spare: bool = False,
    ) -> Entry:
        """One row, with what it claims. A refresh that need not be on disk is only noted.

        spare: it begins a deletion, and may take the room that the store keeps for those.
        """
        key, value = _row_key(kind, obj), encode(kind, obj)
        write = store.Write(key, value, precondition.expected)
        if old is not None and not claims and kind.heartbeat(old.object, obj):
            return Entry(_key(kind, obj), value, await self._log.note(write))
        revisions = await self._log.append(write, *claims, spare=spare)
        return Entry(_key(kind, obj), value, revisions[0])

    async def _remove(self, kind: Kind, obj: Object, entry: Entry) -> Entry:
        """The row goes, with what it holds; of a Secret its history too."""
        freed = release(obj) if kind.name == "Service" else []
        write = store.Write(_row_key(kind, obj), None, entry.revision, forget=kind.name == "Secret")
        revisions = await self._log.append(write, *freed, spare=True)
        return Entry(entry.key, encode(kind, obj), revisions[0])

    async def _is_newest(self, kind: Kind, entry: Entry) -> bool:
        """Whether it stands so for everybody: what changes nothing must not rest on what another master has changed."""
        await self._cache.fresh()
        return self._cache.shelf(kind).entries.get(entry.key) is entry

    def _busy(self, kind: Kind, name: str) -> Conflict:
        return Conflict.of(kind.plural, name, kind.group)


def _again(first: Object, read: Read) -> Read:
    """`read`, whose first result is there already."""
    there = [first]
    return lambda: there.pop() if there else read()


def _kind(route: Route) -> Kind:
    assert route.kind is not None
    return route.kind


def _key(kind: Kind, obj: Object) -> str:
    name: str = obj["metadata"]["name"]
    return f"{obj['metadata']['namespace']}/{name}" if kind.namespaced else name


def _row_key(kind: Kind, obj: Object) -> str:
    return kind.store_key(obj["metadata"].get("namespace"), obj["metadata"]["name"])
