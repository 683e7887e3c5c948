"""One TCP connection through the proxy: find a backend that answers, then carry bytes both ways to both ends.

Bytes go over one shared buffer. What the receiver does not take at once is kept, and nothing more is read from that
side until it is gone: that is the back-pressure. A direction that twice filled the buffer is a stream and goes over a
pipe (splice) without being copied, until it turns to small messages again.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import os
import socket
import struct

from network.proxy.choice import Balancer
from network.proxy.engine import BROKEN, EDGE, HANGUP, READ, WRITE, Engine
from network.proxy.table import Backend

CONNECT_SECONDS = 4.0
"""How long one backend has to accept before the next is tried."""
_BUFFER = 64 * 1024
_PIPE = 1 << 20
_SMALL = 8 * 1024
_ROUNDS = 8  # reads of one direction before the others have their turn
_POOL = 64
_RESET = struct.pack("ii", 1, 0)
_SPLICE = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK


class Pipes:
    """Empty pipes that wait to be used again."""

    def __init__(self) -> None:
        self._free: list[tuple[int, int]] = []

    def take(self) -> tuple[int, int] | None:
        if self._free:
            return self._free.pop()
        try:
            pipe = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        except OSError:
            return None  # no descriptors left: the buffer does it too
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe[1], fcntl.F_SETPIPE_SZ, _PIPE)
        return pipe

    def give_back(self, pipe: tuple[int, int], empty: bool) -> None:
        if empty and len(self._free) < _POOL:
            self._free.append(pipe)
        else:
            os.close(pipe[0])
            os.close(pipe[1])

    def close(self) -> None:
        for pipe in self._free:
            os.close(pipe[0])
            os.close(pipe[1])
        self._free.clear()


class Relay:
    """What all streams of a proxy share."""

    def __init__(self, engine: Engine) -> None:
        self.engine = engine
        self.pipes = Pipes()
        self.buffer = memoryview(bytearray(_BUFFER))
        self.streams: set[Stream] = set()

    def close(self) -> None:
        for stream in list(self.streams):
            stream.abort()
        self.pipes.close()


class Way:
    """One direction of a stream. rest: read and not yet taken; loaded: bytes in the pipe."""

    __slots__ = ("done", "ended", "full", "loaded", "pipe", "rest", "sink", "source", "source_hangup")

    def __init__(self, source: socket.socket, sink: socket.socket) -> None:
        self.source, self.sink = source, sink
        self.rest = b""
        self.pipe: tuple[int, int] | None = None
        self.loaded = 0
        self.full = 0
        self.ended = False  # the source will send no more
        self.done = False  # and the sink was told so
        self.source_hangup = False


class Stream:
    """A client's connection and its backend's."""

    __slots__ = ("balancer", "client", "down", "peer", "relay", "since", "tries", "up", "upstream")

    def __init__(self, relay: Relay, client: socket.socket, peer: str, balancer: Balancer) -> None:
        self.relay, self.client, self.peer, self.balancer = relay, client, peer, balancer
        self.tries = list(reversed(balancer.order(peer, relay.engine.loop.time())))
        self.upstream: socket.socket | None = None
        self.since = 0.0
        self.up: Way | None = None
        self.down: Way | None = None
        relay.streams.add(self)
        self._try_next()

    def _try_next(self) -> None:
        """Connect to the next backend of the order; with none left the client sees a reset."""
        while self.tries:
            backend = self.tries[-1]
            try:
                upstream = socket.socket(
                    socket.AF_INET, socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC, socket.IPPROTO_TCP
                )
            except OSError:
                break  # no descriptors left: this client is turned away, the others are not lost
            upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            result = upstream.connect_ex((backend.address, backend.port))
            if result in (0, errno.EINPROGRESS):
                self.upstream, self.since = upstream, self.relay.engine.loop.time()
                self.relay.engine.add(upstream, READ | WRITE | HANGUP | EDGE, self._on_upstream)
                return
            upstream.close()
            self._refused(backend)
        self.abort()

    def _refused(self, backend: Backend) -> None:
        self.tries.pop()
        self.balancer.failed(backend, self.relay.engine.loop.time())

    def give_up_waiting(self) -> None:
        """The backend has not answered in time: the next one."""
        if self.upstream is not None and self.up is None:
            self.relay.engine.drop(self.upstream)
            self.upstream = None
            self._refused(self.tries[-1])
            self._try_next()

    def _on_upstream(self, events: int) -> None:
        if self.up is None and not self._is_connected(events):
            return
        self._move(events, self.down, self.up)

    def _is_connected(self, events: int) -> bool:
        """The answer to the connect; on a refusal the next backend is tried, on success both ways begin."""
        upstream = self.upstream
        assert upstream is not None
        if upstream.getsockopt(socket.SOL_SOCKET, socket.SO_ERROR):
            self.relay.engine.drop(upstream)
            self.upstream = None
            self._refused(self.tries[-1])
            self._try_next()
            return False
        if not events & WRITE:
            return False
        self.balancer.connected(self.peer, self.tries[-1], self.relay.engine.loop.time())
        self.up, self.down = Way(self.client, upstream), Way(upstream, self.client)
        self.relay.engine.add(self.client, READ | WRITE | HANGUP | EDGE, self._on_client)
        self._move(READ, self.up, self.down)  # what the client said early
        return self.up is not None

    def _on_client(self, events: int) -> None:
        self._move(events, self.up, self.down)

    def _move(self, events: int, incoming: Way | None, outgoing: Way | None) -> None:
        """React to one socket's events: `incoming` reads from it, `outgoing` writes to it."""
        if incoming is None or outgoing is None:
            return
        try:
            if events & (READ | HANGUP | BROKEN):
                if events & (HANGUP | BROKEN):
                    incoming.source_hangup = True
                self._pump(incoming)
            if events & (WRITE | BROKEN) and (outgoing.rest or outgoing.loaded):
                self._pump(outgoing)
        except OSError:
            self.abort()
            return
        if incoming.done and outgoing.done:
            self._finish()

    def _continue(self, way: Way) -> None:
        if self.up is None or self.down is None:
            return
        try:
            self._pump(way)
        except OSError:
            self.abort()
            return
        if self.up.done and self.down.done:
            self._finish()

    def _pump(self, way: Way) -> None:
        """Carry bytes until one side blocks. Raises OSError when a side is broken."""
        if way.done:
            return  # never read a direction again after its end
        try:
            for _ in range(_ROUNDS):
                if way.rest:
                    sent = way.sink.send(way.rest)
                    way.rest = way.rest[sent:]
                elif way.loaded:
                    assert way.pipe is not None
                    way.loaded -= os.splice(way.pipe[0], way.sink.fileno(), way.loaded, flags=_SPLICE)
                elif way.ended:
                    self._end(way)
                    return
                elif way.pipe is not None:
                    self._fill_pipe(way)
                elif self._copy(way):
                    return
        except BlockingIOError:
            return
        self.relay.engine.again(lambda: self._continue(way))

    def _copy(self, way: Way) -> bool:
        """One read over the buffer; true when there is nothing more to read now."""
        buffer = self.relay.buffer
        count = way.source.recv_into(buffer)
        if count == 0:
            way.ended = True
            return False
        try:
            sent = way.sink.send(buffer[:count])
        except BlockingIOError:
            sent = 0
        if sent < count:
            way.rest = bytes(buffer[sent:count])
        if count < _BUFFER:
            way.full = 0
            return not way.rest and not way.source_hangup
        way.full += 1
        if way.full >= 2:
            way.pipe, way.full = self.relay.pipes.take(), 0
        return False

    def _fill_pipe(self, way: Way) -> None:
        assert way.pipe is not None
        count = os.splice(way.source.fileno(), way.pipe[1], _PIPE, flags=_SPLICE)
        way.loaded += count
        if count == 0:
            way.ended = True
        elif count >= _SMALL:
            way.full = 0
        else:
            way.full += 1  # small messages in a row
            if way.full >= 8:
                way.loaded -= os.splice(way.pipe[0], way.sink.fileno(), way.loaded, flags=_SPLICE)
                if way.loaded == 0:
                    self._release(way)

    def _release(self, way: Way) -> None:
        if way.pipe is not None:
            self.relay.pipes.give_back(way.pipe, way.loaded == 0)
            way.pipe, way.loaded, way.full = None, 0, 0

    def _end(self, way: Way) -> None:
        """Tell the sink that nothing more will come; the other direction goes on."""
        way.done = True
        self._release(way)
        try:
            way.sink.shutdown(socket.SHUT_WR)
        except OSError as error:
            if error.errno != errno.ENOTCONN:
                raise

    def _finish(self) -> None:
        """Both ways are done: close."""
        self.relay.streams.discard(self)
        for way in (self.up, self.down):
            if way is not None:
                self._release(way)
        self.up = self.down = None
        self.relay.engine.drop(self.client)
        if self.upstream is not None:
            self.relay.engine.drop(self.upstream)
            self.upstream = None

    def abort(self) -> None:
        """Something broke: both ends see a reset, not an ordinary end."""
        for one in (self.client, self.upstream):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._finish()
