"""What is wrong with a Service is said in Kubernetes' words."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object


def service(**spec: Any) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"selector": {"app": "web"}, "ports": [{"port": 80}], **spec},
    }


@pytest.mark.parametrize(
    ("spec", "problems"),
    [
        ({"ports": []}, ["spec.ports: Required value"]),
        (
            {"ports": [{"port": 0, "targetPort": 1}]},
            ["spec.ports[0].port: Invalid value: 0: must be between 1 and 65535, inclusive"],
        ),
        (
            {"ports": [{"port": 80, "protocol": "tcp"}]},
            ['spec.ports[0].protocol: Unsupported value: "tcp": supported values: "SCTP", "TCP", "UDP"'],
        ),
        (
            {"ports": [{"port": 80}, {"port": 81}]},
            ["spec.ports[0].name: Required value", "spec.ports[1].name: Required value"],
        ),
        (
            {"ports": [{"name": "a", "port": 80}, {"name": "a", "port": 81}]},
            ['spec.ports[1].name: Duplicate value: "a"'],
        ),
        (
            {"ports": [{"port": 80, "targetPort": "Web"}]},
            [
                'spec.ports[0].targetPort: Invalid value: "Web": must contain only alpha-numeric characters '
                "(a-z, 0-9), and hyphens (-)"
            ],
        ),
        (
            {"ports": [{"port": 80, "nodePort": 30001}]},
            ["spec.ports[0].nodePort: Forbidden: may not be used when `type` is 'ClusterIP'"],
        ),
        (
            {"type": "Node"},
            [
                'spec.type: Unsupported value: "Node": supported values: '
                '"ClusterIP", "ExternalName", "LoadBalancer", "NodePort"'
            ],
        ),
        ({"type": "ExternalName"}, ["spec.externalName: Required value"]),
        (
            {"type": "NodePort", "clusterIP": "None"},
            ["spec.clusterIPs[0]: Invalid value: \"None\": may not be set to 'None' for NodePort services"],
        ),
        (
            {"clusterIP": "10.96.0.256"},
            [
                'spec.clusterIPs[0]: Invalid value: "10.96.0.256": '
                "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"
            ],
        ),
        (
            {"sessionAffinity": "Cookie"},
            ['spec.sessionAffinity: Unsupported value: "Cookie": supported values: "ClientIP", "None"'],
        ),
        (
            {"sessionAffinity": "ClientIP", "sessionAffinityConfig": {"clientIP": {"timeoutSeconds": 0}}},
            [
                "spec.sessionAffinityConfig.clientIP.timeoutSeconds: Invalid value: 0: "
                "must be greater than 0 and less than 86400"
            ],
        ),
        (
            {"ipFamilyPolicy": "RequireDualStack"},
            [
                'spec.ipFamilyPolicy: Invalid value: "RequireDualStack": '
                "this cluster is not configured for dual-stack services"
            ],
        ),
        (
            {"externalTrafficPolicy": "Local"},
            ['spec.externalTrafficPolicy: Invalid value: "Local": may only be set for externally-accessible services'],
        ),
    ],
)
def test_what_is_wrong_is_said_in_kubernetes_words(enter, spec, problems) -> None:  # type: ignore[no-untyped-def]
    assert enter(service(**spec))[1] == problems


def test_the_same_port_stands_once_for_a_protocol(enter) -> None:  # type: ignore[no-untyped-def]
    ports = [{"name": "a", "port": 53, "protocol": "UDP"}, {"name": "b", "port": 53}, {"name": "c", "port": 53}]

    assert enter(service(ports=ports))[1] == [
        'spec.ports[2]: Duplicate value: {"Name":"","Protocol":"TCP","AppProtocol":null,'
        '"Port":53,"TargetPort":0,"NodePort":0}'
    ]


def test_ranges_of_clients_are_a_load_balancers(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(service(type="LoadBalancer", loadBalancerSourceRanges=["10.0.0.0/8"]))[1] == []
    assert enter(service(loadBalancerSourceRanges=["10.0.0.1/8"]))[1] == [
        "spec.LoadBalancerSourceRanges: Forbidden: may only be used when `type` is 'LoadBalancer'",
        'spec.LoadBalancerSourceRanges[0]: Invalid value: "10.0.0.1/8": '
        "must not have bits set beyond the prefix length",
    ]


def test_the_first_of_the_addresses_is_the_address(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(service(clusterIP="10.96.0.7", clusterIPs=["10.96.0.8"]))[1] == [
        'spec.clusterIPs: Invalid value: ["10.96.0.8"]: first value must match `clusterIP`'
    ]
    assert enter(service(clusterIPs=["10.96.0.8"]))[1] == [
        'spec.clusterIPs: Invalid value: ["10.96.0.8"]: must be empty when `clusterIP` is not specified'
    ]


def test_this_cluster_has_ipv4_alone(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(service(ipFamilies=["IPv6"]))[1] == [
        'spec.ipFamilies[0]: Invalid value: "IPv6": not configured on this cluster'
    ]
    assert enter(service(ipFamilyPolicy="PreferDualStack"))[1] == []


@pytest.mark.parametrize(
    ("row", "problem"),
    [
        ({"ip": "here"}, 'ip: Invalid value: "here": must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)'),
        ({"hostname": "192.0.2.1"}, 'hostname: Invalid value: "192.0.2.1": must be a DNS name, not an IP address'),
        ({"hostname": "a.b", "ipMode": "VIP"}, "ipMode: Forbidden: may not be specified when `ip` is not set"),
        ({"ip": "192.0.2.1", "ipMode": "Else"}, 'ipMode: Unsupported value: "Else": supported values: "Proxy", "VIP"'),
    ],
)
def test_where_a_balancer_listens_is_an_address_or_a_name(row: Object, problem: str) -> None:
    balanced = service(type="LoadBalancer")
    seen = {**balanced, "status": {"loadBalancer": {"ingress": [row]}}}

    causes = list(KINDS["Service"].validate(seen, balanced))

    assert [f"{cause.field}: {cause.message}" for cause in causes] == [f"status.loadBalancer.ingress[0].{problem}"]


def test_only_a_balanced_service_says_where_its_balancer_listens() -> None:
    old = service()
    seen = {**old, "status": {"loadBalancer": {"ingress": [{"ip": "192.0.2.1", "ipMode": "VIP"}]}}}

    (cause,) = KINDS["Service"].validate(seen, old)

    assert f"{cause.field}: {cause.message}" == (
        "status.loadBalancer.ingress: Forbidden: may only be used when `spec.type` is 'LoadBalancer'"
    )


def test_a_balancers_class_is_named_once(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(service(type="LoadBalancer", loadBalancerClass="a.b/c"))

    assert enter(service(type="LoadBalancer", loadBalancerClass="a.b/d"), old)[1] == [
        'spec.loadBalancerClass: Invalid value: "a.b/d": may not change once set'
    ]
    (problem,) = enter(service(type="LoadBalancer", loadBalancerClass="-"))[1]
    assert problem.startswith('spec.loadBalancerClass: Invalid value: "-"')


def test_an_external_address_is_somebody_elses(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(service(externalIPs=["127.0.0.1"]))[1] == [
        'spec.externalIPs[0]: Invalid value: "127.0.0.1": may not be in the loopback range (127.0.0.0/8, ::1/128)'
    ]
