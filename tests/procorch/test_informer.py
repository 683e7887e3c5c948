"""A local copy that is never older than it knows, whichever way the news come."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from typing import Any

import orjson
import pytest
from hypothesis import given
from hypothesis import strategies as st

from procorch.client import Client
from procorch.clock import Backoff
from procorch.informer import Informer
from procorch.kinds import KINDS
from procorch.objects import Object
from procorch.transport import Answer, StreamAnswer, Unreachable

POD = KINDS["Pod"]


def pod(name: str = "a", version: int = 1, uid: str = "", **metadata: Any) -> Object:
    metadata = {"name": name, "namespace": "d", "uid": uid or name, "resourceVersion": str(version), **metadata}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata}


class Scripted:
    """A transport that answers LISTs and watches from a script: lists[i] is the i-th list, watches[i] the i-th watch.

    A list is (version, objects), or an exception. A watch is a list of (type, object), an exception to end with at the
    end of it, or a status code. After the last watch it stays open.
    """

    def __init__(self, lists: list[Any], watches: list[Any]) -> None:
        self.lists, self.watches = lists, watches
        self.asked: list[str] = []

    async def send(self, method: str, path: str, *, query: Mapping[str, str] = {}, **more: Any) -> Answer:
        self.asked.append("list")
        step = self.lists.pop(0)
        if isinstance(step, Exception):
            raise step
        version, objects = step
        return Answer(200, {}, orjson.dumps({"metadata": {"resourceVersion": str(version)}, "items": objects}))

    @asynccontextmanager
    async def stream(
        self, method: str, path: str, *, query: Mapping[str, str] = {}, **more: Any
    ) -> AsyncIterator[StreamAnswer]:
        self.asked.append(f"watch {query['resourceVersion']}")
        step = self.watches.pop(0) if self.watches else [None]
        if isinstance(step, int):
            status = {"kind": "Status", "code": step, "reason": "Expired" if step == 410 else "", "message": "no"}
            yield StreamAnswer(step, {}, _chunks([orjson.dumps(status)]))
        else:
            yield StreamAnswer(200, {}, _events(step))

    async def close(self) -> None: ...


async def _chunks(chunks: list[bytes]) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


async def _events(steps: list[Any]) -> AsyncIterator[bytes]:
    for step in steps:
        if step is None:
            await asyncio.Event().wait()
        if isinstance(step, Exception):
            raise step
        if isinstance(step, bytes):
            yield step
            continue
        type_, obj = step
        line = orjson.dumps({"type": type_, "object": obj}) + b"\n"
        yield line[:7]  # cut in the middle, as the network may
        yield line[7:]


async def until(so: Callable[[], bool]) -> None:
    deadline = asyncio.get_running_loop().time() + 5
    while not so():
        assert asyncio.get_running_loop().time() < deadline
        await asyncio.sleep(0.001)


async def run(transport: Scripted, done: Callable[[Informer], bool]) -> Informer:
    informer = Informer(Client(transport), "Pod", backoff=Backoff(0.001, 0.001))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(informer.run())
        await until(lambda: done(informer))
        task.cancel()
    return informer


async def test_a_list_then_what_changes() -> None:
    changes = [("ADDED", pod("b", 6)), ("MODIFIED", pod("a", 7)), ("DELETED", pod("b", 8)), None]
    transport = Scripted([(5, [pod("a", 3)])], [changes])
    heard: list[tuple[str, str]] = []
    informer = Informer(Client(transport), "Pod")
    informer.add_handler(lambda type_, old, new: heard.append((type_, (new or old or {})["metadata"]["name"])))
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(informer.run())
        await until(lambda: len(heard) == 4)
        task.cancel()

    assert heard == [("ADDED", "a"), ("ADDED", "b"), ("MODIFIED", "a"), ("DELETED", "b")]
    assert transport.asked == ["list", "watch 5"]
    assert list(informer.lister) == ["d/a"]


async def test_a_lost_connection_is_resumed_where_it_broke() -> None:
    bookmark = ("BOOKMARK", {"metadata": {"resourceVersion": "9"}})
    transport = Scripted(
        [(5, [])], [[("ADDED", pod("a", 6)), Unreachable("gone")], [bookmark, Unreachable("gone")], [None]]
    )
    await run(transport, lambda informer: len(transport.asked) == 4)

    assert transport.asked == ["list", "watch 5", "watch 6", "watch 9"]


async def test_an_event_that_was_cut_off_is_a_lost_connection() -> None:
    transport = Scripted([(5, [])], [[("ADDED", pod("a", 6)), b'{"type":"ADDED","obj'], [("ADDED", pod("b", 7)), None]])

    informer = await run(transport, lambda informer: len(informer.lister) == 2)
    assert transport.asked == ["list", "watch 5", "watch 6"]
    assert sorted(informer.lister) == ["d/a", "d/b"]


async def test_a_compacted_version_means_listing_again() -> None:
    expired = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old"}
    transport = Scripted([(5, [pod("a", 3)]), (20, [pod("b", 15)]), (30, [pod("b", 15)])], [410, [("ERROR", expired)]])
    informer = await run(transport, lambda informer: len(transport.asked) == 6)

    assert transport.asked == ["list", "watch 5", "list", "watch 20", "list", "watch 30"]
    assert list(informer.lister) == ["d/b"]


async def test_a_list_that_fails_is_tried_again() -> None:
    transport = Scripted([Unreachable("no"), (5, [pod("a", 3)])], [])

    informer = await run(transport, lambda informer: informer.has_synced)
    assert list(informer.lister) == ["d/a"]


async def test_a_late_event_that_is_older_than_our_own_write_is_dropped() -> None:
    informer = Informer(Client(Scripted([], [])), "Pod")
    informer.written(POD, pod("a", 7), False)
    informer._take(pod("a", 6))

    assert informer.lister["d/a"]["metadata"]["resourceVersion"] == "7"


async def test_what_we_deleted_does_not_come_back_by_a_late_event() -> None:
    informer = Informer(Client(Scripted([], [])), "Pod")
    informer.written(POD, pod("a", 7), False)
    informer.written(POD, pod("a", 0), True)
    informer._take(pod("a", 8))

    assert list(informer.lister) == []
    informer.written(POD, pod("a", 10, uid="new"), False)
    informer._deleted(pod("a", 9))
    assert informer.lister["d/a"]["metadata"]["uid"] == "new"


async def test_an_answer_that_comes_after_the_watch_told_of_the_deletion_is_dropped() -> None:
    changes = [("ADDED", pod("a", 6)), ("DELETED", pod("a", 8)), None]
    transport = Scripted([(5, [])], [changes])
    informer = await run(transport, lambda informer: informer._version == "8")
    informer.written(POD, pod("a", 7), False)

    assert list(informer.lister) == []


async def test_what_was_written_since_a_list_survives_it() -> None:
    informer = Informer(Client(Scripted([], [])), "Pod")
    informer.written(POD, pod("old", 4), False)
    informer.written(POD, pod("new", 9), False)
    informer._replace([pod("listed", 3)], 5)

    assert sorted(informer.lister) == ["d/listed", "d/new"]


async def test_another_kind_is_not_ours() -> None:
    informer = Informer(Client(Scripted([], [])), "Pod")
    informer.written(KINDS["Node"], pod("a", 7), False)

    assert not informer.lister


@given(st.permutations(range(1, 9)), st.lists(st.booleans(), min_size=8, max_size=8))
def test_in_whatever_order_the_versions_come_the_newest_stays(order: list[int], own: list[bool]) -> None:
    async def play() -> None:
        informer = Informer(Client(Scripted([], [])), "Pod")
        for version, is_own in zip(order, own, strict=True):
            if is_own:
                informer.written(POD, pod("a", version), False)
            else:
                informer._take(pod("a", version))

        assert informer.lister["d/a"]["metadata"]["resourceVersion"] == "8"

    asyncio.run(play())


async def test_a_handler_that_comes_late_hears_of_what_is_there() -> None:
    informer = Informer(Client(Scripted([], [])), "Pod")
    informer.written(POD, pod("a", 7), False)
    heard: list[str] = []
    informer.add_handler(lambda type_, old, new: heard.append(type_))

    assert heard == ["ADDED"]


@pytest.mark.parametrize("failures", [1, 5])
async def test_the_waits_double_to_a_limit_with_jitter(failures: int) -> None:
    backoff = Backoff(1, 4, jitter=0.5, draw=lambda: 1.0)
    waits = [backoff.next() for _ in range(failures)]

    assert waits == [1.5, 3, 6, 6, 6][:failures]
    backoff.reset()
    assert backoff.next() == 1.5


async def test_objects_are_kept_without_their_managed_fields():
    rows = [{"manager": "m", "fieldsV1": {}}]
    client = Client(Scripted([(1, [pod("a", managedFields=rows)])], [[("ADDED", pod("b", 2, managedFields=rows))]]))
    informer = Informer(client, "Pod")
    written = pod("c", 3, managedFields=rows)
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(informer.run())
        async with asyncio.timeout(10):
            while "d/b" not in informer.lister:
                await asyncio.sleep(0.001)
        informer.written(POD, written, False)
        task.cancel()

    assert set(informer.lister) == {"d/a", "d/b", "d/c"}
    assert not any("managedFields" in obj["metadata"] for obj in informer.lister.values())
    assert written["metadata"]["managedFields"] == rows, "what a write returned is its caller's"
