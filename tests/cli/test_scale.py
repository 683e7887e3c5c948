"""`procorch scale` and `stop` against a real API."""

from __future__ import annotations

import pytest

RC = {
    "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web"},
    "spec": {"replicas": 2, "template": {"metadata": {"labels": {"app": "web"}},
                                         "spec": {"containers": [{"name": "c", "image": "host"}]}}},
}  # fmt: skip


def test_replicas_change(procorch):
    procorch.server.create(RC)

    assert procorch("scale", "rc", "web", "--replicas", "3") == "replicationcontroller/web scaled\n"
    assert procorch("get", "rc", "web", "-o", "jsonpath={.spec.replicas}") == "3"


@pytest.mark.parametrize(
    ("words", "code", "text"),
    [
        pytest.param(["rc/web", "--replicas", "1", "--current-replicas", "9"], 1, "found 2: not scaled", id="another"),
        pytest.param(["rc/no", "--replicas", "1"], 1, "(NotFound)", id="not there"),
        pytest.param(["pod/web", "--replicas", "1"], 1, "pods cannot be scaled", id="not a number of things"),
        pytest.param(["rc", "--replicas", "1"], 2, "name the objects", id="no name"),
        pytest.param(["rc/web", "--replicas", "-1"], 2, "replicas", id="less than none"),
        pytest.param(["rc/web"], 2, "--replicas", id="no number"),
    ],
)
def test_what_cannot_be_scaled_is_said(procorch, words, code, text):
    procorch.server.create(RC)
    result = procorch.run("scale", *words)

    assert result.exit_code == code
    assert text in result.stderr
    assert procorch("get", "rc", "web", "-o", "jsonpath={.spec.replicas}") == "2"
