"""What a request says of its field manager."""

from __future__ import annotations

import pytest

from procorch.api import cbor
from procorch.api.fieldmanager import config_of, is_apply, manager_of
from procorch.api.intake import Fields
from procorch.api.request import Request
from procorch.objects import BadRequest, RequestEntityTooLarge

APPLY, CBOR = "application/apply-patch+yaml", "application/apply-patch+cbor"


def asked(agent="", body=b"", media=APPLY, **query):
    return Request("PATCH", "/", query, {"user-agent": agent, "content-type": media}, body)


@pytest.mark.parametrize(
    ("request_", "manager"),
    [
        (asked("kubectl/v1.37.0 (linux/amd64) kubernetes/abc"), "kubectl"),
        (asked("curl"), "curl"),
        (asked(""), "unknown"),
        (asked("/1.0"), "unknown"),
        (asked("a\x07b/1"), "ab"),
        (asked("ä" * 100), "ä" * 64),
        (asked("kubectl/1", fieldManager="me"), "me"),
    ],
)
def test_who_writes(request_, manager):
    assert manager_of(request_) == manager


def test_an_apply_is_told_by_its_type():
    assert is_apply(asked()) and is_apply(asked(media=f"{APPLY}; charset=utf-8")) and is_apply(asked(media=CBOR))
    assert not is_apply(asked(media="application/merge-patch+json"))


@pytest.mark.parametrize("body", [b'{"a": 1}', b"a: 1", b"  {a: 1}", b'{"a": 1} # JSON, and YAML'])
def test_a_configuration_is_yaml_and_mostly_json(body):
    assert config_of(asked(body=body), Fields("Ignore")) == {"a": 1}


def test_a_configuration_in_cbor():
    assert config_of(asked(media=CBOR, body=cbor.encode({"a": 1})), Fields()) == {"a": 1}
    with pytest.raises(BadRequest, match="as CBOR"):
        config_of(asked(media=CBOR, body=b"{}"), Fields())


@pytest.mark.parametrize(("body", "line"), [(b'{"a": 1, "a": 2}', 1), (b"a: 1\na: 2", 2)])
def test_repeated_fields_are_told_by_line_or_refused(body, line):
    warn, ignore, why = Fields("Warn"), Fields("Ignore"), f'line {line}: key "a" already set in map'
    for fields in (warn, ignore):
        config_of(asked(body=body), fields)
    with pytest.raises(BadRequest) as refused:
        config_of(asked(body=body), Fields("Strict"))

    assert (warn.lines, warn.duplicates, ignore.lines) == ([why], [], [])
    said = "error strict decoding patch: error converting YAML to JSON: yaml: unmarshal errors:"
    assert refused.value.message == f"{said}\n  {why}"


def test_what_cannot_be_read_is_refused():
    with pytest.raises(
        BadRequest, match="error converting YAML to JSON: yaml: line 1: did not find expected node content"
    ):
        config_of(asked(body=b"{a: ["), Fields())
    with pytest.raises(RequestEntityTooLarge):
        config_of(asked(body=b"{" + b" " * (4 << 20)), Fields())
    with pytest.raises(BadRequest, match="nested deeper"):
        config_of(asked(body=b'{"a":' * 300 + b"1" + b"}" * 300), Fields())
