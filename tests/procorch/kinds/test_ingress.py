"""Ingresses and their classes: hosts, paths, backends."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.kinds import KINDS
from procorch.objects import Object

BACKEND = {"service": {"name": "web", "port": {"number": 80}}}


def ingress(annotations: dict[str, str] | None = None, **spec: Any) -> Object:
    metadata = {"name": "i", "namespace": "default", **({"annotations": annotations} if annotations else {})}
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def path(given: str | None = "/", kind: str | None = "Prefix", backend: Any = BACKEND) -> Object:
    one: Object = {"backend": backend}
    if given is not None:
        one["path"] = given
    if kind is not None:
        one["pathType"] = kind
    return {"http": {"paths": [one]}}


def ingress_class(**spec: Any) -> Object:
    return {"apiVersion": "networking.k8s.io/v1", "kind": "IngressClass", "metadata": {"name": "c"}, "spec": spec}


def test_an_ingress_is_stored_as_it_is_and_has_no_address_yet(enter) -> None:  # type: ignore[no-untyped-def]
    given = ingress(ingressClassName="c", rules=[{"host": "*.a.b", **path()}], tls=[{"hosts": ["a.b"]}])
    made, problems = enter({**given, "status": {"loadBalancer": {"ingress": [{"ip": "1.1.1.1"}]}}})

    assert problems == []
    assert made == {**given, "status": {"loadBalancer": {}}}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({}, "spec: Invalid value: null: either `defaultBackend` or `rules` must be specified"),
        (
            {"rules": [path(kind=None)]},
            "spec.rules[0].http.paths[0].pathType: Required value: pathType must be specified",
        ),
        (
            {"rules": [path(kind="Regex")]},
            'spec.rules[0].http.paths[0].pathType: Unsupported value: "Regex": '
            'supported values: "Exact", "ImplementationSpecific", "Prefix"',
        ),
        (
            {"rules": [path("a")]},
            'spec.rules[0].http.paths[0].path: Invalid value: "a": must be an absolute path',
        ),
        (
            {"rules": [path("/a//b")]},
            "spec.rules[0].http.paths[0].path: Invalid value: \"/a//b\": must not contain '//'",
        ),
        (
            {"rules": [path("/a/..")]},
            "spec.rules[0].http.paths[0].path: Invalid value: \"/a/..\": cannot end with '/..'",
        ),
        ({"rules": [{"http": {}}]}, "spec.rules[0].http.paths: Required value"),
        (
            {"rules": [{"host": "1.2.3.4"}]},
            'spec.rules[0].host: Invalid value: "1.2.3.4": must be a DNS name, not an IP address',
        ),
        ({"defaultBackend": {}}, 'spec.defaultBackend: Invalid value: "": resource or service backend is required'),
        (
            {"defaultBackend": {"service": {"name": "web"}}},
            "spec.defaultBackend: Required value: port name or number is required",
        ),
        (
            {"defaultBackend": {"service": {"name": "web", "port": {"name": "a", "number": 1}}}},
            'spec.defaultBackend: Invalid value: "": cannot set both port name & port number',
        ),
        (
            {"defaultBackend": {**BACKEND, "resource": {"kind": "K", "name": "n"}}},
            'spec.defaultBackend: Invalid value: "": cannot set both resource and service backends',
        ),
        ({"defaultBackend": {"resource": {"kind": "K"}}}, "spec.defaultBackend.resource.name: Required value"),
    ],
)
def test_a_bad_ingress_is_named(enter, spec: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(ingress(**spec))[1] == [problem]


def test_a_path_of_the_controllers_own_sort_may_be_empty(enter) -> None:  # type: ignore[no-untyped-def]
    assert enter(ingress(rules=[path(None, "ImplementationSpecific")]))[1] == []


def test_a_wildcard_stands_for_one_step(enter) -> None:  # type: ignore[no-untyped-def]
    (problem,) = enter(ingress(rules=[{"host": "a.*.b"}]))[1]

    assert "a wildcard DNS-1123 subdomain must start with '*.'" in problem


def test_the_old_annotation_must_not_name_another_class(enter) -> None:  # type: ignore[no-untyped-def]
    given = ingress({"kubernetes.io/ingress.class": "b"}, ingressClassName="c", defaultBackend=BACKEND)

    assert enter(given)[1] == [
        'annotations.kubernetes.io/ingress.class: Invalid value: "b": '
        "must match `ingressClassName` when both are specified"
    ]


def test_a_class_refers_to_the_whole_cluster_unless_it_says_otherwise(enter) -> None:  # type: ignore[no-untyped-def]
    made, problems = enter(ingress_class(controller="a.b/c", parameters={"kind": "K", "name": "n"}))

    assert problems == []
    assert made["spec"]["parameters"]["scope"] == "Cluster"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({}, "spec.controller: Required value"),
        (
            {"controller": "c"},
            'spec.controller: Invalid value: "c": must be a domain-prefixed path (such as "acme.io/foo")',
        ),
        (
            {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n", "scope": "Namespace"}},
            "spec.parameters.namespace: Required value: `parameters.scope` is set to 'Namespace'",
        ),
        (
            {"controller": "a.b/c", "parameters": {"kind": "K", "name": "n", "namespace": "x"}},
            "spec.parameters.namespace: Forbidden: `parameters.scope` is set to 'Cluster'",
        ),
    ],
)
def test_a_bad_class_is_named(enter, spec: Object, problem: str) -> None:  # type: ignore[no-untyped-def]
    assert enter(ingress_class(**spec))[1] == [problem]


def test_a_class_keeps_its_controller(enter) -> None:  # type: ignore[no-untyped-def]
    old, _ = enter(ingress_class(controller="a.b/c"))

    assert enter(ingress_class(controller="a.b/d"), old)[1] == [
        'spec.controller: Invalid value: "a.b/d": field is immutable'
    ]


@pytest.mark.parametrize(
    ("hosts", "shown"),
    [
        ([], "*"),
        (["", ""], "*"),
        (["a", "b", "c"], "a,b,c"),
        (["a", "b", "c", "d", "e"], "a,b,c + 2 more..."),
    ],
)
def test_hosts_are_shown_as_kubectl_shows_them(hosts: list[str], shown: str) -> None:
    seen = ingress(rules=[{"host": host} for host in hosts], tls=[{}])
    seen["status"] = {"loadBalancer": {"ingress": [{"ip": "2.2.2.2"}, {"hostname": "a.b"}]}}

    assert [column.cell(seen, 0.0) for column in KINDS["Ingress"].columns] == [
        "i", "<none>", shown, "2.2.2.2,a.b", "80, 443", "<unknown>",
    ]  # fmt: skip


def test_a_classs_parameters_are_shown_in_a_word() -> None:
    seen = ingress_class(controller="a.b/c", parameters={"apiGroup": "x.y", "kind": "K", "name": "n"})

    assert [column.cell(seen, 0.0) for column in KINDS["IngressClass"].columns] == [
        "c",
        "a.b/c",
        "K.x.y/n",
        "<unknown>",
    ]
