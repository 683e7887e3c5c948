"""Lists: selectors, pages over one snapshot, versions, views."""

from __future__ import annotations

import asyncio

import orjson
import pytest
import yaml

from procorch.api import cbor, protobuf
from procorch.api.continuation import Continuation
from procorch.api.media import PROTOBUF
from procorch.objects import ApiError, BadRequest, Expired, Invalid, Timeout


def config_map(name, labels=None):
    about = {"name": name, "namespace": "default", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about}


async def fill(client, count=7):
    for number in range(count):
        await client.create(config_map(f"c{number}", {"odd": str(number % 2)}))


def names(items):
    return [obj["metadata"]["name"] for obj in items.objects]


async def test_a_list_is_in_the_order_of_names_and_selects_by_labels_and_fields(served):
    await fill(served.client)

    assert names(await served.client.items("ConfigMap", "default")) == [f"c{number}" for number in range(7)]
    assert names(await served.client.items("ConfigMap", "default", "odd=1")) == ["c1", "c3", "c5"]
    assert names(await served.client.items("ConfigMap", "default", "", "metadata.name=c2")) == ["c2"]
    assert names(await served.client.items("ConfigMap", None, "odd in (0),!x")) == ["c0", "c2", "c4", "c6"]


async def test_pages_are_one_snapshot_though_the_objects_change_between_them(served):
    await fill(served.client)
    first = await served.client.items("ConfigMap", "default", limit=3)
    assert (names(first), first.remaining) == (["c0", "c1", "c2"], 4)
    await served.client.delete("ConfigMap", "default/c4")
    await served.client.create(config_map("c3b"))

    second = await served.client.items("ConfigMap", "default", limit=3, continue_token=first.continue_token)
    third = await served.client.items("ConfigMap", "default", limit=3, continue_token=second.continue_token)

    assert names(second) + names(third) == ["c3", "c4", "c5", "c6"]
    assert {first.resource_version, second.resource_version, third.resource_version} == {first.resource_version}
    assert not third.continue_token


async def test_a_page_whose_snapshot_is_compacted_is_410(served):
    await fill(served.client)
    first = await served.client.items("ConfigMap", "default", limit=3)
    await served.client.delete("ConfigMap", "default/c4")
    await served.api.log.compact(served.api.log.revision)

    with pytest.raises(Expired, match="continue parameter is too old"):
        await served.client.items("ConfigMap", "default", limit=3, continue_token=first.continue_token)


async def test_a_list_whose_snapshot_is_compacted_goes_on_at_the_present(served):
    """What was made behind the place where the list was is seen, what was made before it is not."""
    await fill(served.client)
    first = await served.client.items("ConfigMap", "default", limit=3)
    await served.client.create(config_map("c1b"))
    await served.client.create(config_map("c5b"))
    await served.api.log.compact(served.api.log.revision)
    with pytest.raises(Expired) as refused:
        await served.client.items("ConfigMap", "default", limit=3, continue_token=first.continue_token)

    second = await served.client.items("ConfigMap", "default", limit=3, continue_token=refused.value.continue_token)
    third = await served.client.items("ConfigMap", "default", limit=3, continue_token=second.continue_token)

    assert names(second) + names(third) == ["c3", "c4", "c5", "c5b", "c6"]
    assert second.resource_version == third.resource_version == str(served.api.log.revision)


async def test_an_exact_version_that_is_compacted_is_410(served):
    await fill(served.client, 2)
    await served.client.delete("ConfigMap", "default/c1")
    await served.api.log.compact(served.api.log.revision)

    with pytest.raises(Expired, match="The resourceVersion for the provided list is too old"):
        query = {"resourceVersionMatch": "Exact"}
        await served.client.items("ConfigMap", "default", resource_version="1", query=query)


async def test_a_page_of_a_named_version_is_of_that_version(served):
    await fill(served.client, 3)
    then = await served.client.items("ConfigMap", "default")
    await served.client.delete("ConfigMap", "default/c0")

    page = await served.client.items("ConfigMap", "default", limit=2, resource_version=then.resource_version)
    rest = await served.client.items("ConfigMap", "default", limit=2, continue_token=page.continue_token)

    assert (names(page), names(rest)) == (["c0", "c1"], ["c2"])
    assert page.resource_version == rest.resource_version == then.resource_version


async def test_how_many_are_left_is_not_told_where_a_selector_chooses(served):
    await fill(served.client)

    chosen = await served.client.items("ConfigMap", "default", "odd=0", limit=1)
    last = await served.client.items("ConfigMap", "default", limit=7)

    assert chosen.continue_token and chosen.remaining is None
    assert not last.continue_token and last.remaining is None


@pytest.mark.parametrize("accept", [PROTOBUF, f"{PROTOBUF},application/json", "application/cbor", "application/yaml"])
async def test_lists_come_in_every_media_type(served, accept):
    await fill(served.client, 2)

    answer = await served.client.raw("GET", "/api/v1/configmaps", query={"limit": "1"}, headers={"Accept": accept})

    media = accept.partition(",")[0]
    readers = {PROTOBUF: protobuf.decode, "application/cbor": lambda data: cbor.decode(data, 99)}
    found = readers.get(media, yaml.safe_load)(answer.body)
    assert answer.headers["content-type"] == media
    assert (found["kind"], found["apiVersion"]) == ("ConfigMapList", "v1")
    assert found["metadata"]["continue"] and found["metadata"]["remainingItemCount"] == 1
    assert [item["metadata"]["name"] for item in found["items"]] == ["c0"]


async def test_a_refusal_comes_in_the_media_type_that_was_asked_for(served):
    transport = served.transport("kubernetes-admin", "system:masters")

    answer = await transport.send("GET", "/api/v1/namespaces/default/pods/a", headers={"Accept": PROTOBUF})

    await transport.close()
    status = protobuf.decode(answer.body)
    assert (answer.status, answer.headers["content-type"]) == (404, PROTOBUF)
    assert (status["kind"], status["code"], status["reason"]) == ("Status", 404, "NotFound")
    assert status["details"] == {"name": "a", "kind": "pods"}


@pytest.mark.parametrize(
    ("path", "view", "message"),
    [
        ("/api/v1/namespaces", "PartialObjectMetadata", "the requested object is a list"),
        ("/api/v1/namespaces/default", "PartialObjectMetadataList", "the requested object is not a list"),
    ],
)
async def test_a_list_is_no_object_and_an_object_no_list(served, path, view, message):
    accept = f"application/json;as={view};v=v1;g=meta.k8s.io"

    with pytest.raises(ApiError, match=message) as refused:
        await served.client.raw("GET", path, headers={"Accept": accept})

    assert refused.value.code == 406


async def test_a_deletecollection_takes_selectors_limits_and_versions(served):
    await fill(served.client)
    path = "/api/v1/namespaces/default/configmaps"

    async def delete(**query):
        answer = await served.client.raw("DELETE", path, query=query)
        return [item["metadata"]["name"] for item in orjson.loads(answer.body)["items"]]

    assert await delete(labelSelector="odd=1", dryRun="All") == ["c1", "c3", "c5"]
    assert await delete(fieldSelector="metadata.name=c6") == ["c6"]
    assert await delete(labelSelector="odd=1", limit="2") == ["c1", "c3"]
    assert names(await served.client.items("ConfigMap", "default")) == ["c0", "c2", "c4", "c5"]
    with pytest.raises(Invalid, match="resourceVersionMatch is forbidden unless resourceVersion is provided"):
        await delete(resourceVersionMatch="Exact")
    assert await delete() == ["c0", "c2", "c4", "c5"]


async def test_a_page_of_a_snapshot_that_is_not_yet_is_410(served):
    await fill(served.client)
    token = Continuation(999999, "default/c1").token()

    with pytest.raises(Expired, match="continue parameter is too old"):
        await served.client.items("ConfigMap", "default", limit=3, continue_token=token)


async def test_a_list_as_of_an_exact_version(served):
    await fill(served.client, 3)
    then = await served.client.items("ConfigMap", "default")
    await served.client.delete("ConfigMap", "default/c1")

    past = await served.client.items(
        "ConfigMap", "default", resource_version=then.resource_version, query={"resourceVersionMatch": "Exact"}
    )

    assert names(past) == ["c0", "c1", "c2"]


@pytest.mark.parametrize(
    ("query", "error"),
    [
        pytest.param({"labelSelector": "a=("}, BadRequest, id="a label selector that is none"),
        pytest.param({"fieldSelector": "spec.colour=red"}, BadRequest, id="a field that cannot be selected"),
        pytest.param({"limit": "many"}, BadRequest, id="a limit that is no number"),
        pytest.param({"resourceVersion": "new"}, BadRequest, id="a version that is no number"),
        pytest.param({"continue": "%%%"}, BadRequest, id="a continue token of nobody"),
        pytest.param({"resourceVersionMatch": "Exact"}, Invalid, id="a match without a version"),
        pytest.param({"watch": "true", "sendInitialEvents": "true"}, Invalid, id="initial events without a match"),
    ],
)
async def test_bad_options_are_refused(served, query, error):
    with pytest.raises(error):
        await served.client.raw("GET", "/api/v1/configmaps", query=query)


async def test_a_version_from_the_future_is_waited_for_and_then_refused_so_that_clients_retry(served, monkeypatch):
    monkeypatch.setattr("procorch.api.cache.FRESH_TIMEOUT", 0.05)
    with pytest.raises(Timeout, match="Too large resource version: 1000000") as refused:
        await served.client.items("ConfigMap", resource_version="1000000")
    assert refused.value.details["causes"][0]["reason"] == "ResourceVersionTooLarge"

    soon = served.api.log.revision + 1
    async with asyncio.TaskGroup() as group:
        listed = group.create_task(served.client.items("ConfigMap", resource_version=str(soon)))
        group.create_task(served.client.create(config_map("late")))
    assert names(listed.result()) == ["late"]


async def test_partial_metadata_lists(served):
    await fill(served.client, 2)
    accept = "application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io"

    answer = await served.client.raw("GET", "/api/v1/configmaps", headers={"Accept": accept})

    found = orjson.loads(answer.body)
    assert found["kind"] == "PartialObjectMetadataList" and set(found["items"][0]) == {"kind", "apiVersion", "metadata"}


async def test_tables_carry_what_of_the_object_is_asked_for(served):
    await fill(served.client, 1)

    for include, keys in (("None", None), ("Metadata", {"kind", "apiVersion", "metadata"})):
        table = await served.client.table("ConfigMap", "default", include_object=include)
        row = table["rows"][0].get("object")
        assert (None if row is None else set(row)) == keys
    with pytest.raises(BadRequest):
        await served.client.table("ConfigMap", "default", include_object="All")
