"""What is wrong with a probe or a hook."""

from __future__ import annotations

import pytest

AT = "spec.containers[0]"
TCP = {"tcpSocket": {"port": "web"}}


@pytest.mark.parametrize(
    ("container", "problem"),
    [
        ({"livenessProbe": {"periodSeconds": 1}}, f"{AT}.livenessProbe: Required value: must specify a handler type"),
        (
            {"livenessProbe": {**TCP, "exec": {"command": ["a"]}}},
            f"{AT}.livenessProbe.tcpSocket: Forbidden: may not specify more than 1 handler type",
        ),
        ({"readinessProbe": {"exec": {}}}, f"{AT}.readinessProbe.exec.command: Required value"),
        (
            {"livenessProbe": {**TCP, "successThreshold": 2}},
            f"{AT}.livenessProbe.successThreshold: Invalid value: 2: must be 1",
        ),
        (
            {"livenessProbe": {**TCP, "timeoutSeconds": -1}},
            f"{AT}.livenessProbe.timeoutSeconds: Invalid value: -1: must be greater than or equal to 0",
        ),
        (
            {"readinessProbe": {**TCP, "terminationGracePeriodSeconds": 5}},
            f"{AT}.readinessProbe.terminationGracePeriodSeconds: Invalid value: 5: must not be set for readinessProbes",
        ),
        (
            {"livenessProbe": {"httpGet": {"port": 0}}},
            f"{AT}.livenessProbe.httpGet.port: Invalid value: 0: must be between 1 and 65535, inclusive",
        ),
        (
            {"livenessProbe": {"httpGet": {"port": 1, "scheme": "http"}}},
            f'{AT}.livenessProbe.httpGet.scheme: Unsupported value: "http": supported values: "HTTP", "HTTPS"',
        ),
        (
            {"lifecycle": {"preStop": {"sleep": {"seconds": 31}}}},
            f"{AT}.lifecycle.preStop.sleep: Invalid value: 31: "
            "must be non-negative and less than terminationGracePeriodSeconds (30)",
        ),
    ],
)
def test_a_bad_probe_is_named(problems, container, problem) -> None:  # type: ignore[no-untyped-def]
    assert problems(container) == [problem]


def test_good_probes(problems) -> None:  # type: ignore[no-untyped-def]
    assert problems(
        {
            "livenessProbe": {"httpGet": {"port": 80, "httpHeaders": [{"name": "Host", "value": "a"}]}},
            "readinessProbe": {**TCP, "successThreshold": 3},
            "startupProbe": {"grpc": {"port": 5}},
            "lifecycle": {"postStart": {"exec": {"command": ["true"]}}, "preStop": {"sleep": {"seconds": 5}}},
        }
    ) == []  # fmt: skip
