"""A lister that has the objects of the API's cache itself, in the same process."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch import local_informer
from procorch.api import Api, LocalTransport, User
from procorch.client import Client
from procorch.clock import Backoff
from procorch.kinds import KINDS
from procorch.lister import Decoded
from procorch.local_informer import LocalInformer
from procorch.objects import ApiError, Object
from store import Log
from tests.procorch.test_informer import Scripted, pod, until

POD, CONFIG_MAP = KINDS["Pod"], KINDS["ConfigMap"]
ADMIN = User("kubernetes-admin", ("system:masters",))


def config_map(name: str) -> Object:
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": "d"}, "data": {"k": "v"}}


@pytest.fixture
async def api() -> AsyncIterator[Api]:
    log = await Log.open(":memory:")
    api = Api(log)
    await api.start()
    await Client(LocalTransport(api, ADMIN)).create(
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "d"}}
    )
    yield api
    await api.close()
    await log.close()


@asynccontextmanager
async def running(informer: LocalInformer) -> AsyncIterator[None]:
    async with asyncio.timeout(10), asyncio.TaskGroup() as tasks:
        task = tasks.create_task(informer.run())
        await informer.synced()
        yield
        task.cancel()


async def test_an_object_is_in_memory_once(api: Api) -> None:
    transport = LocalTransport(api, ADMIN)
    client, other = Client(transport), Client(transport)
    await client.create(config_map("before"))
    informer = LocalInformer(client, CONFIG_MAP, transport.feed(CONFIG_MAP))
    heard: list[Any] = []
    informer.add_handler(lambda type_, old, new: heard.append((type_, (new or old or {})["metadata"]["name"])))
    async with running(informer):
        await other.create(config_map("after"))
        await until(lambda: len(informer.lister) == 2)

        entries = api.cache.shelf(CONFIG_MAP).entries
        assert all(informer.lister.held(key) is entries[key] for key in ("d/before", "d/after"))
        assert informer.lister["d/after"]["data"] == {"k": "v"}
        await other.delete("ConfigMap", "d/before")
        await until(lambda: list(informer.lister) == ["d/after"])
    assert heard == [("ADDED", "before"), ("ADDED", "after"), ("DELETED", "before")]
    assert not api.listing.watches


async def test_a_write_of_ones_own_is_seen_when_its_answer_is_here(api: Api) -> None:
    transport = LocalTransport(api, ADMIN)
    client = Client(transport)
    informer = LocalInformer(client, CONFIG_MAP, transport.feed(CONFIG_MAP))
    async with running(informer):
        made = await client.create(config_map("a"))
        assert informer.lister["d/a"]["metadata"]["uid"] == made["metadata"]["uid"]
        patched = await client.patch("ConfigMap", "d/a", {"data": {"k": "w"}})
        assert informer.lister["d/a"]["metadata"]["resourceVersion"] == patched["metadata"]["resourceVersion"]
        await client.delete("ConfigMap", "d/a")
        assert not informer.lister
    informer.close()
    assert client.on_write == []


async def test_who_may_not_list_learns_nothing(api: Api, caplog: pytest.LogCaptureFixture) -> None:
    transport = LocalTransport(api, User("jane"))
    informer = LocalInformer(Client(transport), CONFIG_MAP, transport.feed(CONFIG_MAP))
    with caplog.at_level(logging.WARNING):
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(informer.run())
            await until(lambda: bool(caplog.records))
            task.cancel()

    assert "forbidden" in str(caplog.records[0].__dict__["error"])
    assert not informer.has_synced


@dataclass(frozen=True)
class Change:
    key: str
    revision: int
    new: Decoded | None


class ScriptedFeed:
    """What a test puts into it."""

    def __init__(self, **objects: Object) -> None:
        self.objects = {f"d/{name}": obj for name, obj in objects.items()}
        self.error: ApiError | None = None
        self.followers: list[tuple[Callable[[Change], None], Callable[[ApiError], None]]] = []

    def all(self) -> Iterable[tuple[str, Decoded]]:
        if self.error is not None:
            raise self.error
        return [(key, Decoded(obj)) for key, obj in self.objects.items()]

    def follow(self, hear: Any, fail: Any) -> Callable[[], None]:
        self.followers.append((hear, fail))
        return lambda: self.followers.remove((hear, fail))

    def change(self, name: str, revision: int, obj: Object | None) -> None:
        key = f"d/{name}"
        if obj is None:
            self.objects.pop(key, None)
        else:
            self.objects[key] = obj
        for hear, _ in self.followers:
            hear(Change(key, revision, None if obj is None else Decoded(obj)))

    def fail(self) -> None:
        self.error = ApiError('pods "a" cannot be read', 500, "StorageReadError")
        for _, fail in self.followers:
            fail(self.error)


async def test_what_cannot_be_read_stops_the_news_until_it_can() -> None:
    """Else an object that is not shown would be taken for one that is gone."""
    feed = ScriptedFeed(a=pod("a", 3), b=pod("b", 4))
    informer = LocalInformer(Client(Scripted([], [])), POD, feed)
    async with running(informer):
        feed.fail()
        await until(lambda: not feed.followers)
        feed.objects.pop("d/b")
        assert sorted(informer.lister) == ["d/a", "d/b"]

        feed.error = None
        await until(lambda: sorted(informer.lister) == ["d/a"])


async def test_another_object_of_the_same_name_is_told_as_one_that_went_and_one_that_came() -> None:
    feed = ScriptedFeed(a=pod("a", 3))
    informer = LocalInformer(Client(Scripted([], [])), POD, feed)
    heard: list[str] = []
    informer.add_handler(lambda type_, old, new: heard.append(type_))
    async with running(informer):
        feed.fail()
        await until(lambda: not feed.followers)
        feed.objects["d/a"] = pod("a", 9, uid="new")
        feed.error = None
        await until(lambda: informer.lister["d/a"]["metadata"]["uid"] == "new")

    assert heard == ["ADDED", "DELETED", "ADDED"]


async def test_a_long_list_leaves_others_their_turns(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(local_informer, "SLICE", 0.0001)
    feed = ScriptedFeed(**{f"p{number}": pod(f"p{number}", number + 1) for number in range(5_000)})
    informer = LocalInformer(Client(Scripted([], [])), POD, feed)
    seen: list[int] = []
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(informer.run())
        while not informer.has_synced:
            seen.append(len(informer.lister))
            await asyncio.sleep(0)
        task.cancel()

    assert len(informer.lister) == 5_000
    assert len(set(seen)) > 10


STEPS = st.lists(
    st.tuples(st.sampled_from("abc"), st.sampled_from(["put", "drop", "fail", "heal", "turn"])), max_size=30
)


@given(STEPS)
def test_whatever_happens_it_ends_with_what_is_there(steps: list[tuple[str, str]]) -> None:
    """Changes during the list, failures, and handlers that must hear of each object's coming and going in turn."""

    async def play() -> None:
        feed = ScriptedFeed(a=pod("a", 1), b=pod("b", 2))
        informer = LocalInformer(Client(Scripted([], [])), POD, feed, backoff=Backoff(0, 0))
        told: dict[str, str] = {}

        def hear(type_: str, old: Object | None, new: Object | None) -> None:
            metadata = (new or old or {})["metadata"]
            assert (metadata["name"] in told) is (type_ != "ADDED")
            told[metadata["name"]] = metadata["resourceVersion"]
            if new is None:
                del told[metadata["name"]]

        informer.add_handler(hear)
        async with asyncio.TaskGroup() as tasks:
            task = tasks.create_task(informer.run())
            for revision, (name, step) in enumerate(steps, 3):
                if step == "put":
                    feed.change(name, revision, pod(name, revision, uid=f"{name}{revision}"))
                elif step == "drop":
                    feed.change(name, revision, None)
                elif step == "fail":
                    feed.fail()
                elif step == "heal":
                    feed.error = None
                else:
                    await asyncio.sleep(0)
            feed.error = None
            wanted = {key: obj["metadata"]["resourceVersion"] for key, obj in feed.objects.items()}
            await until(
                lambda: {key: obj["metadata"]["resourceVersion"] for key, obj in informer.lister.items()} == wanted
            )
            task.cancel()
        assert {f"d/{name}": version for name, version in told.items()} == wanted

    asyncio.run(play())
