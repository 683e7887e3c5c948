"""A watch: the changes of one scope, in order, each once, as events whose bytes all watchers share."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Protocol

import orjson

from procorch.api.cache import Change, Entry, LostEntry, Shelf
from procorch.api.media import Framing
from procorch.api.scope import Scope
from procorch.api.table import View
from procorch.api.unread import SMALL, Unread
from procorch.objects import ApiError

logger = logging.getLogger(__name__)

BACKLOG = 16 << 20  # bytes that a watcher may leave unread before it is dropped
PIECE = 256 << 10  # bytes of the present state that are made at once, when those before have been read
INITIAL_EVENTS_END = {"k8s.io/initial-events-end": "true"}

Sink = Callable[[bytes], None]


class Wire(Protocol):
    """Where a watch is read, if that is a connection."""

    def unsent(self) -> int: ...

    def end(self) -> None: ...

    def abort(self) -> None: ...


@dataclass(eq=False, slots=True)
class Watch:
    """An async iterator of bytes; or, with `sink`, a sender that costs no task switch an event.

    Reads its shelf from `attach` on. What nobody has taken yet waits in a backlog; beyond BACKLOG bytes the watch
    ends, and the client comes again with the last resourceVersion it has. So it does when all watches together leave
    too much unread. The present state, which may be larger than any backlog, is made piece by piece as it is read.
    """

    shelf: Shelf
    scope: Scope
    view: View
    framing: Framing
    slow: Unread
    on_end: Callable[[Watch], None] | None = None
    sink: Sink | None = None
    wire: Wire | None = None
    bookmarks: bool = False  # the client asked for them
    events: int = 0  # that it has said
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    _lines: list[bytes] = field(default_factory=list)
    _size: int = 0
    _limit: int = BACKLOG
    _present: Iterator[bytes] = field(default_factory=lambda: iter(()))
    _held: list[Change] | None = None
    _wake: asyncio.Event = field(default_factory=asyncio.Event)
    _headers: bool = True  # the next event is a table's first, which has its columns
    _timer: asyncio.TimerHandle | None = None

    def attach(self, timeout: float, on_timeout: Callable[[Watch], None]) -> None:
        """Begins to hear the shelf; changes wait until `release`. timeout: seconds."""
        self._held = []
        self.shelf.listeners[self._hear] = None
        self._timer = asyncio.get_running_loop().call_later(timeout, on_timeout, self)

    def release(self) -> None:
        """Says what was held back."""
        held, self._held = self._held or [], None
        self._limit = BACKLOG + self._size  # the past that was replayed may be larger than any backlog
        for change in held:
            self._hear(change)

    def replay(self, changes: Iterable[Change]) -> None:
        """Says changes of the past, before those that are held."""
        for change in changes:
            if self.scope.covers(change.key):
                self._say(change)

    def begin(self, entries: Iterable[Entry], end: int | None = None) -> None:
        """The present state as ADDED events, before all others. end: the revision of the bookmark that ends it."""
        present = list(entries)
        headers = bool(present or end is not None) and self._first()

        def lines() -> Iterator[bytes]:
            first = headers
            for entry in present:
                yield self.framing.event("ADDED", self.view.one(entry, headers=first))
                first = False
            if end is not None:
                yield self.framing.event("BOOKMARK", self.view.bookmark(end, INITIAL_EVENTS_END, headers=first))

        self._present = lines()

    def bookmark(self, revision: int) -> None:
        self.push(self.framing.event("BOOKMARK", self.view.bookmark(revision, None, headers=self._first())))

    def fail(self, error: ApiError) -> None:
        """An ERROR event, and the end."""
        self.push(self.framing.event("ERROR", orjson.dumps(error.status())))
        self.end()

    def push(self, line: bytes) -> None:
        self.events += 1
        if self.sink is not None:
            self.sink(line)
            return
        self._lines.append(line)
        self._size += len(line)
        self._wake.set()
        if self._held is None and self._size > SMALL:
            self.grew(len(line))
            if self._size > self._limit:
                self.drop()

    def take(self) -> bytes:
        """What waits: the present state first, a piece at a time. Empty where nothing does."""
        if present := self._piece():
            return present
        lines, self._lines, self._size = self._lines, [], 0
        self._wake.clear()
        return b"".join(lines)

    def _piece(self) -> bytes:
        lines, size = [], 0
        try:
            for line in self._present:
                lines.append(line)
                size += len(line)
                if size >= PIECE:
                    break
        except Exception as error:  # as in _hear; the answer has begun
            self._fail_for(error, "")
        self.events += len(lines)
        return b"".join(lines)

    def grew(self, size: int) -> None:
        """So many bytes more wait, behind others."""
        if not self.ended.is_set():
            self.slow.grew(self, size)

    def unread(self) -> int:
        """Bytes that wait for the client."""
        return self._size + (0 if self.wire is None else self.wire.unsent())

    def drop(self) -> None:
        """Ends it for a client that does not read; what waits on a connection goes with that."""
        about = {"resource": self.shelf.kind.plural, "unread": self.unread()}
        logger.info("watch dropped: its client does not read", extra=about)
        self.end()
        if self.wire is not None:
            self._lines, self._size, self._present = [], 0, iter(())
            self.wire.abort()

    def end(self) -> None:
        """No more events; what waits may still be taken."""
        if self.ended.is_set():
            return
        self.ended.set()
        self._wake.set()
        self.shelf.listeners.pop(self._hear, None)
        self.slow.forget(self)
        if self.wire is not None:
            self.wire.end()
        if self._timer is not None:
            self._timer.cancel()
        if self.on_end is not None:
            self.on_end(self)

    def __aiter__(self) -> Watch:
        return self

    async def __anext__(self) -> bytes:
        while not (waiting := self.take()):
            if self.ended.is_set():
                raise StopAsyncIteration
            await self._wake.wait()
        return waiting

    async def aclose(self) -> None:
        self.end()

    def _hear(self, change: Change) -> None:
        if not self.scope.covers(change.key):
            return
        if self._held is not None:
            self._held.append(change)
            return
        try:
            self._say(change)
        except Exception as error:  # of a column's function, say: it costs this watch, not the others and the writer
            self._fail_for(error, change.key)

    def _fail_for(self, error: Exception, key: str) -> None:
        extra = {"resource": self.shelf.kind.plural, "key": key}
        logger.error("watch failed", extra=extra, exc_info=error)
        self.fail(ApiError(f"Internal error occurred: {type(error).__name__}"))

    def _say(self, change: Change) -> None:
        """With selectors an object is ADDED when it begins to match and DELETED when it no longer does."""
        new, old = change.new, change.old
        if isinstance(new, LostEntry):
            self.fail(new.error(self.shelf.kind))
            return
        if self.scope.selects:
            new = new if new is not None and self.scope.has(new) else None
            old = old if old is not None and self.scope.has(old) else None
        if new is not None:
            self.push(self._line("ADDED" if old is None else "MODIFIED", change, new))
        elif old is not None:
            self.push(self._line("DELETED", change, change.last()))

    def _line(self, event: str, change: Change, entry: Entry) -> bytes:
        headers = self._first()
        key = (event, self.view.key, self.framing.media, headers)
        line = change.lines.get(key)
        if line is None:
            line = change.lines[key] = self.framing.event(event, self.view.one(entry, headers=headers))
        return line

    def _first(self) -> bool:
        """Whether the event that is made now has a table's columns; of other views all events are alike."""
        first, self._headers = self._headers and self.view.view == "Table", False
        return first
