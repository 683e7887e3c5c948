"""What the log owes the database besides appends, tried again until it succeeds."""

import asyncio
from operator import methodcaller

from store.errors import LogError
from store.writer import Job, Writer

RETRY = 1.0
"""Seconds until something that a failing disk refused is tried again by itself."""


class Upkeep:
    """Numbers set aside for notes, failed commits covered, journals emptied of what was erased."""

    def __init__(self, writer: Writer, loop: asyncio.AbstractEventLoop, reserved: int, block: int) -> None:
        """block: numbers set aside at a time."""
        self.reserved = reserved
        """Notes may take numbers up to here: no later life will."""
        self._writer = writer
        self._loop = loop
        self._block = block
        self._reserving = False
        self._scrubbing = False
        self._closed = False

    def bound(self, last: int) -> int:
        """The reservation that should be made together with a commit up to `last`; 0 for none."""
        return last + self._block if last + self._block // 2 > self.reserved else 0

    def note_bound(self, reserved: int) -> None:
        """A reservation is durable."""
        self.reserved = max(self.reserved, reserved)

    async def reserve(self, issued: int) -> None:
        """Raises LogError."""
        upper = issued + self._block
        await self._writer.perform(lambda session: session.remember(reserved=upper))
        self.note_bound(upper)

    def reserve_soon(self, issued: int) -> None:
        """Without a commit to go along with, when half of the block is used up."""
        if self._reserving or not self.bound(issued):
            return
        self._reserving = True
        upper = issued + self._block

        def done(_: object, error: LogError | None) -> None:
            self._reserving = False
            if error is None:
                self.note_bound(upper)
            else:
                self._again(lambda: self.reserve_soon(issued))

        self._writer.submit(lambda session: session.remember(reserved=upper), done)

    def settle(self, issued: int) -> None:
        """Commits something small over a failed commit's place in the journal, so that no crash brings it back."""
        upper = max(self.reserved, issued)

        def done(_: object, error: LogError | None) -> None:
            if error is not None:
                self._again(lambda: self.settle(issued))

        self._writer.submit(lambda session: session.remember(reserved=upper), done)

    async def scrubbed(self) -> None:
        """Returns when the journal is empty. Raises LogError."""
        while not await self._writer.perform(methodcaller("scrub")):  # noqa: ASYNC110 - nobody tells when a reader ends
            await asyncio.sleep(0.02)

    def scrub(self) -> None:
        """Empties the journal of values that a `forget` has erased from the tables."""
        if self._scrubbing:
            return
        self._scrubbing = True
        job: Job = methodcaller("scrub")

        def done(clean: bool | None, error: LogError | None) -> None:
            self._scrubbing = False
            if not clean:
                self._again(self.scrub)

        self._writer.submit(job, done)

    def close(self) -> None:
        self._closed = True

    def _again(self, attempt: object) -> None:
        if not self._closed:
            self._loop.call_later(RETRY, attempt)  # type: ignore[arg-type]
