"""What others append to the same database: read when they tell of it, or when a reader wants to be sure."""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Sequence
from typing import Any

from store.dialects import Dialect, Feed
from store.errors import LogError, Unavailable, Unusable
from store.news import News
from store.sealing import Sealing

logger = logging.getLogger(__name__)

PAUSES = (0.05, 0.1, 0.2, 0.5, 1.0)
"""Seconds between attempts to reach a database that is away."""

Asked = Callable[[LogError | None], None]


class Following:
    """A thread with a connection of its own. `take` is called on the loop with each News, in the order of reading.

    sealing: opens what is read.
    known: the highest revision that the log has; asked before each reading, from the thread.
    failed: called on the loop when this log can never catch up; its process must begin anew.
    """

    def __init__(
        self,
        dialect: Dialect,
        sealing: Sealing,
        loop: asyncio.AbstractEventLoop,
        known: Callable[[], int],
        take: Callable[[News], None],
        failed: Callable[[LogError], None],
    ) -> None:
        self._dialect = dialect
        self._sealing = sealing
        self._loop = loop
        self._known = known
        self._take = take
        self._failed = failed
        self._feed: Feed | None = None
        self._asked: list[Asked] = []
        self._guard = threading.Lock()  # of _asked and _feed
        self._stop = threading.Event()
        self._over: LogError | None = None  # why nothing will be read any more
        self._thread = threading.Thread(target=self._run, name="store-follower", daemon=True)
        self._thread.start()

    def ask(self, done: Asked) -> None:
        """Calls `done` on the loop when everything committed before this call has been taken, or with an error."""
        if self._over is not None:
            done(self._over)
            return
        with self._guard:
            self._asked.append(done)
            feed = self._feed
        if feed is not None:
            feed.wake()

    async def close(self) -> None:
        self._over = Unavailable("the log is closed")
        self._stop.set()
        with self._guard:
            feed = self._feed
        if feed is not None:
            feed.wake()
        await asyncio.to_thread(self._thread.join)
        for done in self._questions():
            done(Unavailable("the log is closed"))

    def _run(self) -> None:
        failures = 0
        while not self._stop.is_set():
            try:
                self._follow()
            except Exception as problem:  # the thread must go on: without it this master would fall silent
                error = self._dialect.failure(problem)
                if isinstance(error, Unusable):
                    self._over = error
                    self._tell(self._failed, error)
                elif failures == 0:
                    logger.warning("store: the database is away", extra={"error": str(error)})
                self._tell(self._answer, self._questions(), error)
                if self._over is not None:
                    break
                self._drop()
                self._stop.wait(PAUSES[min(failures, len(PAUSES) - 1)])
                failures += 1
            else:
                failures = 0
        self._drop()

    def _follow(self) -> None:
        """Connects if need be, and reads once: what somebody asked for, or what the database told of."""
        feed = self._feed
        if feed is None:
            feed = self._dialect.feed()
            with self._guard:
                self._feed = feed
        elif not self._asked and not feed.wait(self._known) and not self._asked:
            return
        if self._stop.is_set():
            return
        asked = self._questions()
        known = self._known()
        try:
            news = feed.read(known)
            _check(news, known)
            news = self._sealing.news(news)
        except BaseException:
            with self._guard:
                self._asked = [*asked, *self._asked]  # answered with the error
            raise
        self._tell(self._deliver, news, asked)

    def _deliver(self, news: News, asked: Sequence[Asked]) -> None:
        self._take(news)
        self._answer(asked, None)

    def _answer(self, asked: Sequence[Asked], error: LogError | None) -> None:
        for done in asked:
            done(error)

    def _questions(self) -> list[Asked]:
        with self._guard:
            asked, self._asked = self._asked, []
        return asked

    def _drop(self) -> None:
        with self._guard:
            feed, self._feed = self._feed, None
        if feed is not None:
            with contextlib.suppress(Exception):  # a connection that failed may fail to close
                feed.close()

    def _tell(self, function: Callable[..., None], *values: Any) -> None:
        with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
            self._loop.call_soon_threadsafe(function, *values)


def _check(news: News, known: int) -> None:
    """Raises Unusable where no reading can bring the log up to date."""
    if news.issued < known:
        raise Unusable(
            f"the database went back from revision {known} to {news.issued}: an older copy has taken its place; "
            "restart the masters, and clients must list anew"
        )
    if known < news.swept:
        raise Unusable(
            f"this master was away from revision {known} on, and history before {news.oldest} has been compacted; "
            "restart it"
        )
