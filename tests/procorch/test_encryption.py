"""Kubernetes' EncryptionConfiguration: what it says becomes rules, and what cannot be done is named."""

from __future__ import annotations

import base64
import os
from pathlib import Path
from typing import Any

import pytest
import yaml

from procorch.encryption import EncryptionProblem, add_key, name_of, read

ONE, TWO = (base64.b64encode(bytes([number]) * 32).decode() for number in (1, 2))
IDENTITY: dict[str, Any] = {"identity": {}}


def aesgcm(**keys: str) -> dict[str, Any]:
    return {"aesgcm": {"keys": [{"name": name, "secret": secret} for name, secret in keys.items()]}}


def document(*entries: tuple[list[str], list[dict[str, Any]]], **more: Any) -> dict[str, Any]:
    resources = [{"resources": names, "providers": providers} for names, providers in entries]
    return {
        "apiVersion": "apiserver.config.k8s.io/v1",
        "kind": "EncryptionConfiguration",
        "resources": resources,
    } | more


def write(directory: Path, content: Any, mode: int = 0o600) -> Path:
    path = directory / "encryption.yaml"
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    path.chmod(mode)
    return path


def test_the_first_provider_writes_and_all_of_them_read(tmp_path: Path) -> None:
    content = document(
        (["secrets"], [aesgcm(two=TWO, one=ONE), IDENTITY]), (["configmaps"], [IDENTITY, aesgcm(three=ONE)])
    )
    secrets, maps = read(write(tmp_path, content))

    assert [secrets.prefix, maps.prefix] == ["/registry/secrets/", "/registry/configmaps/"]
    assert [key and key.name for key in secrets.providers] == ["two", "one", None]
    assert [key and key.name for key in maps.providers] == [None, "one"], "one secret is one key, whatever its name"


@pytest.mark.parametrize(
    "name, prefixes",
    [
        pytest.param("*.*", ["/registry/"], id="everything"),
        pytest.param("leases.coordination.k8s.io", ["/registry/coordination.k8s.io/leases/"], id="of a group"),
        pytest.param("*.batch", ["/registry/batch/jobs/", "/registry/batch/cronjobs/"], id="a whole group"),
        pytest.param(
            "*.autoscaling",
            ["/registry/autoscaling/horizontalpodautoscalers/"],
            id="a group of two versions: one store",
        ),
    ],
)
def test_resources_are_named_as_in_kubernetes(tmp_path: Path, name: str, prefixes: list[str]) -> None:
    rules = read(write(tmp_path, document(([name], [aesgcm(one=ONE)]))))

    assert [rule.prefix for rule in rules] == prefixes


def test_the_core_group_without_what_was_named_before(tmp_path: Path) -> None:
    rules = read(write(tmp_path, document((["events"], [IDENTITY]), (["*."], [aesgcm(one=ONE)]))))
    by_name = {name_of(rule.prefix): rule.providers[0] for rule in rules}

    assert by_name["events"] is None
    assert {"secrets", "configmaps", "pods"} < by_name.keys()
    assert not any("." in name for name in by_name)
    assert len(rules) == len(by_name)


@pytest.mark.parametrize(
    "content, message",
    [
        pytest.param({"kind": "Config"}, "the file: apiVersion is missing", id="something else"),
        pytest.param(document(kind="EncryptionConfig"), "not a EncryptionConfiguration of", id="the old kind"),
        pytest.param(document(more=1), "the file: unknown field more", id="unknown field"),
        pytest.param(document(), "resources: not a list of at least one", id="nothing"),
        pytest.param("a: [", "not YAML in line 1", id="no YAML"),
        pytest.param("- a", "the file: not an object with apiVersion, kind, resources", id="a list"),
        pytest.param(
            document((["secret"], [IDENTITY])), r"resources\[0\].resources\[0\]: secret: no such resource", id="typo"
        ),
        pytest.param(document((["*"], [IDENTITY])), r"\*: no such resource here", id="a star alone"),
        pytest.param(document(([1], [IDENTITY])), "1: no such resource here", id="a number"),  # type: ignore[list-item]
        pytest.param(
            document((["secrets", "secrets"], [IDENTITY])), r"resources\[1\]: secrets has no effect", id="twice"
        ),
        pytest.param(
            document((["*.*"], [IDENTITY]), (["secrets"], [aesgcm(one=ONE)])),
            r"resources\[1\].resources\[0\]: secrets has no effect",
            id="covered by a wildcard",
        ),
        *(
            pytest.param(
                document((["secrets"], [{name: {"keys": []}}])),
                rf"resources\[0\].providers\[0\].{name}: not supported; aesgcm and identity are",
                id=name,
            )
            for name in ("aescbc", "secretbox", "kms")
        ),
        pytest.param(document((["secrets"], [{}])), r"providers\[0\]: one provider is expected", id="no provider"),
        pytest.param(document((["secrets"], [aesgcm(a="c2hvcnQ=")])), "5 bytes; a key has 16, 24 or 32", id="short"),
        pytest.param(document((["secrets"], [aesgcm(a="&&&&")])), r"keys\[0\].secret: not base64", id="no base64"),
        pytest.param(document((["secrets"], [aesgcm(**{"": ONE})])), "needs a name of its own", id="no name"),
        pytest.param(document((["secrets"], [aesgcm()])), "keys: not a list of at least one", id="no key"),
    ],
)
def test_what_cannot_be_done_is_one_line_that_names_the_field(tmp_path: Path, content: Any, message: str) -> None:
    path = write(tmp_path, content)
    with pytest.raises(EncryptionProblem, match=message) as raised:
        read(path)

    line = str(raised.value)
    assert line.startswith(f"{path}: ")
    assert "\n" not in line
    assert ONE not in line


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_keys_that_others_can_read_are_refused(tmp_path: Path, mode: int) -> None:
    path = write(tmp_path, document((["secrets"], [aesgcm(one=ONE)])), mode)

    with pytest.raises(EncryptionProblem, match=f"its mode {mode:04o} lets others at the keys: chmod 600"):
        read(path)


def test_keys_of_somebody_else_are_refused(tmp_path: Path) -> None:
    if os.geteuid() != 0:
        pytest.skip("needs root")
    path = write(tmp_path, document((["secrets"], [aesgcm(one=ONE)])))
    os.chown(path, 12345, 12345)

    with pytest.raises(EncryptionProblem, match="belongs to user 12345"):
        read(path)


def test_a_new_file_encrypts_secrets_and_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "new.yaml"

    assert add_key(path) == ["key1"]
    (rule,) = read(path)
    assert (path.stat().st_mode & 0o777, rule.prefix) == (0o600, "/registry/secrets/")
    assert [key and key.name for key in rule.providers] == ["key1", None]


def test_a_new_key_becomes_the_first_or_the_last(tmp_path: Path) -> None:
    path = write(tmp_path, document((["secrets"], [aesgcm(key7=ONE)]), (["*.policy"], [aesgcm(old=TWO), IDENTITY])))

    assert add_key(path) == ["key8", "key9"]
    assert add_key(path, last=True) == ["key10", "key11"]
    names = [[key and key.name for key in rule.providers] for rule in read(path)]
    assert names == [["key8", "key7", "key10"], ["key9", "old", "key11", None]]
    ids = {key.id for rule in read(path) for key in rule.providers if key is not None}
    assert len(ids) == 6


def test_a_file_that_cannot_be_used_gets_no_key(tmp_path: Path) -> None:
    path = write(tmp_path, document((["secrets"], [{"kms": {}}])))
    before = path.read_bytes()
    with pytest.raises(EncryptionProblem, match="kms: not supported"):
        add_key(path)
    assert path.read_bytes() == before
    plain = write(tmp_path, document((["secrets"], [IDENTITY])))
    with pytest.raises(EncryptionProblem, match="no provider aesgcm"):
        add_key(plain)
