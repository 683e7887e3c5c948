"""The API over TLS and a durable store, a row for each promise of speed: `python -m bench api`.

The server is a process of its own, as in a cluster. Beside a figure stands what kube-apiserver 1.36 with etcd 3.6 did
on such a machine (two cores, 24 GiB) with one JSON client: it was measured once, and is not started here.
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import uvloop

from bench import fanout
from bench.load import Place, administrator, percentiles, request, server
from bench.objects import config_map, pod, replica_set, stranger
from procorch.objects import Object

PODS, PAGE = 5_000, 500
PODS_PATH = "/api/v1/namespaces/default/pods"
CONFIG_MAPS = "/api/v1/namespaces/default/configmaps"
REPLICA_SETS = "/apis/apps/v1/namespaces/default/replicasets"
TABLE = "application/json;as=Table;v=v1;g=meta.k8s.io"
MERGE, STRATEGIC = "application/merge-patch+json", "application/strategic-merge-patch+json"
STEPS = "application/json-patch+json"
TIMES = 1_000  # requests of one kind by one client, of which the median counts
PEER = {
    "ConfigMap create, 1": "353/s, p50 2.5 ms", "ConfigMap create, 32": "1,365/s, p99 74 ms",
    "Pod create, 1": "332/s, p50 2.9 ms", "Pod create, 32": "806/s, p99 97 ms",
    "get": "1.15 ms", "merge patch": "2.3 ms", "strategic merge patch": "2.5 ms", "apply": "2.5 ms", "put": "2.4 ms",
    "delete": "2.6 ms", "LIST": "160 ms", "LIST at 0": "155 ms", "LIST gzip": "115 ms", "LIST Table": "115 ms",
    "LIST pages": "351 ms", "deletecollection": "18.7 s",
}  # fmt: skip

Row = tuple[str, str]
Make = Callable[[str], Object]


def beside(figure: str, peer: str) -> str:
    return f"{figure}  (kube-apiserver 1.36 on such a machine: {PEER[peer]})" if peer in PEER else figure


def _clients(number: int) -> str:
    return f"{number} client{'s' if number > 1 else ''}"


async def creates(place: Place) -> list[Row]:
    found = []
    for what, path, make in (
        ("ConfigMap create", CONFIG_MAPS, config_map),
        ("Pod create", PODS_PATH, pod),
        ("Pod create, none like another", PODS_PATH, stranger),
    ):
        for clients in (1, 32):

            def one(client: int, number: int, path: str = path, make: Make = make, clients: int = clients) -> bytes:
                name = f"{make.__name__.replace('_', '-')}-{clients}-{client}-{number}"
                return request("POST", path, orjson.dumps(make(name)))

            rate = await place.rate(one, clients)
            found.append((f"{what}, {_clients(clients)}", beside(str(rate), f"{what}, {clients}")))
    return found


async def applies(place: Place) -> list[Row]:
    """Each client applies a ReplicaSet of its own again and again."""
    found = []
    for clients in (1, 32):
        for changing, what in ((True, "changes"), (False, "changes nothing")):

            def one(client: int, number: int, clients: int = clients, changing: bool = changing) -> bytes:
                name = f"a{clients}-{client}"
                body = orjson.dumps(replica_set(name, number if changing else 0))
                query = {"fieldManager": "bench", "force": "true"}
                return request("PATCH", f"{REPLICA_SETS}/{name}", body, content="application/apply-patch+yaml",
                               query=query)  # fmt: skip

            rate = await place.rate(one, clients)
            peer = "apply" if changing and clients == 1 else ""
            found.append((f"server-side apply that {what}, {_clients(clients)}", beside(str(rate), peer)))
    return found


async def single(place: Place) -> list[Row]:
    """What one client does to a ConfigMap, and to a Pod of 24 variables: reads, patches, replaces, deletes."""
    found = []
    for what, path, made in (("ConfigMap", CONFIG_MAPS, config_map), ("Pod", PODS_PATH, pod)):
        connection = await place.connect()
        await connection.send(request("POST", path, orjson.dumps(made("touched"))))
        at = f"{path}/touched"
        live = orjson.loads(await connection.send(request("GET", at)))
        del live["metadata"]["resourceVersion"]

        def patch(number: int) -> bytes:
            return orjson.dumps({"metadata": {"labels": {"number": f"n{number}"}}})

        def step(number: int) -> bytes:
            return orjson.dumps([{"op": "add", "path": "/metadata/annotations", "value": {"number": f"n{number}"}}])

        def whole(number: int, live: Object = live) -> bytes:
            live["metadata"]["labels"] = {"number": f"w{number}"}
            return orjson.dumps(live)

        for name, make in (
            ("get", lambda _, at=at: request("GET", at)),
            ("merge patch", lambda number, at=at: request("PATCH", at, patch(number), content=MERGE)),
            ("strategic merge patch", lambda number, at=at: request("PATCH", at, patch(-number), content=STRATEGIC)),
            ("JSON patch", lambda number, at=at: request("PATCH", at, step(number), content=STEPS)),
            ("put", lambda number, at=at: request("PUT", at, whole(number))),
        ):
            rate = await place.rate(lambda _, number, make=make: make(number), 1, TIMES)
            found.append((f"{name} of a {what}", beside(rate.waiting, name)))

        def gone(_: int, number: int, path: str = path) -> bytes:
            return request("DELETE", f"{path}/d-0-{number}")

        await place.rate(
            lambda client, number, path=path, made=made:
            request("POST", path, orjson.dumps(made(f"d-{client}-{number}"))), 1, TIMES,
        )  # fmt: skip
        rate = await place.rate(gone, 1, TIMES)
        found.append((f"delete of a {what}", beside(rate.waiting, "delete")))
        connection.close()
    return found


async def lists(place: Place) -> list[Row]:
    """Of 5,000 pods with 9 variables; and their end."""
    connection = await place.connect()
    await connection.send(request("DELETE", PODS_PATH))
    await place.rate(
        lambda client, number: request("POST", PODS_PATH, orjson.dumps(pod(f"p{client}-{number}", 9))), 40, PODS
    )
    found = []
    for what, peer, prepared in (
        ("", "LIST", request("GET", "/api/v1/pods")),
        (", resourceVersion=0", "LIST at 0", request("GET", "/api/v1/pods", query={"resourceVersion": "0"})),
        (", gzip", "LIST gzip", request("GET", "/api/v1/pods", encoding="gzip")),
        (", as Table", "LIST Table", request("GET", "/api/v1/pods", accept=TABLE)),
    ):
        waits, size, used = [], 0, place.cpu()
        for _ in range(9):
            begun = time.perf_counter()
            size = len(await connection.send(prepared))
            waits.append(time.perf_counter() - begun)
        cpu = (place.cpu() - used) / len(waits) * 1000
        figure = f"{percentiles(waits)}  ({size / 1e6:.1f} MB)  CPU: server {cpu:.0f} ms"
        found.append((f"LIST {PODS:,} pods{what}", beside(figure, peer)))
    waits = []
    for _ in range(5):
        begun, token = time.perf_counter(), None
        while token != "":
            query = {"limit": str(PAGE)} | ({"continue": token} if token else {})
            page = await connection.send(request("GET", "/api/v1/pods", query=query))
            token = page[:1000].partition(b'"continue":"')[2].partition(b'"')[0].decode()
        waits.append(time.perf_counter() - begun)
    found.append((f"LIST {PODS:,} pods in pages of {PAGE}", beside(percentiles(waits), "LIST pages")))
    begun = time.perf_counter()
    await connection.send(request("DELETE", PODS_PATH))
    end = f"{time.perf_counter() - begun:.2f} s"
    found.append((f"deletecollection of {PODS:,} pods", beside(end, "deletecollection")))
    connection.close()
    return found


async def measure(directory: Path) -> list[Row]:
    found: list[Row] = []
    with server(directory) as (port, process):
        place = Place(port, process, administrator(directory))
        for part in (creates, applies, single, lists):
            found += await part(place)
    return found


def rows() -> list[Row]:
    """(what, figure). Uses the disk of the temporary directory (TMPDIR)."""
    found: list[Row] = []
    for part in (measure, fanout.measure):
        with tempfile.TemporaryDirectory(prefix="bench-api-") as name:
            found += uvloop.run(part(Path(name)))
    return found
