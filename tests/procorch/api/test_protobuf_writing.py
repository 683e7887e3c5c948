"""Objects into protobuf: byte for byte where it is known, and back for what is large."""

from __future__ import annotations

import pytest

from procorch.api import protobuf, protobuf_writing
from procorch.api.protobuf_wire import delimited


def test_a_small_object_byte_for_byte():
    named = delimited(1, b"v1") + delimited(2, b"ConfigMap")
    metadata = delimited(1, delimited(1, b"a"))
    data = delimited(2, delimited(1, b"k") + delimited(2, b"v"))
    wanted = b"k8s\0" + delimited(1, named) + delimited(2, metadata + data) + b"\x1a\x00\x22\x00"

    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k": "v"}}

    assert protobuf_writing.encode(obj) == wanted


def test_what_is_longer_than_127_bytes_has_its_length_in_two():
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}, "data": {"k" * 200: "v" * 70_000}}

    assert protobuf.decode(protobuf_writing.encode(obj)) == obj


def test_metadata_alone_and_lists_of_it():
    partial = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadata", "metadata": {"name": "a"}}
    listed = {"apiVersion": "meta.k8s.io/v1", "kind": "PartialObjectMetadataList",
              "metadata": {"resourceVersion": "7", "continue": "t", "remainingItemCount": 3},
              "items": [{"metadata": {"name": "a"}}]}  # fmt: skip

    assert protobuf.decode(protobuf_writing.encode(partial)) == partial
    assert protobuf.decode(protobuf_writing.encode(listed)) == listed


def test_nulls_and_fields_that_have_no_number_are_left_out():
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "labels": None}, "stranger": 1}

    assert protobuf.decode(protobuf_writing.encode(obj))["metadata"] == {"name": "a"}


@pytest.mark.parametrize(
    "spec", [{"containers": 3}, {"containers": [7]}, {"nodeName": 5}, {"priority": "high"}], ids=str
)
def test_values_of_wrong_types_are_refused(spec):
    with pytest.raises(ValueError, match="Pod cannot be written as protobuf"):
        protobuf_writing.encode({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": spec})
