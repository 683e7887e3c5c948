"""Creations that are charged together; what one alone costs is in test_quotas.py."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import store
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client
from procorch.objects import AlreadyExists, ApiError, Conflict, Forbidden, Object
from store import Log
from tests.faults.nursery import Nursery
from tests.faults.scale import rounds
from tests.procorch.api.test_quotas import config_map, counted, used

ADMIN = User("admin", (MASTERS,))
WRITERS = 40
KINDS = ["two masters on PostgreSQL", "one master on SQLite"]
LIVES = rounds(short=4, long=200)


@asynccontextmanager
async def master(url: str | Path, limit: int | None = None, resource: str = "configmaps") -> AsyncIterator[Client]:
    """A master's API. limit: with a namespace and a quota in it, of which nothing is used."""
    log = await Log.open(url)
    api = Api(log)
    await api.start()
    client = Client(LocalTransport(api, ADMIN))
    if limit is not None:
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
        await counted(client, {resource: str(limit)}, {resource: "0"})
    yield client
    await api.close()
    await log.close()


def claim(name: str, size: int) -> Object:
    return {
        "apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": name, "namespace": "default"},
        "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": str(size)}}},
    }  # fmt: skip


async def outcome(client: Client, obj: Object) -> str:
    try:
        await client.create(obj)
    except ApiError as error:
        return error.reason
    return "made"


async def test_creations_that_come_together_are_one_append(served):
    await counted(served.client, {"configmaps": "100"}, {"configmaps": "0"})
    changes: list[str] = []
    served.api.log.subscribe(lambda events: changes.extend(event.key for event in events))

    made = await asyncio.gather(*(outcome(served.client, config_map(f"m{number}")) for number in range(WRITERS)))

    assert made == ["made"] * WRITERS
    assert await used(served.client) == {"configmaps": str(WRITERS)}
    assert sum("configmaps" in key for key in changes) == WRITERS
    assert sum("resourcequotas" in key for key in changes) <= WRITERS // 4


async def test_who_does_not_fit_or_has_a_name_that_is_taken_costs_the_others_nothing(served):
    await counted(served.client, {"requests.storage": "100"}, {"requests.storage": "0"})
    asked = [claim("a", 40), claim("large", 90), claim("a", 40), claim("b", 40), claim("c", 30), claim("d", 20)]

    results = await asyncio.gather(*(outcome(served.client, one) for one in asked))

    assert results == ["made", "Forbidden", "AlreadyExists", "made", "Forbidden", "made"]
    assert await used(served.client) == {"requests.storage": "100"}


async def test_of_a_hundred_with_one_name_one_is_made_and_charged(served):
    await counted(served.client, {"configmaps": "10"}, {"configmaps": "0"})

    results = await asyncio.gather(*(outcome(served.client, config_map("m")) for _ in range(100)))

    assert sorted(results) == ["AlreadyExists"] * 99 + ["made"]
    assert await used(served.client) == {"configmaps": "1"}


async def test_a_creation_whose_client_goes_leaves_the_others_alone(served):
    """Also the one that began to collect them."""
    await counted(served.client, {"configmaps": "100"}, {"configmaps": "0"})
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(outcome(served.client, config_map(f"m{number}"))) for number in range(WRITERS)]
        await asyncio.sleep(0)
        gone = [task for number, task in enumerate(tasks) if number % 3 == 0 and task.cancel()]
    results = [task.result() for task in tasks if not task.cancelled()]
    there = (await served.client.items("ConfigMap", "default")).objects

    assert gone and results == ["made"] * (WRITERS - len(gone))
    assert await used(served.client) == {"configmaps": str(len(there))}
    assert len(there) >= WRITERS - len(gone)


async def test_a_dry_run_is_judged_and_costs_nothing(served):
    await counted(served.client, {"configmaps": "1"}, {"configmaps": "0"})
    query = {"dryRun": "All"}
    await served.client.create(config_map("a"), query=query)
    await served.client.create(config_map("a"))

    with pytest.raises(Forbidden, match="exceeded quota"):
        await served.client.create(config_map("b"), query=query)


async def test_a_store_that_does_not_write_tells_everybody(tmp_path, monkeypatch):
    async with master(tmp_path / "log.db", 100) as client:

        async def full(*writes: store.Write, spare: bool = False) -> list[int]:
            raise store.StorageFull("no room")

        monkeypatch.setattr(Log, "append", lambda self, *writes, spare=False: full(*writes, spare=spare))
        results = await asyncio.gather(*(outcome(client, config_map(f"m{number}")) for number in range(WRITERS)))
        monkeypatch.undo()

        assert results == ["InsufficientStorage"] * WRITERS
        assert await outcome(client, config_map("m")) == "made"
        assert await used(client) == {"configmaps": "1"}


@settings(max_examples=rounds(short=25, long=1_000))
@given(
    limit=st.integers(0, 60),
    asked=st.lists(st.tuples(st.integers(0, 12), st.integers(1, 15), st.integers(0, 4), st.booleans()), max_size=40),
)
def test_whatever_comes_together_the_quota_is_what_there_is_and_never_exceeded(limit, asked):
    """asked: a name, a size, turns of the loop before it is asked for, and at which of two masters."""

    async def run() -> None:
        log = await Log.open(":memory:")
        apis = [Api(log), Api(log)]
        for api in apis:
            await api.start()
        clients = [Client(LocalTransport(api, ADMIN)) for api in apis]
        await clients[0].create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
        await counted(clients[0], {"requests.storage": str(limit)}, {"requests.storage": "0"})

        async def one(name: int, size: int, turns: int, second: bool) -> tuple[str, int, str]:
            for _ in range(turns):
                await asyncio.sleep(0)
            return f"c{name}", size, await outcome(clients[second], claim(f"c{name}", size))

        results = await asyncio.gather(*(one(*row) for row in asked))
        there = (await clients[0].items("PersistentVolumeClaim", "default")).objects
        total = sum(int(row["spec"]["resources"]["requests"]["storage"]) for row in there)
        made = [(name, size) for name, size, result in results if result == "made"]
        charged = await used(clients[0])
        for api in apis:
            await api.close()
        await log.close()

        assert sorted(name for name, _ in made) == sorted(row["metadata"]["name"] for row in there)
        assert total == sum(size for _, size in made) <= limit
        assert charged == {"requests.storage": str(total)}
        assert {result for *_, result in results} <= {"made", "Forbidden", "AlreadyExists", "Conflict"}

    asyncio.run(run())


@pytest.mark.parametrize("kind", KINDS[: rounds(short=1, long=2)])
async def test_kill_9_at_any_moment_leaves_the_quota_as_it_ought_to_be(kind: str, tmp_path: Path, request):
    """Every object that is there is charged, nothing else is, and what was acknowledged is there."""
    url = request.getfixturevalue("shared") if "two" in kind else str(tmp_path / "log.db")
    limit, draw, told = 100 * LIVES, random.Random(7), tmp_path / "told"
    async with master(url, limit):
        pass
    async with AsyncExitStack() as stack:
        lives = [
            await stack.enter_async_context(Nursery("tests.procorch.api.quota_life:live", "store.dialects.postgresql"))
            for _ in range(2 if "two" in kind else 1)
        ]
        for life in range(LIVES):
            nursery, before = lives[life % len(lives)], told.stat().st_size if told.exists() else 0
            if life >= len(lives):
                assert await nursery.kill() == -9
            await nursery.begin(url=url, life=life, told=str(told))
            async with asyncio.timeout(30):
                while not told.exists() or told.stat().st_size == before:
                    await asyncio.sleep(0.001)
            await asyncio.sleep(draw.uniform(0, 0.05))
        for nursery in lives:
            assert await nursery.kill() == -9
    async with master(url) as client:
        there = {row["metadata"]["name"] for row in (await client.items("ConfigMap", "default")).objects}

        assert await used(client) == {"configmaps": str(len(there))}
        assert set(told.read_text().split()) <= there
        assert len(there) <= limit


async def test_two_masters_on_one_database_share_a_quota_to_the_last(shared: str):
    async with master(shared, 150) as one, master(shared) as two:

        async def write(number: int) -> bool:
            while True:
                try:
                    await (one, two)[number % 2].create(config_map(f"m{number}"))
                except Conflict:  # the other master was quicker, again and again
                    continue
                except Forbidden:
                    return False
                return True

        assert sum(await asyncio.gather(*(write(number) for number in range(250)))) == 150
        assert await used(one) == await used(two) == {"configmaps": "150"}
        with pytest.raises(AlreadyExists if await _is_there(one, "m0") else Forbidden):
            await two.create(config_map("m0"))


async def _is_there(client: Client, name: str) -> bool:
    return any(row["metadata"]["name"] == name for row in (await client.items("ConfigMap", "default")).objects)
