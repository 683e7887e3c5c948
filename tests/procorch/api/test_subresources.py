"""scale, binding, log, and what the node is asked over its link."""

from __future__ import annotations

import orjson
import pytest

from procorch.objects import BadRequest, Conflict, Invalid, NotFound, ServiceUnavailable, condition_of


def pod(name, containers=("main",)):
    rows = [{"name": one, "image": "host", "command": ["sleep"]} for one in containers]
    about = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": {"containers": rows}}


async def replica_set(client, replicas=2):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    return await client.create({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "x", "namespace": "default"},
        "spec": {"replicas": replicas, "selector": {"matchLabels": {"a": "b"}}, "template": template},
    })  # fmt: skip


SCALE = "/apis/apps/v1/namespaces/default/replicasets/x/scale"


async def test_scale_shows_and_sets_the_replicas(served):
    await replica_set(served.client)

    scale = orjson.loads((await served.client.raw("GET", SCALE)).body)
    assert (scale["kind"], scale["spec"], scale["status"]["selector"]) == ("Scale", {"replicas": 2}, "a=b")
    scale["spec"]["replicas"] = 5
    await served.client.raw("PUT", SCALE, body=orjson.dumps(scale))
    merge = {"Content-Type": "application/merge-patch+json"}
    patched = await served.client.raw("PATCH", SCALE, headers=merge, body=b'{"spec":{"replicas":7}}')

    assert orjson.loads(patched.body)["spec"]["replicas"] == 7
    stored = await served.client.get("ReplicaSet", "default/x")
    assert (stored["spec"]["replicas"], stored["metadata"]["generation"]) == (7, 3)
    with pytest.raises(Conflict):  # the version it read first
        await served.client.raw("PUT", SCALE, body=orjson.dumps(scale))
    with pytest.raises(Invalid, match="must be greater than or equal to 0"):
        await served.client.raw("PATCH", SCALE, headers=merge, body=b'{"spec":{"replicas":-1}}')


async def test_a_pod_is_bound_once(served):
    made = await served.client.create(pod("a"))
    with pytest.raises(Conflict, match="Precondition failed: UID"):
        await served.client.bind("default/a", "n1", "another-uid")

    await served.client.bind("default/a", "n1", made["metadata"]["uid"])

    bound = await served.client.get("Pod", "default/a")
    assert bound["spec"]["nodeName"] == "n1" and condition_of(bound, "PodScheduled")["status"] == "True"
    with pytest.raises(Conflict, match='pod a is already assigned to node "n1"'):
        await served.client.bind("default/a", "n2")
    with pytest.raises(NotFound):
        await served.client.bind("default/none", "n2")


async def read(client, key, container="", **options):
    return b"".join([chunk async for chunk in client.log(key, container, **options)])


EVICTION = "/api/v1/namespaces/default/pods/a/eviction"


def eviction(name="a", **options):
    return orjson.dumps({
        "apiVersion": "policy/v1", "kind": "Eviction", "metadata": {"name": name, "namespace": "default"},
        "deleteOptions": options,
    })  # fmt: skip


async def test_an_evicted_pod_is_deleted_with_the_grace_and_preconditions_that_are_asked(served):
    await served.client.create(pod("a"))
    await served.client.bind("default/a", "n1")

    with pytest.raises(BadRequest, match="name in URL does not match"):
        await served.client.raw("POST", EVICTION, body=eviction("b"))
    with pytest.raises(Conflict, match=r"the UID in the precondition \(x\)"):
        await served.client.raw("POST", EVICTION, body=eviction(preconditions={"uid": "x"}))
    for dry in (eviction(dryRun=["All"]), eviction()):
        query = {} if b"All" in dry else {"dryRun": "All"}
        assert (await served.client.raw("POST", EVICTION, query=query, body=dry)).status == 201
    assert "deletionTimestamp" not in (await served.client.get("Pod", "default/a"))["metadata"]
    answer = await served.client.raw("POST", EVICTION, body=eviction(gracePeriodSeconds=7))

    assert (answer.status, orjson.loads(answer.body)["status"]) == (201, "Success")
    assert (await served.client.get("Pod", "default/a"))["metadata"]["deletionGracePeriodSeconds"] == 7
    with pytest.raises(NotFound):
        await served.client.raw("POST", EVICTION.replace("/a/", "/none/"), body=eviction("none"))


async def test_which_container_must_be_said_when_there_are_several(served):
    await served.client.create(pod("a", ("x", "y")))

    with pytest.raises(BadRequest, match=r"a container name must be specified for pod a, choose one of: \[x y\]"):
        await read(served.client, "default/a")
    with pytest.raises(BadRequest, match="container z is not valid for pod a"):
        await read(served.client, "default/a", "z")
    with pytest.raises(NotFound):
        await read(served.client, "default/none")


async def test_a_pod_without_a_node_has_said_nothing(served):
    await served.client.create(pod("a"))

    assert await read(served.client, "default/a") == b""


async def test_a_waiting_container_says_why(served):
    made = await bound(served, "a")
    made["status"]["containerStatuses"] = [
        {"name": "main", "state": {"waiting": {"reason": "ImagePullBackOff"}}, "image": "x", "imageID": "",
         "ready": False, "restartCount": 0}
    ]  # fmt: skip
    await served.client.update_status(made)

    with pytest.raises(BadRequest, match='"main" in pod "a" is waiting to start: trying and failing to pull image'):
        await read(served.client, "default/a")
    with pytest.raises(BadRequest, match='previous terminated container "main" in pod "a" not found'):
        await read(served.client, "default/a", previous=True)


@pytest.mark.parametrize(
    "options",
    [
        {"tailLines": -1},
        {"sinceSeconds": 0},
        {"limitBytes": 0},
        {"sinceSeconds": 1, "sinceTime": "2026-01-01T00:00:00Z"},
    ],
)
async def test_log_options_that_make_no_sense_are_invalid(served, options):
    await bound(served, "a")

    with pytest.raises(Invalid):
        await read(served.client, "default/a", **options)


async def bound(served, name):
    await served.client.create(pod(name))
    await served.client.bind(f"default/{name}", "n1")
    import copy

    return copy.deepcopy(await served.client.get("Pod", f"default/{name}"))


async def test_a_log_comes_from_the_node_over_its_own_link(served, linked):
    await bound(served, "a")
    with pytest.raises(ServiceUnavailable, match='node "n1" is not connected'):
        await read(served.client, "default/a")

    asked = []

    async def accept(header, stream):
        asked.append(header)
        await stream.respond({"status": 200, "headers": {}})
        for number in range(3):
            await stream.write(b"line %d\n" % number)
        await stream.end()

    async with linked(accept):
        text = await read(served.client, "default/a", tailLines=3, follow=True)

    assert text == b"line 0\nline 1\nline 2\n"
    assert asked == [{"method": "GET", "path": "/containerLogs/default/a/main?follow=true&tailLines=3"}]


async def test_what_the_node_refuses_is_refused_in_its_words(served, linked):
    await bound(served, "a")

    async def accept(header, stream):
        await stream.respond({"status": 400, "headers": {}})
        await stream.write(b'container "main" in pod "a" is not available')
        await stream.end()

    async with linked(accept):
        with pytest.raises(BadRequest, match='container "main" in pod "a" is not available'):
            await read(served.client, "default/a")


async def test_nobody_links_as_another_node(served):
    import aiohttp

    for name, groups in (("system:node:n2", ("system:nodes",)), ("kubernetes-admin", ("system:masters",))):
        async with aiohttp.ClientSession() as session:
            url = f"{served.url}/apis/procorch.dev/v1/nodes/n1/link"
            with pytest.raises(aiohttp.WSServerHandshakeError) as refused:
                await session.ws_connect(url, ssl=served.context(name, *groups))
            assert refused.value.status == 403


@pytest.mark.parametrize(
    ("metadata", "why"),
    [({"name": "y"}, r"the name of the object \(y\) does not match the name on the URL \(x\)"),
     ({}, r"the name of the object \(x based on URL\) was undeterminable: name must be provided"),
     ({"name": "x", "namespace": "other"}, "does not match the namespace sent on the request")],
)  # fmt: skip
async def test_a_scale_is_of_the_object_that_the_path_names(served, metadata, why):
    meta = {"name": "x", "namespace": "default"}
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "i"}]}}
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": template}
    await served.client.create({"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": meta, "spec": spec})

    with pytest.raises(BadRequest, match=why):
        await served.client.raw("PUT", SCALE, body=orjson.dumps({"metadata": metadata, "spec": {"replicas": 3}}))
