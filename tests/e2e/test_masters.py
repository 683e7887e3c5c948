"""Several masters on one PostgreSQL: programs of their own, real sockets, one history."""

from __future__ import annotations

import asyncio
import contextlib
import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from procorch import kubeconfig
from procorch.client import Client
from procorch.objects import ApiError, Conflict, NotFound
from procorch.transport import Unreachable

pytestmark = pytest.mark.e2e
NAMESPACE = "default"


class Master:
    """One `procorch master` on loopback; `start` returns when it is ready."""

    def __init__(self, directory: Path, database: str) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.directory = directory
        self._database = database
        self.process: subprocess.Popen[bytes] | None = None

    def spawn(self) -> None:
        self.directory.mkdir(exist_ok=True)
        server = f"https://127.0.0.1:{self.port}"
        argv = [sys.executable, "-m", "cli", "master", "--data-dir", str(self.directory), "--port", str(self.port)]
        argv += ["--advertise-address", "127.0.0.1", "--listen-address", "127.0.0.1", "--kubeconfig-server", server]
        with (self.directory / "log").open("ab") as log:
            environment = {**os.environ, "PROCORCH_DATABASE": self._database}
            self.process = subprocess.Popen(argv, env=environment, stdout=log, stderr=log)

    @property
    def output(self) -> str:
        return (self.directory / "log").read_text()

    async def ready(self) -> Client:
        """A client of it; while it starts, nothing answers."""
        async with asyncio.timeout(30):
            while True:
                assert self.process is not None and self.process.poll() is None, self.output
                with contextlib.suppress(OSError, kubeconfig.KubeconfigError):
                    client = Client(kubeconfig.from_kubeconfig(self.directory / "admin.kubeconfig"))
                    try:
                        await client.get("Namespace", NAMESPACE)
                        return client
                    except (OSError, ApiError):
                        await client.transport.close()
                await asyncio.sleep(0.05)

    def kill(self) -> None:
        assert self.process is not None
        self.process.kill()
        self.process.wait()


@asynccontextmanager
async def two_masters(tmp_path: Path, database: str) -> AsyncIterator[tuple[Master, Master]]:
    """Both with one CA: the second has a copy of the first one's pki, as kubeadm's users know it."""
    one, two = Master(tmp_path / "one", database), Master(tmp_path / "two", database)
    try:
        one.spawn()
        await (await one.ready()).transport.close()
        two.directory.mkdir()
        shutil.copytree(one.directory / "pki", two.directory / "pki")
        for name in ("apiserver.crt", "apiserver.key"):
            (two.directory / "pki" / name).unlink(missing_ok=True)
        two.spawn()
        await (await two.ready()).transport.close()
        yield one, two
    finally:
        for master in (one, two):
            if master.process is not None and master.process.poll() is None:
                master.process.send_signal(signal.SIGTERM)
        for master in (one, two):
            if master.process is not None:
                master.process.wait(20)


class Watcher:
    """Follows ConfigMaps, on another master whenever its own goes away, from the last revision that it has seen."""

    def __init__(self, masters: tuple[Master, Master], number: int) -> None:
        self.events: list[tuple[int, str, str, str]] = []
        self._masters = masters
        self._number = number

    async def run(self, start: str) -> None:
        version = start
        for attempt in range(1000):
            try:
                client = await self._masters[(self._number + attempt) % 2].ready()
            except (AssertionError, TimeoutError):
                continue
            try:
                selector = "load=yes"
                async for kind, obj in client.watch("ConfigMap", NAMESPACE, resource_version=version,
                                                    label_selector=selector, bookmarks=True):  # fmt: skip
                    version = obj["metadata"]["resourceVersion"]
                    if kind != "BOOKMARK":
                        value = (obj.get("data") or {}).get("value", "")
                        self.events.append((int(version), kind, obj["metadata"]["name"], value))
            except (Unreachable, OSError):
                pass
            finally:
                await client.transport.close()


class Writer:
    """Writes through both masters in turn, and remembers what it was told. Each has keys of its own."""

    def __init__(self, masters: tuple[Master, Master], number: int) -> None:
        self.acknowledged: list[tuple[int, str, str, str]] = []
        self.unsure = 0
        self._masters = masters
        self._number = number
        self._draw = random.Random(number)

    async def run(self, until: asyncio.Event) -> None:
        clients: list[Client | None] = [None, None]
        versions: dict[str, str] = {}  # of what is there, as last told
        turn = 0
        while not until.is_set():
            turn += 1
            side = turn % 2
            try:
                client = clients[side] = clients[side] or await self._masters[side].ready()
                await self._one(client, versions, turn)
            except (Unreachable, OSError, AssertionError, TimeoutError, ApiError) as error:
                if isinstance(error, Conflict | NotFound):
                    raise AssertionError(f"refused though it was so: {error}") from error
                self.unsure += 1
                if (dead := clients[side]) is not None:
                    await dead.transport.close()
                clients[side] = None
                versions.clear()  # what was under way may have been done: go on with new names
                await asyncio.sleep(0.02)
        for client in clients:
            if client is not None:
                await client.transport.close()

    async def _one(self, client: Client, versions: dict[str, str], turn: int) -> None:
        value = f"{self._number}-{turn}"
        name = self._draw.choice([*versions, ""])
        if not name:
            name = f"w{self._number}-{turn}"
            kind, done = "ADDED", await client.create(config_map(name, value))
        elif self._draw.random() < 0.3:
            await client.delete("ConfigMap", f"{NAMESPACE}/{name}")
            del versions[name]
            return
        else:
            wanted = config_map(name, value)
            wanted["metadata"]["resourceVersion"] = versions[name]
            kind, done = "MODIFIED", await client.update(wanted)
        versions[name] = done["metadata"]["resourceVersion"]
        self.acknowledged.append((int(versions[name]), kind, name, value))
        got = await client.get("ConfigMap", f"{NAMESPACE}/{name}")
        assert got["data"]["value"] == value


def config_map(name: str, value: str) -> dict[str, Any]:
    metadata = {"name": name, "namespace": NAMESPACE, "labels": {"load": "yes"}}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"value": value}}


async def test_two_masters_serve_one_history_to_twenty_watchers_also_while_they_are_killed(
    tmp_path: Path, shared: str
) -> None:
    async with two_masters(tmp_path, shared) as masters, asyncio.TaskGroup() as group:
        first = await masters[0].ready()
        start = (await first.items("ConfigMap", NAMESPACE)).resource_version
        watchers = [Watcher(masters, number) for number in range(20)]
        watching = [group.create_task(one.run(start)) for one in watchers]
        until = asyncio.Event()
        writers = [Writer(masters, number) for number in range(6)]
        writing = [group.create_task(one.run(until)) for one in writers]
        for turn in range(4):
            await asyncio.sleep(1.0)
            victim = masters[turn % 2]
            victim.kill()
            victim.spawn()
            await (await victim.ready()).transport.close()
        await asyncio.sleep(0.5)
        until.set()
        await asyncio.gather(*writing)
        await first.transport.close()
        last = await (await masters[0].ready()).create(config_map("last", "last"))
        async with asyncio.timeout(30):
            while any(not one.events or one.events[-1][2] != "last" for one in watchers):
                await asyncio.sleep(0.05)
        for task in watching:
            task.cancel()

    told = watchers[0].events
    revisions = [revision for revision, *_ in told]
    assert revisions == sorted(set(revisions)), "ordered and unique"
    for one in watchers[1:]:
        assert one.events == told
    assert told[-1][0] == int(last["metadata"]["resourceVersion"])
    acknowledged = {event for one in writers for event in one.acknowledged}
    assert len(acknowledged) > 200
    assert acknowledged <= set(told), "reliable: everything acknowledged was told, with its revision"


async def test_one_leads_and_the_other_takes_over(tmp_path: Path, shared: str) -> None:
    """What the control loops do goes on: a ReplicationController gets its pods whoever leads."""
    async with two_masters(tmp_path, shared) as masters:
        clients = [await one.ready() for one in masters]
        leader = await holder(clients[0])
        assert leader == (masters[0].directory / "master-id").read_text().strip()
        assert len((await clients[0].items("Lease", "kube-system")).objects) == 3
        masters[0].process.send_signal(signal.SIGTERM)  # type: ignore[union-attr]
        begun = time.monotonic()
        while await holder(clients[1]) == leader:
            await asyncio.sleep(0.05)
        handed_over = time.monotonic() - begun
        labels = {"app": "x"}
        template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
        await clients[1].create(
            {
                "apiVersion": "v1",
                "kind": "ReplicationController",
                "metadata": {"name": "rc", "namespace": NAMESPACE},
                "spec": {"replicas": 3, "selector": labels, "template": template},
            }
        )
        async with asyncio.timeout(20):
            while len((await clients[1].items("Pod", NAMESPACE)).objects) < 3:
                await asyncio.sleep(0.05)
        for client in clients:
            await client.transport.close()

    assert handed_over < 10, "given back, not waited for"


async def holder(client: Client) -> str:
    async with asyncio.timeout(30):
        while True:
            with contextlib.suppress(NotFound):
                lease = await client.get("Lease", "kube-system/procorch-master")
                if found := lease["spec"].get("holderIdentity"):
                    return str(found)
            await asyncio.sleep(0.05)
