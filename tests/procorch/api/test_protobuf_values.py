"""Times and IntOrString, as Go writes them."""

from __future__ import annotations

import pytest

from procorch.api.protobuf_values import (
    GONE,
    int_or_string,
    int_or_string_bytes,
    time_bytes,
    time_text,
)


@pytest.mark.parametrize("value", [0, 8080, -1, "http", ""])
def test_an_int_or_a_string_comes_back_as_what_it_was(value: int | str) -> None:
    assert int_or_string(int_or_string_bytes(value)) == value


def test_a_time_keeps_what_its_form_has_room_for() -> None:
    data = time_bytes("2026-01-02T03:04:05.123456789+01:00")

    assert time_text(data, micro=True) == "2026-01-02T02:04:05.123456Z"
    assert time_text(data, micro=False) == "2026-01-02T02:04:05Z"
    assert time_text(b"", micro=False) is GONE
    with pytest.raises(ValueError, match="is no time"):
        time_text(b"\x08" + b"\xff" * 8 + b"\x7f", micro=False)
