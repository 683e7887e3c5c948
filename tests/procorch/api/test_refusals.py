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


@pytest.mark.parametrize(("method", "path"), [("POST", CONFIG_MAPS), ("DELETE", f"{CONFIG_MAPS}/c")])
async def test_nothing_is_done_whose_answer_nobody_could_read(served, method, path):
    config_map = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}
    await served.client.create(config_map)
    new = orjson.dumps(config_map | {"metadata": {"name": "new"}})

    answered, status = await ask(served, method, path, new if method == "POST" else b"", accept="text/html")

    assert (answered, status["message"].splitlines()[0]) == (406, "406: Not Acceptable")
    assert [one["metadata"]["name"] for one in (await served.client.items("ConfigMap", "default")).objects] == ["c"]


@pytest.mark.parametrize("media", ["text/plain", "application/json"])
async def test_what_is_no_patch_is_refused_in_four_words(served, media):
    answered, status = await ask(served, "PATCH", f"{CONFIG_MAPS}/c", b"{}", content_type=media)

    assert (answered, status["message"], status["details"]) == (415, "415: Unsupported Media Type", {})
