"""A heartbeat beside noisy clients: how long a node's renewal of its Lease takes meanwhile: `python -m bench.overload`.

Server, noise and the node are a process each. Each of the noisy clients has one request under way and sends the next
when it is answered; what is refused with 429 it sends again, as one would who heeds no Retry-After.
"""

from __future__ import annotations

import asyncio
import itertools
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import orjson
import uvloop

from bench.api import CONFIG_MAPS, PODS, PODS_PATH
from bench.load import administrator, server
from bench.objects import config_map, pod
from procorch import pki
from procorch.transport import HttpTransport

CLIENTS = 64
SECONDS = 5.0
EVERY = 0.02  # seconds between two heartbeats
LEASES = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases"
_JSON = {"Content-Type": "application/json", "Accept": "application/json"}


async def noise(port: int, directory: Path, what: str) -> None:
    """Says how many requests a second were answered, and how many of them with 429."""
    context, numbers, codes = administrator(directory), itertools.count(), {}
    end = time.perf_counter() + SECONDS + 1

    def request() -> bytes:
        if what == "list":
            return b"GET /api/v1/pods HTTP/1.1\r\nHost: x\r\n\r\n"
        body = orjson.dumps(config_map(f"noise-{next(numbers)}"))
        head = f"POST {CONFIG_MAPS} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        return f"{head}Content-Length: {len(body)}\r\n\r\n".encode() + body

    async def one() -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port, ssl=context, limit=1 << 25)
        while time.perf_counter() < end:
            writer.write(request())
            head = await reader.readuntil(b"\r\n\r\n")
            await reader.readexactly(int(head.lower().split(b"content-length: ")[1].split(b"\r\n")[0]))
            code = int(head[9:12])
            codes[code] = codes.get(code, 0) + 1

    print("ready", flush=True)
    await asyncio.gather(*(one() for _ in range(CLIENTS)))
    good = sum(count for code, count in codes.items() if code < 300)
    print(f"{good / (SECONDS + 1):,.0f}/s" + (f", {codes[429]} × 429" if 429 in codes else ""), flush=True)


@contextmanager
def noisy(port: int, directory: Path, what: str, said: list[str]) -> Iterator[None]:
    if not what:
        yield
        return
    process = subprocess.Popen([sys.executable, "-m", "bench.overload", str(port), directory, what],
                               stdout=subprocess.PIPE, text=True)  # fmt: skip
    try:
        assert process.stdout is not None
        process.stdout.readline()
        yield
        said.append(process.stdout.readline().strip())
    finally:
        process.kill()
        process.wait()


async def heartbeats(transport: HttpTransport) -> str:
    waits, refused = [], 0
    end = time.perf_counter() + SECONDS
    patch = {"Content-Type": "application/merge-patch+json"}
    while (begun := time.perf_counter()) < end:
        body = orjson.dumps({"spec": {"renewTime": time.strftime("%Y-%m-%dT%H:%M:%S.000000Z", time.gmtime())}})
        answer = await transport.send("PATCH", f"{LEASES}/n1", headers=patch, body=body)
        refused += answer.status != 200
        waits.append(time.perf_counter() - begun)
        await asyncio.sleep(EVERY)
    waits.sort()
    shown = "  ".join(f"{name} {waits[int(len(waits) * part)] * 1000:.1f}"
                      for name, part in (("p50", 0.5), ("p99", 0.99)))  # fmt: skip
    return f"{shown}  most {waits[-1] * 1000:.1f} ms" + (f", {refused} refused" if refused else "")


async def measure(port: int, directory: Path) -> list[tuple[str, str]]:
    context = administrator(directory)
    admin = HttpTransport(f"https://127.0.0.1:{port}", context)
    pair = pki.Authority.open(directory, time.time()).issue_client("system:node:n1", ["system:nodes"], time.time())
    (directory / "n1.crt").write_bytes(pair.certificate)
    (directory / "n1.key").write_bytes(pair.key)
    context = administrator(directory)
    context.load_cert_chain(directory / "n1.crt", directory / "n1.key")
    n1 = HttpTransport(f"https://127.0.0.1:{port}", context)
    about = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "kube-node-lease"}}
    await admin.send("POST", "/api/v1/namespaces", headers=_JSON, body=orjson.dumps(about))
    lease = {"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "n1"},
             "spec": {"holderIdentity": "n1", "leaseDurationSeconds": 40}}  # fmt: skip
    await n1.send("POST", LEASES, headers=_JSON, body=orjson.dumps(lease))
    for number in range(PODS):
        await admin.send("POST", PODS_PATH, headers=_JSON, body=orjson.dumps(pod(f"p{number}", 9)))
    found = []
    for name, what in (("nobody else", ""), (f"{CLIENTS} clients create ConfigMaps", "create"),
                       (f"{CLIENTS} clients list {PODS:,} pods", "list")):  # fmt: skip
        said: list[str] = []
        with noisy(port, directory, what, said):
            await asyncio.sleep(0.5)
            figure = await heartbeats(n1)
        found.append((f"heartbeat, {name}", "  noise: ".join([figure, *said])))
    await admin.close()
    await n1.close()
    return found


def rows() -> list[tuple[str, str]]:
    with tempfile.TemporaryDirectory(prefix="bench-overload-") as name, server(Path(name)) as (port, _):
        return uvloop.run(measure(port, Path(name)))


if __name__ == "__main__":
    if len(sys.argv) > 1:
        uvloop.run(noise(int(sys.argv[1]), Path(sys.argv[2]), sys.argv[3]))
    else:
        for what, figure in rows():
            print(f"{what:<44} {figure}")
