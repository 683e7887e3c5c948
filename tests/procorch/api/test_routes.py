"""Paths become routes: decoded once, and what is routed is what is authorised."""

from __future__ import annotations

import pytest

from procorch.api.routes import decode, methods_of, parse
from procorch.kinds import KINDS
from procorch.objects import ApiError, BadRequest, MethodNotAllowed


@pytest.mark.parametrize(
    ("method", "path", "query", "expected"),
    [
        ("GET", "/api/v1/pods", {}, ("list", "pods", None, None, "")),
        ("GET", "/api/v1/pods", {"watch": "1"}, ("watch", "pods", None, None, "")),
        ("GET", "/api/v1/pods", {"watch": "false"}, ("list", "pods", None, None, "")),
        ("GET", "/api/v1/pods", {"fieldSelector": "metadata.name=a"}, ("list", "pods", None, "a", "")),
        ("POST", "/api/v1/namespaces/x/pods", {}, ("create", "pods", "x", None, "")),
        ("GET", "/api/v1/namespaces/x/pods/a/log", {}, ("get", "pods", "x", "a", "log")),
        ("GET", "/api/v1/namespaces/x/pods/a/exec", {}, ("create", "pods", "x", "a", "exec")),
        ("DELETE", "/api/v1/namespaces/x/pods", {}, ("deletecollection", "pods", "x", None, "")),
        ("GET", "/api/v1/namespaces/x", {}, ("get", "namespaces", None, "x", "")),
        ("PUT", "/api/v1/namespaces/x/finalize", {}, ("update", "namespaces", None, "x", "finalize")),
        ("HEAD", "/apis/apps/v1/namespaces/x/replicasets/a", {}, ("get", "replicasets", "x", "a", "")),
        ("GET", "/api/v1/namespaces/x/pods/a%2Fb", {}, ("get", "pods", "x", "a/b", "")),
    ],
)
def test_a_path_is_one_route(method, path, query, expected):
    route = parse(KINDS, method, path, query)

    assert (route.verb, route.resource, route.namespace, route.name, route.subresource) == expected
    assert route.kind is not None and route.kind.plural == route.resource


def test_what_is_no_resource_keeps_its_method_and_path():
    route = parse(KINDS, "GET", "/openapi/v2/", {})

    assert (route.verb, route.path, route.kind) == ("get", "/openapi/v2", None)


def test_an_unknown_resource_and_a_cluster_kind_in_a_namespace_have_no_kind():
    assert parse(KINDS, "GET", "/api/v1/colours", {}).kind is None
    assert parse(KINDS, "GET", "/api/v1/namespaces/x/nodes", {}).kind is None


@pytest.mark.parametrize("path", ["//api/v1/pods", "/api//v1/pods", "/api/v1/pods//"])
def test_two_slashes_lead_nowhere(path):
    with pytest.raises(ApiError) as refused:
        decode(path)

    assert refused.value.code == 404


@pytest.mark.parametrize(("path", "segments"), [("/", ()), ("", ()), ("/apis/", ("apis",)), ("/api/v1", ("api", "v1"))])
def test_a_slash_at_the_end_does_not_matter(path, segments):
    assert decode(path) == segments


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/v1/namespaces/x/pods", ["DELETE", "GET", "HEAD", "POST"]),
        ("/api/v1/pods", ["GET", "HEAD"]),
        ("/api/v1/namespaces/x/pods/a", ["DELETE", "GET", "HEAD", "PATCH", "PUT"]),
        ("/api/v1/namespaces/x/pods/a/status", ["GET", "HEAD", "PATCH", "PUT"]),
        ("/api/v1/namespaces", ["GET", "HEAD", "POST"]),
        ("/version", ["GET", "HEAD"]),
    ],
)
def test_which_methods_a_path_knows(path, methods):
    assert methods_of(parse(KINDS, "GET", path, {}), ("get", "patch", "update")) == methods


@pytest.mark.parametrize("path", ["/a/%ff", "/a/../b", "/a/%2e%2E/b", "/a/./b", "/a%00b"])
def test_paths_that_nobody_needs_are_refused(path):
    with pytest.raises(BadRequest):
        decode(path)


def test_methods_that_a_collection_does_not_have():
    for method in ("PUT", "PATCH", "TRACE"):
        with pytest.raises(MethodNotAllowed):
            parse(KINDS, method, "/api/v1/pods", {})
