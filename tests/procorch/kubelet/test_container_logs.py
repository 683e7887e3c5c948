"""`kubectl logs` and its options on the node's link; reading files itself is tested with runtime.logs."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from procorch.kubelet.container_logs import ContainerLogs, wanted_of
from procorch.kubelet.launch import log_path
from procorch.kubelet.record import Attempt, PodRecord
from runtime import ProcessState
from runtime.logs import Wanted
from runtime.logwriter import LogWriter

SECOND = 1_000_000_000


@pytest.mark.parametrize(
    ("query", "wanted"),
    [
        pytest.param({}, Wanted(), id="nothing asked: all of it"),
        pytest.param({"follow": "true", "timestamps": "true"}, Wanted(follow=True, timestamps=True), id="flags"),
        pytest.param({"tailLines": "0"}, Wanted(tail=0), id="no lines is not all lines"),
        pytest.param({"sinceSeconds": "10"}, Wanted(since=90.0), id="seconds before now"),
        pytest.param({"sinceTime": "1970-01-01T00:01:00Z"}, Wanted(since=60.0), id="a time"),
        pytest.param({"limitBytes": "7"}, Wanted(limit_bytes=7), id="bytes"),
        pytest.param({"stream": "Stderr"}, Wanted(stream="stderr"), id="one stream"),
        pytest.param({"stream": "All", "follow": "false"}, Wanted(), id="said, but nothing special"),
    ],
)
def test_a_query_is_read(query: dict[str, str], wanted: Wanted) -> None:
    assert wanted_of(query, 100.0) == wanted


@pytest.mark.parametrize("query", [{"tailLines": "x"}, {"sinceTime": "today"}, {"stream": "Both"}])
def test_a_query_that_means_nothing_is_refused(query: dict[str, str]) -> None:
    with pytest.raises(ValueError, match=r".+"):
        wanted_of(query, 0.0)


class Answer:
    """The stream's side of it: what was answered."""

    def __init__(self) -> None:
        self.status = 0
        self.text = b""
        self.heard = asyncio.Event()

    async def respond(self, head: dict[str, Any]) -> None:
        self.status = head["status"]

    async def write(self, data: bytes) -> None:
        self.text += data
        self.heard.set()


class OneSandbox:
    """The machine: a sandbox with the processes that a test says."""

    def __init__(self) -> None:
        self.states: dict[str, ProcessState] = {}
        self.sandboxes = {"sandbox": self}

    def processes(self) -> dict[str, ProcessState]:
        return self.states


class Node:
    """One pod, default/web, whose container `a` runs for the second time."""

    def __init__(self, directory: Path) -> None:
        self.machine = OneSandbox()
        self.record = PodRecord(sandbox="sandbox")
        self.record.of("a").begin(Attempt(0, "sandbox", finished_at=1.0))
        self.record.of("a").begin(Attempt(1, "sandbox"))
        self.machine.states["a.1"] = ProcessState("a.1", 1, 1.0)
        self.logs = ContainerLogs(
            directory,
            self.machine,  # type: ignore[arg-type]
            lambda: 100.0,
            lambda key: ({"metadata": {"uid": "uid"}}, self.record) if key == "default/web" else None,
            "one",
        )
        self.writers = []
        for number in (0, 1):
            path = log_path(directory / "uid", "a", number)
            path.parent.mkdir(parents=True, exist_ok=True)
            self.writers.append(LogWriter(str(path)))
            self.writers[number].feed("stdout", b"run %d\n" % number, (10 + 50 * number) * SECOND)

    async def get(self, steps: str = "default/web/a", **query: str) -> tuple[int, str]:
        answer = Answer()
        await self.logs.serve(steps.split("/"), query, answer)  # type: ignore[arg-type]
        return answer.status, answer.text.decode()


@pytest.fixture
def node(tmp_path: Path) -> Node:
    return Node(tmp_path)


@pytest.mark.parametrize(
    ("query", "text"),
    [
        pytest.param({}, "run 1\n", id="the newest attempt"),
        pytest.param({"previous": "true"}, "run 0\n", id="the one before"),
        pytest.param({"sinceSeconds": "10"}, "", id="nothing so lately"),
        pytest.param({"timestamps": "true"}, "1970-01-01T00:01:00.000000000Z run 1\n", id="with its time"),
        pytest.param({"limitBytes": "3"}, "run", id="three bytes"),
    ],
)
async def test_the_log_is_answered(node: Node, query: dict[str, str], text: str) -> None:
    assert await node.get(**query) == (200, text)


@pytest.mark.parametrize(
    ("steps", "status", "text"),
    [
        pytest.param("default/other/a", 404, 'pod "other" not found on node one', id="no such pod"),
        pytest.param("default/web/b", 400, 'container "b" in pod "web" not found', id="no such container"),
    ],
)
async def test_what_is_not_there_is_said(node: Node, steps: str, status: int, text: str) -> None:
    assert await node.get(steps) == (status, text)


async def test_a_first_run_has_no_previous(node: Node) -> None:
    node.record.of("a").last = None

    assert await node.get(previous="true") == (400, 'previous terminated container "a" in pod "web" not found')


async def test_a_query_that_cannot_be_read_is_the_callers_fault(node: Node) -> None:
    assert (await node.get(tailLines="many"))[0] == 400


async def test_following_ends_when_the_process_does_and_loses_nothing(node: Node) -> None:
    answer = Answer()
    query = {"follow": "true", "tailLines": "1"}
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(node.logs.serve(["default", "web", "a"], query, answer))  # type: ignore[arg-type]
        await answer.heard.wait()

        node.writers[1].feed("stdout", b"last words\n", 70 * SECOND)
        node.machine.states["a.1"] = ProcessState("a.1", 1, 1.0, finished_at=2.0, exit_code=0)
        node.logs.changed("sandbox")

    assert answer.text == b"run 1\nlast words\n"


async def test_who_follows_is_told_when_the_sandbox_is_gone(node: Node) -> None:
    answer = Answer()
    async with asyncio.timeout(5), asyncio.TaskGroup() as tasks:
        tasks.create_task(node.logs.serve(["default", "web", "a"], {"follow": "true"}, answer))  # type: ignore[arg-type]
        await answer.heard.wait()
        node.machine.sandboxes.clear()
        node.logs.changed("sandbox")

    assert answer.text == b"run 1\n"
