"""What is wrong with a container, in Kubernetes' words."""

from __future__ import annotations

import pytest

AT = "spec.containers[0]"


@pytest.mark.parametrize(
    ("container", "problem"),
    [
        ({"name": ""}, f"{AT}.name: Required value"),
        ({"name": "a.b"}, f'{AT}.name: Invalid value: "a.b": must not contain dots'),
        ({"image": ""}, f"{AT}.image: Required value"),
        (
            {"imagePullPolicy": "Sometimes"},
            f'{AT}.imagePullPolicy: Unsupported value: "Sometimes": '
            'supported values: "Always", "IfNotPresent", "Never"',
        ),
        ({"ports": [{}]}, f"{AT}.ports[0].containerPort: Required value"),
        (
            {"ports": [{"containerPort": 65536}]},
            f"{AT}.ports[0].containerPort: Invalid value: 65536: must be between 1 and 65535, inclusive",
        ),
        (
            {"ports": [{"containerPort": 1, "protocol": "ICMP"}]},
            f'{AT}.ports[0].protocol: Unsupported value: "ICMP": supported values: "SCTP", "TCP", "UDP"',
        ),
        (
            {"ports": [{"name": "a", "containerPort": 1}, {"name": "a", "containerPort": 2}]},
            f'{AT}.ports[1].name: Duplicate value: "a"',
        ),
        ({"env": [{"value": "a"}]}, f"{AT}.env[0].name: Required value"),
        (
            {"env": [{"name": "a=b"}]},
            f'{AT}.env[0].name: Invalid value: "a=b": a valid environment variable name must consist only of '
            "printable ASCII characters other than '='",
        ),
        (
            {"env": [{"name": "A", "value": "a", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]},
            f'{AT}.env[0].valueFrom: Invalid value: "": may not be specified when `value` is not empty',
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "spec.hostname"}}}]},
            f'{AT}.env[0].valueFrom.fieldRef.fieldPath: Invalid value: "spec.hostname": '
            "error converting fieldPath: field label not supported: spec.hostname",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"fieldRef": {"fieldPath": "status.phase"}}}]},
            f'{AT}.env[0].valueFrom.fieldRef.fieldPath: Unsupported value: "status.phase": supported values: '
            '"metadata.name", "metadata.namespace", "metadata.uid", "spec.nodeName", "spec.serviceAccountName", '
            '"status.hostIP", "status.hostIPs", "status.podIP", "status.podIPs"',
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "2"}}}]},
            f'{AT}.env[0].valueFrom.resourceFieldRef.divisor: Invalid value: "limits.cpu": '
            "only divisor's values 1m and 1 are supported with the cpu resource",
        ),
        (
            {"env": [{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "c"}}}]},
            f"{AT}.env[0].valueFrom.configMapKeyRef.key: Required value",
        ),
        (
            {"envFrom": [{}]},
            f'{AT}.envFrom: Invalid value: "": must specify one of: `configMapRef` or `secretRef`',
        ),
        ({"volumeMounts": [{"name": "no", "mountPath": "/a"}]}, f'{AT}.volumeMounts[0].name: Not found: "no"'),
        ({"volumeMounts": [{"name": "v"}]}, f"{AT}.volumeMounts[0].mountPath: Required value"),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/a"}, {"name": "v", "mountPath": "/a"}]},
            f'{AT}.volumeMounts[1].mountPath: Invalid value: "/a": must be unique',
        ),
        (
            {"volumeMounts": [{"name": "v", "mountPath": "/a", "subPath": "../b"}]},
            f"{AT}.volumeMounts.subPath: Invalid value: \"../b\": must not contain '..'",
        ),
    ],
)
def test_a_bad_container_is_named(problems, container, problem) -> None:  # type: ignore[no-untyped-def]
    assert problems(container, volumes=[{"name": "v"}]) == [problem]


def test_a_port_of_the_host_is_one_containers(problems) -> None:  # type: ignore[no-untyped-def]
    twice = {"ports": [{"containerPort": 9, "hostPort": 9}, {"containerPort": 9, "hostPort": 9}]}

    assert problems(twice, hostNetwork=True) == [f'{AT}.ports[1].hostPort: Duplicate value: "TCP//9"']


def test_a_good_container_has_everything(problems) -> None:  # type: ignore[no-untyped-def]
    container = {
        "command": ["/bin/a"],
        "ports": [{"name": "web", "containerPort": 80}, {"containerPort": 53, "protocol": "UDP"}],
        "env": [
            {"name": "EMPTY"},
            {"name": "LABEL", "valueFrom": {"fieldRef": {"fieldPath": "metadata.labels['example.com/a']"}}},
            {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "requests.cpu", "divisor": "1m"}}},
        ],
        "envFrom": [{"prefix": "A_", "secretRef": {"name": "s"}}],
        "volumeMounts": [{"name": "v", "mountPath": "/v", "subPath": "a/b", "readOnly": True}],
    }

    assert problems(container, volumes=[{"name": "v"}]) == []


def test_a_pod_has_a_container(problems) -> None:  # type: ignore[no-untyped-def]
    assert problems(containers=[]) == ["spec.containers: Required value"]


def test_names_are_unique_among_all_containers(problems) -> None:  # type: ignore[no-untyped-def]
    twice = [{"name": "web", "image": "a"}, {"name": "web", "image": "a"}]

    assert problems(containers=twice) == ['spec.containers[1].name: Duplicate value: "web"']
    assert problems(initContainers=twice[:1]) == ['spec.initContainers[0].name: Duplicate value: "web"']


def test_only_a_sidecar_among_the_init_containers_has_probes(problems) -> None:  # type: ignore[no-untyped-def]
    probed = {"name": "i", "image": "a", "livenessProbe": {"tcpSocket": {"port": 1}}}

    assert problems(initContainers=[{**probed, "restartPolicy": "Always"}]) == []
    assert problems(initContainers=[probed]) == [
        "spec.initContainers[0].livenessProbe: Forbidden: "
        "may not be set for init containers without restartPolicy=Always"
    ]
    assert problems(initContainers=[{"name": "i", "image": "a", "restartPolicy": "Never"}]) == []


def test_a_command_does_without_an_image(problems) -> None:  # type: ignore[no-untyped-def]
    """It runs on the host's own root: a difference from Kubernetes, where every container names an image."""
    assert problems(containers=[{"name": "web", "command": ["true"]}]) == []
