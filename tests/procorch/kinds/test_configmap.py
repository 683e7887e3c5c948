"""ConfigMaps and Secrets: keys, sizes, types, and what may no longer change."""

from __future__ import annotations

import base64

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

CONFIG: Object = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "n"}}
SECRET: Object = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "n"}}
MEBIBYTE = 1024 * 1024


def b64(value: bytes) -> str:
    return base64.b64encode(value).decode()


def test_an_empty_config_map_is_fine_and_stays_as_it_is(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(CONFIG) == (CONFIG, [])


def test_a_secret_is_opaque_and_text_becomes_data(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter({**SECRET, "data": {"a": b64(b"1"), "b": b64(b"2")}, "stringData": {"a": "ü"}})

    assert problems == []
    assert made == {**SECRET, "type": "Opaque", "data": {"a": b64("ü".encode()), "b": b64(b"2")}}


def test_a_key_may_become_a_file(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter({**CONFIG, "data": {"../etc": ""}})[1][0].startswith(
        'data[../etc]: Invalid value: "../etc": a valid config key must consist of'
    )
    assert enter({**SECRET, "data": {"..": ""}})[1] == ["data[..]: Invalid value: \"..\": must not be '..'"]


def test_a_key_stands_in_one_of_the_two_bags(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter({**CONFIG, "data": {"a": ""}, "binaryData": {"a": ""}})[1] == [
        'data[a]: Invalid value: "a": duplicate of key present in binaryData'
    ]


def test_a_mebibyte_is_the_limit(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter({**CONFIG, "data": {"a": "x" * MEBIBYTE}})[1] == []
    assert enter({**CONFIG, "data": {"a": "x" * MEBIBYTE, "b": "x"}})[1] == [
        ": Too long: may not be more than 1048576 bytes"
    ]
    assert enter({**SECRET, "data": {"a": b64(b"x" * (MEBIBYTE + 1))}})[1] == [
        "data: Too long: may not be more than 1048576 bytes"
    ]


def test_what_is_immutable_stays(enter) -> None:  # type: ignore[no-untyped-def]
    old = {**CONFIG, "data": {"a": "1"}, "immutable": True}

    assert enter({**old, "metadata": {**CONFIG["metadata"], "labels": {"a": "b"}}}, old)[1] == []
    assert enter({**CONFIG, "data": {"a": "2"}}, old)[1] == [
        "immutable: Forbidden: field is immutable when `immutable` is set",
        "data: Forbidden: field is immutable when `immutable` is set",
    ]


def test_a_secrets_type_never_changes(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(SECRET)

    assert enter({**SECRET, "type": "example.com/other"}, old)[1] == [
        'type: Invalid value: "example.com/other": field is immutable'
    ]


@pytest.mark.parametrize(
    ("type_", "data", "problems"),
    [
        ("kubernetes.io/tls", {}, ["data[tls.crt]: Required value", "data[tls.key]: Required value"]),
        ("kubernetes.io/basic-auth", {"username": ""}, []),
        ("kubernetes.io/basic-auth", {}, ["data[username]: Required value", "data[password]: Required value"]),
        ("kubernetes.io/ssh-auth", {}, ["data[ssh-privatekey]: Required value"]),
        ("kubernetes.io/dockerconfigjson", {}, ["data[.dockerconfigjson]: Required value"]),
        ("kubernetes.io/dockerconfigjson", {".dockerconfigjson": b64(b"{}")}, []),
        (
            "kubernetes.io/service-account-token",
            {},
            ["metadata.annotations[kubernetes.io/service-account.name]: Required value"],
        ),
        ("bootstrap.kubernetes.io/token", {}, []),
    ],
)
def test_some_types_need_their_keys(enter, type_, data, problems) -> None:  # type: ignore[no-untyped-def]
    assert enter({**SECRET, "type": type_, "data": data})[1] == problems


def test_a_broken_docker_configuration_is_refused_without_being_shown(enter) -> None:  # type: ignore[no-untyped-def]
    _, (problem,) = enter({**SECRET, "type": "kubernetes.io/dockercfg", "data": {".dockercfg": b64(b"hunter2")}})

    assert problem.startswith('data[.dockercfg]: Invalid value: "<secret contents redacted>": ')
    assert "hunter2" not in problem


def test_the_columns_count_the_values(enter) -> None:  # type: ignore[no-untyped-def]
    config = {**CONFIG, "data": {"a": ""}, "binaryData": {"b": ""}}
    secret, _ = enter({**SECRET, "stringData": {"a": "b"}})

    assert [column.cell(config, 0.0) for column in KINDS["ConfigMap"].columns] == ["c", 2, "<unknown>"]
    assert [column.cell(secret, 0.0) for column in KINDS["Secret"].columns] == ["s", "Opaque", 1, "<unknown>"]
