"""Messages between an agent and a pause."""

from __future__ import annotations

import _socket
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.wire import Unpacker, pack, receive, rights

MESSAGES = st.lists(st.dictionaries(st.text(), st.integers() | st.text() | st.none()), max_size=5)


@given(MESSAGES, st.integers(1, 50))
def test_messages_arrive_whole_and_in_order_however_the_bytes_are_cut(messages, size):
    data = b"".join(map(pack, messages))
    unpacker = Unpacker()
    arrived = [one for at in range(0, len(data), size) for one in unpacker.feed(data[at : at + size])]

    assert arrived == messages


def test_bytes_that_are_no_utf_8_pass_as_surrogates():
    assert Unpacker().feed(pack({"argv": ["\udcff"]})) == [{"argv": ["\udcff"]}]


def test_what_cannot_be_a_message_is_refused():
    with pytest.raises(ValueError, match="bytes"):
        Unpacker().feed(b"\xff" * 8)


def test_fds_go_with_bytes() -> None:
    ours, theirs = _socket.socketpair()
    reading, writing = os.pipe()
    ours.sendmsg([b"x"], rights([writing]))
    data, fds = receive(theirs, 3, 100)
    os.write(fds[0], b"through")

    assert (data, len(fds)) == (b"x", 1)
    assert os.read(reading, 100) == b"through"
    assert not rights([])
    for fd in (reading, writing, *fds, ours.detach(), theirs.detach()):
        os.close(fd)
