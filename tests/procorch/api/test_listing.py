"""Lists: selectors, pages over one snapshot, versions, views."""

from __future__ import annotations

import asyncio
import base64

import pytest

from procorch.objects import BadRequest, Expired, Invalid, Timeout


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


async def test_a_page_of_a_snapshot_that_is_not_yet_is_410(served):
    await fill(served.client)
    token = base64.urlsafe_b64encode(b'{"v":"meta.k8s.io/v1","rv":999999,"start":"c1"}').decode().rstrip("=")

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
        pytest.param({"limit": "many"}, Invalid, id="a limit that is no number"),
        pytest.param({"resourceVersion": "new"}, Invalid, id="a version that is no number"),
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

    import orjson

    found = orjson.loads(answer.body)
    assert found["kind"] == "PartialObjectMetadataList" and set(found["items"][0]) == {"kind", "apiVersion", "metadata"}


async def test_tables_carry_what_of_the_object_is_asked_for(served):
    await fill(served.client, 1)

    for include, keys in (("None", None), ("Metadata", {"kind", "apiVersion", "metadata"})):
        table = await served.client.table("ConfigMap", "default", include_object=include)
        row = table["rows"][0].get("object")
        assert (None if row is None else set(row)) == keys
    with pytest.raises(Invalid):
        await served.client.table("ConfigMap", "default", include_object="All")
