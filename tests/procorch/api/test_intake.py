"""Bodies that are objects, and their unknown fields."""

from __future__ import annotations

import re

import pytest

from procorch.api.intake import Fields, read, read_options, typed
from procorch.api.patch import JSON_PATCH, MERGE_PATCH, STRATEGIC_PATCH, Patch
from procorch.api.request import Request
from procorch.kinds import KINDS
from procorch.objects import BadRequest, Invalid

CONFIG_MAP = KINDS["ConfigMap"]


def request(body, content_type="application/json"):
    return Request("POST", "/", {}, {"content-type": content_type}, body)


@pytest.mark.parametrize(
    ("obj", "message"),
    [
        (
            {"apiVersion": "v2", "kind": "ConfigMap"},
            'ConfigMap in version "v2" cannot be handled as a ConfigMap: no kind "ConfigMap" is registered for version '
            '"v2" in scheme "pkg/api/legacyscheme/scheme.go:30"',
        ),
        (
            {"apiVersion": "apps/v1", "kind": "Deployment"},
            'Deployment in version "v1" cannot be handled as a ConfigMap: converting (v1.Deployment) to '
            "(core.ConfigMap): unknown conversion",
        ),
        (
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": []},
            'ConfigMap in version "v1" cannot be handled as a ConfigMap: json: cannot unmarshal array into Go struct '
            "field ConfigMap.metadata of type v1.ObjectMeta",
        ),
    ],
)
def test_what_an_object_says_of_itself_must_be_right(obj, message):
    with pytest.raises(BadRequest) as refused:
        typed(obj, CONFIG_MAP)

    assert refused.value.message == message


_PARSE = (
    "the object provided is unrecognized (must be of type ConfigMap): couldn't get version/kind; json parse error: "
)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", f"{_PARSE}unexpected end of JSON input ({{)"),
        (b"x: y", f"{_PARSE}invalid character 'x' looking for beginning of value (783a2079)"),
        (b"", f"{_PARSE}unexpected end of JSON input (<empty>)"),
        (b'{"apiVersion":1,"kind":"ConfigMap"}',
         f"{_PARSE}json: cannot unmarshal number into Go struct field .apiVersion of type string "
         '({"apiVersion":1,"kind":"Config ...)'),
        (b'{"apiVersion":"a/b/c"}',
         "the object provided is unrecognized (must be of type ConfigMap): unexpected GroupVersion string: a/b/c "
         '({"apiVersion":"a/b/c"})'),
    ],
)  # fmt: skip
def test_a_body_that_cannot_be_read_is_quoted(body, message):
    with pytest.raises(BadRequest) as refused:
        read(request(body), CONFIG_MAP, Fields())

    assert refused.value.message == message


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"a: [b", "yaml: line 1: did not find expected ',' or ']'"),
        (b"a: b\n c: d\n", "yaml: line 2: mapping values are not allowed in this context"),
        (b'a: "b\n', "yaml: line 2: found unexpected end of stream"),
        (b"\ta: b\n", "yaml: found character that cannot start any token"),
    ],
)
def test_of_yaml_the_line_is_told(body, why):
    with pytest.raises(BadRequest, match=re.escape(f"(must be of type ConfigMap): {why} (")):
        read(request(body, "application/yaml"), CONFIG_MAP, Fields())


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"{", "couldn't get version/kind; json parse error: unexpected end of JSON input"),
        (b'{"kind":"Pod","apiVersion":"v1"}',
         'no kind "Pod" is registered for version "v1" in scheme '
         '"k8s.io/apimachinery/pkg/apis/meta/internalversion/scheme/register.go:27"'),
    ],
)  # fmt: skip
def test_options_of_a_delete_that_are_none(body, why):
    with pytest.raises(BadRequest) as refused:
        read_options(request(body))

    assert refused.value.message == why and read_options(request(b"null")) == {}


def test_an_object_need_not_say_what_it_is():
    shown = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}}

    assert typed({}, CONFIG_MAP) == shown
    assert typed({"apiVersion": "", "kind": None, "metadata": None}, CONFIG_MAP) == shown
    with pytest.raises(BadRequest, match="unknown conversion"):
        typed({"kind": "Pod"}, CONFIG_MAP)


def test_duplicate_fields_are_seen_unless_they_are_ignored():
    body = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{},"data":{"x":"1"}}'
    strict, warn, ignore = Fields("Strict"), Fields("Warn"), Fields("Ignore")

    with pytest.raises(BadRequest, match='strict decoding error: duplicate field "data"'):
        strict.settle(CONFIG_MAP, read(request(body), CONFIG_MAP, strict))
    for fields in (warn, ignore):
        fields.settle(CONFIG_MAP, read(request(body), CONFIG_MAP, fields))
    assert (warn.warnings, ignore.warnings) == (['duplicate field "data"'], [])


def test_of_yaml_what_stands_twice_is_told_by_line_and_before_what_is_unknown():
    body = b"""apiVersion: v1
kind: ConfigMap
metadata: {name: a, stranger: 1}
data:
  x: "1"
  x: "2"
  x: "3"
other: 1
"""
    strict, warn, ignore = Fields("Strict"), Fields("Warn"), Fields("Ignore")
    twice = ['line 6: key "x" already set in map', 'line 7: key "x" already set in map']
    unknown = ['unknown field "metadata.stranger"', 'unknown field "other"']

    with pytest.raises(BadRequest) as refused:
        strict.settle(CONFIG_MAP, read(request(body, "application/yaml"), CONFIG_MAP, strict))
    for fields in (warn, ignore):
        fields.settle(CONFIG_MAP, read(request(body, "application/yaml"), CONFIG_MAP, fields))

    assert refused.value.message == (
        'ConfigMap in version "v1" cannot be handled as a ConfigMap: strict decoding error: yaml: unmarshal errors:\n  '
        + "\n  ".join(twice) + ", " + ", ".join(unknown)
    )  # fmt: skip
    assert (warn.warnings, ignore.warnings) == (twice + unknown, [])


def test_members_that_no_operation_of_a_json_patch_has_are_told():
    patch = Patch(JSON_PATCH, b'[{"op":"test","path":"","op":"test","who":1}]')
    fields = Fields("Warn", duplicates=["[0].op"], strangers=["[0].who"])
    fields.settle(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap"}, patch)

    assert fields.warnings == ['json patch duplicate field "[0].op"', 'json patch unknown field "[0].who"']


def test_a_warning_cannot_become_a_header_of_its_own():
    fields = Fields("Warn")
    fields.settle(CONFIG_MAP, {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {}, 'a"\r\nSet-Cookie: x': 1})

    assert fields.headers() == {"Warning": '299 - "unknown field \\"a\\"  Set-Cookie: x\\""'}


@pytest.mark.parametrize(
    ("media", "patch", "shown"),
    [
        (STRATEGIC_PATCH, b'{"foo":1,"data":{"b":null,"a":"1"}}', "map[data:map[a:1 b:<nil>] foo:1]"),
        (MERGE_PATCH, b'{"foo":1}', '{\\"apiVersion\\":\\"v1\\",\\"foo\\":1}'),
    ],
)
def test_a_strict_patch_is_quoted_as_kubernetes_quotes_it(media, patch, shown):
    with pytest.raises(Invalid) as refused:
        Fields("Strict").settle(CONFIG_MAP, {"apiVersion": "v1", "foo": 1}, Patch(media, patch))

    why = 'strict decoding error: unknown field "foo"'
    assert refused.value.message == f' "" is invalid: patch: Invalid value: "{shown}": {why}'


def test_a_patch_that_makes_a_value_of_another_type_is_invalid():
    with pytest.raises(Invalid, match=r"patch: Invalid value: .* cannot unmarshal number into Go struct field"):
        Fields().settle(CONFIG_MAP, {"data": {"a": 1}}, Patch(MERGE_PATCH, b'{"data":{"a":1}}'))


def test_what_is_wrong_with_the_fields_is_told_in_the_order_of_the_text():
    """As the conformance tests of field validation ask for it; unknown and twice is only unknown."""
    body = b"""{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a","unknownMeta":1},
        "stranger":1,"stranger":2,"data":{"a":"1","b":"2","a":"3"},"other":{"x":1,"x":2},"data":{}}"""
    strict = Fields("Strict")

    with pytest.raises(BadRequest) as refused:
        strict.settle(CONFIG_MAP, read(request(body), CONFIG_MAP, strict))

    assert refused.value.message.partition("strict decoding error: ")[2] == (
        'unknown field "metadata.unknownMeta", unknown field "stranger", duplicate field "data.a", '
        'unknown field "other", duplicate field "data"'
    )


def test_no_body_is_no_options():
    assert read_options(request(b" ")) == {}


@pytest.mark.parametrize(
    "body", [b"[]", b'{"kind":"Pod"}', b'{"preconditions":3}', b'{"gracePeriodSeconds":"soon"}', b'{"dryRun":1}']
)
def test_delete_options_that_are_none_are_refused(body):
    with pytest.raises(BadRequest):
        read_options(request(body))
