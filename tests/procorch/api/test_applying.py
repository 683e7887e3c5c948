"""Server-side apply and managedFields through the API: every verb, every kind, every way of reading."""

from __future__ import annotations

import asyncio

import orjson
import pytest

from procorch.api import LocalTransport, User, protobuf
from procorch.client import Client
from procorch.kinds import KINDS
from procorch.objects import BadRequest, Conflict, Forbidden, Invalid, NotFound, UnsupportedMediaType

APPLY = {"Content-Type": "application/apply-patch+yaml"}
PARTIAL = {"Accept": "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io"}


def config_map(**data):
    made = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    return made | {"data": data} if data else made


def pod(name="a", **spec):
    made = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": "default"}}
    return made | {"spec": {"containers": [{"name": "main", "image": "host", "command": ["sleep", "1"]}], **spec}}


def controller(**spec):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    return {"apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "x", "namespace": "default"},
            "spec": {"selector": {"a": "b"}, "template": template, **spec}}  # fmt: skip


async def apply(client, obj, manager="m", *, subresource="", **query):
    kind = KINDS.of(obj)
    namespace = obj["metadata"].get("namespace")
    key = f"{namespace}/{obj['metadata']['name']}" if namespace else obj["metadata"]["name"]
    query = {"fieldManager": manager, **query}
    return await client.patch(kind, key, obj, type="apply", subresource=subresource, query=query)


def rows_of(obj):
    return [(row["manager"], row["operation"], row.get("subresource", ""), row["fieldsV1"])
            for row in obj["metadata"].get("managedFields", ())]  # fmt: skip


def managers_of(obj):
    return {row[0]: row[3] for row in rows_of(obj)}


# --- the request -----------------------------------------------------------------------------------------------------


async def test_what_is_not_there_is_created_and_answered_so(served):
    path, body = "/api/v1/namespaces/default/configmaps/a", orjson.dumps(config_map(x="1"))

    first = await served.client.raw("PATCH", path, query={"fieldManager": "m"}, headers=APPLY, body=body)
    second = await served.client.raw("PATCH", path, query={"fieldManager": "m"}, headers=APPLY, body=body)

    assert (first.status, second.status) == (201, 200)
    assert first.body == second.body, "the same resourceVersion, the same times"
    made = orjson.loads(first.body)
    assert made["metadata"]["uid"] and managers_of(made) == {"m": {"f:data": {"f:x": {}}}}


async def test_yaml_is_applied_as_json_is(served):
    text = b"apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\ndata: {x: '1'}  # YAML\n"

    made = await served.client.patch("ConfigMap", "default/a", text, type="apply", query={"fieldManager": "m"})

    assert made["data"] == {"x": "1"}


async def test_an_applied_object_has_its_defaults_and_nobody_manages_them(served):
    made = await apply(served.client, pod())

    assert made["spec"]["restartPolicy"] == "Always" and made["status"]["phase"] == "Pending"
    container = 'k:{"name":"main"}'
    assert managers_of(made) == {
        "m": {"f:spec": {"f:containers": {container: {".": {}, "f:command": {}, "f:image": {}, "f:name": {}}}}}
    }


async def test_a_dry_run_shows_what_would_be_and_leaves_all_as_it_is(served):
    shown = await apply(served.client, config_map(x="1"), dryRun="All")
    with pytest.raises(NotFound):
        await served.client.get("ConfigMap", "default/a")
    made = await apply(served.client, config_map(x="1"))
    changed = await apply(served.client, config_map(x="2"), dryRun="All")

    assert shown["data"] == {"x": "1"} and changed["data"] == {"x": "2"}
    assert await served.client.get("ConfigMap", "default/a") == made


async def test_conflicts_force_and_giving_up(served):
    await apply(served.client, config_map(x="1", y="1"), "a")
    with pytest.raises(Conflict) as refused:
        await apply(served.client, config_map(x="2"), "b")
    forced = await apply(served.client, config_map(x="2"), "b", force="true")
    left = await apply(served.client, config_map(y="1"), "a")
    gone = await apply(served.client, config_map(), "b")

    assert refused.value.details["causes"][0]["field"] == ".data.x"
    assert forced["data"] == {"x": "2", "y": "1"} and left["data"] == {"x": "2", "y": "1"}
    assert gone["data"] == {"y": "1"} and list(managers_of(gone)) == ["a"]


@pytest.mark.parametrize(
    ("change", "query", "error", "why"),
    [
        ({}, {"fieldManager": ""}, Invalid, "fieldManager: Required value: is required for apply patch"),
        ({"apiVersion": "v2"}, {}, BadRequest, "Incorrect version specified in apply patch"),
        ({"dta": {}}, {}, BadRequest, "failed to create typed patch object"),
        ({"metadata": {"name": "b"}}, {}, BadRequest, "does not match the name on the URL"),
        ({"metadata": {"name": "a", "namespace": "kube-system"}}, {}, BadRequest, "namespace of the provided object"),
        ({"metadata": {}}, {}, BadRequest, "name must be provided"),
        ({"metadata": {"name": "a", "uid": "u"}}, {}, Conflict, "uid mismatch: the provided object specified uid u"),
        ({"metadata": {"name": "a", "resourceVersion": "1"}}, {}, Conflict, "no existing object was found"),
        ({"metadata": {"name": "a", "managedFields": []}}, {}, BadRequest, "metadata.managedFields must be nil"),
        ({"data": {"a b": "1"}}, {}, Invalid, "a valid config key must consist of"),
        ({}, {"fieldValidation": "Loud"}, Invalid, "fieldValidation"),
    ],
)
async def test_an_apply_that_is_refused_makes_nothing(served, change, query, error, why):
    obj = config_map(x="1") | change
    with pytest.raises(error, match=why):
        await served.client.patch("ConfigMap", "default/a", obj, type="apply", query={"fieldManager": "m", **query})

    with pytest.raises(NotFound):
        await served.client.get("ConfigMap", "default/a")


async def test_the_uid_and_the_version_of_what_stands_may_be_asked_for(served):
    made = await apply(served.client, config_map(x="1"))
    about = made["metadata"]

    def asking(**metadata):
        obj = config_map(x="2")
        return obj | {"metadata": obj["metadata"] | metadata}

    with pytest.raises(Conflict, match="UID in precondition: other"):
        await apply(served.client, asking(uid="other"))
    with pytest.raises(Conflict, match="the object has been modified"):
        await apply(served.client, asking(resourceVersion="1"))
    assert (await apply(served.client, asking(uid=about["uid"], resourceVersion=about["resourceVersion"])))["data"] == {
        "x": "2"
    }


async def test_repeated_fields_are_told_or_refused_as_asked(served):
    text = b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"a"},"data":{"x":"1","x":"2"}}'
    query = {"fieldManager": "m"}
    told = []
    served.client.on_warning = told.append

    with pytest.raises(BadRequest, match=r'error strict decoding patch: .*\n  line 1: key "x" already set in map'):
        await served.client.patch(
            "ConfigMap", "default/a", text, type="apply", query=query | {"fieldValidation": "Strict"}
        )
    await served.client.patch("ConfigMap", "default/a", text, type="apply", query=query)

    assert told == ['line 1: key "x" already set in map']


async def test_many_who_apply_at_once_all_get_their_fields(served):
    names = [f"m{number}" for number in range(12)]

    async with asyncio.TaskGroup() as group:
        for name in names:
            group.create_task(apply(served.client, config_map(**{name: "1"}), name))

    made = await served.client.get("ConfigMap", "default/a")
    assert made["data"] == dict.fromkeys(names, "1") and sorted(managers_of(made)) == sorted(names)


async def test_who_may_patch_but_not_create_makes_nothing_by_applying(served):
    await served.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    node = Client(LocalTransport(served.api, User("system:node:n2", ("system:nodes",))))
    with pytest.raises(Forbidden):
        await apply(node, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})

    made = await apply(node, {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n2", "labels": {"a": "b"}}})
    assert made["metadata"]["labels"] == {"a": "b"}


async def test_a_namespace_that_is_not_there_or_ends_takes_nothing_new(served):
    obj = config_map(x="1")
    obj["metadata"]["namespace"] = "nowhere"
    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        await apply(served.client, obj)


# --- the other verbs -------------------------------------------------------------------------------------------------


async def test_each_verb_makes_its_writer_a_manager(served):
    def by(name):
        return {"fieldManager": name}

    client = served.client
    made = await client.create(config_map(x="1"), query=by("creator"))
    await client.update(made | {"data": {"x": "1", "y": "1"}}, query=by("updater"))
    await client.patch("ConfigMap", "default/a", {"data": {"z": "1"}}, query=by("patcher"))
    json = [{"op": "add", "path": "/metadata/labels", "value": {"l": "1"}}]
    await client.patch("ConfigMap", "default/a", json, type="json", query=by("jsoner"))
    strategic = {"metadata": {"annotations": {"n": "1"}}}
    found = await client.patch("ConfigMap", "default/a", strategic, type="strategic", query=by("merger"))

    assert managers_of(found) == {
        "creator": {"f:data": {".": {}, "f:x": {}}},
        "updater": {"f:data": {"f:y": {}}},
        "patcher": {"f:data": {"f:z": {}}},
        "jsoner": {"f:metadata": {"f:labels": {".": {}, "f:l": {}}}},
        "merger": {"f:metadata": {"f:annotations": {".": {}, "f:n": {}}}},
    }


async def test_without_a_name_the_program_is_the_manager(served):
    client = Client(served.client.transport, user_agent="helm/v4.0 (linux)")

    assert list(managers_of(await client.create(config_map(x="1")))) == ["helm"]


async def test_what_the_server_fills_in_is_nobodys(served):
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s", "namespace": "default"},
               "spec": {"selector": {"a": "b"}, "ports": [{"port": 80}]}}  # fmt: skip
    made = await served.client.create(service)
    pod_ = await served.client.create(pod())

    assert managers_of(made)["procorch"] == {
        "f:spec": {
            "f:internalTrafficPolicy": {}, "f:selector": {}, "f:sessionAffinity": {}, "f:type": {},
            "f:ports": {".": {}, 'k:{"port":80,"protocol":"TCP"}': {
                ".": {}, "f:port": {}, "f:protocol": {}, "f:targetPort": {}}},
        }
    }  # fmt: skip
    assert pod_["spec"]["tolerations"] and "f:tolerations" not in managers_of(pod_)["procorch"]["f:spec"]


async def test_the_status_has_managers_of_its_own_and_reaches_nothing_else(served):
    await apply(served.client, pod(), "user")
    status = {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}
    patch = {"status": status, "spec": {"hostname": "no"}}
    made = await served.client.patch(
        "Pod", "default/a", patch, subresource="status", query={"fieldManager": "kubelet"}
    )  # fmt: skip

    assert rows_of(made)[1] == (
        "kubelet", "Update", "status",
        {"f:status": {"f:phase": {}, "f:conditions": {'k:{"type":"Ready"}': {
            ".": {}, "f:type": {}, "f:status": {}, "f:lastProbeTime": {}, "f:lastTransitionTime": {}}, ".": {}}}},
    )  # fmt: skip
    with pytest.raises(Conflict, match=r'"kubelet" with subresource "status" using v1: \.status\.phase'):
        await apply(served.client, pod() | {"status": {"phase": "Failed"}}, "user", subresource="status")
    assert (await apply(served.client, pod() | {"status": {"phase": "Failed"}}, "user"))["status"]["phase"] == "Running"


async def test_an_applied_status_is_merged_by_the_types_of_conditions(served):
    await served.client.create(pod())

    def reporting(name):
        return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a", "namespace": "default"},
                "status": {"conditions": [{"type": name, "status": "True"}]}}  # fmt: skip

    await apply(served.client, reporting("x/one"), "one", subresource="status")
    both = await apply(served.client, reporting("x/two"), "two", subresource="status")
    left = await apply(served.client, {**reporting("x/one"), "status": {}}, "one", subresource="status")

    assert [row["type"] for row in both["status"]["conditions"]] == ["x/one", "x/two"]
    assert [row["type"] for row in left["status"]["conditions"]] == ["x/two"]


async def test_a_subresource_of_what_is_not_there_is_not_created(served):
    with pytest.raises(NotFound):
        await apply(served.client, pod(), subresource="status")
    with pytest.raises(NotFound):
        await scale(served, 3)


async def scale(served, replicas, **query):
    obj = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "x", "namespace": "default"},
           "spec": {"replicas": replicas}}  # fmt: skip
    return await served.client.patch(
        "ReplicationController", "default/x", obj, type="apply", subresource="scale",
        query={"fieldManager": "s", **query},
    )  # fmt: skip


async def test_scaling_takes_over_the_replicas_by_each_verb(served):
    await apply(served.client, controller(replicas=1), "owner")
    with pytest.raises(Conflict, match=r'conflict with "owner": \.spec\.replicas'):
        await scale(served, 2)
    assert (await scale(served, 2, force="true"))["spec"]["replicas"] == 2
    applied = await served.client.get("ReplicationController", "default/x")
    patch = {"spec": {"replicas": 3}}
    await served.client.patch("ReplicationController", "default/x", patch, subresource="scale")
    patched = await served.client.get("ReplicationController", "default/x")

    replicas = {"f:spec": {"f:replicas": {}}}
    assert rows_of(applied)[1] == ("s", "Apply", "scale", replicas)
    assert [row for row in rows_of(patched) if row[3] == replicas] == [("procorch", "Update", "scale", replicas)]
    assert "f:replicas" not in managers_of(patched)["owner"]["f:spec"]


async def test_an_applied_scale_is_checked_as_any_other(served):
    await served.client.create(controller(replicas=1))

    with pytest.raises(Invalid, match="must be greater than or equal to 0"):
        await scale(served, -1, force="true")
    with pytest.raises(BadRequest, match="expected numeric"):
        await scale(served, "many")
    with pytest.raises(BadRequest, match="Incorrect version"):
        await apply(served.client, controller(replicas=1), subresource="scale")


async def test_who_binds_manages_nothing(served):
    await served.client.create(pod())
    before = await served.client.get("Pod", "default/a")
    await served.client.bind("default/a", "n1")

    assert rows_of(await served.client.get("Pod", "default/a")) == rows_of(before)


# --- what is stored and read -----------------------------------------------------------------------------------------


async def test_a_write_that_changes_nothing_writes_nothing_whoever_it_is(served):
    made = await served.client.create(config_map(x="1"))

    assert await served.client.update(made, query={"fieldManager": "other"}) == made
    assert await served.client.patch("ConfigMap", "default/a", {"data": {"x": "1"}}) == made


async def test_applying_nothing_twice_writes_nothing(served):
    made = await apply(served.client, config_map())

    assert "managedFields" not in made["metadata"]
    first = await apply(served.client, config_map(x="1"), "other")
    assert rows_of(await apply(served.client, config_map())) == rows_of(first)
    assert await apply(served.client, config_map()) == first


@pytest.mark.parametrize("type_", ["merge", "strategic", "json"])
async def test_each_patch_can_reset_the_managers(served, type_):
    await apply(served.client, config_map(x="1"))
    patch = {"metadata": {"managedFields": [{}], "labels": {"a": "b"}}}
    if type_ == "json":
        patch = [{"op": "replace", "path": "/metadata/managedFields", "value": [{}]},
                 {"op": "add", "path": "/metadata/labels", "value": {"a": "b"}}]  # fmt: skip
    made = await served.client.patch("ConfigMap", "default/a", patch, type=type_)

    assert made["metadata"]["labels"] == {"a": "b"} and "managedFields" not in made["metadata"]


async def test_managers_can_be_reset_and_come_back_with_the_next_apply(served):
    await served.client.create(config_map(x="1"))
    reset = await served.client.patch("ConfigMap", "default/a", {"metadata": {"managedFields": [{}]}})
    silent = await served.client.patch("ConfigMap", "default/a", {"data": {"x": "2"}})
    applied = await apply(served.client, config_map(x="2"))

    assert "managedFields" not in reset["metadata"] and "managedFields" not in silent["metadata"]
    assert list(managers_of(applied)) == ["m", "before-first-apply"]


async def test_managers_are_seen_in_lists_watches_and_in_metadata_alone(served):
    made = await apply(served.client, config_map(x="1"))
    path = "/api/v1/namespaces/default/configmaps"
    partial = orjson.loads((await served.client.raw("GET", f"{path}/a", headers=PARTIAL)).body)
    listed = (await served.client.items("ConfigMap", "default")).objects
    watch = served.client.watch("ConfigMap", "default", resource_version="0")
    _, seen = await anext(watch)
    await watch.aclose()

    assert partial["metadata"]["managedFields"] == made["metadata"]["managedFields"]
    assert listed == [made] and seen == made


async def test_a_program_that_speaks_protobuf_reads_them_and_writes_them_back(served):
    await apply(served.client, pod(), "a")
    made = await served.client.patch("Pod", "default/a", {"status": {"phase": "Running"}}, subresource="status")
    path, media = "/api/v1/namespaces/default/pods/a", "application/vnd.kubernetes.protobuf"

    read = await served.client.raw("GET", path, headers={"Accept": media})
    written = await served.client.raw("PUT", path, headers={"Content-Type": media}, body=read.body)

    assert protobuf.decode(read.body)["metadata"]["managedFields"] == made["metadata"]["managedFields"]
    assert orjson.loads(written.body) == made


async def test_a_heartbeat_moves_the_time_of_its_manager_and_is_no_row(served):
    client = served.client
    node = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}}
    await client.create(node)

    def beat(second):
        time = f"2026-01-01T00:00:{second:02}Z"
        ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": time, "lastTransitionTime": time}
        return {"status": {"conditions": [ready]}}

    first = await client.patch("Node", "n1", beat(1), subresource="status", query={"fieldManager": "kubelet"})
    again = beat(2)
    again["status"]["conditions"][0]["lastTransitionTime"] = "2026-01-01T00:00:01Z"
    stored = await client.patch("Node", "n1", again, subresource="status", query={"fieldManager": "kubelet"})

    assert managers_of(stored) == managers_of(first)
    assert int(stored["metadata"]["resourceVersion"]) > int(first["metadata"]["resourceVersion"])
    assert KINDS["Node"].heartbeat(first, stored)


async def test_a_patch_of_an_unknown_type_is_refused_before_anything_else(served):
    headers = {"Content-Type": "application/apply-patch+toml"}
    with pytest.raises(UnsupportedMediaType):
        await served.client.raw("PATCH", "/api/v1/namespaces/default/configmaps/a", headers=headers, body=b"{}")


async def test_managed_fields_are_in_order_whatever_was_sent_first(served):
    """client-go's programs compare them as text."""
    metadata = {"name": "m", "namespace": "default"}
    body = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"b": "1", "a": "2"}}
    for manager in ("one", "two"):
        made = await served.client.raw("PATCH", "/api/v1/namespaces/default/configmaps/m",
            query={"fieldManager": manager}, headers={"Content-Type": "application/apply-patch+yaml"},
            body=orjson.dumps(body))  # fmt: skip
    await served.client.patch("ConfigMap", "default/m", {"data": {"d": "3", "c": "4"}})

    rows = (await served.client.get("ConfigMap", "default/m"))["metadata"]["managedFields"]
    texts = [orjson.dumps(row["fieldsV1"]).decode() for row in rows]
    assert texts[:2] == ['{"f:data":{"f:a":{},"f:b":{}}}'] * 2
    assert texts[2] == '{"f:data":{"f:c":{},"f:d":{}}}'
    assert orjson.loads(made.body)["metadata"]["managedFields"] == rows[:2]
