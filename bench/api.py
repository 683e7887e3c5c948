"""The API over TLS and a durable store: creates, applies, a large list, when a watcher hears: `python -m bench.api`.

The server is a process of its own, as in a cluster; the client's own work (aiohttp, TLS) is in the figures.
"""

from __future__ import annotations

import asyncio
import gc
import itertools
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import psutil
import uvloop

import store
from procorch import pki
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.api.http import serve, server_context
from procorch.client import Client, lines_of
from procorch.objects import Object
from procorch.transport import Answer, HttpTransport

PODS = 5_000
SECONDS = 3.0
PODS_PATH = "/api/v1/namespaces/default/pods"
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}
_APPLY = {"Content-Type": "application/apply-patch+yaml", "Accept": "application/json"}
_TABLE = {"Accept": "application/json;as=Table;v=v1;g=meta.k8s.io"}


def pod(name: str, size: int = 24) -> Object:
    """With 24 variables about 3.8 kB as stored, the size that MEASURED's figures are for."""
    variables = [{"name": f"VARIABLE_{number}", "value": "x" * 60} for number in range(size)]
    container = {"name": "main", "image": "host", "command": ["sleep", "1"], "env": variables}
    labels = {"app": "bench", "tier": "web", "release": "stable"}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": labels},
        "spec": {"containers": [container]},
    }


def config_map(name: str) -> Object:
    about = {"name": name, "namespace": "default"}
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": about, "data": {"key": "x" * 1000}}


async def serving(directory: Path) -> None:
    """The server's process: says its port, and serves until it is killed."""
    authority = pki.Authority.open(directory, time.time())
    pki.server_pair(directory, authority, ["127.0.0.1"], time.time())
    log = await store.Log.open(str(directory / "log.db"))
    api = Api(log, config=ApiConfig(ca_pem=authority.pem))
    await api.start()
    client = Client(LocalTransport(api, User("bench", (MASTERS,))))
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    files = directory / "apiserver.crt", directory / "apiserver.key"
    listener = await serve(api, "127.0.0.1", 0, server_context(*files, authority.pem))
    gc.freeze()
    print(listener.port, flush=True)
    await asyncio.Event().wait()


Make = Callable[[str], Object]


async def creates(transport: HttpTransport, server: psutil.Process, path: str, make: Make, clients: int) -> str:
    async def create(client: int, number: int) -> Answer:
        body = orjson.dumps(make(f"c{clients}-{client}-{number}"))
        return await transport.send("POST", path, headers=_JSON, body=body)

    return await rate(create, server, clients)


def replica_set(name: str, number: int) -> Object:
    """Whose template has 24 variables, and a label of its own that changes with the number."""
    made = pod(name)
    about = {"name": name, "namespace": "default", "labels": {"number": f"n{number}"}}
    template = {"metadata": {"labels": {"app": name}}, "spec": made["spec"]}
    spec = {"replicas": 1, "selector": {"matchLabels": {"app": name}}, "template": template}
    return {"apiVersion": "apps/v1", "kind": "ReplicaSet", "metadata": about, "spec": spec}


async def applies(transport: HttpTransport, server: psutil.Process, clients: int, *, changing: bool) -> str:
    """Each client applies an object of its own again and again."""
    query = {"fieldManager": "bench", "force": "true"}

    async def apply(client: int, number: int) -> Answer:
        name = f"a{clients}-{client}"
        body = orjson.dumps(replica_set(name, number if changing else 0))
        path = f"/apis/apps/v1/namespaces/default/replicasets/{name}"
        return await transport.send("PATCH", path, query=query, headers=_APPLY, body=body)

    return await rate(apply, server, clients)


async def rate(send: Callable[[int, int], Awaitable[Answer]], server: psutil.Process, clients: int) -> str:
    """Requests a second with so many under way at a time, how long one takes, and the server's CPU for it.

    send: of one client, and how many it has sent before.
    """
    used = sum(server.cpu_times()[:2])
    waits: list[float] = []
    end = time.perf_counter() + SECONDS

    async def one(client: int) -> None:
        for number in itertools.count():
            if (begun := time.perf_counter()) >= end:
                return
            answer = await send(client, number)
            if answer.status not in (200, 201):
                raise RuntimeError(answer.body.decode())
            waits.append(time.perf_counter() - begun)

    begun = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        for client in range(clients):
            group.create_task(one(client))
    each_second = len(waits) / (time.perf_counter() - begun)
    each = (sum(server.cpu_times()[:2]) - used) / len(waits) * 1e6
    return f"{each_second:,.0f}/s  {percentiles(waits)}  {each:.0f} µs of the server's CPU each"


async def reads(transport: HttpTransport, path: str, headers: dict[str, str], times: int) -> str:
    waits, size = [], 0
    for _ in range(times):
        begun = time.perf_counter()
        answer = await transport.send("GET", path, headers=headers)
        waits.append(time.perf_counter() - begun)
        size = len(answer.body)
    return f"{percentiles(waits)}  ({size / 1e6:.1f} MB)" if size > 100_000 else percentiles(waits)


async def watch_latency(transport: HttpTransport, times: int = 300) -> str:
    """From just before the POST is sent to the event's arrival at another connection."""
    waits: list[float] = []
    query = {"watch": "true", "resourceVersion": "0", "fieldSelector": "metadata.name!=none"}
    path = "/api/v1/namespaces/default/configmaps"
    begun: dict[str, float] = {}
    listed = orjson.loads((await transport.send("GET", path, query={"limit": "1"})).body)
    query["resourceVersion"] = listed["metadata"]["resourceVersion"]
    async with transport.stream("GET", path, query=query, headers={"Accept": "application/json"}) as answer:
        lines = lines_of(answer.chunks)
        for number in range(times):
            name = f"watched-{number}"
            body = orjson.dumps(config_map(name))
            begun[name] = time.perf_counter()

            async def post(body: bytes = body) -> None:
                await transport.send("POST", path, headers=_JSON, body=body)

            async with asyncio.TaskGroup() as group:
                group.create_task(post())
                line = await anext(lines)
                waits.append(time.perf_counter() - begun[orjson.loads(line)["object"]["metadata"]["name"]])
    return percentiles(waits)


@contextmanager
def server(directory: Path) -> Iterator[tuple[int, psutil.Process]]:
    """An API in a process of its own: its port and the process."""
    process = subprocess.Popen([sys.executable, "-m", "bench.api", directory], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline()), psutil.Process(process.pid)
    finally:
        process.kill()
        process.wait()


def administrator(directory: Path) -> ssl.SSLContext:
    """What a client needs that may do everything on that server."""
    authority = pki.Authority.open(directory, time.time())
    pair = authority.issue_client("admin", [MASTERS], time.time())
    (directory / "admin.crt").write_bytes(pair.certificate)
    (directory / "admin.key").write_bytes(pair.key)
    context = ssl.create_default_context(cadata=authority.pem.decode())
    context.load_cert_chain(directory / "admin.crt", directory / "admin.key")
    return context


async def measure(port: int, server: psutil.Process, directory: Path) -> list[tuple[str, str]]:
    transport = HttpTransport(f"https://127.0.0.1:{port}", administrator(directory))
    config_maps = "/api/v1/namespaces/default/configmaps"
    found = []
    for clients in (1, 32):
        plural = "s" if clients > 1 else ""
        figure = await creates(transport, server, config_maps, config_map, clients)
        found.append((f"ConfigMap create, {clients} client{plural}", figure))
    for clients in (1, 32):
        plural = "s" if clients > 1 else ""
        found.append((f"Pod create (3.8 kB), {clients} client{plural}",
                      await creates(transport, server, PODS_PATH, pod, clients)))  # fmt: skip
    for clients in (1, 32):
        plural = "s" if clients > 1 else ""
        for changing, what in ((True, "changes"), (False, "changes nothing")):
            found.append((f"server-side apply that {what}, {clients} client{plural}",
                          await applies(transport, server, clients, changing=changing)))  # fmt: skip
    found.append(("get of a ConfigMap", await reads(transport, f"{config_maps}/c1-0-0", _JSON, 300)))
    found.append(("POST sent → watch event", await watch_latency(transport)))
    await transport.send("DELETE", PODS_PATH)
    wanted = iter([orjson.dumps(pod(f"p{number}", 9)) for number in range(PODS)])

    async def fill() -> None:
        for body in wanted:
            await transport.send("POST", PODS_PATH, headers=_JSON, body=body)

    async with asyncio.TaskGroup() as group:
        for _ in range(32):
            group.create_task(fill())
    plain = {"Accept": "application/json", "Accept-Encoding": "identity"}
    found.append((f"LIST {PODS:,} pods", await reads(transport, "/api/v1/pods", plain, 9)))
    found.append(
        (f"LIST {PODS:,} pods, gzip", await reads(transport, "/api/v1/pods", {"Accept": "application/json"}, 5))
    )
    found.append((f"LIST {PODS:,} pods as Table", await reads(transport, "/api/v1/pods", _TABLE, 5)))
    begun = time.perf_counter()
    await transport.send("DELETE", PODS_PATH)
    found.append((f"deletecollection of {PODS:,} pods", f"{time.perf_counter() - begun:.2f} s"))
    await transport.close()
    return found


def rows() -> list[tuple[str, str]]:
    """(what, figure). Uses the disk of the temporary directory (TMPDIR)."""
    with tempfile.TemporaryDirectory(prefix="bench-api-") as name, server(Path(name)) as (port, process):
        return uvloop.run(measure(port, process, Path(name)))


def percentiles(waits: list[float]) -> str:
    waits = sorted(waits)
    p50, p99 = waits[len(waits) // 2] * 1000, waits[len(waits) * 99 // 100] * 1000
    return f"p50 {p50:.2f} ms  p99 {p99:.2f} ms"


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(serving(Path(sys.argv[1])))
    else:
        for what, figure in rows():
            print(f"{what:<40} {figure}")
