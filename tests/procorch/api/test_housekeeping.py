"""What an administrator alone may ask of a master."""

from __future__ import annotations

import io
import json
import sqlite3

import pytest

from procorch.objects import ApiError, Invalid, MethodNotAllowed, NotFound
from store.backup import check

CONFIG = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}, "data": {}}


async def test_a_backup_over_the_socket_is_whole(served):
    for number in range(30):
        config = {**CONFIG, "metadata": {"name": f"c{number}", "namespace": "default"}, "data": {"x": "x" * 100_000}}
        await served.client.create(config)
    transport = served.transport("admin", "system:masters")
    async with transport.stream("GET", "/procorch/backup") as answer:
        content = b"".join([chunk async for chunk in answer.chunks])
    await transport.close()
    summary = check(io.BytesIO(content))

    assert answer.headers["content-type"] == "application/octet-stream"
    assert summary.header.revision == served.api.log.revision
    assert summary.objects == len(await served.api.log.items("/"))
    assert summary.size > 3_000_000


@pytest.mark.parametrize("path,method", [
    ("/procorch/backup", "GET"), ("/procorch/check", "GET"), ("/procorch/compact", "POST")
])  # fmt: skip
async def test_nobody_else_may(served, path: str, method: str):
    for name, group in (("system:node:n1", "system:nodes"), ("jane", "developers")):
        transport = served.transport(name, group)
        answer = await transport.send(method, path)
        await transport.close()
        assert answer.status == 403, answer.body
    transport = served.transport()
    assert (await transport.send(method, path)).status == 401
    await transport.close()


async def test_a_check_counts_what_is_there(served):
    told = json.loads((await served.client.raw("GET", "/procorch/check")).body)

    assert told["damaged"] == []
    assert told["changes"] > 0


async def test_a_damaged_value_is_named_counted_and_refused(served):
    await served.client.create(CONFIG)
    old = await served.client.patch("ConfigMap", "default/c", {"data": {"a": "1"}})
    revision = int(old["metadata"]["resourceVersion"])
    await served.client.patch("ConfigMap", "default/c", {"data": {"a": "2"}})
    with sqlite3.connect(served.api.log._dialect.path) as connection:
        connection.execute("UPDATE changes SET value = replace(value, '1', '7') WHERE revision = ?", (revision,))
    told = json.loads((await served.client.raw("GET", "/procorch/check")).body)
    metrics = (await served.client.raw("GET", "/metrics")).body.decode()
    with pytest.raises(ApiError, match=r"is damaged.*default/c at revision") as raised:
        query = {"resourceVersion": str(revision), "resourceVersionMatch": "Exact"}
        await served.client.raw("GET", "/api/v1/namespaces/default/configmaps", query=query)

    assert told["damaged"] == [
        {"key": "/registry/configmaps/default/c", "revision": revision, "newest": False, "named": True}
    ]
    assert raised.value.code == 500
    assert "\nprocorch_store_damaged 1\n" in metrics
    assert (await served.client.get("ConfigMap", "default/c"))["data"] == {"a": "2"}


async def test_compaction_now_and_as_of_a_revision(served):
    log, send = served.api.log, served.client.raw
    await served.client.create(CONFIG)
    for number in range(10):
        await served.client.patch("ConfigMap", "default/c", {"data": {"a": str(number)}})
    middle = log.revision - 5
    first = json.loads((await send("POST", "/procorch/compact", query={"revision": str(middle)})).body)
    kept = json.loads((await send("POST", "/procorch/compact", query={"keep": "3600"})).body)
    everything = json.loads((await send("POST", "/procorch/compact")).body)
    with pytest.raises(ApiError) as gone:
        query = {"resourceVersion": str(middle), "resourceVersionMatch": "Exact"}
        await send("GET", "/api/v1/configmaps", query=query)

    assert (first["oldest"], kept["oldest"], kept["before"]) == (middle, middle, middle)
    assert everything["oldest"] == everything["revision"] == log.oldest
    assert gone.value.code == 410


@pytest.mark.parametrize("query,error", [
    ({"revision": "5", "keep": "60"}, ApiError), ({"revision": "99999999"}, Invalid), ({"revision": "x"}, Invalid)
])  # fmt: skip
async def test_a_compaction_that_makes_no_sense_is_refused(served, query: dict[str, str], error: type[ApiError]):
    with pytest.raises(error):
        await served.client.raw("POST", "/procorch/compact", query=query)


@pytest.mark.parametrize("method,path,error", [
    ("POST", "/procorch/backup", MethodNotAllowed), ("GET", "/procorch/compact", MethodNotAllowed),
    ("GET", "/procorch", NotFound), ("GET", "/procorch/x", NotFound), ("GET", "/procorch/check/x", NotFound),
])  # fmt: skip
async def test_other_paths_and_methods_are_not_there(served, method: str, path: str, error: type[ApiError]):
    with pytest.raises(error):
        await served.client.raw(method, path)
