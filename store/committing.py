"""The way of an append and of a note: what waits becomes a batch, a transaction, events, answers.

waiting, noting ──▶ batch ──▶ the writer's thread (──▶ decided anew, where others were quicker) ──▶ told, answered
"""

import asyncio
import concurrent.futures
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial

from store.batch import Batch, Draft, Pending
from store.compaction import Compaction
from store.courtesy import Courtesy
from store.dialects import Redo, Session
from store.errors import LogError, StorageFull, Unavailable, Unknown
from store.following import Following
from store.gathering import ENOUGH, Gathering
from store.head import Head
from store.news import News
from store.publication import Publication
from store.rows import Event, Write
from store.sealing import Lost, Sealing
from store.upkeep import Upkeep
from store.writer import Writer

REDO_TIMEOUT = 10.0
"""Seconds for which a commit waits for the event loop to decide anew about what others have changed."""


class Committing:
    """One log's. following: what others append to the same database; None where nobody else can."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: Callable[[], float],
        head: Head,
        publication: Publication,
        writer: Writer,
        upkeep: Upkeep,
        compaction: Compaction,
        sealing: Sealing,
    ) -> None:
        self.following: Following | None = None
        self.closed = False
        self._loop = loop
        self._clock = clock
        self._head = head
        self._publication = publication
        self._writer = writer
        self._upkeep = upkeep
        self._compaction = compaction
        self._sealing = sealing
        self._waiting: deque[Pending] = deque()
        self._noting: deque[Pending] = deque()
        self._spared: deque[Pending] = deque()  # failed for want of room together with others, tried without them
        self._flight: Batch | None = None
        self._reserve = 0  # set aside together with the flight
        self._courtesy = Courtesy(self._loop)
        self._gathering = Gathering()
        self._called = False  # `_begin` is on its way
        self._emptied: asyncio.Future[None] | None = None

    async def append(self, writes: Sequence[Write], *, spare: bool) -> list[int]:
        """As `Log.append`; at least one."""
        return await self._wait(self._waiting, writes, durable=True, spare=spare)

    async def note(self, write: Write) -> int:
        """As `Log.note`."""
        return (await self._wait(self._noting, (write,), durable=False))[0]

    async def finish(self) -> None:
        """Takes no more, and waits until all that waits has its answer."""
        self.closed = True
        if self._flight is not None or self._waiting or self._noting:
            self._emptied = self._loop.create_future()
            await self._emptied

    # --- _waiting → _begin → the writer's thread (→ _redo) → _finish

    async def _wait(
        self, queue: deque[Pending], writes: Sequence[Write], *, durable: bool, spare: bool = False
    ) -> list[int]:
        if self.closed:
            raise Unavailable("the log is closed")
        pending = Pending(writes, self._loop.create_future(), durable, self.following is None, spare)
        queue.append(pending)
        self._call()
        return await pending.answer

    def _call(self) -> None:
        """Begins after all tasks that are ready now have run: callers woken by one commit share the next."""
        if not self._called and self._flight is None:
            self._called = True
            self._loop.call_soon(self._begin)

    def _begin(self) -> None:
        self._called = False
        if self._flight is None:
            if self._gathering.is_worthwhile(len(self._waiting), self._loop.time()):
                self._call()
            else:
                self._proceed([], None, None)

    def _proceed(self, events: list[Event], ended: Batch | None, error: LogError | None) -> None:
        """The next commit is under way before anybody is told of the last: the disk need not wait for that.

        Where few wait for it, it is begun after that, with those who go on then.
        """
        noted = self._take_notes() if self.following is None else []
        is_small = ended is not None and 0 < len(self._waiting) < ENOUGH and not self._spared
        if not is_small:
            self._launch()
        self._publication.publish([*events, *(event for batch in noted for event in batch.events)])
        if ended is not None:
            ended.answer(error)
        for batch in noted:
            batch.answer(None)
        if is_small:
            self._call()

    def _take_notes(self) -> list[Batch]:
        """Where nobody else writes, a note is a change of memory alone."""
        taken = []
        while self._noting:
            batch = self._head.batch(self._clock())
            while self._noting and not batch.is_full:
                batch.admit(self._noting.popleft())
            self._upkeep.reserve_soon(batch.last)
            if batch.last <= self._upkeep.reserved:
                self._head.land(batch)
                taken.append(batch)
            else:
                batch.answer(Unavailable("no revision is set aside for notes: the disk does not take writes"))
        return taken

    def _launch(self) -> None:
        batch = self._head.batch(self._clock())
        self._admit(batch, self._spared)
        if not batch.events:
            self._admit(batch, self._noting)
            self._admit(batch, self._waiting)
        if batch.doubtful and self.following is not None:
            self.following.ask(partial(self._reconsider, batch.doubtful))
        if not batch.events:
            if self._emptied is not None and not self._emptied.done():
                self._emptied.set_result(None)
            return
        self._flight = batch
        self._courtesy.begin()
        job = partial(_commit, self._draft(batch), self._redo, self._sealing, self._courtesy)
        self._writer.submit(job, self._finish)

    def _admit(self, batch: Batch, queue: deque[Pending]) -> None:
        while queue and not batch.is_full:
            if not (pending := queue.popleft()).answer.done():
                batch.admit(pending)

    def _draft(self, batch: Batch) -> Draft:
        self._reserve = self._upkeep.bound(batch.last)
        return batch.draft(self._reserve, self._head.overtaken(batch), self._head.forgotten(batch))

    def _redo(self, news: News) -> Draft | None:
        """From the writer's thread, while it holds the database: what to write, now that others were quicker."""
        answer: concurrent.futures.Future[Draft | None] = concurrent.futures.Future()

        def decide() -> None:
            assert self._flight is not None
            self.take(news)
            again = self._head.batch(self._clock())
            for pending in self._flight.pending:
                pending.certain = True
                if not pending.answer.done():
                    again.admit(pending)
            self._flight = again
            answer.set_result(self._draft(again) if again.events else None)

        self._loop.call_soon_threadsafe(decide)
        return answer.result(REDO_TIMEOUT)

    def _finish(self, _: object, error: LogError | None) -> None:
        batch, self._flight = self._flight, None
        assert batch is not None
        self._courtesy.end()
        events: list[Event] = []
        if error is None:
            events = self._head.land(batch)
            if events:
                self._upkeep.note_bound(self._reserve)
            if self.following is None:  # a server's size is not asked for so often
                self._compaction.wrote(batch.size)
            if batch.forget:
                self._upkeep.scrub()
        elif isinstance(error, Unknown) and self.following is None:
            self._head.issued = batch.last  # these numbers are spent: it may come back after a crash
            self._upkeep.settle(batch.last)
        elif isinstance(error, StorageFull):
            self._spared.extend(batch.take_spare())
        elif self.following is not None:
            self.following.ask(lambda error: None)  # if it was done after all, it is to be heard of now
        self._proceed(events, batch, error)

    # --- what other processes append

    def take(self, news: News) -> None:
        """Into memory, and to subscribers."""
        self._upkeep.note_bound(news.reserved)
        self._compaction.hear(news.oldest, news.swept)
        flight, events = self._flight, []
        if flight is not None and flight.is_in(news):  # before the writer's word of it; notes are only whole here
            events = self._head.land(flight)
        self._publication.publish([*events, *self._head.take(news)])
        if news.renewed:
            self._note_again()

    def _note_again(self) -> None:
        """The server lost its notes; this process still has them."""
        for row in list(self._head.notes.values()):
            if isinstance(row.value, Lost):
                continue
            answer = self._loop.create_future()
            answer.add_done_callback(lambda done: done.exception())  # a conflict: somebody has a newer one
            self._noting.append(Pending((Write(row.key, row.value, row.revision),), answer, durable=False))
        self._call()

    def _reconsider(self, doubtful: Sequence[Pending], error: LogError | None) -> None:
        """Memory is as new as their calls now: what contradicts it from here on is a conflict."""
        for pending in reversed(doubtful):
            if error is None:
                pending.certain = True
                (self._waiting if pending.durable else self._noting).appendleft(pending)
            elif not pending.answer.done():
                pending.answer.set_exception(error)
        self._call()


def _commit(draft: Draft, redo: Redo, sealing: Sealing, courtesy: Courtesy, session: Session) -> None:
    """What the writer's thread does for a batch."""

    def redo_sealed(news: News) -> Draft | None:
        again = redo(sealing.news(news))
        return None if again is None else sealing.draft(again)

    try:
        session.commit(sealing.draft(draft), redo_sealed)
    finally:
        courtesy.landed()
