"""Questions about oneself."""

from __future__ import annotations

import orjson
import pytest

from procorch.api import LocalTransport, User
from procorch.client import Client
from procorch.objects import BadRequest


async def test_reviews_answer_who_am_i_and_may_i(served):
    body = {"apiVersion": "authentication.k8s.io/v1", "kind": "SelfSubjectReview"}
    path = "/apis/authentication.k8s.io/v1/selfsubjectreviews"
    answer = orjson.loads((await served.client.raw("POST", path, body=orjson.dumps(body))).body)
    assert answer["status"]["userInfo"]["groups"] == ["system:masters", "system:authenticated"]

    body = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview",
            "spec": {"resourceAttributes": {"verb": "delete", "resource": "pods", "namespace": "default"}}}  # fmt: skip
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"
    answer = orjson.loads((await served.client.raw("POST", path, body=orjson.dumps(body))).body)
    assert answer["status"]["allowed"] is True


async def test_nobody_in_particular_may_ask_and_hears_no(served):
    client = Client(LocalTransport(served.api, User("jane")))
    shell = {"apiVersion": "authorization.k8s.io/v1", "kind": "SelfSubjectAccessReview"}
    path = "/apis/authorization.k8s.io/v1/selfsubjectaccessreviews"

    async def allowed(**spec):
        answer = await client.raw("POST", path, body=orjson.dumps({**shell, "spec": spec}))
        return orjson.loads(answer.body)["status"]["allowed"]

    assert await allowed(resourceAttributes={"verb": "get", "resource": "pods"}) is False
    assert await allowed(nonResourceAttributes={"verb": "get", "path": "/version"}) is True
    assert await allowed(nonResourceAttributes={"verb": "get", "path": "/metrics"}) is False
    with pytest.raises(BadRequest):
        await allowed(resourceAttributes=7)
