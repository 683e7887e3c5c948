"""Fields that there are not, and fields that stand twice."""

from __future__ import annotations

import pytest

from procorch.client import Client, kind_of
from tests.conformance.cluster import refused

pytestmark = pytest.mark.asyncio(loop_scope="module")

STRICT = {"fieldManager": "field_validation_mgr", "fieldValidation": "Strict"}
BODY = """{
  "apiVersion": "apps/v1", "kind": "Deployment",
  "metadata": {"name": "my-dep", %s "labels": {"app": "nginx"}},
  "spec": {
    %s
    "selector": {"matchLabels": {"app": "nginx"}},
    "template": {
      "metadata": {"labels": {"app": "nginx"}},
      "spec": {"containers": [{"name": "nginx", "image": "nginx:latest"}]}
    }
  }
}"""
TWICE = '"unknownField": "foo", "replicas": 2, "replicas": 3,'


@pytest.mark.parametrize(
    ("metadata", "spec", "words"),
    [
        ("", TWICE, 'strict decoding error: unknown field "spec.unknownField", duplicate field "spec.replicas"'),
        ('"unknownMeta": "foo",', "", 'strict decoding error: unknown field "metadata.unknownMeta"'),
    ],
)
async def test_strict_refuses(metadata: str, spec: str, words: str, client: Client, ns: str) -> None:
    path, body = kind_of("Deployment").path(ns), (BODY % (metadata, spec)).encode()
    async with refused(400, words):
        await client.raw("POST", path, query=STRICT, body=body)
    warned = await client.raw("POST", path, query={"fieldValidation": "Warn", "dryRun": "All"}, body=body)
    assert words.rpartition(" field ")[2] in warned.headers["warning"].replace("\\", "")
    quiet = await client.raw("POST", path, query={"fieldValidation": "Ignore", "dryRun": "All"}, body=body)
    assert "warning" not in quiet.headers
