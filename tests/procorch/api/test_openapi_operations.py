"""The operations of a kind: what is taken and given, alike in both versions of OpenAPI."""

from __future__ import annotations

import pytest

from procorch.api.openapi_operations import paths_of
from procorch.kinds import KINDS

POD = "/api/v1/namespaces/{namespace}/pods"


@pytest.mark.parametrize("third", [False, True], ids=["v2", "v3"])
def test_every_verb_of_a_kind_is_an_operation(third):
    for kind in KINDS:
        paths = paths_of([kind], third=third)
        own = kind.path("{namespace}" if kind.namespaced else None)
        rows = [*paths[own].items(), *paths[f"{own}/{{name}}"].items()]
        actions = {row["x-kubernetes-action"] for method, row in rows if method != "parameters"}
        names = {"create": "post", "update": "put"}

        assert actions == {names.get(verb, verb) for verb in kind.verbs} - {"watch"}


@pytest.mark.parametrize("third", [False, True], ids=["v2", "v3"])
def test_ids_are_unique(third):
    ids = [
        row["operationId"]
        for item in paths_of(KINDS, third=third).values()
        for method, row in item.items()
        if method != "parameters"
    ]

    assert len(ids) == len(set(ids))


def test_options_have_types():
    listed = paths_of([KINDS["Pod"]], third=True)[POD]["get"]
    types = {row["name"]: row["schema"]["type"] for row in listed["parameters"]}

    assert (types["limit"], types["watch"], types["labelSelector"]) == ("integer", "boolean", "string")


def test_a_delete_may_have_a_body_and_a_create_must():
    third = paths_of([KINDS["Pod"]], third=True)

    assert "required" not in third[f"{POD}/{{name}}"]["delete"]["requestBody"]
    assert third[POD]["post"]["requestBody"]["required"] is True


def test_a_log_is_text():
    log = paths_of([KINDS["Pod"]], third=True)[f"{POD}/{{name}}/log"]["get"]

    assert log["responses"]["200"] == {"description": "OK"}


@pytest.mark.parametrize(
    ("kind", "path", "method", "id_"),
    [
        ("Pod", "/api/v1/pods", "get", "listCoreV1PodForAllNamespaces"),
        ("Pod", POD, "delete", "deleteCoreV1CollectionNamespacedPod"),
        ("Pod", f"{POD}/{{name}}/log", "get", "readCoreV1NamespacedPodLog"),
        ("Pod", f"{POD}/{{name}}/exec", "post", "connectCoreV1PostNamespacedPodExec"),
        ("Pod", f"{POD}/{{name}}/proxy/{{path}}", "head", "connectCoreV1HeadNamespacedPodProxyWithPath"),
        ("Pod", f"{POD}/{{name}}/ephemeralcontainers", "patch", "patchCoreV1NamespacedPodEphemeralcontainers"),
        ("Namespace", "/api/v1/namespaces/{name}/finalize", "put", "replaceCoreV1NamespaceFinalize"),
        ("Deployment", "/apis/apps/v1/namespaces/{namespace}/deployments/{name}/scale", "get",
         "readAppsV1NamespacedDeploymentScale"),
        ("ClusterRole", "/apis/rbac.authorization.k8s.io/v1/clusterroles", "post",
         "createRbacAuthorizationV1ClusterRole"),
    ],
)  # fmt: skip
def test_ids_are_those_that_generated_clients_are_made_of(kind, path, method, id_):
    assert paths_of([KINDS[kind]], third=True)[path][method]["operationId"] == id_


def test_a_namespace_is_finalized_by_put_alone():
    assert set(paths_of([KINDS["Namespace"]], third=True)["/api/v1/namespaces/{name}/finalize"]) == {
        "put", "parameters",
    }  # fmt: skip
