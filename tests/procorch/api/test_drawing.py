"""Numbers are of the size that was asked for, and nothing of the pool is given twice."""

from __future__ import annotations

import os

import pytest

from procorch.api import drawing
from procorch.api.drawing import Draw


@pytest.mark.parametrize("bits", [0, 1, 5, 8, 53, 128, 100_000])
def test_numbers_have_at_most_so_many_bits(bits: int) -> None:
    draw = Draw()
    found = [draw.getrandbits(bits) for _ in range(200)]
    assert all(0 <= one < 1 << bits for one in found)
    if bits >= 53:
        assert len(set(found)) == len(found)


def test_every_byte_is_given_once(monkeypatch: pytest.MonkeyPatch) -> None:
    fetched, real = b"", os.urandom

    def urandom(size: int) -> bytes:
        nonlocal fetched
        new = real(size)
        fetched += new
        return new

    monkeypatch.setattr(drawing.os, "urandom", urandom)
    draw = Draw()
    given = b"".join(draw.getrandbits(128).to_bytes(16, "big") for _ in range(1000))
    assert given == fetched[: len(given)]


def test_what_is_built_on_it() -> None:
    draw = Draw()
    assert {draw.choice("ab") for _ in range(200)} == {"a", "b"}
    assert {draw.randrange(3) for _ in range(300)} == {0, 1, 2}
    assert all(0 <= draw.random() < 1 for _ in range(100))
