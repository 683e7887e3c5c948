"""An agent that is gone after any one step of a pod's making and ending: the next one finishes what it finds.

The steps are what changes the machine or the API. A crash is the end of all of them: from then on none is carried out,
whatever the code that is being torn down still tries, and a new kubelet starts on what is there.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from procorch.client import Client
from procorch.kubelet import pod_actions, pod_worker
from procorch.kubelet.record import PodDirectory
from procorch.objects import NotFound
from runtime import Runtime, Sandbox
from tests.procorch.kubelet.conftest import Addresses, Cluster, is_ready, status_of

pytestmark = [pytest.mark.kernel, pytest.mark.skipif(os.geteuid() != 0, reason="needs root"), pytest.mark.timeout(600)]

LONG = os.environ.get("FAULTS") == "long"
ASYNC = [
    (Runtime, "create"), (Sandbox, "start"), (Sandbox, "signal"), (Sandbox, "kill"), (Sandbox, "remove"),
    (Sandbox, "forget"), (Addresses, "attach"), (Addresses, "detach"), (pod_actions, "make_all"),
    (pod_actions, "remove_all"), (pod_worker, "remove_directory"),
]  # fmt: skip


class Steps:
    """Counts the steps; after the one of number `last` nothing is done any more."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.done: list[str] = []
        self.last: int | None = None
        self.crashed = asyncio.Event()
        for owner, name in ASYNC:
            monkeypatch.setattr(owner, name, self._wrapped(name, getattr(owner, name)))
        for name in ("patch", "delete"):
            monkeypatch.setattr(Client, name, self._wrapped(f"api {name}", getattr(Client, name), nodes_only=True))
        write = PodDirectory._write

        def written(directory: PodDirectory, file: str, data: bytes) -> None:
            if not self.crashed.is_set():
                write(directory, file, data)
                self._count(f"write {file}")

        monkeypatch.setattr(PodDirectory, "_write", written)
        self.admin: Client | None = None

    def _count(self, name: str) -> None:
        self.done.append(name)
        if len(self.done) == self.last:
            self.crashed.set()

    def _wrapped(
        self, name: str, step: Callable[..., Awaitable[Any]], *, nodes_only: bool = False
    ) -> Callable[..., Awaitable[Any]]:
        async def carried_out(*args: Any, **options: Any) -> Any:
            if nodes_only and args[0] is self.admin:
                return await step(*args, **options)
            if not self.crashed.is_set():
                result = await step(*args, **options)
                self._count(name)
                if not self.crashed.is_set():
                    return result
            raise asyncio.CancelledError  # nobody is there to see what came of it

        return carried_out

    def begin(self, last: int | None) -> None:
        self.done.clear()
        self.last = last
        self.crashed = asyncio.Event()


def left(cluster: Cluster) -> dict[str, Any]:
    """What is on the machine of pods."""
    runtime = cluster.runtime
    assert runtime is not None
    tops = [base / cluster.cgroup for base in (Path("/sys/fs/cgroup"), *Path("/sys/fs/cgroup").iterdir())]
    groups = [name for top in tops for _, names, _ in os.walk(top) for name in names if name.startswith("pod")]
    return {
        "sandboxes": [path.name for path in (cluster.directory / "runtime/sandboxes").iterdir()],
        "directories": [path.name for path in (cluster.directory / "pods").iterdir()],
        "addresses": cluster.network.attached(),
        "groups": groups,
    }


NOTHING: dict[str, Any] = {"sandboxes": [], "directories": [], "addresses": {}, "groups": []}


async def life(cluster: Cluster, steps: Steps, name: str, grace: int, crash: int | None) -> None:
    """A pod is made and deleted, on kubelets of which the first is gone after its step of number `crash`."""
    steps.begin(crash)
    while True:
        async with cluster.running():
            work = asyncio.get_running_loop().create_task(_made_and_deleted(cluster, name, grace))
            over = asyncio.get_running_loop().create_task(steps.crashed.wait())
            await asyncio.wait({work, over}, return_when=asyncio.FIRST_COMPLETED, timeout=60)
            assert work.done() or over.done(), f"{name}: neither done nor crashed: {steps.done}"
            if over.done():
                work.cancel()
                await asyncio.gather(work, return_exceptions=True)
            else:
                over.cancel()
                await work
                return
        steps.begin(None)


async def _made_and_deleted(cluster: Cluster, name: str, grace: int) -> None:
    """Goes on where the one before was interrupted."""
    try:
        found = await cluster.get(name)
    except NotFound:
        if name in cluster.images:  # it was made already, and is gone: all is done but the cleaning
            found = None
        else:
            cluster.images[name] = {}
            found = await cluster.pod(name, "trap 'exit 0' TERM; while :; do sleep 0.05; done")
    if found is not None:
        if "deletionTimestamp" not in found["metadata"]:
            ready = await cluster.until(is_ready, name, seconds=30)
            assert status_of(ready)["restartCount"] == 0, "what a crash interrupts is not started twice"
            await cluster.client.delete("Pod", f"default/{name}", grace=grace)
        await cluster.gone(name, seconds=30)
    deadline = asyncio.get_running_loop().time() + 15
    while (now := left(cluster)) != NOTHING:
        assert asyncio.get_running_loop().time() < deadline, f"{name}: {now}"
        await asyncio.sleep(0.02)


@pytest.mark.parametrize("grace", [pytest.param(1, id="asked to end"), pytest.param(0, id="by force")])
async def test_a_crash_after_every_step(cluster: Cluster, monkeypatch: pytest.MonkeyPatch, grace: int) -> None:
    """The pod ends running once and then gone, and of its making and ending nothing is left."""
    steps = Steps(monkeypatch)
    steps.admin = cluster.client
    await life(cluster, steps, "whole", grace, None)
    count = len(steps.done)
    assert count > 10, steps.done
    open_before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    for number in range(1, count + 1, 1 if LONG else 5):
        await life(cluster, steps, f"crash{number}", grace, number)

    assert len(os.listdir("/proc/self/fd")) <= open_before + 2  # noqa: PTH208
