"""Which cluster is meant, and what is said when it cannot be reached."""

from __future__ import annotations

import socket
from pathlib import Path

import pytest

from cli.access import kubeconfig_path, refusal
from procorch import kubeconfig
from procorch.objects import NotFound


def test_the_nearest_kubeconfig_is_chosen(tmp_path, monkeypatch):
    """--kubeconfig, then $KUBECONFIG, then this machine's cluster, then the home directory's."""
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("KUBECONFIG", raising=False)
    monkeypatch.setenv("PROCORCH_DATA_DIR", str(tmp_path))
    assert kubeconfig_path(None) == tmp_path / ".kube/config"
    (tmp_path / "admin.kubeconfig").touch()
    assert kubeconfig_path(None) == tmp_path / "admin.kubeconfig"
    monkeypatch.setenv("KUBECONFIG", "/given")
    assert kubeconfig_path(None) == Path("/given")
    assert kubeconfig_path("/named") == Path("/named")


@pytest.mark.parametrize(
    ("content", "text"),
    [
        pytest.param(None, "no such kubeconfig: start a cluster with `procorch up`", id="no file"),
        pytest.param("", "not a kubeconfig", id="an empty file"),
        pytest.param("a: [", "not YAML", id="no YAML"),
        pytest.param("contexts: []", "current-context is not set", id="no context"),
        pytest.param("current-context: x", "no entry 'x' in contexts", id="a context that is not there"),
    ],
)
def test_a_kubeconfig_that_cannot_be_used_is_one_line(procorch, tmp_path, content, text):
    path = tmp_path / "bad"
    if content is not None:
        path.write_text(content)
    result = procorch.run("get", "pods", "--kubeconfig", str(path))

    assert result.exit_code == 1
    assert text in result.stderr and str(path) in result.stderr


def test_nobody_there_is_one_line_that_says_what_to_do(procorch, tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    path = tmp_path / "gone"
    kubeconfig.write(path, kubeconfig.document("x", kubeconfig.Access(f"http://127.0.0.1:{port}"), "x"))
    result = procorch.run("get", "pods", "--kubeconfig", str(path))

    assert result.exit_code == 1
    assert f"no answer from http://127.0.0.1:{port}" in result.stderr and "`procorch status`" in result.stderr


def test_a_context_and_a_namespace_can_be_named(procorch, pod):
    procorch.server.do(procorch.server.client.create({**pod("a"), "metadata": {"name": "a", "namespace": "other"}}))

    assert procorch("get", "pods", "-n", "other", "--context", "test", "-o", "name") == "pod/a\n"
    assert "no entry 'no' in contexts" in procorch.run("get", "pods", "--context", "no").stderr


def test_they_may_be_named_before_the_command_too(procorch, pod, tmp_path):
    procorch.server.do(procorch.server.client.create({**pod("a"), "metadata": {"name": "a", "namespace": "other"}}))

    assert procorch("-n", "other", "--context", "test", "get", "pods", "-o", "name") == "pod/a\n"
    assert procorch("-n", "default", "get", "pods", "-n", "other", "-o", "name") == "pod/a\n"
    assert "no such kubeconfig" in procorch.run("--kubeconfig", str(tmp_path / "no"), "get", "pods").stderr
    elsewhere = procorch.run("-n", "other", "completion", "bash")
    assert elsewhere.exit_code == 2 and "No such option '--namespace'" in elsewhere.stderr


def test_a_refusal_names_reason_and_place():
    error = NotFound("it is gone", 404, "NotFound")

    assert refusal(error) == "Error from server (NotFound): it is gone"
    assert refusal(error, "a.yaml, document 2") == "Error from server (NotFound): a.yaml, document 2: it is gone"
