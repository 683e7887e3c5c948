"""One TCP connection through the proxy: find a backend that answers, then carry bytes both ways to both ends."""

from __future__ import annotations

import contextlib
import errno
import socket
import struct
from collections.abc import Callable

from network.proxy.choice import Balancer
from network.proxy.engine import BROKEN, EDGE, HANGUP, READ, WRITE, Engine
from network.proxy.gate import Gate
from network.proxy.pipes import Pipe, Pipes
from network.proxy.ports import Ports
from network.proxy.table import Backend
from network.proxy.way import BUFFER, Way

CONNECT_SECONDS = 4.0
"""How long one backend has to accept before the next is tried."""
SETTLED_SECONDS = 60.0
"""A connection that lives so long is given keep-alive towards its backend; most end sooner and need not pay for it."""
OURS = frozenset({errno.EADDRNOTAVAIL, errno.EAGAIN, errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM})
"""What a connect fails with when this machine lacks a port, a descriptor or memory: no backend's fault."""
_HEARD = READ | HANGUP | EDGE
_ALL = _HEARD | WRITE
_KIND = socket.SOCK_STREAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC
_RESET = struct.pack("ii", 1, 0)
# A peer whose host lost power is found out in seven minutes.
KEEPALIVE = (
    (socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1),
    (socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, 300),
    (socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, 30),
    (socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 4),
)


class Relay:
    """What all streams of a proxy share. connecting, young: since when (the engine's time), the oldest first."""

    def __init__(self, engine: Engine, gate: Gate) -> None:
        self.engine = engine
        self.gate = gate
        self.pipes = Pipes()
        self.ports = Ports()
        self.buffer = memoryview(bytearray(BUFFER))
        self.streams: set[Stream] = set()
        self.connecting: dict[Stream, float] = {}
        self.young: dict[Stream, float] = {}

    def sweep(self, now: float) -> None:
        """What is due: backends that do not answer are given up, connections that last are watched."""
        self.ports.refresh()
        for stream, since in list(self.connecting.items()):
            if now - since <= CONNECT_SECONDS:
                break
            stream.give_up_waiting()
        for stream, since in list(self.young.items()):
            if now - since <= SETTLED_SECONDS:
                break
            stream.settle()

    def close(self) -> None:
        self.gate.close()
        for stream in list(self.streams):
            stream.abort()
        self.pipes.close()


class Stream:
    """A client's connection and its backend's. It does nothing before it `begin`s."""

    __slots__ = ("_early", "_relay", "_tries", "balancer", "client", "down", "peer", "since", "up", "upstream")

    def __init__(self, relay: Relay, client: socket.SocketType, peer: str, balancer: Balancer) -> None:
        self._relay, self.client, self.peer, self.balancer = relay, client, peer, balancer
        self.since = relay.engine.time
        self._early = b""  # what the client said before there was a backend
        self._tries: tuple[Backend, ...] = ()  # what is left to try, the current one first
        self.upstream: socket.SocketType | None = None
        self.up: Way | None = None
        self.down: Way | None = None
        relay.streams.add(self)

    def begin(self) -> bool:
        """Connect to a backend; false when this machine lacks what it takes, and it may be tried again later."""
        if not self._early:
            buffer = self._relay.buffer
            try:
                self._early = bytes(buffer[: self.client.recv_into(buffer)])
            except BlockingIOError:
                pass
            except OSError:  # gone again
                self.abort()
                return True
        self._tries = self.balancer.order(self.peer, self._relay.engine.time)
        return self._try_next()

    def _try_next(self) -> bool:
        """Connect to the next backend of the order; when all refused, the client sees a reset."""
        relay, lacking = self._relay, 0
        while self._tries:
            backend = self._tries[0]
            upstream, error = _connect(backend, relay.ports, bool(self._early))
            if upstream is not None:
                self.upstream = upstream
                relay.connecting[self] = relay.engine.time
                relay.engine.add(upstream, _ALL, self._on_connect)
                return True
            self._tries = self._tries[1:]
            if error in OURS:
                lacking = error
            else:
                self.balancer.failed(backend, relay.engine.time)
        if lacking:
            relay.gate.tell(
                "a backend cannot be connected to for want of something here: connections wait",
                service=self.balancer.name,
                lacking=errno.errorcode[lacking],
            )
            return False
        self.abort()
        return True

    def _on_connect(self, events: int) -> None:
        """The answer to the connect."""
        if events & BROKEN:
            self._refused()
        elif events & WRITE:
            self._connected(events)

    def give_up_waiting(self) -> None:
        """The backend has not answered in time: the next one."""
        if self in self._relay.connecting:
            self._refused()

    def _refused(self) -> None:
        assert self.upstream is not None
        relay = self._relay
        del relay.connecting[self]
        relay.engine.drop(self.upstream)
        self.upstream = None
        self.balancer.failed(self._tries[0], relay.engine.time)
        self._tries = self._tries[1:]
        if not self._try_next():
            relay.gate.wait_for_port(self)

    def _connected(self, events: int) -> None:
        relay, client, upstream = self._relay, self.client, self.upstream
        assert upstream is not None
        relay.young[self] = relay.connecting.pop(self)
        if self.balancer.affinity is not None:
            self.balancer.connected(self.peer, self._tries[0], relay.engine.time)
        up, down = Way(self, client, upstream, relay.buffer, True), Way(self, upstream, client, relay.buffer, False)
        self.up, self.down = up, down
        up.back, down.back = down, up
        relay.engine.hand(upstream, down.on_events)
        relay.engine.add(client, _HEARD, up.on_events)  # in the next batch it hears what is there already
        if self._early:
            up.rest, self._early = self._early, b""
            up.plain = False
        if not up.plain or events & ~WRITE:
            down.on_events(events)

    def settle(self) -> None:
        """It lasts: should the backend's host vanish, that is to be found out."""
        self._relay.young.pop(self, None)
        if self.upstream is not None:
            for level, option, value in KEEPALIVE:
                self.upstream.setsockopt(level, option, value)

    def take_pipe(self) -> Pipe | None:
        """A pipe, when the Service's share allows it; without one the buffer does it, too."""
        relay = self._relay
        if not relay.gate.take(self.balancer, 2):
            return None
        pipe = relay.pipes.take()
        if pipe is None:
            relay.gate.give(self.balancer, 2)
        return pipe

    def give_pipe(self, pipe: Pipe, empty: bool) -> None:
        self._relay.pipes.give_back(pipe, empty)
        self._relay.gate.give(self.balancer, 2)

    def watch(self, sink: socket.SocketType) -> None:
        self._relay.engine.change(sink, _ALL)

    def later(self, function: Callable[[], None]) -> None:
        self._relay.engine.again(function)

    def finish(self) -> None:
        """Close both sockets; once."""
        relay = self._relay
        if self not in relay.streams:
            return
        relay.streams.remove(self)
        if self.up is not None and self.down is not None:
            relay.young.pop(self, None)
            for way in (self.up, self.down):
                way.release()
                way.done = True
                del way.back  # no circle: nothing is left to the garbage collector
            self.up = self.down = None
        else:
            relay.connecting.pop(self, None)
        relay.engine.drop(self.client)
        if self.upstream is not None:
            relay.engine.drop(self.upstream)
            self.upstream = None
        relay.gate.give(self.balancer, 2)

    def abort(self) -> None:
        """Something broke: both ends see a reset, not an ordinary end."""
        for one in (self.client, self.upstream):
            if one is not None:
                with contextlib.suppress(OSError):
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self.finish()


def _connect(backend: Backend, ports: Ports, speaks: bool) -> tuple[socket.SocketType | None, int]:
    """A socket that connects, or what failed at once. speaks: we have something to say, which will carry our ACK."""
    try:
        upstream = socket.SocketType(socket.AF_INET, _KIND, socket.IPPROTO_TCP)
    except OSError as error:
        return None, error.errno or errno.EMFILE
    upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    if speaks:
        upstream.setsockopt(socket.IPPROTO_TCP, socket.TCP_QUICKACK, 0)
    result = ports.connect(upstream, (backend.address, backend.port))
    if result in (0, errno.EINPROGRESS):
        return upstream, 0
    upstream.close()
    return None, result
