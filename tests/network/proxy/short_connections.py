"""Load for the proxy's tests, as programs of their own: a server, and a client that makes many short connections.

    python short_connections.py server PORT
    python short_connections.py client ADDRESS:PORT COUNT AT_ONCE

The client sends a word, waits for it to come back, and closes first, as most clients do. It prints, as JSON, how many
were answered, what went wrong how often, and the seconds that it took.
"""

from __future__ import annotations

import collections
import errno
import json
import select
import socket
import sys
import time
from pathlib import Path

WORD = b"x" * 100
PATIENCE = 40.0  # seconds for all


def serve(port: int) -> None:
    epoll, there = select.epoll(), {}
    listener = socket.create_server(("0.0.0.0", port), backlog=4096)
    listener.setblocking(False)
    epoll.register(listener, select.EPOLLIN)
    print("ready", flush=True)
    while True:
        for fd, _ in epoll.poll():
            if fd == listener.fileno():
                one = listener.accept()[0]
                there[one.fileno()] = one
                epoll.register(one, select.EPOLLIN)
                continue
            try:
                data = there[fd].recv(4096)
                if data:
                    there[fd].sendall(data)
            except OSError:
                data = b""
            if not data:
                epoll.unregister(fd)
                there.pop(fd).close()


def ask(target: tuple[str, int], count: int, at_once: int) -> None:
    Path("/proc/sys/net/ipv4/tcp_tw_reuse").write_text("1")  # this client's own ports are not what is tested
    epoll = select.epoll()
    there: dict[int, socket.socket] = {}
    wrong: collections.Counter[str] = collections.Counter()
    begun = answered = 0
    started = time.monotonic()
    while answered + sum(wrong.values()) < count and time.monotonic() - started < PATIENCE:
        while begun < count and len(there) < at_once:
            begun += 1
            one = socket.socket()
            one.setblocking(False)
            one.connect_ex(target)
            there[one.fileno()] = one
            epoll.register(one, select.EPOLLOUT)
        for fd, events in epoll.poll(0.1):
            one = there[fd]
            try:
                if events & select.EPOLLOUT:
                    one.send(WORD)
                    epoll.modify(fd, select.EPOLLIN)
                    continue
                if one.recv(4096) == WORD:
                    answered += 1
                else:
                    wrong["an early end"] += 1
            except OSError as error:
                wrong[errno.errorcode.get(error.errno or 0, str(error))] += 1
            epoll.unregister(fd)
            there.pop(fd).close()
    if there:
        wrong["no answer"] += len(there)
    print(json.dumps({"answered": answered, "wrong": wrong, "seconds": time.monotonic() - started}), flush=True)


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["server", port]:
            serve(int(port))
        case ["client", target, count, at_once]:
            address, _, port = target.partition(":")
            ask((address, int(port)), int(count), int(at_once))
