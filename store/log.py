"""The log: appends in, revisions out; the present in memory, the past on disk."""

import asyncio
import contextlib
import logging
import os
import time
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from operator import methodcaller
from typing import Self

from sqlalchemy import Connection

from store import history
from store.batch import Batch, Pending
from store.compaction import Compaction
from store.courtesy import Courtesy
from store.dialects import Dialect, Session, dialect_of
from store.errors import Conflict, LogError, Unavailable, Unknown
from store.history import History
from store.present import Present
from store.publication import Callback, Publication
from store.retention import Retention
from store.rows import Event, Row, Write
from store.writer import Job, Writer

logger = logging.getLogger(__name__)

RESERVED = 100_000
"""Revisions set aside, durably, for notes. A kill makes the sequence jump by at most that many."""
RETRY = 1.0
"""Seconds until something that a failing disk refused is tried again by itself."""


class Log:
    """One sequence of revisions over keys and bytes. All methods belong to the event loop it was opened on."""

    @classmethod
    async def open(
        cls,
        url: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        retention: Retention | None = None,
        reserved: int = RESERVED,
        patience: float = 3.0,
    ) -> Self:
        """Opens or makes a database: a path, `sqlite:///path`, or `:memory:` (a private, unsynced file).

        clock: seconds since 1970, for the index from time to revision.
        reserved: revisions set aside for notes at a time. patience: seconds for which an append waits while another
        program holds the database. Raises Unusable with one line that says what to do, StorageFull.
        """
        dialect = await asyncio.to_thread(dialect_of, os.fspath(url), patience=patience)
        past = History(dialect)
        try:
            known, (last, moment), rows = await past.read(_everything)
        except BaseException:
            await past.close()
            await asyncio.to_thread(dialect.close)
            raise
        log = cls(dialect, past, clock, max(last, known.get("reserved", 0)), moment, rows, reserved)
        log._compaction = Compaction(
            log._writer,
            past,
            retention or Retention(),
            clock,
            oldest=known.get("oldest", 0),
            swept=known.get("swept", 0),
        )
        with contextlib.suppress(LogError):  # a full disk can still be read; notes ask again
            await log._reserve()
        log._keep_retention()
        return log

    def __init__(
        self,
        dialect: Dialect,
        past: History,
        clock: Callable[[], float],
        revision: int,
        moment: int,
        rows: Sequence[Row],
        block: int,
    ) -> None:
        """Use `open`."""
        self.revision = revision
        """The newest revision that is committed and published."""
        self._loop = asyncio.get_running_loop()
        self._dialect = dialect
        self._past = past
        self._writer = Writer(dialect, self._loop)
        self._clock = clock
        self._present = Present(rows)
        self._publication = Publication(self._loop)
        self._notes: dict[str, Row] = {}  # what is newer in memory than on disk
        self._moment = moment
        self._issued = revision  # the highest number given to anything, published or not
        self._reserved = revision  # notes may take numbers up to here: no later life will
        self._block = block
        self._reserving = False
        self._waiting: deque[Pending] = deque()
        self._flight: Batch | None = None
        self._courtesy = Courtesy(self._loop)
        self._called = False  # `_begin` is on its way
        self._scrubbing = False
        self._closed = False
        self._emptied: asyncio.Future[None] | None = None
        self._compaction: Compaction
        self._retainer: asyncio.Task[None]

    # --- writing

    async def append(self, *writes: Write) -> list[int]:
        """Makes all changes or none; a revision for each. When it returns they are on disk and published.

        Raises Conflict (with what is there), Unavailable, StorageFull: nothing was changed; Unknown: see there.
        Cancelled while it waits for its turn, it does nothing; later it may have been done.
        """
        for write in writes:
            write.check()
        if not writes:
            return []
        if self._closed:
            raise Unavailable("the log is closed")
        answer: asyncio.Future[list[int]] = self._loop.create_future()
        self._waiting.append(Pending(writes, answer))
        self._call()
        return await answer

    def note(self, write: Write) -> int:
        """A change that is not worth a disk write (a heartbeat): visible and published at once, gone after a crash.

        A commit under way goes first: then it is published right behind it. A crash brings back the last durable
        value. The past (`items` and `at` as of a revision) does not have it; `events` has the last note of each key.
        Raises Conflict, also when the key is in the commit under way; ValueError for a deletion, which must be
        durable; Unavailable when the disk has refused to set revisions aside for a long time.
        """
        write.check()
        key, value, expected, _ = write
        if value is None:
            raise ValueError(f"{key}: a deletion cannot be a note")
        if self._closed:
            raise Unavailable("the log is closed")
        now = self._present.get(key) if self._flight is None else self._flight.holds(key)
        if expected is not None and expected != (0 if now is None else now.revision):
            raise Conflict(key, self._present.get(key))
        revision = self._issued + 1
        if revision + self._block // 2 > self._reserved and not self._reserving:
            self._submit_reservation()
        if revision > self._reserved:
            raise Unavailable("no revision is set aside for notes: the disk does not take writes")
        self._issued = revision
        if self._flight is None:
            event = self._apply_note(revision, key, value)
            self._publication.publish([event])
        else:
            self._flight.note(revision, key, value)
        return revision

    async def forget(self, key: str) -> None:
        """Erases every value of a key but the newest from all files, at once; history reads leave them out.

        `Write(..., forget=True)` does the same together with a change. A deleted key keeps a row without a value.
        """
        await self._writer.perform(lambda session: session.commit([], [key], 0))
        scrub: Job = methodcaller("scrub")
        while not await self._writer.perform(scrub):  # noqa: ASYNC110 - SQLite tells nobody when a reader ends
            await asyncio.sleep(0.02)

    # --- reading

    async def latest(self, key: str) -> Row | None:
        """What a key holds now, from memory."""
        return self._present.get(key)

    async def items(
        self, prefix: str, *, revision: int | None = None, after: str = "", limit: int | None = None
    ) -> list[Row]:
        """Rows whose key begins with `prefix` and is greater than `after`, in order of the keys, at most `limit`.

        The present comes from memory, a past revision from disk. Raises Compacted, ValueError for the future.
        """
        if revision is None or self._is_now(revision):
            return self._present.items(prefix, after, limit)
        return await self._past.read(lambda connection: history.items(connection, prefix, revision, after, limit))

    async def at(self, key: str, revision: int) -> Row | None:
        """What a key held as of a revision. Raises Compacted, ValueError for the future."""
        if self._is_now(revision):
            return self._present.get(key)
        return await self._past.read(lambda connection: history.at(connection, key, revision))

    async def events(self, after: int, prefix: str = "") -> list[Event]:
        """What happened after a revision, up to now, in order. Raises Compacted, ValueError for the future."""
        if self._is_now(after):
            return []
        until = self.revision
        notes = [row for row in self._notes.values() if row.revision > after and row.key.startswith(prefix)]
        return await self._past.read(lambda connection: history.events(connection, after, until, prefix, notes))

    async def revision_at(self, moment: float) -> int:
        """The newest durable revision at a time (seconds since 1970). Raises Compacted."""
        limit = int(moment * 1000)
        return await self._past.read(lambda connection: history.revision_at(connection, limit))

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Calls back on the loop with every change after `revision` as it is now: in order, no gap, no duplicate,
        before the append that made it returns. Returns what ends the subscription."""
        return self._publication.subscribe(callback)

    # --- keeping house

    @property
    def oldest(self) -> int:
        """The oldest revision that can be read."""
        return self._compaction.oldest

    async def compact(self, revision: int) -> None:
        """Deletes the history before a revision; the state as of it stays. Raises LogError, ValueError."""
        self._is_now(revision)
        await self._compaction.compact(revision)

    async def close(self) -> None:
        """Finishes the appends that wait and releases the database."""
        if self._closed:
            return
        self._closed = True
        if self._flight is not None or self._waiting:
            self._emptied = self._loop.create_future()
            await self._emptied
        self._retainer.cancel()
        await asyncio.wait([self._retainer])
        issued = self._issued
        with contextlib.suppress(LogError):  # then the next life skips what was set aside
            await self._writer.perform(lambda session: session.remember(reserved=issued))
        await self._writer.stop()
        await self._past.close()
        await asyncio.to_thread(self._dialect.close)

    # --- the way of an append: _waiting → _begin → the writer's thread → _finish

    def _call(self) -> None:
        """Begins after all tasks that are ready now have run: callers woken by one commit share the next."""
        if not self._called and self._flight is None:
            self._called = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._called = False
        if self._flight is not None:
            return
        moment = max(self._moment, int(self._clock() * 1000))
        batch = Batch(self._issued, moment, self._present.get)
        while self._waiting and not batch.is_full:
            pending = self._waiting.popleft()
            if not pending.answer.done():
                batch.admit(pending)
        if not batch.rows:
            self._rest()
            return
        self._issued = batch.last
        reserve = batch.last + self._block if batch.last + self._block // 2 > self._reserved else 0
        self._flight = batch
        self._courtesy.begin()
        self._writer.submit(partial(_commit, batch, reserve, self._courtesy), partial(self._finish, batch, reserve))

    def _finish(self, batch: Batch, reserve: int, _: object, error: LogError | None) -> None:
        self._flight = None
        self._courtesy.end()
        events: list[Event] = []
        if error is None:
            events = batch.events
            self.revision = batch.last
            self._moment = batch.moment
            self._reserved = max(self._reserved, reserve)
            for key, row in batch.staged.items():
                self._notes.pop(key, None)
                if row is None:
                    self._present.drop(key)
                else:
                    self._present.put(row)
        elif isinstance(error, Unknown):
            self._settle()  # its numbers are spent: it may come back after a crash
        elif self._issued == batch.last:
            self._issued = batch.base
        events = events + [self._apply_note(*note) for note in batch.behind]
        self._begin()
        if batch.forget and error is None:
            self._scrub()
        self._publication.publish(events)
        batch.answer(error)

    def _apply_note(self, revision: int, key: str, value: bytes) -> Event:
        previous = self._present.get(key)
        row = Row(key, value, revision, revision if previous is None else previous.created)
        self._present.put(row)
        self._notes[key] = row
        self.revision = revision
        return Event(revision, key, value, previous)

    def _rest(self) -> None:
        if self._emptied is not None and not self._emptied.done():
            self._emptied.set_result(None)

    # --- what is tried again until it succeeds

    async def _reserve(self) -> None:
        upper = self._issued + self._block
        await self._writer.perform(lambda session: session.remember(reserved=upper))
        self._reserved = max(self._reserved, upper)

    def _submit_reservation(self) -> None:
        self._reserving = True
        upper = self._issued + self._block

        def done(_: object, error: LogError | None) -> None:
            if error is None:
                self._reserving = False
                self._reserved = max(self._reserved, upper)
            else:
                self._loop.call_later(RETRY, self._submit_reservation)

        self._writer.submit(lambda session: session.remember(reserved=upper), done)

    def _settle(self) -> None:
        """Commits something small over a failed commit's place in the journal, so that no crash brings it back."""

        def done(_: object, error: LogError | None) -> None:
            if error is not None and not self._closed:
                self._loop.call_later(RETRY, self._settle)

        upper = max(self._reserved, self._issued)
        self._writer.submit(lambda session: session.remember(reserved=upper), done)

    def _scrub(self) -> None:
        """Empties the journal of values that a `forget` has erased from the tables."""
        if self._scrubbing:
            return
        self._scrubbing = True

        def done(clean: bool | None, error: LogError | None) -> None:
            self._scrubbing = False
            if not clean and not self._closed:
                self._loop.call_later(RETRY, self._scrub)

        self._writer.submit(lambda session: session.scrub(), done)

    def _keep_retention(self) -> None:
        self._retainer = self._loop.create_task(self._compaction.run(), name="store-retention")
        self._retainer.add_done_callback(_report)

    def _is_now(self, revision: int) -> bool:
        if revision > self.revision:
            raise ValueError(f"revision {revision} is in the future, the newest is {self.revision}")
        return revision == self.revision


def _commit(batch: Batch, reserve: int, courtesy: Courtesy, session: Session) -> None:
    """What the writer's thread does for a batch."""
    try:
        session.commit(batch.rows, batch.forget, reserve)
    finally:
        courtesy.landed()


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("store: retention has stopped", exc_info=error)


def _everything(connection: Connection) -> tuple[dict[str, int], tuple[int, int], list[Row]]:
    """The state's numbers, the newest change's revision and moment, and the live rows."""
    last = history.last_change(connection)
    known = history.numbers(connection)
    oldest = known.get("oldest", 0)
    return known, last, history.items(connection, "", max(last[0], oldest))
