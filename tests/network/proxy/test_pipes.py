"""Pipes that wait to be used again."""

from __future__ import annotations

import os

import pytest

from network.proxy.pipes import Pipes


def test_an_empty_pipe_is_used_again_and_one_with_something_left_is_closed() -> None:
    pipes = Pipes()
    one = pipes.take()
    assert one is not None
    pipes.give_back(one, True)
    assert pipes.take() == one
    pipes.give_back(one, False)

    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(one[0])


def test_what_waits_is_closed_at_the_end() -> None:
    pipes = Pipes()
    one = pipes.take()
    assert one is not None
    pipes.give_back(one, True)
    pipes.close()

    for end in one:
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(end)
