"""One life of a master's API that makes ConfigMaps under a quota, as fast as it can, until it is killed."""

from __future__ import annotations

import asyncio
import itertools
import os

from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client
from procorch.objects import Conflict, Forbidden, TooManyRequests
from store import Log

WRITERS = 16


async def _make(url: str, life: int, told: str) -> None:
    api = Api(await Log.open(url))
    await api.start()
    client = Client(LocalTransport(api, User("admin", (MASTERS,))))
    told_to = os.open(told, os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def write(writer: int) -> None:
        for number in itertools.count():
            metadata = {"name": f"m-{life}-{writer}-{number}", "namespace": "default"}
            try:
                await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata})
            except (Conflict, TooManyRequests):
                continue
            except Forbidden:
                os.write(told_to, b"\n")  # it lives, though there is nothing left to make
                return
            os.write(told_to, f"{metadata['name']}\n".encode())

    async with asyncio.TaskGroup() as group:
        for writer in range(WRITERS):
            group.create_task(write(writer))
    await asyncio.Event().wait()  # the quota is spent: it waits for its end


def live(url: str, life: int, told: str) -> None:
    """What the nursery calls. told: a file for the names of what was acknowledged, a line each."""
    asyncio.run(_make(url, life, told))
