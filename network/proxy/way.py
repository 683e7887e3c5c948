"""One direction of a TCP connection: what its source sends goes to its sink, until the source's end.

Bytes go over one shared buffer. What the sink does not take at once is kept, and nothing more is read until it is gone:
that is the back-pressure. A direction that twice filled the buffer is a stream and goes over a pipe (splice), until it
turns to small messages again.
"""

from __future__ import annotations

import errno
import os
import select
import socket
from collections.abc import Callable
from typing import Protocol

from network.proxy.engine import BROKEN, HANGUP, READ, WRITE
from network.proxy.pipes import SIZE, Pipe

BUFFER = 64 * 1024
_SMALL = 8 * 1024
_ROUNDS = 8  # reads of one direction before the others have their turn
_FLAGS = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK
_ENDING = HANGUP | BROKEN
_READABLE = READ | _ENDING
_WRITABLE = WRITE | BROKEN


class Connection(Protocol):
    """Whose direction it is."""

    def take_pipe(self) -> Pipe | None: ...

    def give_pipe(self, pipe: Pipe, empty: bool) -> None: ...

    def watch(self, sink: socket.SocketType) -> None:
        """It takes no more: tell us when it does again."""

    def later(self, function: Callable[[], None]) -> None:
        """Call it when the others have had their turn."""

    def finish(self) -> None:
        """Both directions are done."""

    def abort(self) -> None:
        """A socket is broken."""


class Way:
    """From `source` to `sink`. back: the other direction. buffer: 64 KiB that all ways use, each for a moment.

    watched: we shall hear when the sink can take more. rest: read and not yet taken. plain: nothing is kept, no pipe is
    used, the end is not seen: the short path will do.
    """

    __slots__ = (
        *("_buffer", "_connection", "_full", "_loaded", "_receive", "_send", "back", "done", "ended", "hangup"),
        *("pipe", "plain", "rest", "sink", "source", "watched"),
    )

    def __init__(
        self,
        connection: Connection,
        source: socket.SocketType,
        sink: socket.SocketType,
        buffer: memoryview,
        watched: bool,
    ) -> None:
        self._connection, self.source, self.sink, self._buffer = connection, source, sink, buffer
        self._receive, self._send = source.recv_into, sink.send
        self.back = self
        self.watched = watched
        self.plain = True
        self.rest = b""
        self.pipe: Pipe | None = None
        self._loaded = 0  # bytes in the pipe
        self._full = 0  # reads in a row that filled the buffer; with a pipe: that were small
        self.ended = False  # the source will send no more
        self.done = False  # and the sink was told so
        self.hangup = False  # the end is near: to be read up to

    def on_events(self, events: int) -> None:
        """Something happened to our source: write what the other way has for it, read what it has for us."""
        back = self.back
        try:
            if events & _WRITABLE and not back.plain:
                back.pump()
            if self.done and events & select.EPOLLERR:
                self._connection.abort()  # gone for good, after having said that it sends no more
                return
            if self.plain and not events & _ENDING:
                if not events & READ:
                    return
                count = self._receive(self._buffer)
                if 0 < count < BUFFER:
                    self._full = 0
                    self._hand_on(self._buffer[:count])
                    return
                self._note(count)
                self.pump()
            elif events & _READABLE:
                if events & _ENDING:
                    self.hangup = True
                self.pump()
        except BlockingIOError:
            return
        except OSError:
            self._connection.abort()
            return
        if self.done and back.done:
            self._connection.finish()

    def _hand_on(self, piece: memoryview) -> None:
        try:
            sent = self._send(piece)
        except BlockingIOError:
            sent = 0
        if sent < len(piece):
            self.rest = bytes(piece[sent:])
            self._is_stuck()

    def _is_stuck(self) -> None:
        self.plain = False
        if not self.watched:
            self.watched = True
            self._connection.watch(self.sink)

    def _note(self, count: int) -> None:
        """A read that was more than a message: the end, or a full buffer."""
        if count == 0:
            self.ended = True
        else:
            self._full += 1
            self._hand_on(self._buffer[:count])
            if self._full >= 2:
                self.pipe, self._full = self._connection.take_pipe(), 0
        self.plain = not (self.ended or self.rest or self.pipe)

    def pump(self) -> None:
        """Carry bytes until one side blocks. Raises OSError when a side is broken."""
        if self.done:
            return  # never read a direction again after its end
        try:
            more = self._carry()
        except BlockingIOError:
            more = False
        self.plain = not (self.ended or self.rest or self.pipe)
        if self._loaded and not self.watched:
            self._is_stuck()
        if more:
            self._connection.later(self._continue)

    def _continue(self) -> None:
        if self.done:
            return
        try:
            self.pump()
        except OSError:
            self._connection.abort()
            return
        if self.done and self.back.done:
            self._connection.finish()

    def _carry(self) -> bool:
        """A turn; true when there may be more at once. Raises BlockingIOError when one side wants to be waited for."""
        for _ in range(_ROUNDS):
            if self.rest:
                self.rest = self.rest[self._send(self.rest) :]
            elif self._loaded:
                self._unload()
            elif self.ended:
                self._end()
                return False
            elif self.pipe is not None:
                self._load(self.pipe)
            else:
                count = self._receive(self._buffer)
                if 0 < count < BUFFER:
                    self._full = 0
                    self._hand_on(self._buffer[:count])
                    if not self.rest and not self.hangup:
                        return False
                else:
                    self._note(count)
        return True

    def _load(self, pipe: Pipe) -> None:
        count = os.splice(self.source.fileno(), pipe[1], SIZE, flags=_FLAGS)
        self._loaded += count
        if count == 0:
            self.ended = True
        elif count >= _SMALL:
            self._full = 0
        else:
            self._full += 1
            if self._full >= 8:
                self._unload()
                if self._loaded == 0:
                    self.release()

    def _unload(self) -> None:
        assert self.pipe is not None
        self._loaded -= os.splice(self.pipe[0], self.sink.fileno(), self._loaded, flags=_FLAGS)

    def release(self) -> None:
        """Give the pipe back, with whatever is in it."""
        if self.pipe is not None:
            self._connection.give_pipe(self.pipe, self._loaded == 0)
            self.pipe, self._loaded, self._full = None, 0, 0

    def _end(self) -> None:
        """Tell the sink that nothing more will come; the other direction goes on."""
        self.done = True
        self.release()
        if self.back.done:
            return  # both sockets are closed at once, and that says it
        try:
            self.sink.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise
