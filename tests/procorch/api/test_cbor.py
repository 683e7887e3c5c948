"""CBOR: what Kubernetes' writer writes is read, and nothing becomes more than JSON can say."""

from __future__ import annotations

import cbor2
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.api import cbor

_TEXT = st.text(st.characters(blacklist_categories=("Cs",)), max_size=8)
_NUMBERS = st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
_JSON = st.recursive(
    st.none() | st.booleans() | _NUMBERS | _TEXT,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(_TEXT, inner, max_size=4),
    max_leaves=12,
)


@given(_JSON)
def test_values_of_json_come_back(value):
    assert cbor.decode(cbor.SELF + cbor.encode(value), 254) == value


def test_kubernetes_own_spelling_is_read():
    """Byte strings for text and names, tag 22 around bytes, tags around times."""
    written = cbor2.dumps(
        {
            b"kind": b"Secret",
            b"data": {b"key": cbor2.CBORTag(22, b"hello")},
            "at": cbor2.CBORTag(0, "2026-01-02T03:04:05Z"),
            "since": cbor2.CBORTag(1, 0),
            "odd": cbor2.CBORTag(4711, "x"),
        }
    )

    assert cbor.decode(written, 254) == {
        "kind": "Secret", "data": {"key": "aGVsbG8="}, "at": "2026-01-02T03:04:05Z", "since": "1970-01-01T00:00:00Z",
        "odd": "x",
    }  # fmt: skip


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(b"", id="nothing"),
        pytest.param(b"\x00\x00", id="two values"),
        pytest.param(b"\xa1\x61a", id="cut off"),
        pytest.param(bytes.fromhex("9bffffffffffffffff"), id="a list of 2^64 elements"),
        pytest.param(b"\x81" * 100_000 + b"\x00", id="deep"),
        pytest.param(cbor2.dumps({1: 2}), id="a key that is a number"),
        pytest.param(b"\xa2\x61a\x01\x61a\x02", id="a key twice"),
        pytest.param(b"\xa2\x61a\x01\x41a\x02", id="a key twice, as text and as bytes"),
        pytest.param(cbor2.dumps(float("nan")), id="NaN"),
        pytest.param(cbor2.dumps(float("inf")), id="infinity"),
        pytest.param(cbor2.dumps(2**70), id="a large number"),
        pytest.param(bytes.fromhex("1bffffffffffffffff"), id="a number of 64 bits without a sign"),
        pytest.param(bytes.fromhex("82d81c81d81d0000"), id="a list that holds itself"),
        pytest.param(bytes.fromhex("d9010082646161616161d81900"), id="a reference to text"),
        pytest.param(b"\xf7", id="undefined"),
        pytest.param(b"\x42\xff\xfe", id="bytes that are no text"),
        pytest.param(b"\x63\xed\xb0\x80", id="a lone surrogate"),
    ],
)
def test_what_json_cannot_say_is_refused(data):
    with pytest.raises(ValueError):
        cbor.decode(data, 254)
