"""Tokens for ServiceAccounts, and what they are bound to."""

from __future__ import annotations

import base64
from typing import Any

import orjson
import pytest

from procorch.api import Request
from procorch.api.auth import Unauthorized
from procorch.objects import BadRequest, Conflict, Invalid, NotFound

PATH = "/api/v1/namespaces/default/serviceaccounts/robot/token"
EXTRA = "authentication.kubernetes.io/"


@pytest.fixture
async def objects(served) -> dict[str, Any]:
    """A ServiceAccount, and a Pod of it on a Node, and a Secret."""
    metadata = {"name": "robot", "namespace": "default"}
    pod = {"serviceAccountName": "robot", "nodeName": "n", "containers": [{"name": "c", "image": "a"}]}
    made = [
        await served.client.create({"apiVersion": "v1", "kind": kind, "metadata": about, **fields})
        for kind, about, fields in (
            ("ServiceAccount", metadata, {}),
            ("Node", {"name": "n"}, {}),
            ("Pod", {**metadata, "name": "p"}, {"spec": pod}),
            ("Pod", {**metadata, "name": "other"}, {"spec": {**pod, "serviceAccountName": "default"}}),
            ("Secret", {**metadata, "name": "s"}, {}),
        )
    ]
    return {one["metadata"]["name"]: one for one in made}


async def ask(served, **spec: Any) -> Any:
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
    return orjson.loads((await served.client.raw("POST", PATH, body=orjson.dumps(body))).body)


async def bound(served, kind: str, name: str, **more: str) -> str:
    found = await ask(served, boundObjectRef={"apiVersion": "v1", "kind": kind, "name": name, **more})
    return found["status"]["token"]


def claims_of(token: str) -> Any:
    return orjson.loads(base64.urlsafe_b64decode(token.split(".")[1] + "=="))


def whose(served, token: str) -> Any:
    return served.api.authenticator.authenticate(Request("GET", "/", {}, {"authorization": f"Bearer {token}"}))


async def test_an_hour_for_the_api_where_nothing_is_said(served, objects):
    made = await ask(served)

    assert made["spec"]["expirationSeconds"] == 3600
    assert made["spec"]["audiences"] == [served.api.service_accounts.issuer]
    claims = claims_of(made["status"]["token"])
    assert claims["exp"] - claims["iat"] == 3600
    assert set(claims["kubernetes.io"]) == {"namespace", "serviceaccount"}


async def test_a_pods_token_tells_the_pod_and_its_node(served, objects):
    extra = whose(served, await bound(served, "Pod", "p")).extra

    assert extra[EXTRA + "pod-name"] == ("p",)
    assert extra[EXTRA + "pod-uid"] == (objects["p"]["metadata"]["uid"],)
    assert extra[EXTRA + "node-name"] == ("n",)
    assert extra[EXTRA + "node-uid"] == (objects["n"]["metadata"]["uid"],)


async def test_a_pods_token_outlives_the_nodes_object(served, objects):
    token = await bound(served, "Pod", "p")
    await served.client.delete("Node", "n")

    assert whose(served, token).name == "system:serviceaccount:default:robot"


@pytest.mark.parametrize(("kind", "name", "key"), [("Pod", "p", "default/p"), ("Secret", "s", "default/s"),
                                                   ("Node", "n", "n")])  # fmt: skip
async def test_a_token_ends_with_what_it_is_bound_to(served, objects, kind, name, key):
    token = await bound(served, kind, name, uid=objects[name]["metadata"]["uid"])
    assert whose(served, token).name == "system:serviceaccount:default:robot"

    await served.client.delete(kind, key, grace=0)

    with pytest.raises(Unauthorized):
        whose(served, token)


async def test_what_it_cannot_be_bound_to(served, objects):
    with pytest.raises(BadRequest, match="cannot bind token to object of type /v1, Kind=ConfigMap"):
        await bound(served, "ConfigMap", "c")
    with pytest.raises(BadRequest, match="pod running with different serviceaccount name"):
        await bound(served, "Pod", "other")
    with pytest.raises(NotFound, match='secrets "none" not found'):
        await bound(served, "Secret", "none")
    with pytest.raises(Conflict, match=r"does not match the UID in record\. The object might have been deleted"):
        await bound(served, "Secret", "s", uid="0")


async def test_no_token_for_a_few_minutes_alone(served, objects):
    with pytest.raises(Invalid, match="may not specify a duration less than 10 minutes"):
        await ask(served, expirationSeconds=599)
