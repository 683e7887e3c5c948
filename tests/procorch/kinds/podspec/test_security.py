"""What is wrong with a security context."""

from __future__ import annotations

import pytest

AT = "spec.containers[0].securityContext"


@pytest.mark.parametrize(
    ("context", "problem"),
    [
        ({"runAsUser": -1}, f"{AT}.runAsUser: Invalid value: -1: must be between 0 and 2147483647, inclusive"),
        (
            {"seccompProfile": {"type": "Mine"}},
            f'{AT}.seccompProfile.type: Unsupported value: "Mine": '
            'supported values: "Localhost", "RuntimeDefault", "Unconfined"',
        ),
        (
            {"seccompProfile": {"type": "Localhost"}},
            f"{AT}.seccompProfile.localhostProfile: Required value: must be set when seccomp type is Localhost",
        ),
    ],
)
def test_a_bad_container_context_is_named(problems, context, problem) -> None:  # type: ignore[no-untyped-def]
    assert problems({"securityContext": context}) == [problem]


def test_a_bad_pod_context_is_named(problems) -> None:  # type: ignore[no-untyped-def]
    context = {"fsGroup": 2**31, "supplementalGroups": [1, -1], "sysctls": [{"name": "a"}, {"name": "a"}]}

    assert problems(securityContext=context) == [
        "spec.securityContext.fsGroup: Invalid value: 2147483648: must be between 0 and 2147483647, inclusive",
        "spec.securityContext.supplementalGroups[1]: Invalid value: -1: must be between 0 and 2147483647, inclusive",
        'spec.securityContext.sysctls[1].name: Duplicate value: "a"',
    ]


def test_good_contexts(problems) -> None:  # type: ignore[no-untyped-def]
    container = {"runAsUser": 0, "capabilities": {"drop": ["ALL"]}, "allowPrivilegeEscalation": False}
    pod = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}, "sysctls": [{"name": "net.ipv4.a"}]}

    assert problems({"securityContext": container}, securityContext=pod) == []
