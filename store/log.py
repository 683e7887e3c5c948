"""The log: appends in, revisions out; the present in memory, the past on disk."""

import asyncio
import contextlib
import logging
import os
import time
from collections.abc import Callable, Sequence
from functools import partial
from operator import methodcaller
from typing import Self

from store import check, history
from store.backup import Header, Snapshot
from store.check import Found
from store.committing import Committing
from store.compaction import Compaction
from store.dialects import Dialect, dialect_of
from store.errors import Damaged, LogError
from store.following import Following
from store.head import Head
from store.history import Everything, History
from store.past import Past
from store.publication import Callback, Publication
from store.resealing import Resealing
from store.retention import Retention
from store.rows import Event, Row, Write
from store.sealing import Rule, Sealing
from store.upkeep import Upkeep
from store.writer import Writer

logger = logging.getLogger(__name__)

RESERVED = 100_000
"""Revisions set aside, durably, for notes. A kill makes the sequence jump by at most that many."""


class Log:
    """One sequence of revisions over keys and bytes. All methods belong to the event loop it was opened on."""

    @classmethod
    async def open(
        cls,
        url: str | os.PathLike[str],
        *,
        clock: Callable[[], float] = time.time,
        retention: Retention | None = None,
        rules: Sequence[Rule] = (),
        traceless: Sequence[str] = (),
        reserved: int = RESERVED,
        patience: float = 3.0,
    ) -> Self:
        """Opens or makes a database: a path, `sqlite:///path`, `:memory:` (a private, unsynced file), or
        `postgresql://host,host/database`, which other processes may have open too.

        clock: seconds since 1970, for the index from time to revision. rules: which values are encrypted on disk.
        traceless: prefixes of the keys whose values are to leave no trace in a file when they are forgotten.
        reserved: revisions set aside for notes at a time. patience: seconds for which an append waits while another
        program holds the database. Raises Unusable with one line that says what to do (Sealed: other rules are needed),
        StorageFull, Unavailable.
        """
        dialect = await asyncio.to_thread(dialect_of, os.fspath(url), patience=patience)
        disk = History(dialect)
        sealing = Sealing(rules, () if dialect.is_shared else traceless)  # a server's files are none of ours
        try:
            there = await disk.read(lambda at: sealing.everything(history.everything(at, dialect.is_shared)))
        except BaseException as error:
            await disk.close()
            await asyncio.to_thread(dialect.close)
            if isinstance(error, Damaged):  # without these objects the others would be taken for all there are
                raise dialect.failure(error) from error
            raise
        disk.report(there.damaged)
        log = cls(dialect, disk, sealing, clock, there, retention or Retention(), reserved)
        if not dialect.is_shared:
            with contextlib.suppress(LogError):  # a full disk can still be read; notes ask again
                await log._upkeep.reserve(log.revision)
        return log

    def __init__(
        self,
        dialect: Dialect,
        disk: History,
        sealing: Sealing,
        clock: Callable[[], float],
        there: Everything,
        retention: Retention,
        block: int,
    ) -> None:
        """Use `open`."""
        self._loop = asyncio.get_running_loop()
        self.failed: asyncio.Future[LogError] = self._loop.create_future()
        """Done when this log can never be right again; the process that has it should end, with that line."""
        self._dialect = dialect
        self._disk = disk
        self._sealing = sealing
        self._clock = clock
        self._head = Head(there)
        self._publication = Publication(self._loop)
        self._writer = Writer(dialect, self._loop)
        self._upkeep = Upkeep(self._writer, self._loop, there.reserved, block)
        self.resealing = Resealing(sealing, self._writer, disk, self._upkeep, shared=dialect.is_shared)
        """How values are encrypted on disk, and how that is changed."""
        self._compaction = Compaction(
            self._writer,
            disk,
            self._head.index,
            lambda: retention.limit(self._head.present.size, is_shared=dialect.is_shared),
            retention,
            clock,
            oldest=there.oldest,
            swept=there.swept,
        )
        self._retainer = self._loop.create_task(self._compaction.run(), name="store-retention")
        self._retainer.add_done_callback(_report)
        self._past = Past(self._head, disk, sealing, lambda: self.oldest, self._landed, shared=dialect.is_shared)
        self._committing = Committing(
            self._loop, clock, self._head, self._publication, self._writer, self._upkeep, self._compaction, sealing
        )
        self._following: Following | None = None
        if dialect.is_shared:
            take = self._committing.take
            self._following = Following(dialect, sealing, self._loop, lambda: self._head.issued, take, self._fail)
            self._committing.following = self._following

    # --- writing

    async def append(self, *writes: Write, spare: bool = False) -> list[int]:
        """Makes all changes or none; a revision for each. When it returns they are on disk and published.

        spare: on a full disk it may take the room that is kept for this: for what deletes, or leads to a deletion.
        Raises Conflict (with what is there), Unavailable, StorageFull: nothing was changed; Unknown: see there.
        Cancelled while it waits for its turn, it does nothing; later it may have been done.
        """
        for write in writes:
            write.check()
        return await self._committing.append(writes, spare=spare) if writes else []

    async def note(self, write: Write) -> int:
        """A change that is not worth a disk write (a heartbeat): visible and published when it returns, gone after a
        crash.

        A commit under way goes first. A crash brings back the last durable value. The past (`items` and `at` as of a
        revision) does not have it; `events` has the last note of each key. Raises Conflict; ValueError for what
        must be durable, a deletion or `forget`; Unavailable when the disk has refused to set revisions aside for a long
        time.
        """
        write.check()
        if write.value is None:
            raise ValueError(f"{write.key}: a deletion cannot be a note")
        if write.forget:
            raise ValueError(f"{write.key}: a note cannot forget what is on disk")
        return await self._committing.note(write)

    async def forget(self, key: str) -> None:
        """Erases every value of a key but the newest from all files, at once; history reads leave them out.

        `Write(..., forget=True)` does the same together with a change. A deleted key keeps a row without a value.
        """
        await self.current()
        await self._landed()
        old = [abs(revision) for revision in self._head.durable(key)[:-1]]
        await self._writer.perform(methodcaller("erase", old))
        self._head.index.erase(key, old)
        await self._upkeep.scrubbed()

    # --- reading

    @property
    def revision(self) -> int:
        """The newest revision that is committed and published."""
        return self._head.revision

    @property
    def is_shared(self) -> bool:
        """Whether other processes may append too: then memory is as new as the last thing heard."""
        return self._following is not None

    async def current(self) -> int:
        """A revision that has all that was committed before this call. Raises Unavailable."""
        if self._following is not None:
            answer: asyncio.Future[None] = self._loop.create_future()

            def done(error: LogError | None) -> None:
                if not answer.done():
                    answer.set_result(None) if error is None else answer.set_exception(error)

            self._following.ask(done)
            await answer
        return self.revision

    async def latest(self, key: str) -> Row | None:
        """What a key holds now, from memory."""
        return self._head.present.get(key)

    async def items(
        self, prefix: str, *, revision: int | None = None, after: str = "", limit: int | None = None
    ) -> list[Row]:
        """Rows whose key begins with `prefix` and is greater than `after`, in order of the keys, at most `limit`.

        The present comes from memory, of a past revision what has changed since from disk. Raises Compacted, ValueError
        for the future.
        """
        if revision is None or self._is_now(revision):
            return self._head.present.items(prefix, after, limit)
        return await self._past.items(prefix, revision, after, limit)

    async def at(self, key: str, revision: int) -> Row | None:
        """What a key held as of a revision. Raises Compacted, ValueError for the future."""
        return self._head.present.get(key) if self._is_now(revision) else await self._past.at(key, revision)

    async def events(self, after: int, prefix: str = "") -> list[Event]:
        """What happened after a revision, up to now, in order. Raises Compacted, ValueError for the future."""
        return [] if self._is_now(after) else await self._past.events(after, prefix)

    async def revision_at(self, moment: float) -> int:
        """The newest durable revision at a time (seconds since 1970). Raises Compacted."""
        limit = int(moment * 1000)
        return await self._disk.read(lambda connection: history.revision_at(connection, limit))

    def subscribe(self, callback: Callback) -> Callable[[], None]:
        """Calls back on the loop with every change after `revision` as it is now: in order, no gap, no duplicate,
        before the append that made it returns. Returns what ends the subscription."""
        return self._publication.subscribe(callback)

    async def backup(self) -> Snapshot:
        """Everything as it stands at one moment, notes too, of which nothing is written or read any more: what is
        appended meanwhile is not in it. Values are encrypted as in the database. Raises LogError."""
        await self.current()
        known = await self._disk.read(history.numbers)
        header = Header(known["identity"], self.revision, self.oldest, self._clock())
        present = self._head.present.items("", "", None)
        return Snapshot(header, await asyncio.to_thread(self._sealing.stored, present))

    async def check(self) -> tuple[int, list[Found]]:
        """Holds every change on disk against its checksum; their number, and the damaged ones. Raises LogError."""
        count, after, damaged = 0, 0, list[Found]()
        while True:
            read = await self._disk.read(partial(check.part, after=after))
            count, damaged = count + read.changes, damaged + read.damaged
            if read.last is None:
                break
            after = read.last
        told = self._head.recognised(damaged)
        self._disk.report((found.key, found.revision) for found in told)
        return count, told

    # --- keeping house

    @property
    def oldest(self) -> int:
        """The oldest revision that can be read."""
        return self._compaction.oldest

    @property
    def damaged(self) -> dict[int, str]:
        """What has been found not to be as it was written: its key, by its revision."""
        return self._disk.damaged

    async def compact(self, revision: int) -> None:
        """Deletes the history before a revision; the state as of it stays. Raises LogError, ValueError."""
        self._is_now(revision)
        await self._compaction.compact(revision)

    async def close(self) -> None:
        """Finishes the appends that wait and releases the database."""
        if self._committing.closed:
            return
        await self._committing.finish()
        self._upkeep.close()
        self._retainer.cancel()
        await asyncio.wait([self._retainer])
        issued = self._head.issued
        if self._following is None:
            with contextlib.suppress(LogError):  # then the next life skips what was set aside
                await self._writer.perform(lambda session: session.remember(reserved=issued))
        else:
            await self._following.close()
        await self._writer.stop()
        await self._disk.close()
        await asyncio.to_thread(self._dialect.close)

    async def _landed(self) -> None:
        """Waits until memory knows of every transaction that was under way."""
        with contextlib.suppress(LogError):  # it comes after them, whatever becomes of it
            await self._writer.perform(lambda session: None)

    def _fail(self, error: LogError) -> None:
        if not self.failed.done():
            self.failed.set_result(error)

    def _is_now(self, revision: int) -> bool:
        if revision > self.revision:
            raise ValueError(f"revision {revision} is in the future, the newest is {self.revision}")
        return revision == self.revision


def _report(task: asyncio.Task[None]) -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("store: retention has stopped", exc_info=error)
