"""The thread that owns the writing connection, and the queue of jobs for it."""

import asyncio
import contextlib
import logging
import queue
import threading
from collections.abc import Callable
from typing import Any

from store.dialects import Dialect, Session
from store.errors import LogError, Unavailable

logger = logging.getLogger(__name__)

Job = Callable[[Session], Any]
Done = Callable[[Any, LogError | None], None]


class Writer:
    """Runs jobs in the order of `submit`, and calls each one's `done` on the loop: one wake-up a job.

    After an error the session is closed and a new one is opened for the next job: that is how the log heals,
    without a timer and without asking what exactly was wrong.
    """

    def __init__(self, dialect: Dialect, loop: asyncio.AbstractEventLoop) -> None:
        self._dialect = dialect
        self._loop = loop
        self._jobs: queue.SimpleQueue[tuple[Job, Done] | None] = queue.SimpleQueue()
        self._stopped = False
        self._trouble = ""  # of the last job: told once when it comes and once when it is over
        self._thread = threading.Thread(target=self._run, name="store-writer", daemon=True)
        self._thread.start()

    def submit(self, job: Job, done: Done) -> None:
        """done(result, error): called on the loop; one of the two is None."""
        if self._stopped:
            self._loop.call_soon(done, None, Unavailable("the log is closed"))
        else:
            self._jobs.put((job, done))

    async def perform(self, job: Job) -> Any:
        """Runs a job and returns what it does, or raises its LogError."""
        answer: asyncio.Future[Any] = self._loop.create_future()

        def done(result: Any, error: LogError | None) -> None:
            if answer.cancelled():
                return
            if error is None:
                answer.set_result(result)
            else:
                answer.set_exception(error)

        self.submit(job, done)
        return await answer

    async def stop(self) -> None:
        """Ends the thread after the jobs that are there; later ones are refused."""
        self._stopped = True
        self._jobs.put(None)
        await asyncio.to_thread(self._thread.join)

    def _run(self) -> None:
        session: Session | None = None
        while (item := self._jobs.get()) is not None:
            job, done = item
            result, error = None, None
            try:
                if session is not None and not session.is_usable():
                    _drop(session)
                    session = None
                if session is None:
                    session = self._dialect.session()
                result = job(session)
            except Exception as problem:  # whatever it was, its callers must get an answer and the thread must go on
                error = self._dialect.failure(problem)
                error.__cause__ = problem
                _drop(session)
                session = None
            self._tell(str(error or ""))
            with contextlib.suppress(RuntimeError):  # the loop is closed: nobody is left to be told
                self._loop.call_soon_threadsafe(done, result, error)
        _drop(session)

    def _tell(self, trouble: str) -> None:
        if trouble != self._trouble:
            self._trouble = trouble
            if trouble:
                logger.warning("store: writes fail", extra={"error": trouble})
            else:
                logger.warning("store: writes succeed again")


def _drop(session: Session | None) -> None:
    if session is not None:
        with contextlib.suppress(Exception):  # a session that failed may fail to close; its transaction is gone
            session.close()
