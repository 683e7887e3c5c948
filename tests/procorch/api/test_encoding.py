"""Objects as bytes."""

from __future__ import annotations

import tracemalloc

import orjson

from procorch.api.encoding import decode, encode, pieces, with_revision
from procorch.kinds import KINDS


def test_stored_bytes_begin_so_that_the_revision_can_be_put_in():
    obj = {"metadata": {"resourceVersion": "9", "name": "a", "annotations": {"x": '"metadata":{'}}, "kind": "x",
           "data": {"k": "ü"}}  # fmt: skip
    stored = encode(KINDS["ConfigMap"], obj)

    assert stored.startswith(b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{') and b"resourceVersion" not in stored
    shown = orjson.loads(with_revision(stored, 17))
    assert shown["metadata"] == {"resourceVersion": "17", "name": "a", "annotations": {"x": '"metadata":{'}}
    assert shown["data"] == {"k": "ü"} and with_revision(stored, 0) == stored


def test_stored_bytes_take_no_more_room_than_they_are_long():
    """They stay in memory for as long as the object exists, and there are many."""
    obj = {"metadata": {"name": "a"}, "data": {"k": "x" * 700}}
    tracemalloc.start()
    try:
        began = tracemalloc.get_traced_memory()[0]
        kept = [encode(KINDS["ConfigMap"], obj) for _ in range(100)]
        taken = tracemalloc.get_traced_memory()[0] - began
    finally:
        tracemalloc.stop()

    assert taken < 2 * sum(map(len, kept))


def test_pieces_are_a_row_of_a_list_in_two():
    stored = encode(KINDS["ConfigMap"], {"metadata": {"name": "a"}, "data": {"k": "v"}})

    for revision in (17, 0):
        row = b"".join(pieces(stored, revision))
        assert {"apiVersion": "v1", "kind": "ConfigMap", **decode(row)} == decode(with_revision(stored, revision))
        assert b"kind" not in row
