"""The seed's manifests become what Kubernetes makes of them; a wrong controller is refused in its words."""

from __future__ import annotations

import copy

import pytest
import yaml

from procorch.kinds import KINDS
from procorch.objects import Object

MYSQL = """\
apiVersion: v1
kind: ReplicationController # 副本控制器
metadata:
  name: mysql
  namespace: default
spec:
  replicas: 1
  selector:
    app: mysql
  template:
    metadata:
      name: mysql
      labels:
        app: mysql
    spec:
      containers:
        - name: mysql
          image: mysql # 镜像名称
          ports:
          - containerPort: 3306
          env:
          - name: MYSQL_ROOT_PASSWORD
            value: "root"
"""
SPEC = {
    "dnsPolicy": "ClusterFirst",
    "restartPolicy": "Always",
    "schedulerName": "default-scheduler",
    "securityContext": {},
    "terminationGracePeriodSeconds": 30,
}


def mysql() -> Object:
    made: Object = yaml.safe_load(MYSQL)
    return made


def test_the_mysql_controller_of_the_seed(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(mysql())

    assert problems == []
    assert made == {
        "apiVersion": "v1",
        "kind": "ReplicationController",
        "metadata": {"name": "mysql", "namespace": "default", "labels": {"app": "mysql"}},
        "spec": {
            "replicas": 1,
            "selector": {"app": "mysql"},
            "template": {
                "metadata": {"name": "mysql", "labels": {"app": "mysql"}},
                "spec": {
                    "containers": [
                        {
                            "name": "mysql",
                            "image": "mysql",
                            "imagePullPolicy": "Always",
                            "ports": [{"containerPort": 3306, "protocol": "TCP"}],
                            "env": [{"name": "MYSQL_ROOT_PASSWORD", "value": "root"}],
                            "resources": {},
                            "terminationMessagePath": "/dev/termination-log",
                            "terminationMessagePolicy": "File",
                        }
                    ],
                    **SPEC,
                },
            },
        },
        "status": {"replicas": 0},
    }


def test_the_myweb_controller_of_the_seed(enter) -> None:  # type: ignore[no-untyped-def]
    template = {
        "metadata": {"name": "myweb", "labels": {"app": "myweb"}},
        "spec": {
            "containers": [{"name": "myweb", "image": "kubeguide/tomcat-app:v1", "ports": [{"containerPort": 8080}]}]
        },
    }
    made, problems = enter(
        {
            "apiVersion": "v1",
            "kind": "ReplicationController",
            "metadata": {"name": "myweb", "namespace": "default"},
            "spec": {"replicas": 2, "selector": {"app": "myweb"}, "template": template},
        }
    )

    assert problems == []
    assert made["spec"]["replicas"] == 2
    assert made["spec"]["template"]["spec"]["containers"][0]["imagePullPolicy"] == "IfNotPresent"


def test_selector_and_labels_come_from_the_template(enter) -> None:  # type: ignore[no-untyped-def]
    short = mysql()
    del short["spec"]["selector"]
    del short["spec"]["replicas"]

    made, problems = enter(short)

    assert problems == []
    assert made["spec"]["selector"] == made["metadata"]["labels"] == {"app": "mysql"}
    assert made["spec"]["replicas"] == 1


def test_nought_replicas_stay_nought(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(mysql(), replicas=0)[0]["spec"]["replicas"] == 0


def test_the_selector_must_match_the_template(enter) -> None:  # type: ignore[no-untyped-def]
    _, problems = enter(mysql(), selector={"app": "other"})

    assert problems == [
        'spec.template.metadata.labels: Invalid value: {"app":"mysql"}: `selector` does not match template `labels`'
    ]


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        ({"replicas": -1}, ["spec.replicas: Invalid value: -1: must be greater than or equal to 0"]),
        ({"minReadySeconds": -1}, ["spec.minReadySeconds: Invalid value: -1: must be greater than or equal to 0"]),
        ({"template": None}, ["spec.template: Required value"]),
        (
            {"selector": None, "template": {"spec": {"containers": [{"name": "a", "image": "b"}]}}},
            ["spec.selector: Required value"],
        ),
    ],
)
def test_what_is_missing_or_negative_is_named(enter, spec, problems) -> None:  # type: ignore[no-untyped-def]
    assert enter(mysql(), **spec)[1] == problems


def test_only_always_may_be_the_restart_policy(enter) -> None:  # type: ignore[no-untyped-def]
    wrong = mysql()
    wrong["spec"]["template"]["spec"]["restartPolicy"] = "Never"

    assert enter(wrong)[1] == [
        'spec.template.spec.restartPolicy: Unsupported value: "Never": supported values: "Always"'
    ]


def test_a_template_needs_containers(enter) -> None:  # type: ignore[no-untyped-def]
    wrong = mysql()
    wrong["spec"]["template"]["spec"]["containers"] = []

    assert enter(wrong)[1] == ["spec.template.spec.containers: Required value"]


def test_a_deadline_makes_no_sense_in_a_template(enter) -> None:  # type: ignore[no-untyped-def]
    wrong = mysql()
    wrong["spec"]["template"]["spec"]["activeDeadlineSeconds"] = 5

    assert enter(wrong)[1] == [
        "spec.template.spec.activeDeadlineSeconds: Forbidden: "
        "activeDeadlineSeconds in ReplicationController is not Supported"
    ]


def test_the_template_and_the_selector_may_change(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(mysql())
    new = copy.deepcopy(old)
    new["spec"]["selector"] = new["spec"]["template"]["metadata"]["labels"] = {"app": "other"}

    assert enter(new, old)[1] == []


def test_an_update_keeps_the_status(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(mysql())
    old["status"] = {"replicas": 3, "readyReplicas": 1}

    assert enter({**mysql(), "status": {"replicas": 9}}, old)[0]["status"] == {"replicas": 3, "readyReplicas": 1}


def test_a_status_must_add_up() -> None:
    kind = KINDS["ReplicationController"]
    wrong = {"spec": {}, "status": {"replicas": 1, "readyReplicas": 2, "availableReplicas": 3}}

    found = [f"{cause.field}: {cause.message}" for cause in kind.validate(wrong, {"spec": {}})]

    assert found == [
        "status.readyReplicas: Invalid value: 2: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 3: cannot be greater than status.replicas",
        "status.availableReplicas: Invalid value: 3: cannot be greater than readyReplicas",
    ]


def test_the_columns_are_kubectls(enter) -> None:  # type: ignore[no-untyped-def]
    made, _ = enter(mysql())
    made["metadata"]["creationTimestamp"] = "2026-11-23T19:00:00Z"

    shown = {column.name.upper(): column.cell(made, 1795460410.0) for column in KINDS["ReplicationController"].columns}

    assert shown == {
        "NAME": "mysql", "DESIRED": 1, "CURRENT": 0, "READY": 0, "AGE": "10s",
        "CONTAINERS": "mysql", "IMAGES": "mysql", "SELECTOR": "app=mysql",
    }  # fmt: skip
