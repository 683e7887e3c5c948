"""Watches over a real socket: ordered, unique, gapless, resumable."""

from __future__ import annotations

import asyncio
import dataclasses
import io
import random
from contextlib import aclosing, asynccontextmanager

import cbor2
import orjson
import pytest

from procorch.answers import lines_of
from procorch.api import protobuf
from procorch.api.accept import Form
from procorch.api.media import FRAMINGS, JSON, PROTOBUF
from procorch.api.protobuf_wire import parts
from procorch.api.scope import Scope
from procorch.api.table import view_of
from procorch.api.watch import BACKLOG
from procorch.client import Client
from procorch.kinds import KINDS, Column
from procorch.objects import AlreadyExists, ApiError, BadRequest, Expired, Invalid, NotFound


@pytest.fixture
async def remote(served):
    transport = served.transport("kubernetes-admin", "system:masters")
    yield Client(transport)
    await transport.close()


def config_map(name, labels=None, **data):
    about = {"name": name, "namespace": "default", "labels": labels or {}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": data}


def protobuf_events(body):
    """(type, object) of length-delimited frames."""
    found = []
    while body:
        size = int.from_bytes(body[:4], "big")
        fields = {number: value for number, _, value in parts(body[4 : 4 + size])}
        (inner,) = (value for _, _, value in parts(fields[2]))
        found.append((fields[1].decode(), protobuf.decode(inner)))
        body = body[4 + size :]
    return found


def cbor_events(body):
    source, found = io.BytesIO(body), []
    while source.tell() < len(body):
        event = cbor2.load(source)
        found.append((event["type"], event["object"]))
    return found


@asynccontextmanager
async def watching(client, **query):
    """Begins a watch of ConfigMaps; an async function that gives the next n events as (type, name, version)."""
    path, query = "/api/v1/namespaces/default/configmaps", {"watch": "true", **query}
    async with client.transport.stream("GET", path, query=query, headers={"Accept": "application/json"}) as answer:
        assert answer.status == 200
        async with aclosing(lines_of(answer.chunks)) as lines:

            async def take(count):
                found = []
                async with asyncio.timeout(10):
                    for _ in range(count):
                        event = orjson.loads(await anext(lines))
                        about = event["object"].get("metadata", {})
                        found.append((event["type"], about.get("name"), about.get("resourceVersion")))
                return found

            yield take


def short(events):
    return [(event, name) for event, name, _ in events]


async def test_a_watch_without_a_version_begins_with_what_is_there(remote):
    await remote.create(config_map("a"))

    async with watching(remote) as take:
        assert short(await take(1)) == [("ADDED", "a")]
        await remote.patch("ConfigMap", "default/a", {"data": {"x": "1"}})
        await remote.delete("ConfigMap", "default/a")
        assert short(await take(2)) == [("MODIFIED", "a"), ("DELETED", "a")]


async def test_a_watch_goes_on_after_a_list_without_gap_or_repetition(remote):
    await remote.create(config_map("a"))
    listed = await remote.items("ConfigMap", "default")
    for number in range(20):
        await remote.create(config_map(f"b{number:02}"))

    async with watching(remote, resourceVersion=listed.resource_version) as take:
        await remote.create(config_map("c"))
        seen = await take(21)

    assert [name for _, name, _ in seen] == [*(f"b{number:02}" for number in range(20)), "c"]
    revisions = [int(revision) for _, _, revision in seen]
    assert revisions == sorted(set(revisions))


async def test_a_watch_from_before_the_window_is_read_from_the_log(served, remote):
    made = await remote.create(config_map("a"))
    await remote.patch("ConfigMap", "default/a", {"data": {"x": "1"}})
    await remote.delete("ConfigMap", "default/a")
    shelf = next(shelf for shelf in served.api.cache.shelves() if shelf.kind.name == "ConfigMap")
    shelf.window.clear()
    shelf.window_after = shelf.changed

    async with watching(remote, resourceVersion=made["metadata"]["resourceVersion"]) as take:
        await remote.create(config_map("b"))
        seen = await take(3)

    assert short(seen) == [("MODIFIED", "a"), ("DELETED", "a"), ("ADDED", "b")]


async def test_a_watch_from_a_compacted_revision_is_an_error_event_with_410(served, remote):
    made = await remote.create(config_map("a"))
    for number in range(5):
        await remote.patch("ConfigMap", "default/a", {"data": {"x": str(number)}})
    shelf = next(shelf for shelf in served.api.cache.shelves() if shelf.kind.name == "ConfigMap")
    shelf.window.clear()
    shelf.window_after = shelf.changed
    await served.api.log.compact(served.api.log.revision)

    with pytest.raises(Expired, match="too old resource version"):
        async with aclosing(
            remote.watch("ConfigMap", "default", resource_version=made["metadata"]["resourceVersion"])
        ) as events:
            await anext(events)


async def test_with_a_selector_objects_are_added_and_deleted_as_they_begin_and_cease_to_match(remote):
    await remote.create(config_map("a", {"app": "x"}))
    await remote.create(config_map("b", {"app": "y"}))

    async with watching(remote, labelSelector="app=x") as take:
        await remote.patch("ConfigMap", "default/b", {"metadata": {"labels": {"app": "x"}}})
        await remote.patch("ConfigMap", "default/a", {"metadata": {"labels": {"app": "y"}}})
        await remote.patch("ConfigMap", "default/b", {"data": {"k": "v"}})
        await remote.delete("ConfigMap", "default/b")
        seen = await take(5)

    assert short(seen) == [("ADDED", "a"), ("ADDED", "b"), ("DELETED", "a"), ("MODIFIED", "b"), ("DELETED", "b")]


async def test_a_watch_by_name_sees_that_object_only(remote):
    async with watching(remote, fieldSelector="metadata.name=b") as take:
        await remote.create(config_map("a"))
        await remote.create(config_map("b"))
        assert short(await take(1)) == [("ADDED", "b")]


async def test_send_initial_events_ends_with_a_bookmark_that_says_so(remote):
    await remote.create(config_map("a"))
    query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan"}

    async with aclosing(remote.watch("ConfigMap", "default", bookmarks=True, query=query)) as events:
        first, second = await anext(events), await anext(events)

    assert first[0] == "ADDED"
    assert second[0] == "BOOKMARK"
    assert second[1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
    assert int(second[1]["metadata"]["resourceVersion"]) >= int(first[1]["metadata"]["resourceVersion"])


async def test_bookmarks_come_to_those_who_asked(served, remote, until):
    async with watching(remote, allowWatchBookmarks="true") as take, watching(remote) as other:
        await until(lambda: len(served.api.listing.watches) == 2)
        served.api.listing.bookmark()
        made = await remote.create(config_map("a"))

        assert (await take(1))[0][0] == "BOOKMARK"
        assert await other(1) == [("ADDED", "a", made["metadata"]["resourceVersion"])]


async def test_a_watch_ends_when_its_time_is_up_and_says_from_where_to_go_on(served, remote):
    made = await remote.create(config_map("a"))
    options = {"timeout": 1, "bookmarks": True, "resource_version": made["metadata"]["resourceVersion"]}

    async with asyncio.timeout(10), aclosing(remote.watch("ConfigMap", "default", **options)) as events:
        await remote.create({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "s", "namespace": "default"}})
        seen = [(event, obj["metadata"]["resourceVersion"]) async for event, obj in events]

    assert seen == [("BOOKMARK", str(served.api.cache.revision))]


async def test_the_old_paths_of_watches_are_there_for_one_object_too(remote):
    path = "/api/v1/watch/namespaces/default/configmaps/b"
    async with remote.transport.stream("GET", path, query={"timeoutSeconds": "1"}) as answer:
        await remote.create(config_map("a"))
        await remote.create(config_map("b"))
        async with aclosing(lines_of(answer.chunks)) as lines:
            seen = [orjson.loads(line)["object"]["metadata"]["name"] async for line in lines]

    assert seen == ["b"]


async def test_a_watch_without_a_version_tells_where_the_present_ends_to_those_who_take_bookmarks(remote):
    await remote.create(config_map("a"))

    async with aclosing(remote.watch("ConfigMap", "default", bookmarks=True)) as events:
        seen = [await anext(events), await anext(events)]

    assert [event for event, _ in seen] == ["ADDED", "BOOKMARK"]
    assert seen[1][1]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}


async def test_a_table_tells_its_columns_once(remote):
    await remote.create(config_map("a"))

    async with aclosing(remote.watch("ConfigMap", "default", as_table=True)) as events:
        first = await anext(events)
        await remote.create(config_map("b"))
        second = await anext(events)

    assert [column["name"] for column in first[1]["columnDefinitions"]] == ["Name", "Data", "Age"]
    assert second[1]["columnDefinitions"] is None and second[1]["rows"][0]["cells"][0] == "b"


@pytest.mark.parametrize(
    ("accept", "media", "read"),
    [
        pytest.param(f"{PROTOBUF};stream=watch", f"{PROTOBUF};stream=watch", protobuf_events, id="protobuf"),
        pytest.param(PROTOBUF, f"{PROTOBUF};stream=watch", protobuf_events, id="protobuf, not said to be a stream"),
        pytest.param("application/cbor-seq", "application/cbor-seq", cbor_events, id="cbor"),
        pytest.param(f"{PROTOBUF};as=PartialObjectMetadata;g=meta.k8s.io;v=v1", f"{PROTOBUF};stream=watch",
                     protobuf_events, id="metadata as protobuf"),
    ],
)  # fmt: skip
async def test_watches_in_other_media_types_carry_the_same_events(remote, accept, media, read):
    await remote.create(config_map("a", colour="red"))
    query = {"watch": "1", "timeoutSeconds": "1", "allowWatchBookmarks": "1"}

    path = "/api/v1/namespaces/default/configmaps"
    async with remote.transport.stream("GET", path, query=query, headers={"Accept": accept}) as answer:
        body = b"".join([chunk async for chunk in answer.chunks])

    events = read(body)
    assert answer.headers["content-type"] == media
    assert [event for event, _ in events] == ["ADDED", "BOOKMARK", "BOOKMARK"]
    assert events[0][1]["metadata"]["name"] == "a" and events[1][1]["metadata"]["annotations"]
    assert (events[0][1]["kind"] == "PartialObjectMetadata") == ("as=" in accept)
    assert events[0][1].get("data", {}).get("colour", "") == ("" if "as=" in accept else "red")


async def test_a_watch_has_no_form_in_yaml(remote):
    with pytest.raises(ApiError, match="only the following media types are accepted: application/json;stream=watch"):
        await remote.raw("GET", "/api/v1/configmaps", query={"watch": "1"}, headers={"Accept": "application/yaml"})


_NO_NUMBER = 'strconv.ParseUint: parsing "x": invalid syntax'
_ABOUT = 'ListOptions.meta.k8s.io "" is invalid: '
_NOT_OLDER = "resourceVersionMatch: Forbidden: sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"
_EXACT = (
    "[resourceVersionMatch: Forbidden: resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
    ', resourceVersionMatch: Unsupported value: "Exact": supported values: "NotOlderThan"]'
)


@pytest.mark.parametrize(
    ("query", "error", "message"),
    [
        ({"resourceVersion": "x"}, Invalid,
         f'configmaps "" is invalid: resourceVersion: Invalid value: "x": {_NO_NUMBER}'),
        ({"timeoutSeconds": "soon"}, BadRequest, 'strconv.ParseInt: parsing "soon": invalid syntax'),
        ({"sendInitialEvents": "true"}, Invalid, _ABOUT + _NOT_OLDER),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "1"}, Invalid, _ABOUT + _EXACT),
    ],
    ids=("a version that is no number", "a time-out that is none", "initial events without a match", "an exact watch"),
)  # fmt: skip
async def test_watch_options_that_make_no_sense_are_refused_in_kubernetes_words(remote, query, error, message):
    with pytest.raises(error) as refused:
        await remote.raw("GET", "/api/v1/configmaps", query={"watch": "true", **query})

    assert refused.value.message == message


async def test_table_watch_events_carry_rows(remote):
    await remote.create(config_map("a", x="1"))

    async with aclosing(remote.watch("ConfigMap", "default", as_table=True)) as events:
        event, table = await anext(events)

    assert event == "ADDED" and table["kind"] == "Table"
    assert table["rows"][0]["cells"][0] == "a" and table["rows"][0]["object"]["kind"] == "PartialObjectMetadata"


async def test_a_watcher_that_does_not_read_is_dropped_and_others_go_on(served, remote, until):
    transport = served.transport("kubernetes-admin", "system:masters")
    path, query = "/api/v1/namespaces/default/configmaps", {"watch": "true"}
    async with transport.stream("GET", path, query=query, headers={"Accept": "application/json"}) as answer:
        big = "x" * (1 << 20)
        async with watching(remote) as take:
            await until(lambda: len(served.api.listing.watches) == 2)
            for number in range(2 * BACKLOG // len(big)):
                await served.client.create(config_map(f"c{number}", x=big))
                await take(1)

            assert len(served.api.listing.watches) == 1
        with pytest.raises(ConnectionError):  # what was sent, and then a cut
            async for _ in lines_of(answer.chunks):
                pass
    await transport.close()


async def test_a_client_that_leaves_is_forgotten(served, remote, until):
    async with watching(remote) as take:
        await remote.create(config_map("a"))
        await take(1)

    await until(lambda: not served.api.listing.watches)


async def test_all_watchers_are_given_the_same_bytes(served):
    kind = KINDS["ConfigMap"]
    given: list[bytes] = []
    for _ in range(3):
        scope, view = Scope(kind, None, None, None, None), view_of(kind, Form(), "", lambda: 0)
        response = await served.api.listing.watch(scope, view, {}, FRAMINGS[JSON])
        response.stream.sink = given.append
    await served.client.create(config_map("a"))

    assert len(given) == 3 and given[0] is given[1] is given[2]


async def test_a_list_and_the_watch_after_it_always_lead_to_the_present(served, remote, until):
    """Writers, and watchers that begin at any moment: none misses a change or sees one twice."""
    draw = random.Random(7)
    client, busy = served.client, True

    async def write(writer):
        for _ in range(60):
            name = f"c{draw.randint(0, 9)}-{writer}"
            try:
                if draw.random() < 0.3:
                    await client.delete("ConfigMap", f"default/{name}")
                elif draw.random() < 0.5:
                    await client.create(config_map(name))
                else:
                    await client.patch("ConfigMap", f"default/{name}", {"data": {"x": str(draw.random())}})
            except (AlreadyExists, NotFound):
                pass

    async def follow():
        listed = await remote.items("ConfigMap", "default")
        state = {obj["metadata"]["name"]: obj for obj in listed.objects}
        last = int(listed.resource_version)
        async with aclosing(remote.watch("ConfigMap", "default", resource_version=listed.resource_version)) as events:
            async for event, obj in events:
                name, revision = obj["metadata"]["name"], int(obj["metadata"]["resourceVersion"])
                assert revision > last and (event == "ADDED") == (name not in state)
                last = revision
                if event == "DELETED":
                    del state[name]
                else:
                    state[name] = obj
                if name == "the-last":
                    return state

    async with asyncio.timeout(30), asyncio.TaskGroup() as group:
        writers = [group.create_task(write(number)) for number in range(6)]
        followers = []
        while busy:
            followers.append(group.create_task(follow()))
            await asyncio.sleep(0.01)
            busy = not all(writer.done() for writer in writers)
        await until(lambda: len(served.api.listing.watches) == len(followers))
        await client.create(config_map("the-last"))
    now = {obj["metadata"]["name"]: obj for obj in (await client.items("ConfigMap", "default")).objects}

    assert followers and all(follower.result() == now for follower in followers)


async def test_a_column_that_fails_costs_its_own_watch_only(served):
    def broken(obj, now):
        raise ZeroDivisionError

    kind = dataclasses.replace(KINDS["ConfigMap"], columns=(Column("Bad", broken),))
    scope = Scope(kind, None, None, None, None)
    watch = served.api.listing.watch
    tables = (await watch(scope, view_of(kind, Form(view="Table"), "", lambda: 0), {}, FRAMINGS[JSON])).stream
    plain = (await watch(scope, view_of(kind, Form(), "", lambda: 0), {}, FRAMINGS[JSON])).stream

    await served.client.create(config_map("a"))

    assert b'"type":"ERROR"' in await anext(tables) and b'"type":"ADDED"' in await anext(plain)
    with pytest.raises(StopAsyncIteration):
        await anext(tables)
