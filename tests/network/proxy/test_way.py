"""One direction on a pair of socket pairs: kept bytes, ends, and sockets that break."""

from __future__ import annotations

import socket
import struct
from collections.abc import Callable, Iterator

import pytest

from network.proxy.engine import BROKEN, HANGUP, READ, WRITE
from network.proxy.pipes import Pipe, Pipes
from network.proxy.way import BUFFER, Way


class Connection:
    """Two ways between two near ends, and what they asked for."""

    def __init__(self, pipes: bool = True) -> None:
        self.far_client, self.client = socket.socketpair()
        self.far_backend, self.upstream = _connected()
        for one in (self.client, self.upstream, self.far_client, self.far_backend):
            one.setblocking(False)
        buffer = memoryview(bytearray(BUFFER))
        self.up = Way(self, self.client, self.upstream, buffer, True)
        self.down = Way(self, self.upstream, self.client, buffer, False)
        self.up.back, self.down.back = self.down, self.up
        self.pipes, self._has_pipes = Pipes(), pipes
        self.watched: list[socket.SocketType] = []
        self.turns: list[Callable[[], None]] = []
        self.outcome = ""

    def take_pipe(self) -> Pipe | None:
        return self.pipes.take() if self._has_pipes else None

    def give_pipe(self, pipe: Pipe, empty: bool) -> None:
        self.pipes.give_back(pipe, empty)

    def watch(self, sink: socket.SocketType) -> None:
        self.watched.append(sink)

    def later(self, function: Callable[[], None]) -> None:
        self.turns.append(function)

    def finish(self) -> None:
        self.outcome = "finished"

    def abort(self) -> None:
        self.outcome = "aborted"

    def close(self) -> None:
        for one in (self.client, self.upstream, self.far_client, self.far_backend):
            one.close()
        self.pipes.close()


def _connected() -> tuple[socket.socket, socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        near = socket.create_connection(listener.getsockname())
        return listener.accept()[0], near


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection()
    yield made
    made.close()


def test_a_message_is_handed_on_and_nothing_is_kept(connection: Connection) -> None:
    connection.far_client.send(b"hello")
    connection.up.on_events(READ | WRITE)

    assert connection.far_backend.recv(100) == b"hello"
    assert connection.up.plain


def test_an_event_without_anything_to_read_does_no_harm(connection: Connection) -> None:
    connection.up.on_events(READ)

    assert (connection.outcome, connection.up.plain) == ("", True)


@pytest.mark.parametrize("pipes", [True, False], ids=["with a pipe", "without descriptors for one"])
def test_what_is_not_taken_is_kept_in_order_and_the_sink_is_watched_once(pipes: bool) -> None:
    connection = Connection(pipes)
    sent = 0
    with pytest.raises(BlockingIOError):
        while True:
            sent += connection.far_backend.send(bytes([sent % 251]) * 50_000)
            connection.down.on_events(READ)
            for turn in connection.turns:
                turn()
            connection.turns.clear()
    assert not connection.down.plain
    received = b""
    while len(received) < sent:
        try:
            received += connection.far_client.recv(1 << 20)
        except BlockingIOError:
            connection.up.on_events(WRITE)
            connection.down.on_events(READ)
            for turn in connection.turns:
                turn()
            connection.turns.clear()
    connection.close()

    assert connection.watched == [connection.client]
    pieces, expected, at = [], b"", 0
    while at < sent:
        expected += bytes([at % 251]) * 50_000
        at += 50_000
        pieces.append(at)
    assert received == expected[:sent]


def test_the_last_bytes_before_the_end_are_handed_on_and_only_then_the_end(connection: Connection) -> None:
    connection.far_client.send(b"last")
    connection.far_client.shutdown(socket.SHUT_WR)
    connection.up.on_events(READ | HANGUP)

    assert connection.far_backend.recv(100) == b"last"
    assert connection.far_backend.recv(100) == b""
    assert connection.outcome == ""
    connection.far_backend.send(b"answer")
    connection.far_backend.shutdown(socket.SHUT_WR)
    connection.down.on_events(READ | HANGUP)
    assert connection.far_client.recv(100) == b"answer"
    assert connection.outcome == "finished"


def test_who_breaks_after_having_said_its_last_word_ends_the_connection(connection: Connection) -> None:
    """Else a connection whose client is gone would stay for as long as its backend says nothing."""
    connection.far_backend.shutdown(socket.SHUT_WR)
    connection.down.on_events(READ | HANGUP)
    assert connection.outcome == ""
    connection.far_backend.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.far_backend.close()
    connection.down.on_events(READ | WRITE | HANGUP | BROKEN)

    assert connection.outcome == "aborted"


def test_a_reset_is_seen_as_broken(connection: Connection) -> None:
    connection.far_backend.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    connection.far_backend.close()
    connection.down.on_events(READ | HANGUP | BROKEN)

    assert connection.outcome == "aborted"
