"""What the controllers do on one host: a Deployment of 500 pods, a rolling update, a Job, and nothing at all.

`python -m bench.controllers`. It needs root, and makes a host out of namespaces as `bench.cluster` does; what it starts
there, `python -m bench.controllers DATA_DIR`, speaks to the API over HTTPS and prints its rows as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import sys
import time
from collections.abc import Callable
from contextlib import aclosing
from pathlib import Path
from typing import Any

import uvloop

from bench.cluster import MOST_PODS, cluster
from bench.cluster_inside import Row, cpu_seconds, percentiles, programs
from procorch.client import Client
from procorch.hosts import Lab
from procorch.kubeconfig import from_kubeconfig
from procorch.objects import Object, condition_of, get

MANY, ROLLED = MOST_PODS, 100
TIMES = 30
PAUSE = 0.1  # seconds between two changes: what comes at once is worked on at once
SETTLE, IDLE = 10.0, 30.0


def deployment(name: str, replicas: int, image: str = "host") -> Object:
    labels = {"app": name}
    container = {"name": "main", "image": image, "command": ["/bin/sleep", "100000"]}
    template = {"metadata": {"labels": labels}, "spec": {"terminationGracePeriodSeconds": 0, "containers": [container]}}
    spec = {"replicas": replicas, "selector": {"matchLabels": labels}, "template": template}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name, "namespace": "default"},
        "spec": spec,
    }


def is_rolled_out(obj: Object) -> bool:
    status, wanted = obj.get("status") or {}, obj["spec"]["replicas"]
    counts = {status.get(name, 0) for name in ("replicas", "updatedReplicas", "availableReplicas")}
    return counts == {wanted} and status.get("observedGeneration") == obj["metadata"]["generation"]


async def first(client: Client, kind: str, version: str, done: Callable[[Object], bool]) -> None:
    """Returns with the first change after `version` that is meant. Raises TimeoutError."""
    async with asyncio.timeout(400), aclosing(client.watch(kind, "default", resource_version=version)) as events:
        async for _, obj in events:
            if done(obj):
                return


async def timed(client: Client, change: Callable[[], Any], kind: str, done: Callable[[Object], bool]) -> float:
    version = (await client.items("ConfigMap", "default", limit=1)).resource_version
    begun = time.perf_counter()
    await change()
    await first(client, kind, version, done)
    return time.perf_counter() - begun


async def measure(directory: Path) -> list[Row]:
    transport = from_kubeconfig(directory / "admin.kubeconfig")
    client = Client(transport, user_agent="bench")
    try:
        rows = await latency(client)
        rows += await rolled(client)
        rows += await batch(client)
        return rows + await many(client)
    finally:
        await transport.close()


async def latency(client: Client) -> list[Row]:
    """An annotation goes from a Deployment without pods to its ReplicaSet: one write of the controller."""
    await client.create(deployment("quick", 0))
    waits = []
    for number in range(1, TIMES + 1):
        word = str(number)

        async def change(word: str = word) -> None:
            await client.patch("Deployment", "default/quick", {"metadata": {"annotations": {"bench": word}}})

        def has_it(obj: Object, word: str = word) -> bool:
            return bool(get(obj, ".metadata.annotations", {}).get("bench") == word)

        await asyncio.sleep(PAUSE)
        waits.append(await timed(client, change, "ReplicaSet", has_it))
    await client.delete("Deployment", "default/quick")
    return [("PATCH Deployment → its ReplicaSet is changed, as watched", percentiles(waits))]


async def rolled(client: Client) -> list[Row]:
    await timed(client, lambda: client.create(deployment("rolled", ROLLED)), "Deployment", is_rolled_out)
    patch = {"spec": {"template": {"metadata": {"annotations": {"restarted": "now"}}}}}
    seconds = await timed(
        client, lambda: client.patch("Deployment", "default/rolled", patch), "Deployment", is_rolled_out
    )
    await gone(client, "rolled")
    return [(f"rolling update of {ROLLED} replicas, 25 % surge, 25 % unavailable", f"{seconds:.1f} s")]


async def many(client: Client) -> list[Row]:
    (master,) = (pid for pid, name in programs().items() if name == "master")
    before = cpu_seconds(master)
    seconds = await timed(client, lambda: client.create(deployment("many", MANY)), "Deployment", is_rolled_out)
    busy = cpu_seconds(master) - before
    await asyncio.sleep(SETTLE)
    before, begun = cpu_seconds(master), time.monotonic()
    await asyncio.sleep(IDLE)
    idle = (cpu_seconds(master) - before) / (time.monotonic() - begun) * 100
    await gone(client, "many")
    return [
        (f"a Deployment of {MANY} replicas: POST to Available", f"{seconds:.1f} s (master: {busy:.1f} s of CPU)"),
        (f"{MANY} replicas stand: CPU of a core, master", f"{idle:.2f} %"),
    ]


async def batch(client: Client) -> list[Row]:
    """A Job whose processes end at once: what is measured is how each pod comes, ends, and is counted."""
    (master,) = (pid for pid, name in programs().items() if name == "master")
    container = {"name": "main", "image": "host", "command": ["/bin/true"]}
    template = {"spec": {"restartPolicy": "Never", "containers": [container]}}
    job = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {"name": "batch", "namespace": "default"},
        "spec": {"completions": MANY, "parallelism": MANY, "template": template},
    }
    before = cpu_seconds(master)
    seconds = await timed(client, lambda: client.create(job), "Job", lambda obj: bool(condition_of(obj, "Complete")))
    busy = cpu_seconds(master) - before
    await gone(client, "batch", "Job")
    return [(f"a Job of {MANY} pods at once: POST to Complete", f"{seconds:.1f} s (master: {busy:.1f} s of CPU)")]


async def gone(client: Client, name: str, kind: str = "Deployment") -> None:
    """It and its pods, before the next begins."""
    await client.delete(kind, f"default/{name}", propagation="Background")
    while (await client.items("Pod", "default", limit=1)).objects:
        await asyncio.sleep(0.2)


def rows() -> list[tuple[str, str]]:
    """(what, figure). Takes about two minutes."""
    if os.geteuid() != 0:
        return [("controllers", "needs root")]
    with (
        Lab(f"procorch-bench-{os.getpid()}", network="10.76.0.0/24") as lab,
        cluster(lab, "controllers") as made,
    ):
        found = made.run(sys.executable, "-m", "bench.controllers", made.data_dir, timeout=600)
        return [(what, figure) for what, figure in json.loads(found)]


def main() -> None:
    if sys.argv[1:]:
        json.dump(uvloop.run(measure(Path(sys.argv[1]))), sys.stdout)
        return
    for what, figure in rows():
        print(f"{what:<60} {figure}")


if __name__ == "__main__":
    main()
