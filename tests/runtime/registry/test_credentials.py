"""Which credentials are for whom."""

from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from runtime.registry.credentials import Credential, Keyring


def basic(user: str) -> dict[str, str]:
    return {"auth": base64.b64encode(f"{user}:secret".encode()).decode()}


def keyring(**auths: Any) -> Keyring:
    return Keyring.parse(json.dumps({"auths": auths}))


@pytest.mark.parametrize(
    ("where", "host", "repository", "fits"),
    [
        ("r.local", "r.local", "app", True),
        ("r.local:5000", "r.local:5000", "app", True),
        ("r.local", "r.local:5000", "app", False),
        ("r.local:5000", "r.local", "app", False),
        ("https://r.local", "r.local", "app", True),
        ("https://r.local/v2/", "r.local", "app", True),
        ("r.local/team", "r.local", "team/app", True),
        ("r.local/team", "r.local", "team", True),
        ("r.local/team", "r.local", "teamwork/app", False),
        ("*.local", "r.local", "app", True),
        ("*.local", "a.r.local", "app", False),
        ("*", "r.local", "app", False),
        ("r?.local", "r1.local", "app", True),
        ("https://index.docker.io/v1/", "registry-1.docker.io", "library/app", True),
        ("docker.io", "registry-1.docker.io", "library/app", True),
    ],
)
def test_which_fit(where: str, host: str, repository: str, fits: bool) -> None:
    found = keyring(**{where: basic("me")}).of(host, repository)

    assert found == ([Credential("me", "secret")] if fits else [])


def test_the_most_specific_comes_first_and_none_twice() -> None:
    rows = {
        "r.*": basic("glob"),
        "r.local": basic("host"),
        "r.local/team": basic("team"),
        "https://r.local": basic("host"),
    }
    found = keyring(**rows).of("r.local", "team/app")

    assert [one.username for one in found] == ["team", "host", "glob"]


def test_those_of_the_pod_come_before_those_of_the_node() -> None:
    both = keyring(**{"r.local": basic("pod")}) + keyring(**{"r.local": basic("node")})

    assert [one.username for one in both.of("r.local", "app")] == ["pod", "node"]
    assert len(both.fingerprints) == 2


@pytest.mark.parametrize(
    ("entry", "credential"),
    [
        ({"username": "me", "password": "a:b"}, Credential("me", "a:b")),
        ({"auth": base64.b64encode(b"me:a:b").decode()}, Credential("me", "a:b")),
        ({"username": "me", "password": "x", **basic("other")}, Credential("me", "x")),
        ({"identitytoken": "t"}, Credential(identity_token="t")),
        ({"registrytoken": "t"}, Credential(registry_token="t")),
        ({}, None),
        ({"email": "x@y"}, None),
    ],
)
def test_forms(entry: dict[str, str], credential: Credential | None) -> None:
    assert keyring(**{"r.local": entry}).of("r.local", "app") == ([credential] if credential else [])


def test_the_old_form() -> None:
    old = Keyring.parse(json.dumps({"r.local": basic("me")}), legacy=True)

    assert old.of("r.local", "app") == [Credential("me", "secret")]


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{", "Expecting"),
        ("[]", "no map"),
        ('{"auths": [7]}', "no map"),
        ('{"auths": {"r": 7}}', "is no map"),
        ('{"auths": {"r": {"auth": "???"}}}', "no base64"),
        ('{"auths": {"r": {"username": 7}}}', "something else than texts"),
    ],
)
def test_what_is_none(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Keyring.parse(text)


def test_secrets_are_not_shown() -> None:
    assert "secret" not in repr(Credential("me", "secret", "secret", "secret"))
