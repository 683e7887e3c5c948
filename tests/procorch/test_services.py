"""Services and EndpointSlices as a table for the proxy, and as variables for pods."""

from __future__ import annotations

from typing import Any

import pytest

from network.proxy import UDP, Backend, ServicePort
from procorch.services import host_ports, service_environment, service_ports


def service(name: str = "web", namespace: str = "default", **spec: Any) -> dict[str, Any]:
    spec = {"clusterIP": "10.96.0.5", "ports": [{"port": 80, "targetPort": 8080}], **spec}
    return {"metadata": {"name": name, "namespace": namespace}, "spec": spec}


def endpoint(address: str, node: str = "one", **conditions: bool) -> dict[str, Any]:
    return {"addresses": [address], "nodeName": node, "conditions": conditions}


def slice_of(
    *endpoints: dict[str, Any], name: str = "web", ports: list[dict[str, Any]] | None = None, **more: Any
) -> dict[str, Any]:
    labels = {"kubernetes.io/service-name": name}
    metadata = {"name": f"{name}-x", "namespace": "default", "labels": labels}
    ports = [{"port": 8080, "protocol": "TCP"}] if ports is None else ports
    return {"metadata": metadata, "addressType": "IPv4", "endpoints": list(endpoints), "ports": ports, **more}


A, B = Backend("10.240.0.2", 8080), Backend("10.240.4.2", 8080)


@pytest.mark.parametrize(
    ("endpoints", "backends"),
    [
        pytest.param([endpoint("10.240.4.2", ready=True), endpoint("10.240.0.2", ready=True)], (A, B), id="sorted"),
        pytest.param([endpoint("10.240.0.2", ready=False), endpoint("10.240.4.2", ready=True)], (B,), id="ready only"),
        pytest.param([endpoint("10.240.0.2")], (A,), id="no condition means ready"),
        pytest.param([endpoint("10.240.0.2", ready=True)] * 2, (A,), id="each once"),
        pytest.param([], (), id="a service without endpoints has a row without backends"),
        pytest.param(
            [endpoint("10.240.0.2", ready=False, serving=True, terminating=True), endpoint("10.240.4.2", ready=False)],
            (A,),
            id="who ends but serves is used when nobody is ready",
        ),
    ],
)
def test_the_backends_of_a_service_port(endpoints: list[dict[str, Any]], backends: tuple[Backend, ...]) -> None:
    assert service_ports([service()], [slice_of(*endpoints)]) == (
        ServicePort("10.96.0.5", 80, backends=backends, name="default/web:80"),
    )


@pytest.mark.parametrize(
    "spec",
    [
        pytest.param({"clusterIP": "None"}, id="headless"),
        pytest.param({"type": "ExternalName", "clusterIP": ""}, id="ExternalName"),
        pytest.param({"clusterIP": "fd00::1"}, id="IPv6"),
        pytest.param({"ports": [{"port": 80, "protocol": "SCTP"}]}, id="SCTP"),
    ],
)
def test_services_that_give_no_row(spec: dict[str, Any]) -> None:
    assert service_ports([service(**spec)], [slice_of(endpoint("10.240.0.2"))]) == ()


def test_ports_are_matched_by_name_and_protocol() -> None:
    ports = [
        {"name": "dns", "port": 53, "protocol": "UDP", "nodePort": 30053},
        {"name": "dns-tcp", "port": 53, "protocol": "TCP"},
    ]
    slices = [
        slice_of(endpoint("10.240.0.2"), ports=[{"name": "dns", "port": 5353, "protocol": "UDP"}]),
        slice_of(endpoint("10.240.0.3"), ports=[{"name": "dns-tcp", "port": 5354, "protocol": "TCP"}]),
    ]

    assert service_ports([service(ports=ports)], slices) == (
        ServicePort("10.96.0.5", 53, UDP, 30053, (Backend("10.240.0.2", 5353),), None, "default/web:dns"),
        ServicePort("10.96.0.5", 53, "TCP", None, (Backend("10.240.0.3", 5354),), None, "default/web:dns-tcp"),
    )


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, None),
        ({"sessionAffinity": "None"}, None),
        ({"sessionAffinity": "ClientIP"}, 10800),
        ({"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 7}}}, 7),
    ],
)
def test_session_affinity(spec: dict[str, Any], seconds: int | None) -> None:
    assert service_ports([service(**spec)], [])[0].affinity_seconds == seconds


def test_local_traffic_policies_take_this_nodes_endpoints_only() -> None:
    ports = [{"port": 80, "nodePort": 30080}]
    slices = [slice_of(endpoint("10.240.0.2", "one"), endpoint("10.240.4.2", "two"))]
    outside = service(ports=ports, externalTrafficPolicy="Local")
    inside = service(ports=ports, internalTrafficPolicy="Local")

    assert service_ports([outside], slices, "two") == (
        ServicePort("10.96.0.5", 80, backends=(A, B), name="default/web:80"),
        ServicePort(None, 80, node_port=30080, backends=(B,), name="default/web:80"),
    )
    assert [row.backends for row in service_ports([inside], slices, "one")] == [(A,), (A, B)]


def test_external_addresses_are_served_like_the_cluster_ip() -> None:
    one = service(externalIPs=["192.0.2.9"])
    one["status"] = {"loadBalancer": {"ingress": [{"ip": "192.0.2.10"}, {"hostname": "a.example"}]}}

    addresses = [row.address for row in service_ports([one], [])]
    assert addresses == ["10.96.0.5", "192.0.2.9", "192.0.2.10"]


MYSQL = service("mysql", clusterIP="10.96.0.7", ports=[{"port": 3306}])
API = service("kubernetes", clusterIP="10.96.0.1", ports=[{"name": "https", "port": 443, "protocol": "TCP"}])
API_VARIABLES = {
    "KUBERNETES_SERVICE_HOST": "10.96.0.1",
    "KUBERNETES_SERVICE_PORT": "443",
    "KUBERNETES_SERVICE_PORT_HTTPS": "443",
    "KUBERNETES_PORT": "tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP": "tcp://10.96.0.1:443",
    "KUBERNETES_PORT_443_TCP_PROTO": "tcp",
    "KUBERNETES_PORT_443_TCP_PORT": "443",
    "KUBERNETES_PORT_443_TCP_ADDR": "10.96.0.1",
}


def test_a_pod_finds_the_services_of_its_namespace_in_its_environment() -> None:
    assert service_environment([MYSQL, API], "default") == {
        **API_VARIABLES,
        "MYSQL_SERVICE_HOST": "10.96.0.7",
        "MYSQL_SERVICE_PORT": "3306",
        "MYSQL_PORT": "tcp://10.96.0.7:3306",
        "MYSQL_PORT_3306_TCP": "tcp://10.96.0.7:3306",
        "MYSQL_PORT_3306_TCP_PROTO": "tcp",
        "MYSQL_PORT_3306_TCP_PORT": "3306",
        "MYSQL_PORT_3306_TCP_ADDR": "10.96.0.7",
    }


def test_other_namespaces_and_pods_without_service_links_know_the_api_only() -> None:
    assert service_environment([MYSQL, API], "other") == API_VARIABLES
    assert service_environment([MYSQL, API], "default", links=False) == API_VARIABLES


def test_a_service_called_kubernetes_in_the_pods_own_namespace_comes_first() -> None:
    own = service("kubernetes", "other", clusterIP="10.96.3.3")

    for order in ([own, API], [API, own]):
        assert service_environment(order, "other")["KUBERNETES_SERVICE_HOST"] == "10.96.3.3"


def test_names_become_variable_names_and_headless_services_are_left_out() -> None:
    ports = [{"name": "a-b", "port": 1}, {"name": "c", "port": 2, "protocol": "UDP"}]
    found = service_environment([service("my-app", ports=ports), service("none", clusterIP="None")], "default")

    assert found["MY_APP_SERVICE_PORT"] == "1"
    assert found["MY_APP_SERVICE_PORT_A_B"] == "1"
    assert found["MY_APP_PORT_2_UDP"] == "udp://10.96.0.5:2"
    assert not any(name.startswith("NONE") for name in found)


def pod_with(*ports: dict[str, Any], name: str = "p", phase: str = "Running", **spec: Any) -> dict[str, Any]:
    ports = tuple({"containerPort": 80, "protocol": "TCP", **port} for port in ports)
    return {
        "metadata": {"name": name, "namespace": "default"},
        "spec": {"containers": [{"name": "c", "ports": list(ports)}], **spec},
        "status": {"phase": phase, "podIP": "10.240.0.9"},
    }


ON_80 = (Backend("10.240.0.9", 80),)
EVERYWHERE = ServicePort(None, 8000, node_port=8000, backends=ON_80, name="default/p:8000")
SIDECAR = {"name": "s", "restartPolicy": "Always", "ports": [{"containerPort": 80, "hostPort": 8000}]}


@pytest.mark.parametrize(
    ("pod", "rows"),
    [
        pytest.param(pod_with({"hostPort": 8000}, {}), (EVERYWHERE,), id="on every address"),
        pytest.param(pod_with({"hostPort": 8000, "hostIP": "0.0.0.0"}), (EVERYWHERE,), id="in so many words"),
        pytest.param(
            pod_with({"hostPort": 53, "hostIP": "192.0.2.1", "protocol": "UDP"}),
            (ServicePort("192.0.2.1", 53, UDP, backends=ON_80, name="default/p:53"),),
            id="on one address of the node, UDP",
        ),
        pytest.param(pod_with({"hostPort": 443, "hostIP": "10.96.0.1"}), (), id="not on an address of others"),
        pytest.param(pod_with({"hostPort": 8000, "hostIP": "::1"}), (), id="not IPv6"),
        pytest.param(pod_with({"hostPort": 8000, "protocol": "SCTP"}), (), id="not SCTP"),
        pytest.param(pod_with({"hostPort": 80}, hostNetwork=True), (), id="on the host's network it has them itself"),
        pytest.param(pod_with({"hostPort": 8000}, phase="Succeeded"), (), id="it has ended"),
        pytest.param(pod_with(initContainers=[SIDECAR]), (EVERYWHERE,), id="a sidecar's"),
        pytest.param(pod_with(initContainers=[SIDECAR | {"restartPolicy": None}]), (), id="no init container's"),
    ],
)
def test_the_ports_that_pods_have_on_their_node(pod: dict[str, Any], rows: tuple[ServicePort, ...]) -> None:
    assert host_ports([pod], lambda address: address == "192.0.2.1") == rows


def test_of_two_pods_with_one_port_on_the_node_the_first_has_it() -> None:
    both = [pod_with({"hostPort": 8000}, name="q"), pod_with({"hostPort": 8000})]

    assert host_ports(both, lambda address: True) == (EVERYWHERE,)
