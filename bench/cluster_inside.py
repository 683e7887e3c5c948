"""What `bench.cluster` measures from within the cluster's host: its processes, and the API over HTTPS.

`python -m bench.cluster_inside DATA_DIR`, on that host; prints the rows as JSON. In the host's pid namespace are only
its init, this program, and the cluster.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

import uvloop

from procorch.client import Client
from procorch.kubeconfig import from_kubeconfig
from procorch.objects import Object, get

SETTLE, IDLE = 10.0, 60.0  # seconds
STARTS = 30
PAUSE = 0.1  # seconds between POSTs: in a tight loop the kernel hides what an idle host pays
MANY = 300
AT_ONCE = 16  # requests under way while MANY pods are made
_TICKS = os.sysconf("SC_CLK_TCK")

Row = tuple[str, str]


def pod(name: str, *command: str) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "namespace": "default", "labels": {"app": "bench"}},
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "main", "image": "host", "command": list(command)}],
        },
    }


# The cluster's processes


def programs() -> dict[int, str]:
    """pid → master, agent, zygote, pause (a pod's), warm (nobody's yet) or up, of every process of ours."""
    found = {}
    for path in Path("/proc").glob("[0-9]*"):
        try:
            words = (path / "cmdline").read_bytes().decode(errors="replace").split("\0")
        except OSError:
            continue  # it ended meanwhile
        if "cli" in words[:3]:
            found[int(path.name)] = words[words.index("cli") + 1]
        elif words[0].startswith("procorch:pause (warm)"):
            found[int(path.name)] = "warm"
        elif words[0].startswith(("procorch:pause", "procorch:zygote")):
            found[int(path.name)] = words[0].removeprefix("procorch:").split()[0]
    return found


def pss(pid: int) -> int:
    """Bytes of memory, what is shared counted in parts."""
    rows = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(row.split()[1]) * 1024 for row in rows if row.startswith("Pss:"))


def memory(*names: str) -> float:
    """MiB of PSS of all processes of these names, of all of ours without a name."""
    return sum(pss(pid) for pid, name in programs().items() if not names or name in names) / 2**20


def cpu_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICKS


def written(pid: int) -> int:
    """Bytes that the process caused to go to a disk; tmpfs does not count."""
    rows = dict(row.split(": ") for row in Path(f"/proc/{pid}/io").read_text().splitlines())
    return int(rows["write_bytes"]) - int(rows["cancelled_write_bytes"])


def sizes(directory: Path) -> dict[Path, int]:
    found = {}
    for path in directory.rglob("*"):
        with contextlib.suppress(OSError):
            if path.is_file() and not path.is_symlink():
                found[path] = path.stat().st_size
    return found


@dataclass(frozen=True, slots=True)
class Usage:
    """Where the counters of each of our processes stand, and the data directory's files."""

    cpu: dict[int, float]
    written: dict[int, int]
    files: dict[Path, int]

    @classmethod
    def now(cls, directory: Path) -> Usage:
        pids = list(programs())
        return cls({p: cpu_seconds(p) for p in pids}, {p: written(p) for p in pids}, sizes(directory))


async def idle(directory: Path) -> list[Row]:
    """An idle cluster: CPU, memory, and what it writes."""
    await asyncio.sleep(SETTLE)
    before, names = Usage.now(directory), programs()
    begun = time.monotonic()
    await asyncio.sleep(IDLE)
    after, seconds = Usage.now(directory), time.monotonic() - begun

    def percent(*chosen: str) -> float:
        pids = [pid for pid, name in names.items() if name in chosen and pid in after.cpu]
        return sum(after.cpu[pid] - before.cpu[pid] for pid in pids) / seconds * 100

    wrote = {pid: after.written[pid] - old for pid, old in before.written.items() if pid in after.written}
    who = ", ".join(sorted(f"{names[pid]} {size:,}" for pid, size in wrote.items() if size))
    grown = {path: size - before.files.get(path, 0) for path, size in after.files.items()}
    where = ", ".join(sorted(f"{path.relative_to(directory)} {size:+,}" for path, size in grown.items() if size))
    together, master, agent = memory("master", "agent"), memory("master"), memory("agent")
    rest = ("up", "zygote", "warm")
    shares = f"master {percent('master'):.2f}, agent {percent('agent'):.2f}, the rest {percent(*rest):.2f}"
    weights = f"master {master:.0f}, agent {agent:.0f}, the rest {memory(*rest):.0f}"
    return [
        ("idle: CPU of a core, master + agent", f"{percent('master', 'agent'):.2f} % ({shares})"),
        ("idle: PSS of master + agent", f"{together:.0f} MiB ({weights})"),
        (f"idle: bytes written to disk in {IDLE:.0f} s", f"{sum(wrote.values()):,}" + (f" ({who})" if who else "")),
        (f"idle: growth of files in {IDLE:.0f} s", f"{sum(grown.values()):,}" + (f" ({where})" if where else "")),
    ]  # fmt: skip


# Pods


def epoch(stamp: str) -> float:
    """`2026-11-23T19:00:00.123456789Z` in seconds."""
    whole, _, fraction = stamp.removesuffix("Z").partition(".")
    return datetime.fromisoformat(f"{whole}+00:00").timestamp() + float(f"0.{fraction}")


async def starts(client: Client, directory: Path) -> list[Row]:
    """From just before the POST to the first line of the pod's process, by the log's own time stamp."""
    begun: dict[str, float] = {}
    answered: list[float] = []
    for number in range(STARTS):
        # It stays, so that no pod's end is in the next one's start.
        body = pod(f"start-{number}", "/bin/sh", "-c", "echo here; exec sleep 100000")
        now = time.time()
        uid = (await client.create(body))["metadata"]["uid"]
        answered.append(time.time() - now)
        begun[uid] = now
        await asyncio.sleep(PAUSE)
    waits = []
    for uid, at in begun.items():
        log = directory / "node/pods" / uid / "logs/main/0.log"
        await until(partial(has_content, log))
        waits.append(epoch(log.read_text().split()[0]) - at)
    await delete_all(client, directory)
    return [("POST pod → its process runs", percentiles(waits)), ("POST pod → answered", percentiles(answered))]


@contextlib.asynccontextmanager
async def watching(client: Client, seen: Callable[[str, Object], None]) -> AsyncIterator[None]:
    """Calls `seen` with every event of the pods from now on."""
    version = (await client.items("Pod", "default")).resource_version

    async def follow() -> None:
        async with contextlib.aclosing(client.watch("Pod", "default", resource_version=version)) as events:
            async for type_, obj in events:
                seen(type_, obj)

    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(follow())
        await asyncio.sleep(0.2)
        yield
        task.cancel()


async def bindings(client: Client, directory: Path) -> list[Row]:
    """What a watcher on another connection sees of one pod after the other: it is bound, it runs."""
    bound: dict[str, float] = {}
    running: dict[str, float] = {}

    def seen(type_: str, obj: Object) -> None:
        now, name = time.perf_counter(), obj["metadata"]["name"]
        if get(obj, ".spec.nodeName"):
            bound.setdefault(name, now)
        if get(obj, ".status.phase") == "Running":
            running.setdefault(name, now)

    begun = {}
    async with watching(client, seen):
        for number in range(STARTS):
            name = f"bound-{number}"
            begun[name] = time.perf_counter()
            await client.create(pod(name, "/bin/sleep", "100000"))
            await asyncio.sleep(PAUSE)
        await until(lambda: len(running) == STARTS)
    await delete_all(client, directory)
    return [
        ("POST pod → bound, as watched", percentiles([bound[name] - at for name, at in begun.items()])),
        ("POST pod → Running, as watched", percentiles([running[name] - at for name, at in begun.items()])),
    ]


async def crowd(client: Client, directory: Path) -> list[Row]:
    """MANY pods on the one node: until all run, what they weigh, and until they are gone."""
    running: set[str] = set()

    def seen(type_: str, obj: Object) -> None:
        if get(obj, ".status.phase") == "Running":
            running.add(obj["metadata"]["name"])

    wanted = iter([pod(f"crowd-{number}", "/bin/sleep", "100000") for number in range(MANY)])

    async def make() -> None:
        for one in wanted:
            await client.create(one)

    alone = memory()
    async with watching(client, seen):
        begun = time.perf_counter()
        async with asyncio.TaskGroup() as tasks:
            for _ in range(AT_ONCE):
                tasks.create_task(make())
        accepted = time.perf_counter() - begun
        await until(lambda: len(running) == MANY, 120)
        seconds = time.perf_counter() - begun
    await asyncio.sleep(3)
    pauses, more, together = memory("pause"), memory() - alone, memory("master", "agent")
    master = memory("master")
    begun = time.perf_counter()
    await delete_all(client, directory)
    gone = time.perf_counter() - begun
    return [
        (f"{MANY} pods: POST to all Running", f"{seconds:.1f} s (all accepted after {accepted:.1f} s)"),
        (f"{MANY} pods: PSS of a pause", f"{pauses / MANY * 1024:.0f} KiB"),
        (f"{MANY} pods: all of our memory, more a pod", f"{more / MANY * 1024:.0f} KiB PSS"),
        (f"{MANY} pods: PSS of master + agent",
         f"{together:.0f} MiB (master {master:.0f}, agent {together - master:.0f})"),
        (f"{MANY} pods: deleted with no grace, until gone", f"{gone:.1f} s"),
    ]  # fmt: skip


async def delete_all(client: Client, directory: Path) -> None:
    """Every pod off the API and, the kubelet being asked, off the node."""
    query: dict[str, str] = {"gracePeriodSeconds": "0"}
    await client.raw("DELETE", "/api/v1/namespaces/default/pods", query=query)
    sandboxes = directory / "node/runtime/sandboxes"
    for _ in range(600):
        there = (await client.items("Pod", "default", limit=1)).objects
        if not there and not any(sandboxes.iterdir()):
            break
        await asyncio.sleep(0.2)
    else:
        raise TimeoutError("pods are still there")
    await asyncio.sleep(1)


def has_content(path: Path) -> bool:
    return path.exists() and path.stat().st_size > 0


async def until(done: Callable[[], bool], seconds: float = 30) -> None:
    """Looks every 10 ms. Raises TimeoutError."""
    end = time.monotonic() + seconds
    while not done():
        if time.monotonic() > end:
            raise TimeoutError
        await asyncio.sleep(0.01)


def percentiles(waits: list[float]) -> str:
    waits = sorted(waits)
    p50, p90 = waits[len(waits) // 2] * 1000, waits[len(waits) * 9 // 10] * 1000
    return f"p50 {p50:.1f} ms, p90 {p90:.1f} ms"


async def measure(directory: Path) -> list[Row]:
    found = await idle(directory)
    transport = from_kubeconfig(directory / "admin.kubeconfig")
    client = Client(transport, user_agent="bench")
    try:
        for _ in range(3):  # the first requests pay for TLS
            await client.items("Pod", "default")
        found += await starts(client, directory)
        found += await bindings(client, directory)
        found += await crowd(client, directory)
    finally:
        await transport.close()
    return found


def main() -> None:
    rows: Any = uvloop.run(measure(Path(sys.argv[1])))
    json.dump(rows, sys.stdout)


if __name__ == "__main__":
    main()
