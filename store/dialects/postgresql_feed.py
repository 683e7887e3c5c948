"""The connection on which PostgreSQL tells what other masters have committed."""

import contextlib
import os
import select
import threading
from collections.abc import Callable
from typing import Any

import psycopg
from psycopg import Notify, sql

from store.dialects.postgresql_news import read
from store.dialects.postgresql_telling import Telling
from store.news import News

SILENCE = 1.0
"""Seconds after which a follower looks by itself: a master that was killed may have owed it something."""


class PostgresqlFeed:
    """See dialects.Feed. Listens from the beginning on, so that what is committed after a `read` is told."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        channel: str,
        own: set[int],
        telling: Telling,
        renew: Callable[[psycopg.Connection[Any]], bool],
    ) -> None:
        """own: the server's processes whose commits need not be told; gets this one."""
        self._connection = connection
        self._channel = channel
        self._own = own
        self._telling = telling
        self._renew = renew
        self._told = 0  # the highest revision that others have told since the last look
        self._process = connection.info.backend_pid
        own.add(self._process)
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._guard = threading.Lock()  # of the pipe: a number that was closed may be somebody else's by now
        self._closed = False
        connection.add_notify_handler(self._hear)  # of what comes while something is read
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))
        telling.wake = self.wake

    def wait(self, known: Callable[[], int]) -> bool:
        connection = self._connection.pgconn
        while True:
            connection.consume_input()
            while (notice := connection.notifies()) is not None:
                self._hear(Notify(self._channel, notice.extra.decode(), notice.be_pid))
            told, self._told = self._told, 0
            if told > known():
                return True
            debt, left = self._telling.look()
            if debt:
                self._connection.execute("SELECT pg_notify(%s, %s)", (self._channel, str(debt)))
                self._telling.told(debt)
                continue
            ready, _, _ = select.select([connection.socket, self._woken], [], [], SILENCE if left is None else left)
            if self._woken in ready:
                os.read(self._woken, 4096)
                return False
            if not ready and left is None:
                return True

    def _hear(self, notice: Notify) -> None:
        if notice.pid not in self._own:
            self._told = max(self._told, int(notice.payload))

    def read(self, known: int) -> News:
        try:
            return read(self._connection, known)
        except LookupError:
            with self._connection.transaction():
                renewed = self._renew(self._connection)
                return read(self._connection, known, renewed=renewed)

    def wake(self) -> None:
        with self._guard, contextlib.suppress(BlockingIOError):  # full: it is awake already
            if not self._closed:
                os.write(self._waker, b"x")

    def close(self) -> None:
        self._own.discard(self._process)
        self._connection.close()
        with self._guard:
            self._closed = True
            os.close(self._woken)
            os.close(self._waker)
