"""What a request says of its field manager."""

from __future__ import annotations

import pytest

from procorch.api.fieldmanager import applier_of, config_of, is_apply, manager_of
from procorch.api.intake import Fields
from procorch.api.request import Request
from procorch.objects import BadRequest, Invalid, RequestEntityTooLarge

APPLY = "application/apply-patch+yaml"


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
    assert manager_of(request_, "patch") == manager


def test_who_applies_must_say_so():
    assert applier_of(asked("kubectl/1", fieldManager="me")) == ("me", False)
    assert applier_of(asked(fieldManager="me", force="true")) == ("me", True)
    with pytest.raises(Invalid) as refused:
        applier_of(asked("kubectl/1"))

    assert refused.value.message == (
        'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
    )


@pytest.mark.parametrize(
    ("verb", "query", "why"),
    [
        ("create", {"fieldManager": "m" * 129}, "CreateOptions.*fieldManager: Too long: may not be more than 128"),
        ("update", {"fieldManager": "a\nb"}, "UpdateOptions.*fieldManager: Invalid value.*only contain printable"),
        ("patch", {"force": "true"}, "PatchOptions.*force: Forbidden: may not be specified for non-apply patch"),
    ],
)
def test_what_may_not_be_said(verb, query, why):
    with pytest.raises(Invalid, match=why):
        manager_of(asked(**query), verb)


def test_an_apply_is_told_by_its_type():
    assert is_apply(asked()) and is_apply(asked(media=f"{APPLY}; charset=utf-8"))
    assert not is_apply(asked(media="application/merge-patch+json"))


@pytest.mark.parametrize("body", [b'{"a": 1}', b"a: 1", b"  {a: 1}", b'{"a": 1} # JSON, and YAML'])
def test_a_configuration_is_yaml_and_mostly_json(body):
    assert config_of(asked(body=body), Fields("Ignore")) == {"a": 1}


@pytest.mark.parametrize("body", [b'{"a": 1, "a": 2}', b"a: 1\na: 2"])
def test_repeated_fields_are_noticed(body):
    fields = Fields("Warn")

    config_of(asked(body=body), fields)

    assert fields.duplicates == ["a"]


def test_what_cannot_be_read_is_refused():
    with pytest.raises(BadRequest, match="is not YAML"):
        config_of(asked(body=b"{a: ["), Fields())
    with pytest.raises(RequestEntityTooLarge):
        config_of(asked(body=b"{" + b" " * (4 << 20)), Fields())
    with pytest.raises(BadRequest, match="nested deeper"):
        config_of(asked(body=b'{"a":' * 300 + b"1" + b"}" * 300), Fields())
