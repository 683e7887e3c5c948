"""The verbs that write, over a real socket."""

from __future__ import annotations

import asyncio
from typing import Any

import orjson
import pytest

from procorch.client import Client
from procorch.kinds import KINDS
from procorch.objects import (
    AlreadyExists,
    BadRequest,
    Conflict,
    Forbidden,
    Invalid,
    NotFound,
    UnsupportedMediaType,
    is_deleting,
)


def of(client: Any) -> Client:
    return client


@pytest.fixture
async def client(served):
    transport = served.transport("kubernetes-admin", "system:masters")
    yield Client(transport)
    await transport.close()


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "default"}, "data": data}


def pod(name, **metadata):
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", **metadata},
        "spec": {"containers": [{"name": "main", "image": "host", "command": ["sleep", "1"]}]},
    }


async def test_a_created_object_gets_an_identity_and_reads_back_the_same(client):
    made = await client.create(config_map("a", x="1"))

    assert made["metadata"]["uid"] and made["metadata"]["creationTimestamp"] and made["metadata"]["resourceVersion"]
    assert await client.get("ConfigMap", "default/a") == made


async def test_a_second_object_of_the_same_name_already_exists(client):
    await client.create(config_map("a"))

    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        await client.create(config_map("a"))


async def test_an_object_needs_a_namespace_that_exists(client):
    obj = config_map("a")
    obj["metadata"]["namespace"] = "nowhere"

    with pytest.raises(NotFound, match='namespaces "nowhere" not found'):
        await client.create(obj)


async def test_the_namespace_in_the_body_must_be_the_urls(client):
    with pytest.raises(BadRequest, match="does not match the namespace sent on the request"):
        await client.raw("POST", "/api/v1/namespaces/kube-system/configmaps", body=_json(config_map("a")))


async def test_generate_name_makes_a_name(client):
    obj = config_map("")
    del obj["metadata"]["name"]
    obj["metadata"]["generateName"] = "web-"

    names = {(await client.create(obj))["metadata"]["name"] for _ in range(3)}

    assert len(names) == 3 and all(name.startswith("web-") and len(name) == 9 for name in names)


async def test_an_update_with_an_old_resource_version_is_a_conflict(client):
    first = await client.create(config_map("a", x="1"))
    await client.update({**first, "data": {"x": "2"}})

    with pytest.raises(Conflict, match="the object has been modified"):
        await client.update({**first, "data": {"x": "3"}})


async def test_an_update_without_a_resource_version_wins(client):
    await client.create(config_map("a", x="1"))

    assert (await client.update(config_map("a", x="2")))["data"] == {"x": "2"}


async def test_an_update_that_changes_nothing_keeps_the_resource_version(client):
    first = await client.create(config_map("a", x="1"))

    again = await client.update(config_map("a", x="1"))

    assert again["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]


async def test_patches_of_many_clients_all_get_through(client):
    await client.create(config_map("a"))

    async with asyncio.TaskGroup() as group:
        for number in range(12):
            group.create_task(client.patch("ConfigMap", "default/a", {"data": {f"k{number}": "v"}}))

    assert len((await client.get("ConfigMap", "default/a"))["data"]) == 12


async def test_a_patch_with_an_old_resource_version_or_another_uid_is_a_conflict(client):
    first = await client.create(config_map("a"))
    await client.patch("ConfigMap", "default/a", {"data": {"x": "1"}})

    old = {"metadata": {"resourceVersion": first["metadata"]["resourceVersion"]}, "data": {"x": "2"}}
    with pytest.raises(Conflict):
        await client.patch("ConfigMap", "default/a", old)
    with pytest.raises(Conflict):
        await client.patch("ConfigMap", "default/a", {"metadata": {"uid": "another"}, "data": {"x": "2"}})


async def test_a_patch_of_an_unknown_type_is_refused(client):
    with pytest.raises(UnsupportedMediaType, match="415: Unsupported Media Type"):
        await client.raw(
            "PATCH", "/api/v1/namespaces/default/configmaps/a", headers={"Content-Type": "text/plain"}, body=b"{}"
        )


async def test_a_dry_run_leaves_nothing(client):
    made = await client.create(config_map("a"), query={"dryRun": "All"})

    assert made["metadata"]["uid"]
    with pytest.raises(NotFound):
        await client.get("ConfigMap", "default/a")
    with pytest.raises(Invalid):
        await client.create(config_map("a"), query={"dryRun": "Some"})


async def test_status_is_not_the_creators_and_spec_is_not_the_status_writers(client):
    made = await client.create({**pod("a"), "status": {"phase": "Running"}})
    assert made["status"].get("phase") == "Pending"

    made["status"] = {"phase": "Running", "hostIP": "10.0.0.1"}
    made["spec"] = {**made["spec"], "nodeName": "other"}
    after = await client.update_status(made)
    assert after["status"]["phase"] == "Running" and "nodeName" not in after["spec"]

    after["status"] = {"phase": "Failed"}
    assert (await client.update(after))["status"]["phase"] == "Running"


async def test_a_deleted_object_with_a_finalizer_stays_until_it_is_gone(client):
    obj = config_map("a")
    obj["metadata"]["finalizers"] = ["example.com/mine"]
    await client.create(obj)

    assert is_deleting(await client.delete("ConfigMap", "default/a"))
    with pytest.raises(Invalid, match="no new finalizers"):
        await client.patch("ConfigMap", "default/a", {"metadata": {"finalizers": ["example.com/mine", "b.c/d"]}})
    await client.patch("ConfigMap", "default/a", {"metadata": {"finalizers": None}})

    with pytest.raises(NotFound):
        await client.get("ConfigMap", "default/a")


@pytest.mark.parametrize(
    ("kind", "propagation", "finalizers"),
    [
        pytest.param("ReplicationController", None, ["orphan"], id="a replication controller orphans by default"),
        pytest.param("ReplicationController", "Background", None, id="unless told otherwise"),
        pytest.param("ReplicaSet", None, None, id="a replica set does not"),
        pytest.param("ReplicaSet", "Orphan", ["orphan"], id="unless asked to"),
        pytest.param("ReplicaSet", "Foreground", ["foregroundDeletion"], id="foreground waits for the dependents"),
    ],
)
async def test_the_propagation_policy_is_a_finalizer(client, kind, propagation, finalizers):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    selector = {"a": "b"} if kind == "ReplicationController" else {"matchLabels": {"a": "b"}}
    version = "v1" if kind == "ReplicationController" else "apps/v1"
    await client.create({
        "apiVersion": version, "kind": kind, "metadata": {"name": "x", "namespace": "default"},
        "spec": {"replicas": 1, "selector": selector, "template": template},
    })  # fmt: skip

    left = await client.delete(kind, "default/x", propagation=propagation)

    assert left.get("metadata", {}).get("finalizers") == finalizers


async def test_a_bound_pod_ends_gracefully_and_grace_0_removes_it(client):
    await client.create(pod("a"))
    await client.bind("default/a", "node1")

    dying = await client.delete("Pod", "default/a")
    assert dying["metadata"]["deletionGracePeriodSeconds"] == 30
    sooner = await client.delete("Pod", "default/a", grace=5)
    assert sooner["metadata"]["deletionGracePeriodSeconds"] == 5
    assert sooner["metadata"]["deletionTimestamp"] < dying["metadata"]["deletionTimestamp"]
    await client.delete("Pod", "default/a", grace=0)

    with pytest.raises(NotFound):
        await client.get("Pod", "default/a")


async def test_a_pod_that_no_node_has_is_gone_at_once(client):
    await client.create(pod("a"))
    await client.delete("Pod", "default/a")

    with pytest.raises(NotFound):
        await client.get("Pod", "default/a")


async def test_delete_preconditions_must_hold(client):
    made = await client.create(config_map("a"))

    with pytest.raises(Conflict, match="the UID in the precondition"):
        await client.delete("ConfigMap", "default/a", uid="another")
    with pytest.raises(Conflict, match="The object might have been modified"):
        await client.delete("ConfigMap", "default/a", resource_version="1")
    await client.delete("ConfigMap", "default/a", uid=made["metadata"]["uid"])


async def test_deletecollection_deletes_what_is_selected(client):
    for number in range(5):
        obj = config_map(f"c{number}")
        obj["metadata"]["labels"] = {"odd": str(number % 2)}
        await client.create(obj)

    await client.delete_all("ConfigMap", "default", label_selector="odd=1")

    left = await client.items("ConfigMap", "default")
    assert [obj["metadata"]["name"] for obj in left.objects] == ["c0", "c2", "c4"]


async def test_a_namespace_ends_when_it_is_finalized_and_takes_nothing_new_before(client):
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "x"}})
    left = await client.delete("Namespace", "x")
    assert left["status"]["phase"] == "Terminating"

    with pytest.raises(Forbidden, match="because it is being terminated") as refused:
        await client.create({**config_map("a"), "metadata": {"name": "a", "namespace": "x"}})
    assert refused.value.details["causes"][0]["reason"] == "NamespaceTerminating"
    left["spec"]["finalizers"] = []
    await client.update(left, "finalize")

    with pytest.raises(NotFound):
        await client.get("Namespace", "x")


async def test_generation_counts_changes_of_the_spec_only(client):
    template = {"metadata": {"labels": {"a": "b"}}, "spec": pod("x")["spec"]}
    made = await client.create({
        "apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": {"name": "x", "namespace": "default"},
        "spec": {"selector": {"matchLabels": {"a": "b"}}, "template": template},
    })  # fmt: skip
    assert made["metadata"]["generation"] == 1

    labelled = await client.patch("ReplicaSet", "default/x", {"metadata": {"labels": {"a": "c"}}})
    scaled = await client.patch("ReplicaSet", "default/x", {"spec": {"replicas": 3}})

    assert (labelled["metadata"]["generation"], scaled["metadata"]["generation"]) == (1, 2)


async def test_a_secrets_values_leave_the_history_with_it(served, client):
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}}
    made = await client.create({**secret, "stringData": {"k": "v"}})
    await client.delete("Secret", "default/s")

    assert await served.api.log.at("/registry/secrets/default/s", int(made["metadata"]["resourceVersion"])) is None


async def test_a_heartbeat_is_published_and_not_a_row(served, client):
    lease = {
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": "n", "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": "n", "leaseDurationSeconds": 40, "renewTime": "2026-11-23T19:00:00.000000Z"},
    }
    made = await client.create(lease)
    made["spec"]["renewTime"] = "2026-11-23T19:00:10.000000Z"

    renewed = await client.update(made)

    assert int(renewed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"])
    seen = await client.get("Lease", "kube-node-lease/n")
    assert seen["spec"]["renewTime"].startswith("2026-11-23T19:00:10")


NEW_EVENTS = "/apis/events.k8s.io/v1/namespaces/default/events"


async def test_an_event_is_one_object_in_two_groups(client):
    sent = {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "e", "namespace": "default"},
        "regarding": {"kind": "Pod", "namespace": "default", "name": "web"}, "type": "Normal", "reason": "Began",
        "note": "it began", "action": "Begin", "eventTime": "2026-11-23T18:50:00.000000Z",
        "reportingController": "example.com/it", "reportingInstance": "it-1",
    }  # fmt: skip
    await client.create(sent)

    core = await client.get("Event", "default/e")
    assert (core["apiVersion"], core["message"], core["involvedObject"]["name"]) == ("v1", "it began", "web")
    assert core["reportingComponent"] == "example.com/it" and not {"note", "regarding"} & core.keys()
    events = client.watch("Event", "default", resource_version=core["metadata"]["resourceVersion"])
    merge = {"Content-Type": "application/merge-patch+json"}
    series = {"count": 2, "lastObservedTime": "2026-11-23T18:51:00.000000Z"}
    patched = await client.raw("PATCH", f"{NEW_EVENTS}/e", headers=merge, body=_json({"series": series}))
    shown = orjson.loads(patched.body)
    assert (shown["apiVersion"], shown["note"], shown["series"]) == ("events.k8s.io/v1", "it began", series)
    type_, seen = await anext(events)
    assert (type_, seen["apiVersion"], seen["message"], seen["series"]) == ("MODIFIED", "v1", "it began", series)
    with pytest.raises(Invalid, match=r"message: Invalid value: .*field is immutable"):
        await client.raw("PATCH", f"{NEW_EVENTS}/e", headers=merge, body=b'{"note":"other"}')
    chosen = await client.raw("GET", NEW_EVENTS, query={"fieldSelector": "regarding.name=web"})
    assert [row["note"] for row in orjson.loads(chosen.body)["items"]] == ["it began"]
    with pytest.raises(BadRequest, match=r"field label not supported: involvedObject\.name"):
        await client.raw("GET", NEW_EVENTS, query={"fieldSelector": "involvedObject.name=web"})
    await client.raw("DELETE", f"{NEW_EVENTS}/e")
    with pytest.raises(NotFound):
        await client.get("Event", "default/e")


async def test_an_event_of_the_core_group_is_deleted_as_what_it_is_through_the_other(client):
    about = {"kind": "Pod", "namespace": "default", "name": "web"}
    row = {"kind": "Event", "metadata": {"name": "e", "namespace": "default"}, "involvedObject": about, "message": "m"}
    made = await client.create({"apiVersion": "v1", **row})
    events = client.watch("Event", "default", resource_version=made["metadata"]["resourceVersion"])

    await client.raw("DELETE", NEW_EVENTS)

    type_, seen = await anext(events)
    assert (type_, seen["apiVersion"], seen["message"]) == ("DELETED", "v1", "m")


def _json(obj):
    import json

    return json.dumps(obj).encode()


async def test_a_put_makes_what_is_not_there_of_kinds_that_kubernetes_lets_do_so(client):
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
             "metadata": {"name": "put", "namespace": "default"}, "spec": {"holderIdentity": "me"}}  # fmt: skip

    made = await client.update(lease)

    assert made["metadata"]["uid"]
    assert await client.get("Lease", "default/put") == made
    with pytest.raises(NotFound):
        await client.update(config_map("put"))


async def test_where_kubernetes_asks_for_it_an_update_says_which_version_it_has_seen(client):
    made = await client.create({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "b", "namespace": "default"},
        "spec": {"minAvailable": 1},
    })  # fmt: skip
    blind = {**made, "metadata": {"name": "b", "namespace": "default"}}

    with pytest.raises(Invalid, match=r"metadata\.resourceVersion: Invalid value: 0: must be specified for an update"):
        await client.update(blind)
    assert await client.update(made) == made
    await client.update(await client.create(config_map("blind")))
    await client.update(config_map("blind"))


async def test_an_update_names_its_object_and_says_nothing_of_its_end(client):
    made = await client.create(config_map("a"))

    made["metadata"]["deletionGracePeriodSeconds"] = 5
    with pytest.raises(Invalid, match=r"metadata\.deletionGracePeriodSeconds: Invalid value: 5: field is immutable"):
        await client.update(made)


async def test_an_owner_that_is_named_twice_is_one(client):
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    twice = config_map("a")
    twice["metadata"]["ownerReferences"] = [owner, owner]

    made = await client.create(twice)
    made["metadata"]["ownerReferences"] = [owner, {**owner, "name": "q"}, owner]

    assert (await client.get("ConfigMap", "default/a"))["metadata"]["ownerReferences"] == [owner]
    assert (await client.update(made))["metadata"]["ownerReferences"] == [owner, {**owner, "name": "q"}]


async def test_an_owner_that_is_dropped_is_told_of(served):
    owner = {"apiVersion": "v1", "kind": "Pod", "name": "p", "uid": "u"}
    twice = config_map("warned")
    twice["metadata"]["ownerReferences"] = [owner, owner]

    answer = await served.client.transport.send(
        "POST", "/api/v1/namespaces/default/configmaps", query={}, body=orjson.dumps(twice),
        headers={"Content-Type": "application/json"},
    )  # fmt: skip

    assert "duplicate UID(s) observed: u" in answer.headers["warning"]


@pytest.mark.parametrize(("kind", "shown"), [("ServiceAccount", "ServiceAccount"), ("ConfigMap", "Status")])
async def test_some_kinds_are_shown_once_more_when_they_are_gone(client, kind, shown):
    await client.create({"apiVersion": "v1", "kind": kind, "metadata": {"name": "a", "namespace": "default"}})
    path = KINDS[kind].path("default", "a")

    assert orjson.loads((await client.raw("DELETE", path)).body)["kind"] == shown
    with pytest.raises(NotFound):
        await client.get(kind, "default/a")


@pytest.mark.parametrize("patch", [{"apiVersion": True}, {"kind": 1}, {"apiVersion": "a/b/c"}, {"kind": "Secret"}])
async def test_a_patch_does_not_make_another_kind_of_it(client, patch):
    await client.create(config_map("a"))
    with pytest.raises(BadRequest):
        await client.patch("ConfigMap", "default/a", patch)
