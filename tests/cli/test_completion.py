"""The Tab key, in a real bash."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

BIN = Path(sys.executable).parent
PRESS = """
source <(procorch completion bash)
COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1))
_procorch_completion procorch
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        pytest.param(["ap"], {"apply", "api-resources"}, id="a command"),
        pytest.param(["get", "replicati"], {"replicationcontroller", "replicationcontrollers"}, id="a type"),
        pytest.param(["get", "pods", "w"], {"web", "worker"}, id="a name after its type"),
        pytest.param(["describe", "po/wo"], {"po/worker"}, id="a name with its type"),
        pytest.param(["delete", "pods", "web", "w"], {"worker"}, id="one more name"),
        pytest.param(["logs", "wo"], {"worker"}, id="a pod's name"),
        pytest.param(["get", "pods", "-n", "oth"], {"other"}, id="a namespace"),
        pytest.param(["get", "pods", "-o", "y"], {"yaml"}, id="a format"),
        pytest.param(["-n", "other", "get", "pods", ""], {"elsewhere"}, id="a name in the namespace said before"),
    ],
)
def test_tab_offers(procorch, pod, words, offered):
    procorch.server.create(pod("web"), pod("worker"), pod("else"))
    away = pod("elsewhere")
    procorch.server.do(procorch.server.client.create({**away, "metadata": {**away["metadata"], "namespace": "other"}}))
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "KUBECONFIG": str(procorch.kubeconfig)}
    argv = ["bash", "-c", PRESS, "bash", "procorch", *words]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)

    assert (set(done.stdout.split()), done.stderr) == (offered, "")


def test_without_a_cluster_nothing_is_offered_and_nothing_said(tmp_path):
    environment = {**os.environ, "PATH": f"{BIN}:{os.environ['PATH']}", "KUBECONFIG": str(tmp_path / "none")}
    argv = ["bash", "-c", PRESS, "bash", "procorch", "get", "pods", ""]
    done = subprocess.run(argv, env=environment, capture_output=True, text=True, timeout=30, check=False)

    assert (done.stdout.strip(), done.stderr) == ("", "")
