"""Where a proxied request goes."""

from __future__ import annotations

import random

import pytest

from procorch.api.routes import parse
from procorch.api.streaming.targets import Target, pod_target, service_target, split_name
from procorch.kinds import KINDS
from procorch.objects import ApiError, BadRequest, ServiceUnavailable


@pytest.mark.parametrize(
    ("text", "parts"),
    [("web", ("", "web", "")), ("web:80", ("", "web", "80")), ("https:web:8443", ("https", "web", "8443")),
     ("https:web:", ("https", "web", "")), (":web:http", ("", "web", "http"))],
)  # fmt: skip
def test_names(text, parts):
    assert split_name(text) == parts


@pytest.mark.parametrize("text", ["", ":80", "ftp:web:1", "a:b:c:d"])
def test_names_that_are_none(text):
    with pytest.raises(BadRequest, match="invalid service or pod request"):
        split_name(text)


def test_the_host_of_a_url():
    assert Target("http", "10.0.0.1", 80, "").host == "10.0.0.1"
    assert Target("http", "10.0.0.1", 8080, "").host == "10.0.0.1:8080"
    assert Target("https", "fd00::1", 443, "").host == "[fd00::1]"


async def pod(client, name, address, *ports):
    rows = [{"containerPort": port} for port in ports]
    containers = [{"name": "m", "image": "host", "command": ["x"], "ports": rows}]
    await client.create(
        {
            "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"},
            "spec": {"nodeName": "n1", "containers": containers},
        }
    )  # fmt: skip
    if address:
        await client.patch("Pod", f"default/{name}", {"status": {"podIP": address}}, subresource="status")


def route_to(resource, name):
    return parse(KINDS, "GET", f"/api/v1/namespaces/default/{resource}/{name}/proxy/", {})


async def test_a_pod(served):
    await pod(served.client, "a", "10.240.0.5", 8080, 9090)
    await pod(served.client, "b", "10.240.0.6")

    assert pod_target(served.api, route_to("pods", "a")) == Target("http", "10.240.0.5", 8080, "n1")
    assert pod_target(served.api, route_to("pods", "a:9090")).port == 9090
    assert pod_target(served.api, route_to("pods", "https:b:")) == Target("https", "10.240.0.6", 443, "n1")


@pytest.mark.parametrize("address", ["", "127.0.0.1", "169.254.169.254", "0.0.0.0", "224.0.0.1", "::1"])
async def test_addresses_that_are_not_proxied_to(served, address):
    await pod(served.client, "a", address)
    with pytest.raises(ApiError, match="address not allowed"):
        pod_target(served.api, route_to("pods", "a"))


async def test_a_service(served):
    client = served.client
    about = {"name": "web", "namespace": "default"}
    ports = [{"name": "http", "port": 80, "targetPort": 8080}, {"name": "other", "port": 81}]
    await client.create({"apiVersion": "v1", "kind": "Service", "metadata": about, "spec": {"ports": ports}})
    with pytest.raises(ServiceUnavailable, match='no endpoints available for service "web"'):
        service_target(served.api, route_to("services", "web:http"), random.Random(1))

    endpoints = [
        {"addresses": ["10.240.0.7"], "nodeName": "n1", "conditions": {"ready": True}},
        {"addresses": ["10.240.0.8"], "nodeName": "n2", "conditions": {"ready": False}},
    ]
    labels = {"kubernetes.io/service-name": "web"}
    await client.create(
        {
            "apiVersion": "discovery.k8s.io/v1", "kind": "EndpointSlice", "addressType": "IPv4",
            "metadata": {"name": "web-1", "namespace": "default", "labels": labels},
            "endpoints": endpoints, "ports": [{"name": "http", "port": 8080}],
        }
    )  # fmt: skip
    for name in ("web:http", "web:80"):
        found = service_target(served.api, route_to("services", name), random.Random(1))
        assert found == Target("http", "10.240.0.7", 8080, "n1")
    for name in ("web", "web:82"):
        with pytest.raises(ServiceUnavailable, match=r'no service port ".*" found for service "web"'):
            service_target(served.api, route_to("services", name), random.Random(1))
