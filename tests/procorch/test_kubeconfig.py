"""Kubeconfig files: where the API is, and what is wrong with a file that does not say."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import pytest
import yaml

from procorch.kubeconfig import Access, KubeconfigError, default_path, document, in_cluster, load, merge, write

CONFIG: dict[str, Any] = {
    "current-context": "one",
    "contexts": [
        {"name": "one", "context": {"cluster": "c", "user": "u", "namespace": "team"}},
        {"name": "two", "context": {"cluster": "c", "user": "t"}},
        {"name": "plugin", "context": {"cluster": "c", "user": "x"}},
        {"name": "lost", "context": {"cluster": "none", "user": "u"}},
    ],
    "clusters": [
        {
            "name": "c",
            "cluster": {
                "server": "https://10.0.0.1:6443",
                "certificate-authority-data": base64.b64encode(b"CA").decode(),
            },
        }
    ],
    "users": [
        {"name": "u", "user": {"client-certificate": "cert.pem", "client-key": "key.pem"}},
        {"name": "t", "user": {"token": "secret"}},
        {"name": "x", "user": {"exec": {"command": "aws"}}},
    ],
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    (tmp_path / "cert.pem").write_bytes(b"CERT")
    (tmp_path / "key.pem").write_bytes(b"KEY")
    path = tmp_path / "config"
    path.write_text(yaml.safe_dump(CONFIG))
    return path


def test_the_current_context_with_files_beside_it(path: Path) -> None:
    access = load(path)

    assert (access.server, access.namespace) == ("https://10.0.0.1:6443", "team")
    assert (access.ca, access.certificate, access.key) == (b"CA", b"CERT", b"KEY")


def test_another_context_with_a_token(path: Path) -> None:
    access = load(path, "two")

    assert (access.token, access.namespace, access.certificate) == ("secret", "default", None)


@pytest.mark.parametrize(
    ("context", "message"),
    [
        ("three", "no entry 'three' in contexts"),
        ("lost", "no entry 'none' in clusters"),
        ("plugin", "exec: not supported"),
    ],
)
def test_what_cannot_be_used_is_named(path: Path, context: str, message: str) -> None:
    with pytest.raises(KubeconfigError, match=message):
        load(path, context)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param("{", "not YAML", id="broken YAML"),
        pytest.param("hello", "not a kubeconfig", id="something else"),
        pytest.param("{}", "current-context is not set", id="no context"),
    ],
)
def test_a_file_that_is_no_kubeconfig(tmp_path: Path, text: str, message: str) -> None:
    (tmp_path / "config").write_text(text)
    with pytest.raises(KubeconfigError, match=message):
        load(tmp_path / "config")


def test_certificates_that_are_none_are_refused_by_name(path: Path) -> None:
    with pytest.raises(KubeconfigError, match=r"certificates for https://10\.0\.0\.1:6443"):
        load(path).ssl_context()


def test_a_pod_knows_the_api_by_its_account(tmp_path: Path) -> None:
    for name, text in (("token", "t\n"), ("namespace", "d"), ("ca.crt", "CA")):
        (tmp_path / name).write_text(text)
    access = in_cluster(tmp_path, {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"})

    assert (access.server, access.token, access.namespace) == ("https://10.96.0.1:443", "t", "d")


def test_the_default_file_is_the_environments() -> None:
    assert default_path({"KUBECONFIG": "/a/b:/c"}) == Path("/a/b")
    assert default_path({}).name == "config"


def test_a_cluster_is_merged_into_a_users_file_and_made_current(tmp_path: Path) -> None:
    """What else is in the file stays, an entry of the same name is replaced, and nobody else may read it."""
    target, source = tmp_path / "config", tmp_path / "admin"
    other = Access("https://company:6443", token="theirs")
    write(target, document("company", other, "me"))
    write(source, document("procorch", Access("https://127.0.0.1:6443", token="old"), "admin"))
    merge(target, source)
    write(source, document("procorch", Access("https://127.0.0.1:7443", token="new"), "admin"))
    merge(target, source)

    assert load(target).server == "https://127.0.0.1:7443"
    assert load(target).token == "new"
    assert load(target, "company").token == "theirs"
    assert len(yaml.safe_load(target.read_text())["clusters"]) == 2
    assert target.stat().st_mode & 0o077 == 0


def test_a_users_first_file_is_made(tmp_path: Path) -> None:
    source = tmp_path / "admin"
    write(source, document("procorch", Access("https://127.0.0.1:6443", ca=b"pem"), "admin"))
    merge(tmp_path / "new/config", source)

    assert load(tmp_path / "new/config").ca == b"pem"


def test_what_is_no_kubeconfig_is_left_alone(tmp_path: Path) -> None:
    target, source = tmp_path / "config", tmp_path / "admin"
    target.write_text("- a list\n")
    write(source, document("procorch", Access("https://127.0.0.1:6443"), "admin"))

    with pytest.raises(KubeconfigError, match="not a kubeconfig"):
        merge(target, source)
    assert target.read_text() == "- a list\n"
