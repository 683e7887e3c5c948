"""What is wrong with a pod specification as a whole."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        (
            {"restartPolicy": "Sometimes"},
            'spec.restartPolicy: Unsupported value: "Sometimes": supported values: "Always", "OnFailure", "Never"',
        ),
        (
            {"dnsPolicy": "Mine"},
            'spec.dnsPolicy: Unsupported value: "Mine": '
            'supported values: "ClusterFirstWithHostNet", "ClusterFirst", "Default", "None"',
        ),
        ({"dnsPolicy": "None"}, "spec.dnsConfig: Required value: must provide `dnsConfig` when `dnsPolicy` is None"),
        (
            {"dnsConfig": {"nameservers": ["10.0.0.1"] * 4}},
            'spec.dnsConfig.nameservers: Invalid value: ["10.0.0.1","10.0.0.1","10.0.0.1","10.0.0.1"]: '
            "must not have more than 3 nameservers",
        ),
        ({"hostname": "a.b"}, 'spec.hostname: Invalid value: "a.b": must not contain dots'),
        (
            {"activeDeadlineSeconds": 0},
            "spec.activeDeadlineSeconds: Invalid value: 0: must be between 1 and 2147483647, inclusive",
        ),
        (
            {"hostAliases": [{"ip": "x", "hostnames": ["a"]}]},
            'spec.hostAliases[0].ip: Invalid value: "x": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)',
        ),
        (
            {"ephemeralContainers": [{"name": "d", "image": "a"}]},
            "spec.ephemeralContainers: Forbidden: cannot be set on create",
        ),
        (
            {"nodeName": "n1", "schedulingGates": [{"name": "a"}]},
            "spec.nodeName: Forbidden: cannot be set until all schedulingGates have been cleared",
        ),
    ],
)
def test_a_bad_specification_is_named(problems, spec, problem) -> None:  # type: ignore[no-untyped-def]
    assert problems(**spec) == [problem]


def test_in_the_nodes_network_ports_are_the_nodes(problems) -> None:  # type: ignore[no-untyped-def]
    assert problems({"ports": [{"containerPort": 80, "hostPort": 81}]}, hostNetwork=True) == [
        "spec.containers[0].ports[0].hostPort: Invalid value: 81: must match `containerPort` when `hostNetwork` is true"
    ]


def test_several_things_wrong_are_all_told(problems) -> None:  # type: ignore[no-untyped-def]
    assert problems({"image": "", "ports": [{}]}, hostname="A b")[:2] == [
        "spec.containers[0].image: Required value",
        "spec.containers[0].ports[0].containerPort: Required value",
    ]


def test_a_whole_pod_of_everyday_life_passes(problems) -> None:  # type: ignore[no-untyped-def]
    assert problems(
        {"workingDir": "/", "stdin": True, "tty": True},
        hostname="web",
        subdomain="front",
        serviceAccountName="robot",
        imagePullSecrets=[{"name": "s"}],
        hostAliases=[{"ip": "10.0.0.1", "hostnames": ["db"]}],
        dnsPolicy="None",
        dnsConfig={"nameservers": ["10.96.0.10"], "searches": ["a_b.example.com."], "options": [{"name": "ndots"}]},
        readinessGates=[{"conditionType": "example.com/ready"}],
        automountServiceAccountToken=False,
    ) == []  # fmt: skip
