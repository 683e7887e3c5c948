"""What a specification gets that its author left out."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize(
    ("image", "policy"),
    [
        ("nginx", "Always"),
        ("nginx:latest", "Always"),
        ("nginx:1.2", "IfNotPresent"),
        ("localhost:5000/nginx", "Always"),
        ("localhost:5000/nginx:1.2", "IfNotPresent"),
        ("nginx@sha256:" + "0" * 64, "IfNotPresent"),
        ("nginx:latest@sha256:" + "0" * 64, "Always"),
        ("kubeguide/tomcat-app:v1", "IfNotPresent"),
        ("dir:///srv/image", "IfNotPresent"),
    ],
)
def test_only_a_moving_tag_is_pulled_always(defaulted, image: str, policy: str) -> None:  # type: ignore[no-untyped-def]
    assert defaulted({"image": image})["containers"][0]["imagePullPolicy"] == policy


def test_what_is_said_stays(defaulted) -> None:  # type: ignore[no-untyped-def]
    said = {
        "restartPolicy": "Never",
        "dnsPolicy": "Default",
        "terminationGracePeriodSeconds": 0,
        "enableServiceLinks": False,
    }

    spec = defaulted({"imagePullPolicy": "Never"}, **said)

    assert {field: spec[field] for field in said} == said
    assert spec["containers"][0]["imagePullPolicy"] == "Never"


def test_requests_come_from_limits_and_quantities_are_canonical(defaulted) -> None:  # type: ignore[no-untyped-def]
    resources = {"limits": {"cpu": 0.5, "memory": "1024Mi"}, "requests": {"cpu": "0.25"}}

    assert defaulted({"resources": resources})["containers"][0]["resources"] == {
        "limits": {"cpu": "500m", "memory": "1Gi"},
        "requests": {"cpu": "250m", "memory": "1Gi"},
    }


def test_a_probe_is_completed(defaulted) -> None:  # type: ignore[no-untyped-def]
    assert defaulted({"livenessProbe": {"httpGet": {"port": 80}}})["containers"][0]["livenessProbe"] == {
        "httpGet": {"port": 80, "path": "/", "scheme": "HTTP"},
        "timeoutSeconds": 1,
        "periodSeconds": 10,
        "successThreshold": 1,
        "failureThreshold": 3,
    }


def test_a_hook_is_completed(defaulted) -> None:  # type: ignore[no-untyped-def]
    lifecycle = defaulted({"lifecycle": {"preStop": {"httpGet": {"port": 80}}}})["containers"][0]["lifecycle"]

    assert lifecycle == {"preStop": {"httpGet": {"port": 80, "path": "/", "scheme": "HTTP"}}}


def test_the_downward_api_is_of_version_1(defaulted) -> None:  # type: ignore[no-untyped-def]
    env = [
        {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu"}}},
    ]

    assert defaulted({"env": env})["containers"][0]["env"] == [
        {"name": "IP", "valueFrom": {"fieldRef": {"apiVersion": "v1", "fieldPath": "status.podIP"}}},
        {"name": "CPU", "valueFrom": {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "0"}}},
    ]


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ({}, {"emptyDir": {}}),
        ({"emptyDir": {"sizeLimit": "1024Mi"}}, {"emptyDir": {"sizeLimit": "1Gi"}}),
        ({"hostPath": {"path": "/a"}}, {"hostPath": {"path": "/a", "type": ""}}),
        ({"secret": {"secretName": "s"}}, {"secret": {"secretName": "s", "defaultMode": 420}}),
        ({"configMap": {"name": "c", "defaultMode": 256}}, {"configMap": {"name": "c", "defaultMode": 256}}),
        (
            {"projected": {"sources": [{"serviceAccountToken": {"path": "t"}}]}},
            {
                "projected": {
                    "defaultMode": 420,
                    "sources": [{"serviceAccountToken": {"path": "t", "expirationSeconds": 3600}}],
                }
            },
        ),
        (
            {"downwardAPI": {"items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.labels"}}]}},
            {
                "downwardAPI": {
                    "defaultMode": 420,
                    "items": [{"path": "p", "fieldRef": {"fieldPath": "metadata.labels", "apiVersion": "v1"}}],
                }
            },
        ),
    ],
)
def test_volumes_are_completed(defaulted, given, made) -> None:  # type: ignore[no-untyped-def]
    assert defaulted(volumes=[{"name": "v", **given}])["volumes"] == [{"name": "v", **made}]


def test_the_old_spelling_of_the_account_is_kept_alike(defaulted) -> None:  # type: ignore[no-untyped-def]
    assert defaulted(serviceAccount="robot")["serviceAccountName"] == "robot"
    assert defaulted(serviceAccountName="robot")["serviceAccount"] == "robot"


def test_init_containers_get_the_same(defaulted) -> None:  # type: ignore[no-untyped-def]
    (made,) = defaulted(initContainers=[{"name": "i", "image": "a:1", "ports": [{"containerPort": 1}]}])[
        "initContainers"
    ]

    assert made["ports"] == [{"containerPort": 1, "protocol": "TCP"}]
    assert made["terminationMessagePolicy"] == "File"


def test_a_pod_with_limits_as_a_whole_asks_for_its_containers_sum_or_else_for_them(defaulted) -> None:  # type: ignore[no-untyped-def]
    whole = {"limits": {"cpu": "2000m", "memory": "1024Mi"}}

    spec = defaulted({"resources": {"requests": {"cpu": "0.5"}}}, resources=whole)

    assert spec["resources"] == {
        "limits": {"cpu": "2", "memory": "1Gi"},
        "requests": {"cpu": "500m", "memory": "1Gi"},
    }
    assert defaulted({"resources": {"requests": {"cpu": "1"}}}, resources={})["resources"] == {}
