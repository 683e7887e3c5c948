"""GET on a collection: one consistent snapshot, in pages if asked for, and the watches that go on from it."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import psutil

import store
from procorch.api import continuation
from procorch.api.cache import Cache, Entry, LostEntry, Shelf, entry_of
from procorch.api.continuation import Continuation
from procorch.api.media import Framing
from procorch.api.options import ListOptions, list_options, watch_options
from procorch.api.request import JSON, Response, User
from procorch.api.routes import Route
from procorch.api.scope import Scope
from procorch.api.table import View
from procorch.api.unread import Unread
from procorch.api.watch import Watch
from procorch.kinds.kind import Kind
from procorch.objects import Expired, Object, TooManyRequests

_WATCH_BYTES = 100_000  # memory of one with its connection and TLS; an eighth of the machine's is for them
_WATCH_SECONDS = (1800, 3600)  # how long a watch lasts that asks for no timeout: drawn, so that not all end at once


class Listing:
    """Lists and watches over the cache; `log` for what the cache no longer has."""

    def __init__(self, cache: Cache, log: store.Log, draw: Callable[[], float] = random.random) -> None:
        self._cache = cache
        self._log = log
        self._draw = draw
        self.watches: set[Watch] = set()
        self.unread = Unread()
        self.most_watches = max(1_000, psutil.virtual_memory().total // 8 // _WATCH_BYTES)
        self._sent: Counter[str] = Counter()  # events of watches that have ended

    async def items(self, scope: Scope, view: View, query: Mapping[str, str]) -> Response:
        """Raises BadRequest, Invalid, Expired, Timeout."""
        options = list_options(query)
        revision, found = await self.page(scope, options)
        return Response(200, {"Content-Type": JSON}, _body(scope, view, found, options.limit, revision))

    def check_room(self, user: User) -> None:
        """Whether there may be one watch more. Nodes, and what else belongs to the system, have the last eighth to
        themselves. Raises TooManyRequests."""
        most = self.most_watches if user.name.startswith("system:") else self.most_watches * 7 // 8
        if len(self.watches) >= most:
            raise TooManyRequests.of(f"too many watches: {len(self.watches)} are open", 5)

    def looks_at(self, route: Route, query: Mapping[str, str]) -> int:
        """How many objects a list, or the beginning of a watch, has to look at; about, and without looking."""
        assert route.kind is not None
        if route.name is not None and (route.namespace or not route.kind.namespaced):
            return 1
        if route.verb == "watch" and query.get("resourceVersion", "0") != "0" and "sendInitialEvents" not in query:
            return 0
        found = self._cache.shelf(route.kind).count(route.namespace)
        limit = query.get("limit", "")
        is_page = limit.isascii() and limit.isdigit() and len(limit) < 9 and int(limit)
        return min(found, int(limit)) if is_page else found

    async def chosen(self, scope: Scope, query: Mapping[str, str]) -> tuple[int, list[Entry]]:
        """What a deletecollection is about, and as of which revision: also what does not open, to be rid of it."""
        options = list_options(query)
        if options.token or options.exact:
            revision, found = await self.page(scope, options)
        else:
            revision = await self._cache.fresh(options.version)
            found = scope.entries(self._cache.shelf(scope.kind))
        return revision, list(islice(found, options.limit or None))

    async def page(self, scope: Scope, options: ListOptions) -> tuple[int, Iterable[Entry]]:
        """The revision of a list, and its objects from where it goes on; the limit is the caller's to keep.

        Source of the rules: the table of "Semantics for get and list" in the API concepts page.
        """
        shelf = self._cache.shelf(scope.kind)
        if options.token:
            namespaced = scope.kind.namespaced
            at = continuation.read(options.token, namespaced=namespaced, namespace=scope.namespace)
            if at.revision is None:
                return await self._cache.fresh(), _readable(shelf, scope, at.after)
            if at.revision > self._cache.revision and await self._cache.fresh() < at.revision:
                raise at.expired()  # of a store that has been restored from a backup since, say
            found = await self._page_of(shelf, scope, at.revision, at.after)
            if found is None:
                raise at.expired()
            return at.revision, found
        revision = await self._cache.fresh(options.version)
        if not options.exact:
            return revision, _readable(shelf, scope)
        assert options.version is not None
        found = await self._page_of(shelf, scope, options.version, "")
        if found is None:
            raise Expired.of("The resourceVersion for the provided list is too old.")
        return options.version, found

    async def _page_of(self, shelf: Shelf, scope: Scope, revision: int, after: str) -> Iterable[Entry] | None:
        """The rest of a list as of a revision: from the cache while nothing changed since, else from the log.

        None where the log has forgotten it.
        """
        if shelf.changed <= revision <= self._cache.revision:
            return _readable(shelf, scope, after)
        prefix = shelf.prefix + (f"{scope.namespace}/" if scope.namespace else "")
        try:
            rows = await self._log.items(prefix, revision=revision, after=shelf.prefix + after if after else "")
        except store.Compacted:
            return None
        cut = len(shelf.prefix)
        found = [entry_of(scope.kind, row.key[cut:], row.value, row.revision) for row in rows]
        for entry in found:
            if isinstance(entry, LostEntry):
                raise entry.error(scope.kind)
        return filter(scope.has, found)

    async def watch(self, scope: Scope, view: View, query: Mapping[str, str], framing: Framing) -> Response:
        """Raises BadRequest, Invalid, Timeout; what is compacted is an ERROR event, as Kubernetes' watches have it."""
        options = watch_options(query, scope.kind)
        least, most = _WATCH_SECONDS
        watch = Watch(self._cache.shelf(scope.kind), scope, view, framing, self.unread, self._leave)
        past = not options.initial and options.version not in (None, 0)
        if past or options.version != 0:
            await self._cache.fresh(options.version)
        watch.attach(options.timeout or least + self._draw() * (most - least), self._expire)
        self.watches.add(watch)
        now = self._cache.revision
        try:
            if past:
                assert options.version is not None
                watch.replay(await self._cache.since(watch.shelf, options.version))
            elif options.initial is not False:
                watch.begin(_readable(watch.shelf, scope), now if options.bookmarks else None)
            watch.release()
        except Expired as error:
            watch.fail(error)
        except BaseException:
            watch.end()
            raise
        watch.bookmarks = options.bookmarks
        return Response(200, {"Content-Type": framing.media}, stream=watch)

    def bookmark(self) -> None:
        """Tells every watcher that asked for bookmarks how far it has seen; to be called now and then."""
        revision = self._cache.revision
        for watch in tuple(self.watches):
            if watch.bookmarks:
                watch.bookmark(revision)

    def close(self) -> None:
        for watch in tuple(self.watches):
            watch.end()

    def open_watches(self) -> dict[str, float]:
        """How many there are now, by the labels of a metric."""
        found = Counter(_labels(watch.view.kind) for watch in self.watches)
        return {f'verb="WATCH",{labels}': float(count) for labels, count in found.items()}

    def events_sent(self) -> dict[str, float]:
        """How many events watchers were ever given, by the labels of a metric."""
        found = Counter(self._sent)
        for watch in self.watches:
            found[_labels(watch.view.kind)] += watch.events
        return {labels: float(count) for labels, count in found.items()}

    def _leave(self, watch: Watch) -> None:
        self.watches.discard(watch)
        self._sent[_labels(watch.view.kind)] += watch.events

    def _expire(self, watch: Watch) -> None:
        """Its time is up: the last thing it says is from where to go on."""
        if watch.bookmarks:
            watch.bookmark(self._cache.revision)
        watch.end()


def _labels(kind: Kind) -> str:
    return f'group="{kind.group}",version="{kind.version}",resource="{kind.plural}"'


def _readable(shelf: Shelf, scope: Scope, after: str = "") -> Iterable[Entry]:
    """The present. As in Kubernetes a list is whole or refused: a reader would take what is left out for deleted.

    Raises ApiError that names an object which does not open.
    """
    for key, entry in shelf.lost.items():
        if scope.covers(key) and scope.name in (None, key.rpartition("/")[2]):
            raise entry.error(shelf.kind)
    return scope.entries(shelf, after)


def _body(scope: Scope, view: View, found: Iterable[Entry], limit: int, revision: int) -> bytes:
    metadata: Object = {"resourceVersion": str(revision)}
    if not limit:
        return view.all_of(found, metadata)
    rest = iter(found)
    page = list(islice(rest, limit))
    if next(rest, None) is not None:
        metadata["continue"] = Continuation(revision, page[-1].key).token()
        if not scope.selects:
            metadata["remainingItemCount"] = 1 + sum(1 for _ in rest)
    return view.all_of(page, metadata)
