"""Hooks and probes of a pod's containers, and what of them is noted; the sandbox answers as the runtime does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from procorch.exposition import text
from procorch.kubelet.metrics import ProbeCounts
from procorch.kubelet.pod_health import PodHealth
from procorch.kubelet.record import Attempt, ContainerRecord, PodRecord
from procorch.objects import Object
from runtime import ProcessSpec, Ran

GOOD, BAD = Ran(0), Ran(1, b"", b"ill")
EXEC = {"exec": {"command": ["ask"]}}


METADATA = {"name": "web", "namespace": "d", "uid": "u"}


class Node:
    """One pod on a node: commands run beside its containers end as `answers` says, by their first word."""

    def __init__(self, tasks: asyncio.TaskGroup) -> None:
        self.record = PodRecord(sandbox="s", address="127.0.0.1")
        self.answers: dict[str, Ran] = {}
        self.asked: list[tuple[str, str]] = []
        self.told: list[tuple[str, str]] = []
        self.sandboxes = {"s": self}
        self.runtime = self.events = self
        self.changes = asyncio.Event()
        self.health = PodHealth(self, self.record, tasks, self.changes.set)  # type: ignore[arg-type]
        self.hold = asyncio.Event()
        self.probes = ProbeCounts()

    def clock(self) -> float:
        return 1000.0

    def event(self, pod: Object, type_: str, reason: str, message: str, **more: Any) -> None:
        self.told.append((reason, message))
        self.changes.set()

    async def exec(self, name: str, argv: list[str], **options: Any) -> Ran:
        self.asked.append((name, argv[0]))
        if argv[0] == "hang":
            await self.hold.wait()
        return self.answers.get(argv[0], GOOD)

    def runs(self, name: str = "a", number: int = 0, *, known: bool = True) -> ContainerRecord:
        """The container runs, as far as the record goes."""
        record = self.record.of(name)
        record.begin(Attempt(number, "s", started_at=1000.0))
        record.launch = ProcessSpec(f"{name}.{number}", ()) if known else None
        return record

    def follow(self, *containers: dict[str, Any], init: bool = False) -> Object:
        pod: Object = {"metadata": METADATA, "spec": {"initContainers" if init else "containers": list(containers)}}
        self.health.follow(pod, self)  # type: ignore[arg-type]
        return pod

    async def until(self, what: Callable[[], Any]) -> None:
        async with asyncio.timeout(5):
            while not what():
                await self.changes.wait()
                self.changes.clear()


@pytest.fixture
async def node() -> AsyncIterator[Node]:
    async with asyncio.TaskGroup() as tasks:
        node = Node(tasks)
        yield node
        node.health.close()


async def settled() -> None:
    """Everything that can happen without time going by has happened."""
    for _ in range(50):
        await asyncio.sleep(0)


def container(name: str = "a", **fields: Any) -> dict[str, Any]:
    return {"name": name, **fields}


def hooks(**words: str) -> dict[str, Any]:
    return {name: {"exec": {"command": [word]}} for name, word in words.items()}


async def test_a_container_without_probes_is_ready_when_it_runs(node: Node) -> None:
    one = node.runs()

    node.follow(container())

    await node.until(lambda: one.started and one.ready)
    assert node.asked == []


async def test_a_container_is_ready_when_its_probe_says_so(node: Node) -> None:
    one = node.runs()

    node.follow(container(readinessProbe=EXEC))

    await node.until(lambda: one.ready)
    assert node.asked == [("a.0", "ask")]


async def test_readiness_that_fails_leaves_it_running(node: Node) -> None:
    node.answers["ask"] = BAD
    one = node.runs()

    node.follow(container(readinessProbe=EXEC | {"failureThreshold": 1}))

    await node.until(lambda: node.told)
    assert node.told == [("Unhealthy", "Readiness probe failed: ill")]
    assert (one.started, one.ready, one.unhealthy) == (True, False, "")
    assert 'pod="web",pod_uid="u",probe_type="Readiness",result="failed"} 1' in text(node.probes.families())


@pytest.mark.parametrize(
    ("probe", "kind"),
    [pytest.param("livenessProbe", "liveness", id="alive"), pytest.param("startupProbe", "startup", id="started")],
)
async def test_what_is_not_well_is_to_be_ended(node: Node, probe: str, kind: str) -> None:
    node.answers["ask"] = BAD
    one = node.runs()

    node.follow(container(**{probe: EXEC | {"failureThreshold": 1, "terminationGracePeriodSeconds": 3}}))

    await node.until(lambda: one.unhealthy)
    assert one.unhealthy == f"Container a failed {kind} probe, will be restarted"
    assert one.unhealthy_grace == 3
    assert one.started is (kind == "liveness")


async def test_a_container_that_is_being_stopped_is_asked_only_whether_it_serves(node: Node) -> None:
    node.answers["alive"] = BAD
    one = node.runs()
    one.stopped_at = 900.0
    asks = {"exec": {"command": ["alive"]}, "failureThreshold": 1}

    node.follow(container(livenessProbe=asks, readinessProbe=EXEC))

    await node.until(lambda: one.ready and len(node.asked) == 2)
    assert (one.unhealthy, node.told) == ("", [])


async def test_the_others_wait_for_the_startup_probe(node: Node) -> None:
    one = node.runs()
    later = {"exec": {"command": ["later"]}}

    node.follow(container(startupProbe=EXEC, readinessProbe=later))

    await node.until(lambda: one.ready)
    assert node.asked == [("a.0", "ask"), ("a.0", "later")]


async def test_a_hook_comes_before_everything(node: Node) -> None:
    one = node.runs()

    node.follow(container(lifecycle=hooks(postStart="hang"), readinessProbe=EXEC))
    await settled()
    assert node.asked == [("a.0", "hang")]
    assert not one.started
    node.hold.set()

    await node.until(lambda: one.ready)
    assert node.asked[1:] == [("a.0", "ask")]


async def test_a_hook_that_fails_ends_the_container(node: Node) -> None:
    node.answers["begin"] = BAD
    one = node.runs()

    node.follow(container(lifecycle=hooks(postStart="begin")))

    await node.until(lambda: one.unhealthy)
    assert one.unhealthy == "FailedPostStartHook"
    assert node.told == [("FailedPostStartHook", "PostStartHook failed: ill")]


async def test_an_init_container_is_not_probed(node: Node) -> None:
    one = node.runs()

    node.follow(container(readinessProbe=EXEC), init=True)
    await settled()

    assert (node.asked, one.started) == ([], False)


async def test_a_sidecar_is(node: Node) -> None:
    one = node.runs()

    node.follow(container(restartPolicy="Always", startupProbe=EXEC), init=True)

    await node.until(lambda: one.started)


async def test_a_container_found_running_is_not_begun_again(node: Node) -> None:
    one = node.runs()
    one.started = True

    node.follow(container(lifecycle=hooks(postStart="begin"), startupProbe=EXEC))

    await node.until(lambda: one.ready)
    assert node.asked == []


async def test_each_attempt_is_asked_anew_and_an_ended_one_no_more(node: Node) -> None:
    node.runs()
    probed = container(readinessProbe={"exec": {"command": ["hang"]}, "timeoutSeconds": 60})
    node.follow(probed)
    await settled()
    one = node.runs(number=1)
    node.follow(probed)
    await settled()
    node.follow(probed)
    await settled()
    assert node.asked == [("a.0", "hang"), ("a.1", "hang")]

    assert one.current is not None
    one.current.finished_at = 1002.0
    node.follow(probed)
    node.hold.set()
    await settled()
    assert not one.ready


async def test_what_is_not_known_well_enough_to_be_asked_is_restarted(node: Node) -> None:
    one = node.runs(known=False)

    node.follow(container(livenessProbe=EXEC))

    await node.until(lambda: one.unhealthy)
    assert "not known well enough" in one.unhealthy
    assert node.asked == []


@pytest.mark.parametrize(
    ("word", "grace", "asked", "told"),
    [
        pytest.param("end", 5.0, ["end"], [], id="it runs"),
        pytest.param("end", 0.0, [], [], id="no time for it"),
        pytest.param("fail", 5.0, ["fail"], [("FailedPreStopHook", "PreStopHook failed: ill")], id="it fails"),
        pytest.param(
            "hang",
            0.05,
            ["hang"],
            [("FailedPreStopHook", "PreStopHook failed: context deadline exceeded: no answer within 0.05s")],
            id="the grace is over",
        ),
    ],
)
async def test_the_hook_before_the_end(
    node: Node, word: str, grace: float, asked: list[str], told: list[tuple[str, str]]
) -> None:
    node.answers["fail"] = BAD
    one = node.runs()
    ending = container(lifecycle=hooks(preStop=word))
    assert one.current is not None

    await node.health.before_end({"metadata": {}}, ending, one.current, grace)

    assert [command for _, command in node.asked] == asked
    assert node.told == told
