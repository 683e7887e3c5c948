"""One object in every media type, and the events of watches."""

from __future__ import annotations

import orjson
import yaml

from procorch.api import cbor, protobuf
from procorch.api.media import ALL, CBOR, FRAMINGS, JSON, PROTOBUF, YAML, indented, written

POD = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}, "spec": {"containers": [{"name": "c"}]}}
DATA = orjson.dumps(POD)


def test_every_media_type_holds_the_same_object():
    readers = {
        JSON: orjson.loads,
        YAML: yaml.safe_load,
        PROTOBUF: protobuf.decode,
        CBOR: lambda data: cbor.decode(data, 254),
    }

    for media in ALL:
        assert readers[media](written(DATA, media)) == POD, media


def test_a_list_is_written_as_protobuf_too():
    data = orjson.dumps({"kind": "PodList", "apiVersion": "v1", "metadata": {"resourceVersion": "7"}, "items": [
        {"metadata": {"name": "a"}}, {"metadata": {"name": "b"}}]})  # fmt: skip

    found = protobuf.decode(written(data, PROTOBUF))

    assert found["metadata"] == {"resourceVersion": "7"}
    assert [item["metadata"]["name"] for item in found["items"]] == ["a", "b"]


def test_what_has_no_numbers_has_no_form_in_protobuf():
    assert written(b'{"apiVersion":"example.com/v1","kind":"Thing","metadata":{"name":"a"}}', PROTOBUF) is None
    assert written(b'{"kind":"APIVersions","versions":["v1"]}', PROTOBUF) is None


def test_events_follow_each_other():
    assert FRAMINGS[JSON].event("ADDED", DATA) == b'{"type":"ADDED","object":' + DATA + b"}\n"
    frame = FRAMINGS[PROTOBUF].event("ADDED", DATA)
    assert int.from_bytes(frame[:4], "big") == len(frame) - 4
    assert cbor.decode(FRAMINGS[CBOR].event("ADDED", DATA), 254) == {"type": "ADDED", "object": POD}
    assert YAML not in FRAMINGS


def test_indented_for_people():
    assert indented(b'{"a":{"b":[]}}') == b'{\n  "a": {\n    "b": []\n  }\n}\n'
