"""An epoll of its own under asyncio's loop: the loop hears of it once a batch, whatever number of sockets moved.

asyncio pays per callback; here it pays per batch, by one `add_reader` on the epoll's descriptor, on asyncio's own loop
and on uvloop alike. Sockets are registered once, edge-triggered.
"""

from __future__ import annotations

import asyncio
import logging
import select
import socket
from collections import deque
from collections.abc import Callable

logger = logging.getLogger(__name__)

READ, WRITE, HANGUP = select.EPOLLIN, select.EPOLLOUT, select.EPOLLRDHUP
BROKEN = select.EPOLLERR | select.EPOLLHUP
EDGE = select.EPOLLET
_BATCH = 256

Handler = Callable[[int], None]
"""Called with the events of its socket. It must not raise for what a peer does."""


class Engine:
    """Who waits for which socket. To be made and used in the loop's thread."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self.loop = loop
        self._epoll = select.epoll()
        self._first = select.epoll()  # sockets that are looked at in every batch; itself one of the others
        self._many = False  # the last batch was full: others wait
        self._handlers: dict[int, Handler] = {}
        self._closing: list[socket.SocketType] = []
        self._again: deque[Callable[[], None]] = deque()
        self._awake = False
        self.time = loop.time()  # of the batch: the clock is read once for all its events
        self._handlers[self._first.fileno()] = lambda events: self._handle(self._first.poll(0, _BATCH))
        self._epoll.register(self._first.fileno(), READ)
        loop.add_reader(self._epoll.fileno(), self._wake)

    def add(self, one: socket.SocketType, events: int, handler: Handler) -> None:
        fd = one.fileno()
        self._handlers[fd] = handler
        self._epoll.register(fd, events)

    def add_first(self, one: socket.SocketType, events: int, handler: Handler) -> None:
        """For listeners. Among thousands of busy sockets one has its turn every so many batches; meanwhile its backlog
        would overflow, and clients of a quiet Service would wait for those of a busy one. These have theirs in each."""
        self._handlers[one.fileno()] = handler
        self._first.register(one.fileno(), events)

    def hand(self, one: socket.SocketType, handler: Handler) -> None:
        """Another handler for the same socket and the same events."""
        self._handlers[one.fileno()] = handler

    def change(self, one: socket.SocketType, events: int) -> None:
        """Other events for the same handler."""
        self._epoll.modify(one.fileno(), events)

    def drop(self, one: socket.SocketType) -> None:
        """Close a socket. Its number is free only after the batch, so that no event meets the wrong handler."""
        fd = one.fileno()
        if fd >= 0 and self._handlers.pop(fd, None) is not None:
            try:
                self._epoll.unregister(fd)
            except FileNotFoundError:
                self._first.unregister(fd)
        self._closing.append(one)
        self._soon()

    def pause(self, one: socket.SocketType, seconds: float, events: int) -> None:
        """Do not listen to a socket of `add_first` for a while."""
        self._first.modify(one.fileno(), 0)

        def resume() -> None:
            if one.fileno() in self._handlers:
                self._first.modify(one.fileno(), events)

        self.loop.call_later(seconds, resume)

    def again(self, function: Callable[[], None]) -> None:
        """Call `function` in a later batch: who has more to do lets the others have their turn first."""
        self._again.append(function)
        self._soon()

    def _soon(self) -> None:
        if not self._awake:
            self._awake = True
            self.loop.call_soon(self._wake)

    def _wake(self) -> None:
        if self._epoll.closed:
            return  # called for a last time after the end
        self._awake = True
        self.time = self.loop.time()
        for _ in range(len(self._again)):
            self._call(self._again.popleft())
        if self._many:
            self._handle(self._first.poll(0, _BATCH))
        batch = self._epoll.poll(0, _BATCH)
        self._many = len(batch) == _BATCH
        self._handle(batch)
        for one in self._closing:
            one.close()
        self._closing.clear()
        self._awake = False
        if self._again:
            self._soon()

    def _handle(self, batch: list[tuple[int, int]]) -> None:
        handlers = self._handlers
        for fd, events in batch:
            handler = handlers.get(fd)
            if handler is not None:
                try:
                    handler(events)
                except Exception:
                    logger.exception("a connection's handler failed")

    def _call(self, function: Callable[[], None]) -> None:
        try:
            function()
        except Exception:
            logger.exception("a connection's handler failed")

    def close(self) -> None:
        if not self._epoll.closed:
            self.loop.remove_reader(self._epoll.fileno())
            self._epoll.close()
            self._first.close()
        for one in self._closing:
            one.close()
        self._closing.clear()
        self._handlers.clear()
        self._again.clear()
