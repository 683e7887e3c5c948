"""A Service is completed, keeps what was allocated to it, and is shown as kubectl shows it."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import yaml

from procorch.kinds import KINDS
from procorch.objects import Object

MYWEB = """\
kind: Service
apiVersion: v1
metadata:
  name:  myweb
  namespace: default
spec:
  selector:
    app:  myweb
  type:  NodePort # 外网访问模式
  ports:
  - name:  name-of-the-port
    port:  8080
    nodePort: 30001
"""


def service(**spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec},
    }


def allocated(enter: Any, **spec: Any) -> Object:
    """A Service as it stands in the store, its address given out."""
    made, problems = enter(service(**spec))
    assert problems == []
    made["spec"].setdefault("clusterIP", "10.96.0.7")
    made["spec"].setdefault("clusterIPs", [made["spec"]["clusterIP"]])
    return made


def test_the_service_of_the_seed(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(yaml.safe_load(MYWEB))

    assert problems == []
    assert made == {
        "kind": "Service",
        "apiVersion": "v1",
        "metadata": {"name": "myweb", "namespace": "default"},
        "spec": {
            "type": "NodePort",
            "selector": {"app": "myweb"},
            "ports": [
                {"name": "name-of-the-port", "port": 8080, "nodePort": 30001, "protocol": "TCP", "targetPort": 8080}
            ],
            "sessionAffinity": "None",
            "externalTrafficPolicy": "Cluster",
            "internalTrafficPolicy": "Cluster",
            "ipFamilies": ["IPv4"],
            "ipFamilyPolicy": "SingleStack",
        },
        "status": {"loadBalancer": {}},
    }


def test_an_ordinary_service_has_no_external_policy(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(service())

    assert problems == []
    assert made["spec"]["type"] == "ClusterIP"
    assert "externalTrafficPolicy" not in made["spec"]


def test_a_balanced_service_asks_for_node_ports(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(service(type="LoadBalancer"))[0]["spec"]["allocateLoadBalancerNodePorts"] is True


def test_client_affinity_lasts_three_hours_unless_said_otherwise(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(service(sessionAffinity="ClientIP"))

    assert problems == []
    assert made["spec"]["sessionAffinityConfig"] == {"clientIP": {"timeoutSeconds": 10800}}


def test_an_external_name_gets_no_address(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(service(type="ExternalName", externalName="example.com", ports=[], selector=None))

    assert problems == []
    assert "ipFamilies" not in made["spec"]
    assert "internalTrafficPolicy" not in made["spec"]


def test_a_headless_service_without_selector_may_hold_both_families(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(service(clusterIP="None", selector=None))

    assert problems == []
    assert made["spec"]["clusterIPs"] == ["None"]
    assert made["spec"]["ipFamilies"] == ["IPv4", "IPv6"]
    assert made["spec"]["ipFamilyPolicy"] == "RequireDualStack"


def test_an_update_that_leaves_allocated_values_out_keeps_them(enter) -> None:  # type: ignore[no-untyped-def]
    old = allocated(enter, type="NodePort", ports=[{"port": 80, "nodePort": 30080}])

    made, problems = enter(service(type="NodePort"), old)

    assert problems == []
    assert made["spec"]["clusterIP"] == "10.96.0.7"
    assert made["spec"]["ports"][0]["nodePort"] == 30080


def test_the_address_never_changes(enter) -> None:  # type: ignore[no-untyped-def]
    old = allocated(enter)

    assert enter(service(clusterIP="10.96.0.8"), old)[1] == [
        'spec.clusterIPs[0]: Invalid value: ["10.96.0.8"]: may not change once set'
    ]


def test_a_changed_type_takes_its_values_along(enter) -> None:  # type: ignore[no-untyped-def]
    old = allocated(enter, type="NodePort", ports=[{"port": 80, "nodePort": 30080}])
    plain = copy.deepcopy(old)
    plain["spec"]["type"] = "ClusterIP"
    named = copy.deepcopy(old)
    named["spec"] |= {"type": "ExternalName", "externalName": "example.com"}

    made, problems = enter(plain, old)
    assert problems == []
    assert "nodePort" not in made["spec"]["ports"][0]
    assert "externalTrafficPolicy" not in made["spec"]

    made, problems = enter(named, old)
    assert problems == []
    assert "clusterIP" not in made["spec"]


@pytest.mark.parametrize(
    ("spec", "status", "shown"),
    [
        ({"type": "ClusterIP", "clusterIPs": ["10.96.0.7"]}, {}, ["ClusterIP", "10.96.0.7", "<none>", "80/TCP"]),
        ({"type": "ClusterIP", "clusterIPs": ["None"], "ports": []}, {}, ["ClusterIP", "None", "<none>", "<none>"]),
        (
            {"type": "NodePort", "ports": [{"port": 8080, "nodePort": 30001, "protocol": "TCP"}]},
            {},
            ["NodePort", "<none>", "<none>", "8080:30001/TCP"],
        ),
        ({"type": "LoadBalancer"}, {}, ["LoadBalancer", "<none>", "<pending>", "80/TCP"]),
        (
            {"type": "LoadBalancer"},
            {"loadBalancer": {"ingress": [{"ip": "192.0.2.1"}]}},
            ["LoadBalancer", "<none>", "192.0.2.1", "80/TCP"],
        ),
        (
            {"type": "ExternalName", "externalName": "example.com", "ports": []},
            {},
            ["ExternalName", "<none>", "example.com", "<none>"],
        ),
    ],
)
def test_the_columns_are_kubectls(spec: Object, status: Object, shown: list[str]) -> None:
    seen = service(**{"ports": [{"port": 80, "protocol": "TCP"}], **spec})
    seen["status"] = status

    cells = [column.cell(seen, 0.0) for column in KINDS["Service"].columns]

    assert cells == ["web", *shown, "<unknown>", "app=web"]
