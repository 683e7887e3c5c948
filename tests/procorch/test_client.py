"""The client: verbs, errors in the API's words, and what it hands to informers."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from contextlib import aclosing
from typing import Any

import pytest

from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.objects import (
    AlreadyExists,
    ApiError,
    Conflict,
    Invalid,
    NotFound,
    Object,
)
from store import Log


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    log = await Log.open(":memory:")
    api = Api(log, clock=time.time)
    await api.start()
    client = Client(LocalTransport(api, User("kubernetes-admin", ("system:masters",))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}})
    yield client
    await api.close()
    await log.close()


def config_map(name: str = "a", **more: Any) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "d"}, **more}


async def test_an_object_is_made_read_changed_and_deleted(client: Client) -> None:
    made = await client.create(config_map(data={"k": "1"}))
    assert (await client.get("ConfigMap", "d/a"))["metadata"]["uid"] == made["metadata"]["uid"]
    assert (await client.update({**made, "data": {"k": "2"}}))["data"] == {"k": "2"}
    assert (await client.patch("ConfigMap", "d/a", {"data": {"l": "3"}}))["data"] == {"k": "2", "l": "3"}
    rows = [{"op": "remove", "path": "/data/k"}]
    assert (await client.patch("ConfigMap", "d/a", rows, type="json"))["data"] == {"l": "3"}
    await client.delete("ConfigMap", "d/a", uid=made["metadata"]["uid"])
    assert (await client.items("ConfigMap", "d")).objects == []


async def test_refusals_are_errors_of_their_own_class(client: Client) -> None:
    made = await client.create(config_map())
    with pytest.raises(AlreadyExists, match='configmaps "a" already exists'):
        await client.create(config_map())
    with pytest.raises(NotFound, match='configmaps "b" not found'):
        await client.get("ConfigMap", "d/b")
    await client.patch("ConfigMap", "d/a", {"data": {"k": "1"}})
    with pytest.raises(Conflict):
        await client.update(made)
    with pytest.raises(Conflict):
        await client.delete("ConfigMap", "d/a", uid="another")
    with pytest.raises(Invalid):
        await client.create(config_map("Not_A_Name"))


async def test_lists_are_paged_and_chosen(client: Client) -> None:
    for name in "abc":
        await client.create({**config_map(name), "metadata": {"name": name, "namespace": "d", "labels": {"l": name}}})
    page = await client.items("ConfigMap", "d", limit=2)
    rest = await client.items("ConfigMap", "d", limit=2, continue_token=page.continue_token)
    chosen = await client.items("ConfigMap", label_selector="l in (a,c)", field_selector="metadata.name!=c")

    assert [one["metadata"]["name"] for one in page.objects + rest.objects] == ["a", "b", "c"]
    assert (page.remaining, rest.continue_token) == (1, "")
    assert [(one["kind"], one["metadata"]["name"]) for one in chosen.objects] == [("ConfigMap", "a")]


async def test_a_watch_tells_what_happened_since(client: Client) -> None:
    version = (await client.items("ConfigMap", "d")).resource_version
    await client.create(config_map())
    await client.patch("ConfigMap", "d/a", {"data": {"k": "1"}})
    await client.delete("ConfigMap", "d/a")
    seen = []
    async with aclosing(client.watch("ConfigMap", "d", resource_version=version)) as events:
        async for type_, obj in events:
            seen.append((type_, obj["metadata"]["name"]))
            if len(seen) == 3:
                break

    assert seen == [("ADDED", "a"), ("MODIFIED", "a"), ("DELETED", "a")]


async def test_writes_are_handed_on_and_dry_runs_are_not(client: Client) -> None:
    told: list[tuple[str, str, bool]] = []
    client.on_write.append(lambda kind, obj, gone: told.append((kind.name, obj["metadata"]["name"], gone)))
    await client.create(config_map(), query={"dryRun": "All"})
    assert told == []

    await client.create(config_map())
    await client.patch("ConfigMap", "d/a", {"metadata": {"finalizers": ["example.com/hold"]}})
    await client.delete("ConfigMap", "d/a")
    await client.patch("ConfigMap", "d/a", {"metadata": {"finalizers": None}})
    assert told == [("ConfigMap", "a", False)] * 3 + [("ConfigMap", "a", True)]


async def test_an_object_that_is_deleted_at_once_is_gone_for_the_hooks(client: Client) -> None:
    await client.create(config_map())
    gone: list[bool] = []
    client.on_write.append(lambda kind, obj, is_gone: gone.append(is_gone))
    await client.delete("ConfigMap", "d/a")

    assert gone == [True]


def test_an_api_error_knows_its_class_by_its_reason() -> None:
    assert isinstance(ApiError.from_status({"reason": "NotFound", "message": "m", "code": 404}), NotFound)
