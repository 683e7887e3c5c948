"""A busy event loop lets the writer's thread pass.

Python's interpreter lock is unfair: a thread that gives it up for a moment (a loop that polls its sockets) has it
back before a waiting thread has woken up, and the waiting thread's request for it starts anew each time. A writer
needs it about fifteen times for a commit; beside a loop that never idles one commit took 3 s instead of 0.4 ms.
So when a commit takes long *and* the loop has been computing all the while, the loop waits for it, a millisecond
at a time and a few times at most: a slow disk alone never stops the loop, not even a stalled one for longer.
"""

import asyncio
import threading
import time

LONG = 0.002
"""Seconds under way after which a commit is looked at."""
WAIT = 0.001
"""Seconds of one wait."""
WAITS = 4
"""Waits for one commit."""
BUSY = 0.5
"""Share of the time that the loop's thread was on a processor, from which the loop counts as busy."""


class Courtesy:
    """For one commit after the other: begin, landed (on the writer's thread), end."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._timer: asyncio.TimerHandle | None = None
        self._under_way = threading.Lock()  # held from begin to landed
        self._began = self._computed = 0.0
        self._waits = 0

    def begin(self) -> None:
        self._under_way.acquire()
        self._began, self._computed = time.monotonic(), time.thread_time()
        self._waits = 0
        self._timer = self._loop.call_later(LONG, self._look)

    def landed(self) -> None:
        self._under_way.release()

    def end(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if self._under_way.locked():  # it never got as far as the disk: the database could not be opened
            self._under_way.release()

    def _look(self) -> None:
        now, computed = time.monotonic(), time.thread_time()
        is_busy = computed - self._computed > BUSY * (now - self._began)
        self._began, self._computed = now, computed
        if is_busy:
            self._waits += 1
            if self._under_way.acquire(timeout=WAIT):
                self._under_way.release()
                return
        if self._waits < WAITS:
            self._timer = self._loop.call_later(LONG, self._look)
