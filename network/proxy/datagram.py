"""UDP through the proxy: every client has a socket of its own to its backend, until it falls silent."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
from collections import OrderedDict

from network.proxy.choice import Balancer
from network.proxy.engine import EDGE, READ, Engine
from network.proxy.gate import Gate
from network.proxy.stream import OURS
from network.proxy.table import Backend

IDLE_SECONDS = 60.0
"""A client that neither sends nor gets anything for so long is forgotten."""
_SESSIONS = 16_384  # clients of one service port; the longest silent one goes first
_BATCH = 64
_DATAGRAM = 65_535
_PKTINFO = 8

Client = tuple[tuple[str, int], bytes]
"""Address and port, and the ancillary data with which the answer gets the right source address."""


class Session:
    """One client's way to its backend."""

    __slots__ = ("backend", "client", "door", "upstream", "used")

    def __init__(self, door: Door, client: Client, backend: Backend, upstream: socket.socket) -> None:
        self.door, self.client, self.backend, self.upstream = door, client, backend, upstream
        self.used = 0.0

    def on_answer(self, events: int) -> None:
        try:
            while True:
                self.door.answer(self, self.upstream.recv(_DATAGRAM))
        except BlockingIOError:
            return
        except OSError:  # "port unreachable": the next datagram goes to another backend
            self.door.refused(self)


class Door:
    """A socket that clients send to. any_address: it is bound to all addresses of the node (a node port)."""

    def __init__(
        self, engine: Engine, gate: Gate, listener: socket.socket, balancer: Balancer, any_address: bool
    ) -> None:
        self._engine, self._gate, self.listener, self._balancer = engine, gate, listener, balancer
        self._any = any_address
        self._sessions: OrderedDict[Client, Session] = OrderedDict()  # the longest silent first
        if any_address:
            listener.setsockopt(socket.IPPROTO_IP, _PKTINFO, 1)
        engine.add(listener, READ, self._on_datagram)

    @property
    def sessions(self) -> int:
        return len(self._sessions)

    def _on_datagram(self, events: int) -> None:
        with contextlib.suppress(BlockingIOError):
            for _ in range(_BATCH):
                if self._any:
                    data, ancillary, _, sender = self.listener.recvmsg(_DATAGRAM, 64)
                    self._forward(data, (sender, _answer_from(ancillary)))
                else:
                    data, sender = self.listener.recvfrom(_DATAGRAM)
                    self._forward(data, (sender, b""))

    def _forward(self, data: bytes, client: Client) -> None:
        session = self._sessions.get(client)
        if session is None:
            session = self._open(client)
            if session is None:
                return
        self._touch(session)
        try:
            session.upstream.send(data)
        except BlockingIOError:
            return  # a full send buffer loses datagrams, as the network does
        except OSError:
            self.refused(session)

    def _open(self, client: Client) -> Session | None:
        """A session with the first backend that can be sent to; None when there is none.

        When the Service has its share of descriptors, or no port is left, its longest silent client makes room.
        """
        if len(self._sessions) >= _SESSIONS:
            self._end(next(iter(self._sessions.values())))
        if not self._gate.take(self._balancer, 1) and not (
            self._make_room("its share is used") and self._gate.take(self._balancer, 1)
        ):
            return None
        now = self._engine.loop.time()
        for backend in self._balancer.order(client[0][0], now):
            try:
                upstream = _connect(backend)
            except OSError as error:
                if error.errno in OURS:
                    self._make_room(os.strerror(error.errno))  # for the next datagram: this one is lost
                    break
                self._balancer.failed(backend, now)
                continue
            self._balancer.connected(client[0][0], backend, now)
            session = self._sessions[client] = Session(self, client, backend, upstream)
            self._engine.add(upstream, READ | EDGE, session.on_answer)
            return session
        self._gate.give(self._balancer, 1)
        return None

    def _make_room(self, why: str) -> bool:
        self._gate.tell(
            "a UDP Service has more clients than it can: silent ones go", service=self._balancer.name, why=why
        )
        if not self._sessions:
            return False
        self._end(next(iter(self._sessions.values())))
        return True

    def _touch(self, session: Session) -> None:
        session.used = self._engine.loop.time()
        self._sessions.move_to_end(session.client)

    def answer(self, session: Session, data: bytes) -> None:
        """Hand a backend's datagram to the client."""
        self._touch(session)
        sender, source = session.client
        with contextlib.suppress(OSError):  # a client that is gone
            if source:
                self.listener.sendmsg([data], [(socket.IPPROTO_IP, _PKTINFO, source)], 0, sender)
            else:
                self.listener.sendto(data, sender)

    def refused(self, session: Session) -> None:
        self._balancer.failed(session.backend, self._engine.loop.time())
        self._end(session)

    def _end(self, session: Session) -> None:
        if self._sessions.pop(session.client, None) is not None:
            self._engine.drop(session.upstream)
            self._gate.give(self._balancer, 1)

    def sweep(self, now: float) -> None:
        """Forget who was silent for too long."""
        for session in list(self._sessions.values()):
            if now - session.used < IDLE_SECONDS:
                return
            self._end(session)

    def update(self) -> None:
        """The balancer has other backends: there is nothing to drain in UDP, so the lost ones' clients move on."""
        there = set(self._balancer.backends)
        for session in [one for one in self._sessions.values() if one.backend not in there]:
            self._end(session)

    def close(self) -> None:
        for session in list(self._sessions.values()):
            self._end(session)
        self._engine.drop(self.listener)


def _connect(backend: Backend) -> socket.socket:
    made = socket.socket(socket.AF_INET, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK | socket.SOCK_CLOEXEC)
    try:
        made.connect((backend.address, backend.port))
    except BaseException:
        made.close()
        raise
    return made


def _answer_from(ancillary: list[tuple[int, int, bytes]]) -> bytes:
    """in_pktinfo for the answer: from the address the datagram was sent to, by whatever interface."""
    for level, kind, data in ancillary:
        if level == socket.IPPROTO_IP and kind == _PKTINFO:
            return struct.pack("=i4s4s", 0, data[8:12], bytes(4))
    return b""
