"""What Kubernetes' clients read of a refusal: as kube-apiserver 1.36 answered the same requests."""

from __future__ import annotations

import orjson
import pytest

CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"


async def ask(served, method, path, body=b"", **headers):
    """The code and the Status of an answer that is no success."""
    given = {"Content-Type": "application/json"} | {name.replace("_", "-"): value for name, value in headers.items()}
    path, _, query = path.partition("?")
    asked = dict(one.split("=", 1) for one in query.split("&") if one)
    answer = await served.client.transport.send(method, path, query=asked, headers=given, body=body)
    return answer.status, orjson.loads(answer.body)


@pytest.mark.parametrize(
    ("method", "path", "code"),
    [("GET", "/api/v1/nothings", 404), ("GET", f"{CONFIG_MAPS}/c/status", 404), ("PUT", CONFIG_MAPS, 405)],
)
async def test_a_refusal_about_no_object_has_details_that_are_empty(served, method, path, code):
    answered, status = await ask(served, method, path)

    assert (answered, status["details"]) == (code, {})
