"""Numbers, lengths and parts; what is cut off or makes no sense is a ValueError, never something else."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api.protobuf_wire import BYTES, VARINT, delimited, parts, signed, text_of, varint, varint_at


@given(st.integers(-(2**63), 2**63 - 1))
def test_a_number_comes_back_and_says_where_it_ends(number: int) -> None:
    data = varint(number)

    assert varint_at(b"x" + data + b"y", 1) == (number & 0xFFFFFFFFFFFFFFFF, 1 + len(data))
    assert signed(number, 64) == number


def test_a_message_is_its_parts_in_order() -> None:
    data = varint(1 << 3 | VARINT) + varint(300) + delimited(2, b"ab")

    assert list(parts(data)) == [(1, VARINT, 300), (2, BYTES, b"ab")]
    for end in (1, 2, len(data) - 1):
        with pytest.raises(ValueError, match="cut off"):
            list(parts(data[:end]))


@given(st.binary(max_size=40))
def test_whatever_comes_is_parts_or_a_value_error(data: bytes) -> None:
    try:
        found = list(parts(data))
    except ValueError:
        return
    assert all(number > 0 for number, _, _ in found)


def test_text_has_a_length() -> None:
    assert text_of("ü".encode()) == "ü"
    with pytest.raises(ValueError, match="text is expected"):
        text_of(5)
