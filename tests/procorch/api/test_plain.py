"""Paths that are no resource."""

from __future__ import annotations

import orjson
import pytest
from prometheus_client.parser import text_string_to_metric_families

from procorch.objects import ApiError


async def get(served, path, **query):
    return (await served.client.raw("GET", path, query=query)).body


async def test_the_paths_that_there_are_lead_somewhere(served):
    paths = orjson.loads(await get(served, "/"))["paths"]

    assert {"/api", "/api/v1", "/apis", "/apis/apps", "/apis/apps/v1", "/readyz/store", "/openapi/v3"} <= set(paths)
    for path in paths:
        assert await get(served, path) is not None


async def test_the_version_has_what_kubernetes_tells(served):
    version = orjson.loads(await get(served, "/version"))

    assert (version["major"], version["minor"], version["emulationMinor"]) == ("1", "37", "37")
    assert version["gitVersion"].startswith("v1.37.") and version["platform"].startswith("linux/")


async def test_what_is_nowhere_is_404_and_what_cannot_be_written_405(served):
    for method, path, code in (("GET", "/nowhere", 404), ("POST", "/version", 405), ("GET", "/readyz/nothing", 404)):
        with pytest.raises(ApiError) as refused:
            await served.client.raw(method, path)
        assert refused.value.code == code


async def test_metrics_tell_of_requests_watches_and_objects(served):
    transport = served.transport("kubernetes-admin", "system:masters")
    watch = {"watch": "1", "resourceVersion": "0"}
    async with transport.stream("GET", "/api/v1/namespaces", query=watch) as answer:
        await anext(answer.chunks)
        await transport.send("GET", "/api/v1/namespaces/default/pods", query={"limit": "1"})
        await transport.send("GET", "/api/v1/namespaces/default/no-such-things")
        text = (await transport.send("GET", "/metrics")).body.decode()
    await transport.close()

    found = {}
    for family in text_string_to_metric_families(text):
        for sample in family.samples:
            found.setdefault(sample.name, []).append((sample.labels, sample.value))
    lists = [labels for labels, _ in found["apiserver_request_total"] if labels["verb"] == "LIST"]
    assert lists == [{
        "verb": "LIST", "dry_run": "", "group": "", "version": "v1", "resource": "pods", "subresource": "",
        "scope": "namespace", "component": "apiserver", "code": "200",
    }]  # fmt: skip
    assert ({"verb": "WATCH", "group": "", "version": "v1", "resource": "namespaces"}, 1) in found[
        "apiserver_longrunning_requests"
    ]
    assert ({"group": "", "version": "v1", "resource": "namespaces"}, 3) in found["apiserver_watch_events_total"]
    assert ({"resource": "namespaces"}, 3) in found["apiserver_storage_objects"]
    assert "no-such-things" not in text


async def test_how_health_was_is_told_to_prometheus(served):
    await get(served, "/readyz")
    page = (await get(served, "/metrics/slis")).decode()

    samples = [sample for family in text_string_to_metric_families(page) for sample in family.samples]
    told = {sample.name: sample.value for sample in samples if sample.labels == {"name": "ping", "type": "readyz"}}
    assert told == {"kubernetes_healthcheck": 1}
