"""How soon a master answers that has many objects, and what it weighs: on SQLite and on PostgreSQL.

Half of the objects are Pods of 3.8 kB, half ConfigMaps of 1.5 kB, as the API stores them; the pods run on nodes that
are Ready, so that no controller has anything to do. The master is `procorch master`, a process of its own, its data
in the page cache: what is measured is its work, not the disk's.
"""

from __future__ import annotations

import asyncio
import gc
import http.client
import json
import socket
import ssl
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import psutil
import uvloop

from bench.objects import config_map, pod
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.client import Client
from procorch.clock import timestamp
from procorch.objects import Object
from store import Log, Retention, Write
from tests.postgresql import Server, binaries

STARTS = {0: 1, 10_000: 3, 100_000: 1}
"""Objects → starts, of which the median is printed."""
VERSIONS = 5
"""Of each object, on disk, where the history's part in an opening is measured: with the most objects."""
PODS_A_NODE = 100
AT_ONCE = 256
PROCORCH = Path(sys.executable).parent / "procorch"
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


async def change(url: str) -> None:
    """Every object of a store until there are VERSIONS of it."""
    log = await Log.open(url, retention=Retention(age=None, size=None))
    rows = await log.items("/registry/")
    for _ in range(VERSIONS - 1):
        for start in range(0, len(rows), AT_ONCE):
            await log.append(*(Write(row.key, row.value) for row in rows[start : start + AT_ONCE]))
    await log.close()


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

    def ready(self) -> tuple[float, float]:
        """Seconds from its start until /readyz is answered, by the clock and of CPU."""
        while not self._answers():
            if self._process.poll() is not None or time.perf_counter() - self._begun > PATIENCE:
                raise RuntimeError("the master does not answer")
            time.sleep(0.01)
        seconds = time.perf_counter() - self._begun
        return seconds, sum(psutil.Process(self._process.pid).cpu_times()[:2])

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


@dataclass(frozen=True, slots=True)
class Start:
    """seconds: until /readyz was answered; cpu: of the processor until then. pss: bytes when all was quiet again."""

    seconds: float
    cpu: float
    pss: int


def start(data_dir: Path, url: str) -> Start:
    master = Master(data_dir, url)
    try:
        seconds, cpu = master.ready()
        return Start(seconds, cpu, master.settled())
    finally:
        master.stop()


async def core(url: str) -> None:
    """`python -m bench.startup URL`: the log and the API alone; prints seconds for each, and bytes of PSS for both."""
    before, begun = _pss(), time.perf_counter()
    log = await Log.open(url)
    opened = time.perf_counter()
    api = Api(log)
    await api.start()
    started = time.perf_counter()
    gc.collect()
    print(json.dumps([opened - begun, started - opened, _pss() - before]))
    await api.close()
    await log.close()


def _pss() -> int:
    return int(psutil.Process().memory_full_info().pss)


async def measure(directory: Path) -> list[tuple[str, str]]:
    found = []
    with databases(directory) as urls:
        for name, url_of in urls.items():
            empty = 0
            for count, times in STARTS.items():
                home, url = directory / f"{name}-{count}", url_of(count)
                home.mkdir()
                store = url or str(home / "store.db")
                size = await fill(store, count)
                starts = [await asyncio.to_thread(start, home, url) for _ in range(times)]
                seconds, cpu, pss = (
                    statistics.median(getattr(one, field) for one in starts) for field in ("seconds", "cpu", "pss")
                )
                what = f"{name}, {count:,} objects"
                found.append((f"{what}: master to /readyz", f"{seconds:.2f} s, {cpu:.2f} s of CPU; {_mib(pss)}"))
                if not count:
                    empty = int(pss)
                    continue
                found.append((f"{what}: beside their bytes", f"{(pss - empty - size) / count:,.0f} bytes an object"))
                found.append((f"{what}: log and API alone", await _core_alone(store, count, size)))
                if count == max(STARTS):
                    await change(store)
                    what += f" with {VERSIONS} versions each"
                    found.append((f"{what}: log and API alone", await _core_alone(store, count, size)))
    return found


async def _core_alone(url: str, count: int, size: int) -> str:
    command = [sys.executable, "-m", "bench.startup", url]
    done = await asyncio.to_thread(subprocess.run, command, stdout=subprocess.PIPE, check=True)
    opened, started, pss = json.loads(done.stdout)
    return f"{opened:.2f} s and {started:.2f} s; {(pss - size) / count:,.0f} bytes an object beside its own"


def _mib(size: float) -> str:
    return f"{size / 2**20:,.0f} MiB"


if __name__ == "__main__":
    uvloop.run(core(sys.argv[1]))
