"""`procorch token create` against a real API."""

from __future__ import annotations

import time

import pytest

from procorch import kubeconfig, pki


@pytest.fixture
def data_dir(procorch, tmp_path):
    ca = pki.Authority.open(tmp_path / "pki", time.time())
    access = kubeconfig.Access(procorch.server.url, ca=ca.pem, token="secret")
    kubeconfig.write(tmp_path / "admin.kubeconfig", kubeconfig.document("x", access, "admin"))
    return tmp_path


def test_a_token_is_a_secret_of_the_cluster_and_names_its_ca(procorch, data_dir):
    token = procorch("token", "create", "--data-dir", str(data_dir), "--ttl", "1").strip()

    assert token.partition("@")[2] == pki.Authority.open(data_dir / "pki", time.time()).fingerprint
    name = f"bootstrap-token-{token.partition('.')[0]}"
    kind = procorch("get", "secret", name, "-n", "kube-system", "-o", "jsonpath={.type}")
    assert kind == "bootstrap.kubernetes.io/token"


def test_elsewhere_than_at_the_master_it_is_one_line(procorch, tmp_path):
    result = procorch.run("token", "create", "--data-dir", str(tmp_path / "none"))

    assert result.exit_code == 1
    assert "run this where the master runs" in result.stderr
