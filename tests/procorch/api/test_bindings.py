"""Bindings as a resource of their own: what is answered is what kube-apiserver 1.36 answers."""

from __future__ import annotations

import orjson
import pytest

from procorch.objects import ApiError, BadRequest, Conflict, MethodNotAllowed, NotFound

PATH = "/api/v1/namespaces/default/bindings"


async def post(client, name="", query=None, **metadata):
    about = {"name": name, **metadata} if name else metadata
    body = {"apiVersion": "v1", "kind": "Binding", "metadata": about, "target": {"kind": "Node", "name": "n1"}}
    return orjson.loads((await client.raw("POST", PATH, query=query, body=orjson.dumps(body))).body)


async def test_a_pod_is_bound_once_by_a_binding_that_names_it(served):
    spec = {"containers": [{"name": "c", "image": "i"}]}
    pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": spec}
    await served.client.create(pod)

    dry = await post(served.client, "p", {"dryRun": "All"})
    unbound = await served.client.get("Pod", "default/p")
    made = await post(served.client, "p")

    assert "nodeName" not in unbound["spec"]
    assert dry == made == {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}
    assert (await served.client.get("Pod", "default/p"))["spec"]["nodeName"] == "n1"
    with pytest.raises(Conflict, match='pods/binding "p": pod p is already assigned to node "n1"'):
        await post(served.client, "p")


async def test_what_names_no_pod_of_the_namespace_binds_none(served):
    with pytest.raises(NotFound, match='pods "nobody" not found'):
        await post(served.client, "nobody")
    with pytest.raises(BadRequest, match="Name parameter required"):
        await post(served.client, generateName="x")
    with pytest.raises(BadRequest, match="the namespace of the provided object does not match"):
        await post(served.client, "p", namespace="elsewhere")


@pytest.mark.parametrize(
    ("method", "path", "error"),
    [("GET", PATH, MethodNotAllowed), ("DELETE", PATH, MethodNotAllowed), ("GET", f"{PATH}/p", ApiError),
     ("POST", f"{PATH}/p", ApiError), ("GET", "/api/v1/bindings", ApiError), ("POST", "/api/v1/bindings", ApiError)],
)  # fmt: skip
async def test_there_is_nothing_but_posting_them(served, method, path, error):
    with pytest.raises(error) as refused:
        await served.client.raw(method, path)

    assert refused.value.code == (405 if error is MethodNotAllowed else 404)


async def test_discovery_and_openapi_know_them(served):
    rows = orjson.loads((await served.client.raw("GET", "/api/v1")).body)["resources"]
    paths = orjson.loads((await served.client.raw("GET", "/openapi/v3/api/v1")).body)["paths"]

    row = next(row for row in rows if row["name"] == "bindings")
    assert row == {"name": "bindings", "singularName": "binding", "namespaced": True, "kind": "Binding",
                   "verbs": ["create"]}  # fmt: skip
    assert paths["/api/v1/namespaces/{namespace}/bindings"]["post"]["operationId"] == "createCoreV1NamespacedBinding"
