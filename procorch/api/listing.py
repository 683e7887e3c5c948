"""GET on a collection: one consistent snapshot, in pages if asked for, and the watches that go on from it."""

from __future__ import annotations

import base64
import binascii
import random
from collections.abc import Callable, Iterable, Mapping
from itertools import islice

import orjson

import store
from procorch.api.accept import Form, render
from procorch.api.cache import Cache, Entry, LostEntry, Shelf, entry_of
from procorch.api.request import JSON, Response, is_true, whole_number
from procorch.api.scope import Scope
from procorch.api.table import View
from procorch.api.watch import Watch
from procorch.objects import BadRequest, Cause, Expired, Invalid, Object

_EXPIRED = (
    "The provided continue parameter is too old to display a consistent list result. "
    "You must start a new list without the continue parameter."
)
_WATCH_SECONDS = (1800, 3600)  # how long a watch lasts that asks for no timeout: drawn, so that not all end at once


class Listing:
    """Lists and watches over the cache; `log` for what the cache no longer has."""

    def __init__(self, cache: Cache, log: store.Log, draw: Callable[[], float] = random.random) -> None:
        self._cache = cache
        self._log = log
        self._draw = draw
        self.watches: set[Watch] = set()

    async def items(self, scope: Scope, view: View, query: Mapping[str, str], form: Form) -> Response:
        limit = whole_number(query, "limit") or 0
        shelf = self._cache.shelf(scope.kind)
        token = query.get("continue", "")
        match = query.get("resourceVersionMatch", "")
        version = query.get("resourceVersion", "")
        if token:
            if match or version not in ("", "0"):
                causes = [Cause.forbidden("resourceVersionMatch", "is forbidden when continue is provided")]
                raise (
                    Invalid.of("ListOptions", "", causes, "meta.k8s.io")
                    if match
                    else BadRequest.of("specifying resource version is not allowed when using continue")
                )
            revision, after = _read_token(token)
            if revision > self._cache.revision:
                await self._cache.fresh()  # another master's, perhaps
            if revision > self._cache.revision:  # of a store that has been restored from a backup since, say
                raise Expired.of(_EXPIRED)
            found = await self._page_of(shelf, scope, revision, after)
        else:
            revision, found = await self._snapshot(shelf, scope, version, match)
        return render(_body(scope, view, found, limit, revision), form)

    async def _snapshot(self, shelf: Shelf, scope: Scope, version: str, match: str) -> tuple[int, Iterable[Entry]]:
        """Source of the rules: the table of "Semantics for get and list" in the API concepts page."""
        asked = _version(version)
        if match not in ("", "NotOlderThan", "Exact"):
            cause = Cause.unsupported("resourceVersionMatch", match, ("Exact", "NotOlderThan"))
            raise Invalid.of("ListOptions", "", [cause], "meta.k8s.io")
        if match and not version:
            cause = Cause.forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden unless resourceVersion "
                                    "is provided")  # fmt: skip
            raise Invalid.of("ListOptions", "", [cause], "meta.k8s.io")
        if match == "Exact":
            if asked == 0:
                cause = Cause.forbidden("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for '
                                        'resourceVersion "0"')  # fmt: skip
                raise Invalid.of("ListOptions", "", [cause], "meta.k8s.io")
            assert asked is not None
            await self._cache.fresh(asked)
            return asked, await self._page_of(shelf, scope, asked, "")
        revision = await self._cache.fresh(asked)
        return revision, _readable(shelf, scope)

    async def _page_of(self, shelf: Shelf, scope: Scope, revision: int, after: str) -> Iterable[Entry]:
        """The rest of a list as of a revision: from the cache while nothing changed since, else from the log."""
        if shelf.changed <= revision <= self._cache.revision:
            return _readable(shelf, scope, after)
        prefix = shelf.prefix + (f"{scope.namespace}/" if scope.namespace else "")
        try:
            rows = await self._log.items(prefix, revision=revision, after=shelf.prefix + after if after else "")
        except store.Compacted:
            raise Expired.of(_EXPIRED) from None
        cut = len(shelf.prefix)
        found = [entry_of(scope.kind, row.key[cut:], row.value, row.revision) for row in rows]
        for entry in found:
            if isinstance(entry, LostEntry):
                raise entry.error(scope.kind)
        return filter(scope.has, found)

    async def watch(self, scope: Scope, view: View, query: Mapping[str, str]) -> Response:
        version = query.get("resourceVersion", "")
        asked = _version(version)
        initial = _initial_events(query)
        seconds = whole_number(query, "timeoutSeconds")
        least, most = _WATCH_SECONDS
        watch = Watch(self._cache.shelf(scope.kind), scope, view, self.watches.discard)
        past = initial is not True and asked not in (None, 0)
        if past or asked is None or initial is True:
            await self._cache.fresh(asked)
        watch.attach(seconds or least + self._draw() * (most - least), hold=True)
        self.watches.add(watch)
        now = self._cache.revision
        try:
            if past:
                assert asked is not None
                watch.replay(await self._cache.since(watch.shelf, asked))
            elif initial is not False:
                watch.begin(_readable(watch.shelf, scope))
                if initial and is_true(query, "allowWatchBookmarks"):
                    watch.bookmark(now, initial_end=True)
            watch.release()
        except Expired as error:
            watch.fail(error)
        except BaseException:
            watch.end()
            raise
        watch.bookmarks = is_true(query, "allowWatchBookmarks")
        return Response(200, {"Content-Type": JSON}, stream=watch)

    def bookmark(self) -> None:
        """Tells every watcher that asked for bookmarks how far it has seen; to be called now and then."""
        revision = self._cache.revision
        for watch in tuple(self.watches):
            if watch.bookmarks:
                watch.bookmark(revision)

    def close(self) -> None:
        for watch in tuple(self.watches):
            watch.end()


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
        metadata["continue"] = _token(revision, page[-1].key)
        if not scope.selects:
            metadata["remainingItemCount"] = 1 + sum(1 for _ in rest)
    return view.all_of(page, metadata)


def _initial_events(query: Mapping[str, str]) -> bool | None:
    """sendInitialEvents; None where it is not given. Raises Invalid as Kubernetes does."""
    match = query.get("resourceVersionMatch", "")
    if "sendInitialEvents" not in query:
        if match:
            cause = Cause.forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden for watch unless "
                                    "sendInitialEvents is provided")  # fmt: skip
            raise Invalid.of("ListOptions", "", [cause], "meta.k8s.io")
        return None
    if match != "NotOlderThan":
        cause = Cause.forbidden("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to "
                                "NotOlderThan")  # fmt: skip
        raise Invalid.of("ListOptions", "", [cause], "meta.k8s.io")
    return is_true(query, "sendInitialEvents")


def _version(text: str) -> int | None:
    """A resourceVersion parameter; None for none. Raises Invalid."""
    if not text:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 18:
        cause = Cause.invalid("resourceVersion", text, "strconv.ParseUint: parsing resourceVersion: invalid syntax")
        raise Invalid.of("ListOptions", "", [cause], "meta.k8s.io")
    return int(text)


def _token(revision: int, after: str) -> str:
    row = {"v": "meta.k8s.io/v1", "rv": revision, "start": after}
    return base64.urlsafe_b64encode(orjson.dumps(row)).rstrip(b"=").decode()


def _read_token(token: str) -> tuple[int, str]:
    try:
        row = orjson.loads(base64.urlsafe_b64decode(token + "=" * (-len(token) % 4)))
        if row["v"] != "meta.k8s.io/v1" or not isinstance(row["rv"], int) or not isinstance(row["start"], str):
            raise ValueError
        return row["rv"], row["start"]
    except (ValueError, KeyError, TypeError, binascii.Error):
        raise BadRequest.of("continue key is not valid") from None
