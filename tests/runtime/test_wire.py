"""Messages between an agent and a pause."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runtime.wire import Unpacker, pack

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
