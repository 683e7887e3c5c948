"""Secrets become credentials."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from procorch.client import Unreachable
from procorch.kubelet.images.pull_secrets import keyring_of, node_keyring
from procorch.objects import NotFound, Object
from runtime.layers import Refused

AUTHS = {"r.local": {"username": "me", "password": "secret"}}


def coded(value: object) -> str:
    return base64.b64encode(json.dumps(value).encode()).decode()


SECRETS: dict[str, dict[str, Any]] = {
    "good": {"data": {".dockerconfigjson": coded({"auths": AUTHS})}},
    "old": {"data": {".dockercfg": coded({"r.local": {"username": "old", "password": "x"}})}},
    "empty": {},
    "other": {"data": {"key": "eA=="}},
    "no-json": {"data": {".dockerconfigjson": "eA=="}},
    "no-base64": {"data": {".dockerconfigjson": "?"}},
}


async def find(kind: str, namespace: str, name: str) -> Object:
    assert (kind, namespace) == ("Secret", "team")
    if name == "away":
        raise Unreachable("the API is away")
    if name not in SECRETS:
        raise NotFound.of("secrets", name)
    return SECRETS[name]


def pod(*names: str) -> Object:
    return {
        "metadata": {"namespace": "team", "name": "web"},
        "spec": {"imagePullSecrets": [{"name": name} for name in names]},
    }


async def test_secrets_in_their_order() -> None:
    keyring, problems = await keyring_of(pod("old", "good"), find)

    assert [one.username for one in keyring.of("r.local", "app")] == ["old", "me"]
    assert problems == []
    assert (await keyring_of({"metadata": {"namespace": "team"}, "spec": {}}, find))[0].fingerprints == set()


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (
            ["lost"],
            ["Unable to retrieve some image pull secrets (lost); attempting to pull the image may not succeed."],
        ),
        (["lost", "away"], ["Unable to retrieve some image pull secrets (lost, away); attempting"]),
        (["empty"], ['The image pull secret "empty" is left aside: it has none of .dockerconfigjson, .dockercfg']),
        (["other"], ['The image pull secret "other" is left aside: it has none of']),
        (["no-json"], ['The image pull secret "no-json" is left aside: Expecting value']),
        (["no-base64"], ['The image pull secret "no-base64" is left aside: its data is no base64']),
        ([""], []),
    ],
)
async def test_a_secret_that_gives_none_does_not_keep_others_away(names: list[str], said: list[str]) -> None:
    keyring, problems = await keyring_of(pod(*names, "good"), find)

    assert [one.username for one in keyring.of("r.local", "app")] == ["me"]
    assert len(problems) == len(said)
    assert all(problem.startswith(text) for problem, text in zip(problems, said, strict=True))


def test_the_nodes_own(tmp_path: Path) -> None:
    path = tmp_path / "config.json"
    with pytest.raises(Refused, match=f"{path}: No such file"):
        node_keyring(path)
    path.write_text("{")
    with pytest.raises(Refused, match="is no Docker config"):
        node_keyring(path)
    path.write_text(json.dumps({"auths": AUTHS}))

    assert len(node_keyring(path).of("r.local", "app")) == 1
    assert node_keyring(None).fingerprints == set()
