"""Containers, volumes, probes and tolerations in words."""

from __future__ import annotations

import pytest

from cli.descriptions.page import lines
from cli.descriptions.podspec import describe_placement, describe_podspec


def _container(status: dict | None = None, **fields: object) -> str:
    spec = {"containers": [{"name": "c", "image": "host", **fields}]}
    statuses = None if status is None else {"containerStatuses": [{"name": "c", **status}]}
    return "\n".join(lines(describe_podspec(spec, statuses)))


@pytest.mark.parametrize(
    ("fields", "text"),
    [
        pytest.param({"command": ["sh", "-c", "a\nb"]}, "Command:\n      sh\n      -c\n      a\n      b", id="words"),
        pytest.param({"ports": [{"containerPort": 80, "name": "web"}]}, "80/TCP (web)", id="a named port"),
        pytest.param({"env": [{"name": "A", "value": "1"}]}, "A:  1", id="a variable"),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k", "optional": True}}}]},
            "A:  <set to the key 'k' in secret 's'>  Optional: true",
            id="a variable of a Secret",
        ),
        pytest.param(
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}}]},
            "A:  (v1:status.podIP)",
            id="a variable of the pod",
        ),
        pytest.param(
            {"envFrom": [{"secretRef": {"name": "s"}, "prefix": "P_"}]}, "s:  Secret with prefix 'P_'", id="a Secret"
        ),
        pytest.param({"resources": {"limits": {"cpu": "1"}}}, "Limits:\n      cpu:  1", id="a limit"),
        pytest.param(
            {"livenessProbe": {"httpGet": {"port": 80, "path": "/ok"}, "periodSeconds": 3}},
            "http-get http://:80/ok delay=0s timeout=1s period=3s",
            id="a probe over HTTP",
        ),
        pytest.param({"livenessProbe": {"tcpSocket": {"port": 80}}}, "tcp-socket :80", id="a probe over TCP"),
        pytest.param({"volumeMounts": [{"mountPath": "/a", "name": "v", "readOnly": True}]}, "/a from v (ro)", id="m"),
    ],
)  # fmt: skip
def test_a_container(fields, text):
    assert text in _container(**fields)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        pytest.param({}, "State:          Waiting", id="nothing known yet"),
        pytest.param({"state": {"waiting": {"reason": "CrashLoopBackOff"}}}, "Reason:  CrashLoopBackOff", id="waiting"),
        pytest.param(
            {"state": {"terminated": {"exitCode": 0, "startedAt": "2026-11-23T20:50:29Z"}}},
            "Exit Code:  0\n      Started:    Mon, 23 Nov 2026 20:50:29 +0000",
            id="ended",
        ),
        pytest.param({"lastState": {"terminated": {"exitCode": 137}}, "restartCount": 2}, "Last State:", id="before"),
    ],
)
def test_how_a_container_stands(status, text):
    assert text in _container(status)


@pytest.mark.parametrize(
    ("volume", "text"),
    [
        pytest.param({"configMap": {"name": "c"}}, "Name:      c", id="a ConfigMap"),
        pytest.param({"secret": {"secretName": "s", "optional": True}}, "Optional:    true", id="a Secret"),
        pytest.param({"hostPath": {"path": "/x"}}, "Path:          /x", id="a host's directory"),
        pytest.param({"emptyDir": {}}, "SizeLimit:  <unset>", id="an empty directory"),
        pytest.param({"projected": {"sources": [{"secret": {"name": "s"}}]}}, "Sources:  secret s", id="several"),
    ],
)
def test_a_volume(volume, text):
    assert text in "\n".join(lines(describe_placement({"volumes": [{"name": "v", **volume}]})))


def test_tolerations_and_node_selectors():
    spec = {
        "nodeSelector": {"disk": "fast"},
        "tolerations": [{"key": "a", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 0},
                        {"key": "b", "value": "c"}],
    }  # fmt: skip
    page = describe_placement(spec)

    assert page["Node-Selectors"] == ["disk=fast"]
    assert page["Tolerations"] == ["a:NoExecute op=Exists for 0s", "b=c"]
