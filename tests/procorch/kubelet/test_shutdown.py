"""A machine that goes off ends its pods, the important ones last."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from procorch.kubelet import shutdown
from procorch.kubelet.shutdown import MESSAGE, ShutdownConfig, end_all, in_order, is_going_off
from procorch.objects import Object, condition_of
from tests.procorch.kubelet.conftest import Cluster, is_ready, status_of

CONFIG = ShutdownConfig(30, 10)


class Worker:
    """Ends as soon as it is told, unless it is `deaf`."""

    def __init__(self, name: str, priority: int, ended: list[str], *, deaf: bool = False) -> None:
        self.sized: Object = {"metadata": {"name": name, "namespace": "n"}, "spec": {"priority": priority}}
        self.takes = True
        self.graces: list[float] = []
        self._ended, self._deaf = ended, deaf
        self._over = asyncio.Event()

    def evict(self, reason: str, message: str, grace: float) -> None:
        self.graces.append(grace)
        if not self._deaf:
            self.takes = False
            self._ended.append(self.sized["metadata"]["name"])
            self._over.set()

    async def freed(self) -> None:
        await self._over.wait()

    async def told(self) -> None:
        await self._over.wait()


def workers(*rows: tuple[str, int], ended: list[str]) -> list[Worker]:
    return [Worker(name, priority, ended) for name, priority in rows]


def names(ones: Sequence[Worker]) -> list[str]:
    return [one.sized["metadata"]["name"] for one in ones]


async def test_critical_pods_have_the_last_of_the_time() -> None:
    made = workers(("low", -5), ("dns", 2_000_000_000), ("plain", 0), ("node", 2_000_001_000), ended=[])

    assert [(seconds, names(ones)) for seconds, ones in in_order(made, CONFIG)] == [
        (20, ["low", "plain"]), (10, ["dns", "node"]),
    ]  # fmt: skip


async def test_they_end_one_step_after_the_other() -> None:
    ended: list[str] = []
    made = workers(("dns", 2_000_000_000), ("plain", 0), ended=ended)

    await end_all(made, CONFIG)
    assert ended == ["plain", "dns"]
    assert [one.graces for one in made] == [[10], [20]]


async def test_what_does_not_end_takes_no_more_than_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shutdown, "TOLD_SECONDS", 0.01)
    ended: list[str] = []
    deaf = Worker("deaf", 0, ended, deaf=True)

    async with asyncio.timeout(10):
        await end_all([deaf, *workers(("dns", 2_000_000_000), ended=ended)], ShutdownConfig(0.02, 0.01))
    assert ended == ["dns"]


@pytest.mark.parametrize(("says", "going"), [("stopping", True), ("running", False), ("degraded", False)])
async def test_the_systems_manager_says_whether_the_machine_goes_off(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, says: str, going: bool
) -> None:
    program = tmp_path / "systemctl"
    program.write_text(f"#!/bin/sh\n[ $1 = is-system-running ] && echo {says}; exit 1\n")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")

    assert await is_going_off() is going


async def test_without_a_manager_nobody_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))

    assert not await is_going_off()


@pytest.mark.kernel
async def test_pods_end_by_themselves_and_are_told_as_terminated(running: Cluster) -> None:
    await running.pod("web", "trap 'exit 3' TERM; echo up; sleep 1000 & wait", terminationGracePeriodSeconds=30)
    pod = await running.until(is_ready)
    await running.until_said(pod, "up\n")
    assert running.kubelet is not None

    await running.kubelet.shut_down(ShutdownConfig(10, 0))
    pod = await running.get()
    assert (pod["status"]["phase"], pod["status"]["reason"]) == ("Failed", "Terminated")
    assert pod["status"]["message"] == MESSAGE
    assert status_of(pod)["state"]["terminated"]["exitCode"] == 3
    disruption = condition_of(pod, "DisruptionTarget") or {}
    assert (disruption["reason"], disruption["message"]) == ("TerminationByKubelet", MESSAGE)

    await running.pod("late", "sleep 1000")
    pod = await running.until(lambda pod: pod["status"].get("phase") == "Failed", "late")
    assert pod["status"]["reason"] == "NodeShutdown"
    assert pod["status"]["message"] == "Pod was rejected: Pod was rejected as the node is shutting down."
