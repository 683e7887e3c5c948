"""Threads in network namespaces: the caller stays where it is."""

from __future__ import annotations

import os
import socket

import pytest

from network import netns

pytestmark = pytest.mark.kernel


def identity(fd: int) -> int:
    try:
        return os.fstat(fd).st_ino
    finally:
        os.close(fd)


def test_what_runs_inside_is_inside_and_the_caller_is_not_moved() -> None:
    home, made = identity(netns.current()), netns.create()

    assert netns.inside(made, lambda: identity(netns.current())) == os.fstat(made).st_ino != home
    assert identity(netns.current()) == home
    os.close(made)


def test_a_socket_made_inside_stays_there() -> None:
    made = netns.create()
    one = netns.inside(made, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
    with one, pytest.raises(OSError, match="unreachable"):  # not even lo is up in there
        one.connect(("127.0.0.1", 9))
    os.close(made)


def test_what_is_raised_inside_is_raised_outside() -> None:
    with pytest.raises(ZeroDivisionError):
        netns.in_thread(lambda: 1 / 0)


def test_the_namespace_of_a_process_that_is_gone_is_not_found() -> None:
    with pytest.raises(FileNotFoundError):
        netns.of_process(2**22 + 1)
