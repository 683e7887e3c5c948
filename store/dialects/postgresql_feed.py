"""The connection on which PostgreSQL tells what other masters have committed."""

import contextlib
import os
import select
import threading
from collections.abc import Callable, Set
from typing import Any

import psycopg
from psycopg import sql

from store.dialects.postgresql_news import read
from store.news import News


class PostgresqlFeed:
    """See dialects.Feed. Listens from the beginning on, so that what is committed after a `read` is told."""

    def __init__(
        self,
        connection: psycopg.Connection[Any],
        channel: str,
        own: Set[int],
        renew: Callable[[psycopg.Connection[Any]], bool],
    ) -> None:
        """own: the server's processes whose commits need not be told."""
        self._connection = connection
        self._own = own
        self._renew = renew
        self._woken, self._waker = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._guard = threading.Lock()  # of the pipe: a number that was closed may be somebody else's by now
        self._closed = False
        connection.execute(sql.SQL("LISTEN {}").format(sql.Identifier(channel)))

    def wait(self, known: Callable[[], int]) -> bool:
        connection = self._connection.pgconn
        while True:
            connection.consume_input()
            told = 0
            while (notice := connection.notifies()) is not None:
                if notice.be_pid not in self._own:
                    told = max(told, int(notice.extra))
            if told > known():
                return True
            ready, _, _ = select.select([connection.socket, self._woken], [], [])
            if self._woken in ready:
                os.read(self._woken, 4096)
                return False

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
        self._connection.close()
        with self._guard:
            self._closed = True
            os.close(self._woken)
            os.close(self._waker)
