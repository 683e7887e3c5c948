"""Rates from two readings; nobody asks, nothing is read."""

from __future__ import annotations

import asyncio
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from procorch.kubelet.measuring import FRESH_SECONDS, LONGEST_SECONDS, Container, Measuring, Pod, pods_of
from procorch.kubelet.record import Attempt, PodRecord
from runtime.usage import Detail, Usage

SECOND = 10**9


class Machine:
    """A clock, and groups that use so many cores for as long as it runs."""

    def __init__(self) -> None:
        self.now = 1000.0
        self.cores: dict[str, float] = {"": 2.0}
        self.spent: dict[str, float] = {"": 5000.0 * SECOND}
        self.pods: list[Pod] = []
        self.reads = 0
        self.waits: list[float] = []

    def run(self, seconds: float) -> None:
        self.now += seconds
        for name, cores in self.cores.items():
            self.spent[name] = self.spent.get(name, 0.0) + cores * seconds * SECOND

    def begin(self, name: str, cores: float) -> None:
        """A pod with one container; the pod's group is only read."""
        self.cores |= {name: cores, f"{name}/c": cores}
        self.spent |= {name: 0.0, f"{name}/c": 0.0}
        container = Container("c", f"{name}/c", self.now + 1_000_000)
        self.pods.append(Pod("d", name, f"uid-{name}", name, self.now + 1_000_000, (container,)))

    def usage(self, path: str) -> Usage:
        self.reads += path == ""
        if path not in self.spent:
            raise FileNotFoundError(path)
        return Usage(cpu_nanos=int(self.spent[path]), working_set_bytes=7)

    def detail(self, path: str) -> Detail:
        return Detail(oom_kills=len(path))

    async def pause(self, seconds: float) -> None:
        self.waits.append(seconds)
        self.run(seconds)

    def measuring(self) -> Measuring:
        return Measuring(
            lambda: self,
            lambda: self.pods,
            lambda: self.now + 1_000_000,
            timer=lambda: self.now,
            pause=self.pause,
        )


@pytest.fixture
def machine() -> Machine:
    machine = Machine()
    machine.begin("web", 0.25)
    machine.run(100)
    return machine


async def cores(measuring: Measuring, group: str = "web/c") -> Any:
    used = (await measuring.now()).by_group.get(group)
    return None if used is None or used.nanocores is None else round(used.nanocores / SECOND, 3)


async def test_the_first_who_asks_waits_a_second_and_others_share_it(machine: Machine) -> None:
    measuring = machine.measuring()
    assert machine.reads == 0
    found = await asyncio.gather(*(measuring.now() for _ in range(5)))

    assert machine.waits == [1.0] and machine.reads == 2
    assert found[0].by_group["web/c"].nanocores == SECOND // 4 and found[0].node is not None
    assert all(one is found[0] for one in found)


async def test_who_asks_often_gets_the_rate_since_the_last_time(machine: Machine) -> None:
    measuring = machine.measuring()
    await measuring.now()
    machine.cores["web/c"] = 0.75
    machine.run(FRESH_SECONDS)
    assert await cores(measuring) == 0.25, "still fresh"
    machine.run(10)
    measured = await measuring.now()
    used = measured.by_group["web/c"]
    assert (used.nanocores, used.window) == (SECOND * 3 // 4, 15.0)
    assert measured.at == machine.now + 1_000_000
    assert machine.waits == [1.0]


async def test_after_a_long_pause_the_rate_is_of_the_present(machine: Machine) -> None:
    measuring = machine.measuring()
    await measuring.now()
    machine.run(LONGEST_SECONDS + 1)
    machine.cores["web/c"] = 1.5
    assert await cores(measuring) == 1.5
    assert machine.waits == [1.0, 1.0]


async def test_what_is_new_has_its_rate_since_its_own_beginning(machine: Machine) -> None:
    measuring = machine.measuring()
    await measuring.now()
    machine.run(10)
    machine.begin("new", 0.5)
    machine.run(5)
    assert await cores(measuring, "new/c") == 0.5
    machine.begin("newest", 0.5)
    machine.run(0.1)
    assert await cores(measuring, "newest/c") is None, "not measured yet"
    machine.run(FRESH_SECONDS)
    assert await cores(measuring, "newest/c") == 0.5


async def test_a_group_that_begins_again_has_no_rate_below_nothing(machine: Machine) -> None:
    measuring = machine.measuring()
    await measuring.now()
    machine.pods.clear()
    machine.begin("web", 0.5)
    machine.run(20)
    assert await cores(measuring) == 0.5


async def test_a_pod_that_goes_while_it_is_read_is_left_out(machine: Machine) -> None:
    measuring = machine.measuring()
    del machine.spent["web/c"], machine.cores["web/c"]
    measured = await measuring.now()
    assert set(measured.by_group) == {"", "web"}
    assert await measuring.details(["web"]) == {"web": Detail(oom_kills=3)}


def test_pods_are_those_whose_sandbox_lives_with_what_runs_in_it() -> None:
    def record(sandbox: str) -> PodRecord:
        made = PodRecord(started_at=5.0, sandbox=sandbox)
        made.of("a").image_id = "host"
        made.of("a").current = Attempt(2, sandbox, "host", started_at=6.0)
        made.of("b").current = Attempt(0, sandbox, finished_at=7.0)
        made.of("c").current = Attempt(0, "an earlier one")
        return made

    def pod(name: str, **spec: Any) -> dict[str, Any]:
        return {"metadata": {"namespace": "d", "name": name, "uid": f"uid-{name}"}, "spec": spec}

    sandboxes: Any = {
        "s": SimpleNamespace(id="s", cgroup="procorch/s", pid=7, alive=True, layer=lambda name: Path("/layers", name)),
        "dead": SimpleNamespace(id="dead", alive=False),
    }
    known = [(pod("one"), record("s")), (pod("two"), record("dead")), (pod("three"), record("gone")),
             (pod("four", hostNetwork=True), record("s"))]  # fmt: skip
    one, four = pods_of(known, sandboxes, Path("/pods"))

    layer = Path("/layers/a.2/upper")
    assert one.containers == (Container("a", "procorch/s/a.2", 6.0, "host", layer),)
    assert (one.group, one.pid, one.started_at, one.directory) == ("procorch/s", 7, 5.0, Path("/pods/uid-one"))
    assert four.pid == 0
