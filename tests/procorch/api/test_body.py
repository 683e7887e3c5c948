"""Bodies: what is read, what is refused, and that refusing is quick."""

from __future__ import annotations

import json
import time

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from procorch.api import body, cbor, protobuf_writing
from procorch.objects import BadRequest, RequestEntityTooLarge, UnsupportedMediaType

BOMB = b"a: &a [x,x,x,x,x,x,x,x,x]\n" + b"".join(
    b"%c: &%c [%b]\n" % (97 + row, 97 + row, b",".join([b"*%c" % (96 + row)] * 9)) for row in range(1, 9)
)


@pytest.mark.parametrize("media", ["", "application/json", "application/json; charset=utf-8", "application/vnd.x+json"])
def test_json_is_read(media):
    assert body.decode(media, b'{"a": [1, 2.5, "\xe4\xb8\xad", null]}') == {"a": [1, 2.5, "中", None]}


def test_yaml_is_read_as_json_would_have_it():
    text = """
    # 注释
    a: &a [1, 0x10, 010, 1.5, ~, yes, "no", 2020-01-01]
    b: *a
    c: {<<: {x: 1, y: 2}, y: 3}
    1: one
    true: two
    d: |
      line
    """
    first = [1, 16, 8, 1.5, None, True, "no", "2020-01-01"]

    assert body.decode("application/yaml", text.encode()) == {
        "a": first, "b": first, "c": {"x": 1, "y": 3}, "1": "one", "true": "two", "d": "line\n",
    }  # fmt: skip


def test_cbor_is_read():
    assert body.decode("application/cbor", cbor.SELF + cbor.encode({"kind": "Pod"})) == {"kind": "Pod"}
    with pytest.raises(BadRequest, match=r"cannot be read as CBOR: .*Duplicate map key"):
        body.decode("application/cbor", b"\xa2\x61a\x01\x61a\x02", [])


def test_protobuf_is_read():
    obj = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "a"}}

    assert body.decode("application/vnd.kubernetes.protobuf", protobuf_writing.encode(obj)) == obj


@pytest.mark.parametrize(
    ("media", "data"),
    [
        pytest.param("application/json", b"[" * 100_000, id="100,000 levels of lists"),
        pytest.param("application/json", b'{"a":' * 100_000, id="100,000 levels of maps"),
        pytest.param("application/json", b"[" * 400 + b"]" * 400, id="deeper than can be written"),
        pytest.param("application/json", b'{"a":1,"a":' + b"[" * 1000 + b"]" * 1000 + b"}", id="deep and repeated"),
        pytest.param("application/yaml", b"[" * 100_000, id="100,000 levels of lists in YAML"),
        pytest.param("application/yaml", b"- " * 100_000, id="100,000 levels of block lists"),
        pytest.param("application/yaml", b"? " * 100_000, id="100,000 levels of keys"),
        pytest.param("application/yaml", BOMB, id="aliases of aliases"),
        pytest.param("application/yaml", b"a: &a [*a]", id="an alias of itself"),
        pytest.param("application/yaml", b"a: 1\n---\nb: 2", id="two documents"),
        pytest.param("application/yaml", b"a: .nan", id="NaN in YAML"),
        pytest.param("application/yaml", b"a: -.inf", id="infinity in YAML"),
        pytest.param("application/yaml", b"a: 1e999", id="a number beyond all bounds"),
        pytest.param("application/yaml", b"a: \xff", id="no UTF-8"),
        pytest.param("application/yaml", b"a: !!python/object:os.system x", id="a tag of Python's"),
        pytest.param("application/yaml", b"{a: [1}", id="malformed YAML"),
        pytest.param("application/json", b'{"a": NaN}', id="NaN"),
        pytest.param("application/json", b'{"a": -Infinity}', id="infinity"),
        pytest.param("application/json", b'{"a": "\\ud800"}', id="a lone surrogate"),
        pytest.param("application/json", b'{"a": 1', id="cut off"),
        pytest.param("application/json", b"", id="empty"),
        pytest.param("application/json", b'{"a": "\xff"}', id="no UTF-8 in JSON"),
        pytest.param("application/vnd.kubernetes.protobuf", b"{}", id="JSON said to be protobuf"),
        pytest.param("application/vnd.kubernetes.protobuf", b"k8s\x00\x0a\xff", id="protobuf cut off"),
    ],
)
def test_what_cannot_be_read_is_a_bad_request_at_once(media, data):
    started = time.monotonic()
    with pytest.raises(BadRequest):
        body.decode(media, data, [])

    assert time.monotonic() - started < 2


def test_more_than_three_mebibytes_are_too_large():
    with pytest.raises(RequestEntityTooLarge):
        body.decode("application/json", b" " * (body.MAX_BYTES + 1))


def test_other_media_are_not_supported():
    with pytest.raises(UnsupportedMediaType):
        body.decode("text/html", b"<p>")


@pytest.mark.parametrize(
    ("text", "paths"),
    [
        ('{"a": 1, "b": {"c": 1, "c" : 2}, "a": [{"x": 1, "x": 2}]}', {"a", "b.c", "a[0].x"}),
        ('{"a": 1, "a": 2, "a": 3}', {"a"}),
        ('{"a": {"b": 1}, "b": "\\":\\"", "c": [":", "\\": "]}', set()),
        ('{"a": 1, "\\u0061": 2}', {"a"}),
    ],
)
def test_fields_that_stand_twice_are_found(text, paths):
    found: list[str] = []
    body.decode("application/json", text.encode(), found)

    assert sorted(found) == sorted(paths)


@pytest.mark.parametrize(
    ("text", "lines"),
    [
        pytest.param("a: 1\na: 2\na: 3\n", ['line 2: key "a" already set in map', 'line 3: key "a" already set in map'],
                     id="each time that it stands again"),
        pytest.param("a: {b: 1,\n    b: 2}\nc: [{d: 1, d: 1}]\n",
                     ['line 2: key "b" already set in map', 'line 3: key "d" already set in map'], id="in flow style"),
        pytest.param("a:\n  x: 1\na:\n  y: 1\n  y: 2\n",
                     ['line 5: key "y" already set in map', 'line 4: key "a" already set in map'],
                     id="a map stands where its first key does, and is told after what is in it"),
        pytest.param("1: a\n1: b\ntrue: a\ntrue: b\n'\"': a\n'\"': b\n",
                     ["line 2: key 1 already set in map", "line 4: key true already set in map",
                      'line 6: key "\\"" already set in map'], id="keys that are no plain text"),
        pytest.param("a: &x {b: 1, c: 2}\nd:\n  <<: *x\n  b: 3\n", ['line 4: key "b" already set in map'],
                     id="what a merge brought"),
        pytest.param("a: {b: 1}\nc: {b: 1}\n", [], id="in two maps it stands once"),
    ],
)  # fmt: skip
def test_fields_that_stand_twice_in_yaml_are_told_by_line(text, lines):
    found: list[str] = []
    body.decode("application/yaml", text.encode(), found)

    assert found == lines


def test_what_stands_last_in_yaml_counts_as_in_json():
    assert body.decode("application/yaml", b"a: 1\na: 2\n") == {"a": 2}


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=6), inner, max_size=4),
)


@given(_JSON, st.booleans())
def test_whatever_json_says_is_read_the_same_and_nothing_stands_twice(value, spaced):
    text = json.dumps(value, ensure_ascii=spaced, separators=(", ", " : ") if spaced else (",", ":"))
    found: list[str] = []

    assert body.decode("application/json", text.encode(), found) == value
    assert found == []


@given(st.recursive(
    st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.text(st.characters(codec="ascii", categories=["L"])),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text("abc", min_size=1, max_size=4), inner),
))  # fmt: skip
def test_yaml_says_the_same_as_the_value_that_was_dumped(value):
    assert body.decode("application/yaml", yaml.safe_dump(value).encode()) == value
