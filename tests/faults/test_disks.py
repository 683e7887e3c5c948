"""A disk that is full, failing or held by others, through the API: whoever writes is told, everybody else goes on,
nothing is half there, and when the cause is gone so is the trouble."""

from __future__ import annotations

import asyncio
import os
import random
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import pytest

from tests.faults import checks, records, watching
from tests.faults.api_load import LEASES, MAPS, Load
from tests.faults.databases import DATABASES
from tests.faults.disks import FAULTS, Fault
from tests.faults.history import Stream
from tests.faults.master import MODULES, Master
from tests.faults.nursery import Nursery
from tests.faults.scale import LONG, rounds
from tests.faults.test_api_kills import change_of, unclaimed

HEALED = 5.0
"""Seconds after the end of the cause within which a write must succeed."""
PATIENCE = 10.0
"""Seconds within which a write must be answered."""
SILENCE = 10.0
"""Seconds without a heartbeat, at most: a node is given up after fifty. One that comes while a commit waits three
seconds for somebody else's lock waits with it."""
HELD = FAULTS[1]
BRIEFLY = [fault for fault in FAULTS if fault.brief]
KUBECTL = Path(sys.executable).parent / "kubectl"


async def until(done: Callable[[], object], what: str, seconds: float = 20) -> None:
    deadline = time.monotonic() + seconds
    while not done():
        assert time.monotonic() < deadline, f"not so after {seconds:.0f} s: {what}"
        await asyncio.sleep(0.01)


def answered(load: Load, kinds: set[str], since: float) -> list[float]:
    """When operations that were asked after a moment were answered well, in seconds."""
    return [
        operation.responded / 1e9
        for operation in load.recorder.operations
        if operation.responded
        and operation.kind in kinds
        and operation.outcome == "ok"
        and operation.invoked > since * 1e9
    ]


@pytest.mark.kernel
@pytest.mark.timeout(300)
@pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")
@pytest.mark.parametrize("fault", FAULTS if LONG else BRIEFLY, ids=lambda fault: fault.name)
@pytest.mark.parametrize("killed", [False, True], ids=["", "and a kill -9"])
async def test_clients_are_told_and_everything_else_goes_on(fault: Fault, killed: bool, tmp_path: Path):
    disk = tmp_path / "disk"
    disk.mkdir()
    async with Nursery("tests.faults.master_life:live", *MODULES, before=fault.before(disk)) as nursery:
        master = Master(nursery, disk / "state")
        load = Load(master, random.Random(1))
        await master.begin()
        await master.ready()
        async with asyncio.timeout(200), asyncio.TaskGroup() as tasks:
            for stream in (Stream("all", MAPS.store_key()), Stream("leases", LEASES.store_key("kube-node-lease"))):
                tasks.create_task(load.watch(stream), name=stream.name)
            working = tasks.create_task(load.run(), name="load")
            await until(lambda: len(answered(load, {"append"}, 0)) > 20, "the load is under way")

            async with fault.begin(master):
                began = time.monotonic()
                await until(lambda: load.recorder.refusals, "a write is refused")
                await asyncio.sleep(rounds(short=1, long=30))
                over = time.monotonic()
                if killed:
                    await master.kill()
                    if fault.can_start:
                        await master.begin()
                        await master.ready()
                        await asyncio.sleep(0.5)
            if killed and not fault.can_start:
                await master.begin()
                await master.ready()
            mended = time.monotonic()
            await until(lambda: answered(load, {"append"}, mended), "a write succeeds again", HEALED)
            healed = answered(load, {"append"}, mended)[0] - mended
            await until(lambda: len(answered(load, {"append"}, mended)) > 20, "all goes on as before")

            working.cancel()
            await asyncio.wait([working])
            await load.end()
        await master.kill()
        rows = DATABASES[0].changes(master.database, 0)

    refused = load.recorder.refusals
    print(f"{fault.name}: {len(refused)} refused, healed after {healed:.2f} s")
    assert {refusal.kind for refusal in refused} == {"append"}, "a heartbeat was refused"
    assert {refusal.code for refusal in refused} <= fault.codes.keys()
    assert all(fault.codes[refusal.code] in refusal.message for refusal in refused)
    assert max(refusal.took for refusal in refused) < PATIENCE
    for kinds in ({"note"}, {"get", "items"}):
        moments = [began, *(moment for moment in answered(load, kinds, began) if moment < over), over]
        assert max(after - before for before, after in pairwise(moments)) < SILENCE
    assert unclaimed(rows) == []
    truth = records.history(load.recorder.operations, load.recorder.streams, [change_of(row) for row in rows])
    assert checks.first_of(checks.violations(load.recorder.operations, truth)) == {}
    assert checks.first_of(watching.violations(load.recorder.streams, truth)) == {}


@pytest.mark.kernel
@pytest.mark.timeout(300)
async def test_with_kubectl_a_full_disk_is_told_at_once_and_one_can_delete(tmp_path: Path):
    """A pod that has not begun, one that ends gracefully, a Service with its claims, a Secret with its history."""
    disk = tmp_path / "disk"
    disk.mkdir()
    full = FAULTS[0]
    async with Nursery("tests.faults.master_life:live", *MODULES, before=full.before(disk)) as nursery:
        master = Master(nursery, disk / "state")
        await master.begin()
        await master.ready()
        environment = {**os.environ, "KUBECONFIG": str(master.directory / "admin.kubeconfig"), "HOME": str(tmp_path)}

        async def kubectl(*arguments: str) -> tuple[int, str, float]:
            began = time.monotonic()
            program = await asyncio.create_subprocess_exec(
                KUBECTL, *arguments, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            said, _ = await program.communicate()
            return program.returncode or 0, said.decode(), time.monotonic() - began

        for made in (
            ("run", "waiting", "--image=host", "--command", "--", "true"),
            ("create", "service", "nodeport", "web", "--tcp=80"),
            ("create", "secret", "generic", "key", "--from-literal=a=b"),
            ("create", "configmap", "settings", "--from-literal=a=b"),
        ):
            code, said, _ = await kubectl(*made)
            assert code == 0, said
        async with full.begin(master):
            big = f"--from-literal=a={'x' * 100_000}"
            while (answer := await kubectl("create", "configmap", f"big-{time.monotonic_ns()}", big))[0] == 0:
                pass
            deleted = [
                await kubectl("delete", what, "--wait=false")
                for what in ("pod/waiting", "service/web", "secret/key", "configmap/settings")
            ]
            left = await kubectl("get", "pods,secrets,configmaps,services", "-o", "name")
        code, said, took = await kubectl("create", "configmap", "again", "--from-literal=a=b")
        await master.kill()
        rows = DATABASES[0].changes(master.database, 0)

    assert answer[0] == 1 and "the store is full" in answer[1]
    assert answer[2] < PATIENCE
    assert [code for code, _, _ in deleted] == [0, 0, 0, 0], deleted
    assert not {"pod/waiting", "service/web", "secret/key", "configmap/settings"} & set(left[1].split())
    assert (code, took < HEALED) == (0, True), said
    assert unclaimed(rows) == []


@pytest.mark.timeout(300)
async def test_kubectl_waits_while_another_program_holds_the_database(tmp_path: Path):
    async with Nursery("tests.faults.master_life:live", *MODULES) as nursery:
        master = Master(nursery, tmp_path / "state")
        await master.begin()
        await master.ready()
        environment = {**os.environ, "KUBECONFIG": str(master.directory / "admin.kubeconfig"), "HOME": str(tmp_path)}
        async with HELD.begin(master):
            program = await asyncio.create_subprocess_exec(
                KUBECTL,
                "create",
                "configmap",
                "late",
                env=environment,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
            )
            await asyncio.sleep(rounds(short=5, long=30))
            waiting = program.returncode is None
        said, _ = await program.communicate()
        await master.kill()

    assert waiting
    assert (program.returncode, said) == (0, b"configmap/late created\n")
