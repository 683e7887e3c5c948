"""Endpoints: which addresses stand behind a Service."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.controllers.endpoints import MANAGED_BY, OVER_CAPACITY, plan, truncate, wanted
from procorch.objects import Object


def service(*ports: Object, **spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "d", "uid": "s", "labels": {"l": "v"}},
        "spec": {"selector": {"app": "web"}, "ports": list(ports), "clusterIP": "10.96.0.5", **spec},
    }


def pod(
    name: str, ip: str = "", ready: bool = True, port_name: str = "http", deleting: bool = False, **spec: Any
) -> Object:
    metadata: Object = {"name": name, "namespace": "d", "uid": name, "labels": {"app": "web"}}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    condition = {"type": "Ready", "status": "True" if ready else "False"}
    container = {"name": "c", "ports": [{"name": port_name, "containerPort": 8080}]}
    return {
        "metadata": metadata,
        "spec": {"nodeName": "n1", "containers": [container], **spec},
        "status": {"phase": "Running", "podIP": ip, "conditions": [condition]},
    }


def address(name: str, ip: str, **more: str) -> Object:
    reference = {"kind": "Pod", "namespace": "d", "name": name, "uid": name}
    return {"ip": ip, **more, "nodeName": "n1", "targetRef": reference}


HTTP = {"port": 80, "targetPort": 8080, "protocol": "TCP"}
NAMED = {"name": "web", "port": 80, "targetPort": "http", "protocol": "TCP"}
P8080 = [{"port": 8080, "protocol": "TCP"}]


@pytest.mark.parametrize(
    ("svc", "pods", "subsets"),
    [
        pytest.param(service(HTTP), [], [], id="no pods: no subset"),
        pytest.param(
            service(HTTP), [pod("a", "10.1.0.2"), pod("b", "10.1.0.3", ready=False)],
            [{"addresses": [address("a", "10.1.0.2")], "notReadyAddresses": [address("b", "10.1.0.3")],
              "ports": P8080}],
            id="ready and not ready apart",
        ),
        pytest.param(service(HTTP), [pod("a")], [], id="a pod without an address is no endpoint"),
        pytest.param(service(HTTP), [pod("a", "10.1.0.2", deleting=True)], [], id="a pod that ends is none"),
        pytest.param(
            service(HTTP, publishNotReadyAddresses=True), [pod("a", "10.1.0.2", ready=False, deleting=True)],
            [{"addresses": [address("a", "10.1.0.2")], "ports": P8080}], id="unready addresses published when asked",
        ),
        pytest.param(
            service(NAMED), [pod("a", "10.1.0.2")],
            [{"addresses": [address("a", "10.1.0.2")], "ports": [{"name": "web", "port": 8080, "protocol": "TCP"}]}],
            id="a named target port is the container's",
        ),
        pytest.param(service(NAMED), [pod("a", "10.1.0.2", port_name="other")], [], id="the pod has no such port"),
        pytest.param(
            service(clusterIP="None"), [pod("a", "10.1.0.2")], [{"addresses": [address("a", "10.1.0.2")]}],
            id="headless without ports: addresses alone",
        ),
        pytest.param(
            service(HTTP), [pod("a", "10.1.0.2", hostname="h", subdomain="web")],
            [{"addresses": [address("a", "10.1.0.2", hostname="h")], "ports": P8080}], id="a hostname in our subdomain",
        ),
    ],
)  # fmt: skip
def test_subsets(svc: Object, pods: list[Object], subsets: list[Object]) -> None:
    assert plan(svc, pods) == subsets


def test_ports_served_by_the_same_addresses_share_a_subset() -> None:
    metrics = {"name": "metrics", "port": 9090, "targetPort": 9090, "protocol": "TCP"}
    subsets = plan(service(NAMED, metrics), [pod("a", "10.1.0.2"), pod("b", "10.1.0.3")])

    assert len(subsets) == 1
    assert [port["name"] for port in subsets[0]["ports"]] == ["metrics", "web"]


def test_labels_are_the_services_and_say_who_made_it() -> None:
    made = wanted(service(HTTP), [], None)
    assert made["metadata"]["labels"] == {"l": "v", MANAGED_BY: "endpoint-controller"}
    headless = wanted(service(HTTP, clusterIP="None"), [], None)
    assert headless["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def test_more_than_a_thousand_addresses_are_cut_the_ready_ones_last() -> None:
    rows = [{"ip": str(number)} for number in range(900)]
    subsets, cut = truncate([{"addresses": rows, "notReadyAddresses": rows, "ports": P8080}])

    assert cut
    assert len(subsets[0]["addresses"]) == 900
    assert len(subsets[0]["notReadyAddresses"]) == 100


def test_what_was_cut_is_said_in_an_annotation() -> None:
    pods = [pod(f"p{n}", f"10.1.{n // 250}.{n % 250}") for n in range(1001)]

    assert wanted(service(HTTP), pods, None)["metadata"]["annotations"] == {OVER_CAPACITY: "truncated"}
