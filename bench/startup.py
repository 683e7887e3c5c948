"""How soon a master answers that has many objects, and what it weighs: on SQLite and on PostgreSQL.

Half of the objects are Pods of 3.8 kB, half ConfigMaps of 1.5 kB, as the API stores them; the pods run on nodes that
are Ready, so that no controller has anything to do. The master is `procorch master`, a process of its own, its data
in the page cache: what is measured is its work, not the disk's.
"""

from __future__ import annotations

import asyncio
import http.client
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil

from bench.api import config_map, pod
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client
from procorch.clock import timestamp
from procorch.objects import Object
from store import Log, Write
from tests.postgresql import Server, binaries

COUNTS = (10_000, 100_000)
PODS_A_NODE = 100
AT_ONCE = 256
PROCORCH = Path(sys.executable).parent / "procorch"
STARTS = 2
PATIENCE = 120.0


async def fill(url: str, count: int) -> int:
    """Into an empty store: so many objects; their bytes."""
    log = await Log.open(url)
    api = Api(log)
    await api.start()
    client = Client(LocalTransport(api, User("bench", (MASTERS,))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    await client.create(_running_pod("template"))
    await client.create(_sized_config_map("template"))
    for number in range(max(1, count // 2 // PODS_A_NODE)):
        await client.create(_node(f"node-{number:05}"))
    await api.close()
    size = 0
    waiting = iter([write for number in range(count // 2) for write in await _copies(log, number)])

    async def append() -> None:
        nonlocal size
        for write in waiting:
            await log.append(write)
            size += len(write.value or b"")

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(append())
    await log.close()
    return size


async def _copies(log: Log, number: int) -> list[Write]:
    """A Pod and a ConfigMap as the API has stored the first ones, under other names."""
    copies = []
    for prefix in ("/registry/pods/", "/registry/configmaps/"):
        row = await log.latest(f"{prefix}default/template")
        assert row is not None
        value = row.value.replace(b'"template"', b'"object-%06d"' % number)
        uid = value[value.index(b'"uid":"') + 7 :][:36]
        value = value.replace(uid, b"%08d" % number + uid[8:])
        copies.append(Write(f"{prefix}default/object-{number:06}", value.replace(b"node-00000", _node_of(number))))
    return copies


def _node_of(number: int) -> bytes:
    return b"node-%05d" % (number // PODS_A_NODE)


def _running_pod(name: str) -> Object:
    made = pod(name)
    made["spec"]["nodeName"] = "node-00000"
    ready = [{"type": kind, "status": "True"} for kind in ("Initialized", "Ready", "ContainersReady", "PodScheduled")]
    return {**made, "status": {"phase": "Running", "hostIP": "10.0.0.1", "podIP": "10.240.0.2", "conditions": ready}}


def _sized_config_map(name: str) -> Object:
    return {**config_map(name), "data": {"key": "x" * 1250}}


def _node(name: str) -> Object:
    now = timestamp(time.time())
    ready = {"type": "Ready", "status": "True", "lastHeartbeatTime": now, "lastTransitionTime": now}
    return {"apiVersion": "v1", "kind": "Node", "metadata": {"name": name}, "status": {"conditions": [ready]}}


class Master:
    """`procorch master` on a free port of the loopback."""

    def __init__(self, data_dir: Path, database: str) -> None:
        with socket.create_server(("127.0.0.1", 0)) as taken:
            self._port = taken.getsockname()[1]
        where = ["--data-dir", data_dir, "--listen-address", "127.0.0.1", "--advertise-address", "127.0.0.1"]
        command = [PROCORCH, "master", *where, "--port", str(self._port), "--log-level", "error"]
        if database:
            command += ["--database", database]
        data_dir.mkdir(exist_ok=True)
        self._begun = time.perf_counter()
        self._process = subprocess.Popen(command)

    def ready(self) -> float:
        """Seconds from its start until /readyz is answered."""
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - self._begun > PATIENCE:
                raise RuntimeError("the master does not answer")
            time.sleep(0.01)
        return time.perf_counter() - self._begun

    def _answers(self) -> bool:
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection("127.0.0.1", self._port, timeout=30, context=context)
        try:
            connection.request("GET", "/readyz")
            return connection.getresponse().status == 200
        except OSError:
            return False
        finally:
            connection.close()

    def settled(self) -> int:
        """PSS in bytes, once it has been idle for a second: controllers and scheduler have read what they watch."""
        process = psutil.Process(self._process.pid)
        end = time.monotonic() + PATIENCE
        while process.cpu_percent(1.0) > 5 and time.monotonic() < end:
            pass
        return int(process.memory_full_info().pss)

    def stop(self) -> None:
        self._process.terminate()
        self._process.wait(PATIENCE)


Urls = Callable[[int], str]


@contextmanager
def databases(directory: Path) -> Iterator[dict[str, Urls]]:
    """Name → the URL of an empty database for a count."""
    found: dict[str, Urls] = {"SQLite": lambda count: ""}
    if binaries() is None:
        yield found
        return
    server = Server(parent=directory)
    try:
        yield {**found, "PostgreSQL": lambda count: server.schema(f"with_{count}")}
    finally:
        server.stop()


def one_start(data_dir: Path, url: str) -> tuple[float, int]:
    """Seconds until the master answers, and what it weighs then."""
    master = Master(data_dir, url)
    try:
        return master.ready(), master.settled()
    finally:
        master.stop()


async def measure(directory: Path) -> list[tuple[str, str]]:
    found = []
    with databases(directory) as urls:
        for name, url_of in urls.items():
            weights = []
            for count in (0, *COUNTS):
                home, url = directory / f"{name}-{count}", url_of(count)
                home.mkdir()
                size = await fill(url or str(home / "store.db"), count)
                starts = [await asyncio.to_thread(one_start, home, url) for _ in range(STARTS)]
                weights.append(statistics.median(pss for _, pss in starts))
                said = f"{statistics.median(seconds for seconds, _ in starts):.2f} s  {weights[-1] / 2**20:,.0f} MiB"
                if count:
                    said += f"  {(weights[-1] - weights[0] - size) / count:,.0f} bytes an object beside its own"
                found.append((f"master from start to /readyz, {name}, {count:,} objects", said))
    return found
