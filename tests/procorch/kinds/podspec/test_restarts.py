"""restartPolicy and restartPolicyRules of containers: what may be written."""

from __future__ import annotations

from typing import Any

import pytest

GOOD = {"action": "Restart", "exitCodes": {"operator": "In", "values": [42]}}


def pod(group: str = "containers", **container: Any) -> dict[str, Any]:
    spec: dict[str, Any] = {"containers": [{"name": "a", "image": "host"}]}
    spec[group] = [{"name": "b", "image": "host", **container}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": spec}


@pytest.mark.parametrize("group", ["containers", "initContainers"])
@pytest.mark.parametrize("policy", ["Always", "OnFailure", "Never"])
def test_each_container_may_have_its_own(enter, group: str, policy: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(pod(group, restartPolicy=policy, restartPolicyRules=[GOOD]))[1] == []


@pytest.mark.parametrize(
    ("container", "problem"),
    [
        (
            {"restartPolicyRules": [GOOD]},
            "restartPolicy: Required value: must specify restartPolicy when restart rules are used",
        ),
        (
            {"restartPolicy": "Sometimes"},
            'restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "Never", "OnFailure"',
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [{**GOOD, "action": "Stop"}]},
            'restartPolicyRules[0].action: Unsupported value: "Stop": '
            'supported values: "Restart", "RestartAllContainers"',
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart"}]},
            "restartPolicyRules[0].exitCodes: Required value: must be specified",
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [GOOD | {"exitCodes": {"operator": "Is", "values": [1]}}]},
            'restartPolicyRules[0].exitCodes.operator: Unsupported value: "Is": supported values: "In", "NotIn"',
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [{"action": "Restart", "exitCodes": {"operator": "In"}}]},
            "restartPolicyRules[0].exitCodes.values: Invalid value: null: must have at least one value",
        ),
        (
            {"restartPolicy": "Never", "restartPolicyRules": [GOOD] * 21},
            "restartPolicyRules: Too many: 21: must have at most 20 items",
        ),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said(enter, container: dict[str, Any], problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(pod(**container))[1] == [f"spec.containers[0].{problem}"]


def test_not_processes_of_two_kinds_at_once(enter) -> None:  # type: ignore[no-untyped-def]
    both = pod()
    both["spec"] |= {"hostPID": True, "shareProcessNamespace": True}

    message = "ShareProcessNamespace and HostPID cannot both be enabled"
    assert enter(both)[1] == [f"spec.securityContext.shareProcessNamespace: Invalid value: true: {message}"]
