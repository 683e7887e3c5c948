"""exec, attach and port-forward on the node's side, beside real processes."""

from __future__ import annotations

import asyncio
import json
import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from multidict import MultiDict

from procorch.kubelet.container_streams import ContainerStreams
from procorch.kubelet.record import Attempt, PodRecord
from procorch.remotecommand import CLOSE, ERROR, STDERR, STDIN, STDOUT
from runtime import ProcessSpec, Runtime, SandboxSpec

pytestmark = pytest.mark.kernel

PATH = {"PATH": "/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin"}
POD = {
    "metadata": {"namespace": "default", "name": "web", "uid": "u"},
    "spec": {"containers": [{"name": "a", "stdin": True, "stdinOnce": True}, {"name": "ended"}, {"name": "never"}]},
}


class Stream:
    """A stream of the link from the node's side. status: of the answer; `say` is what the client does."""

    def __init__(self) -> None:
        self.status = 0
        self.sent = b""
        self._came: asyncio.Queue[bytes] = asyncio.Queue()

    def say(self, channel: int, data: bytes) -> None:
        self.give(channel.to_bytes(1, "big") + len(data).to_bytes(4, "big") + data)

    def give(self, data: bytes) -> None:
        self._came.put_nowait(data)

    async def respond(self, head: dict[str, Any]) -> None:
        self.status = head["status"]

    async def write(self, data: bytes) -> None:
        self.sent += data

    async def read(self) -> bytes:
        return await self._came.get()

    async def end(self) -> None:
        pass

    @property
    def frames(self) -> dict[int, bytes]:
        found: dict[int, bytes] = {}
        rest = self.sent
        while rest:
            size = int.from_bytes(rest[1:5], "big")
            found[rest[0]] = found.get(rest[0], b"") + rest[5 : 5 + size]
            rest = rest[5 + size :]
        return found

    @property
    def status_told(self) -> dict[str, Any]:
        return json.loads(self.frames[ERROR])


class Node:
    """default/web on a machine of its own: `a` runs, `ended` has ended, `never` was not started."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self.record = PodRecord(sandbox="box")
        self.streams = ContainerStreams(
            runtime, lambda key: (POD, self.record) if key == "default/web" else None, "one"
        )

    async def start(self, logs: Path) -> None:
        self.logs = logs
        self.box = await self.runtime.create(SandboxSpec("box", hostname="web"))
        serve = (
            "import socket\ns = socket.create_server(('127.0.0.1', 8080))\nwhile 1: s.accept()[0].sendall(b'served')"
        )
        for name, line in (
            ("a", f'python3 -c "{serve}" & while read x; do echo got $x; done; echo ended'),
            ("ended", "true"),
        ):
            spec = ProcessSpec(f"{name}.0", ("sh", "-c", line), env=PATH, stdin=True, log_path=logs / f"{name}.log")
            await self.box.start(spec)
            one = self.record.of(name)
            one.begin(Attempt(0, "box"))
            one.launch = spec
        await self.box.wait("ended.0")

    async def exec(self, *command: str, container: str = "a", **query: str) -> Stream:
        stream = Stream()
        rows = [*(("command", one) for one in command), *query.items()]
        await self.streams.exec(["default", "web", container], MultiDict(rows), stream)  # type: ignore[arg-type]
        return stream


@pytest.fixture
async def node(tmp_path: Path) -> AsyncIterator[Node]:
    runtime = Runtime(tmp_path / "state", cgroup=f"procorch-streams-{os.getpid()}", warm=0)
    await runtime.start()
    try:
        made = Node(runtime)
        await made.start(tmp_path)
        yield made
    finally:
        await runtime.reset()


async def test_a_command_beside_the_container(node):
    stream = await node.exec("sh", "-c", "hostname; echo oops >&2; exit 3")

    assert stream.status == 200
    assert (stream.frames[STDOUT], stream.frames[STDERR]) == (b"web\n", b"oops\n")
    assert stream.status_told["details"]["causes"] == [{"reason": "ExitCode", "message": "3"}]


async def test_what_nobody_asked_for_is_not_sent(node):
    stream = await node.exec("sh", "-c", "echo out; echo err >&2", stdout="true", stderr="false")
    assert set(stream.frames) == {STDOUT, ERROR}
    assert stream.status_told["status"] == "Success"


async def test_what_a_command_left_behind_does_not_hold_it_up(node):
    async with asyncio.timeout(10):
        stream = await node.exec("sh", "-c", "sleep 1000 & echo done")
    assert stream.frames[STDOUT] == b"done\n"


@pytest.mark.parametrize(
    ("container", "command", "status", "said"),
    [
        ("never", ["true"], 404, 'container not found ("never")'),
        ("ended", ["true"], 500, 'container "ended" in pod "web" is not running'),
        ("a", [], 400, "you must specify at least one command for the container"),
    ],
)
async def test_what_cannot_begin(node, container, command, status, said):
    stream = await node.exec(*command, container=container)
    assert (stream.status, stream.sent.decode()) == (status, said)


async def test_a_program_that_is_not_there(node):
    stream = await node.exec("nonsense")
    why = 'error executing command in container: exec: "nonsense": executable file not found in $PATH'
    assert stream.status_told["message"] == why


async def test_a_pod_that_is_not_here(node):
    stream = Stream()
    await node.streams.exec(["default", "other", "a"], MultiDict(command="x"), stream)
    assert (stream.status, stream.sent) == (404, b'pod "other" not found on node one')


async def test_attached_to_a_container_whose_input_is_for_one(node):
    stream = Stream()
    stream.say(STDIN, b"one\n")
    stream.say(CLOSE, bytes([STDIN]))
    async with asyncio.timeout(10):
        await node.streams.attach(["default", "web", "a"], MultiDict(stdin="true"), stream)

    assert stream.frames[STDOUT] == b"got one\nended\n"
    assert stream.status_told["status"] == "Success"


async def test_attached_to_an_input_that_stays_open_he_leaves_at_his_own_end(node, monkeypatch):
    """kubectl run -i --leave-stdin-open: the program reads what was said, and waits for whoever comes next."""
    monkeypatch.setitem(POD["spec"], "containers", [{"name": "a", "stdin": True}])
    for word in (b"one", b"two"):
        stream = Stream()
        stream.say(STDIN, word + b"\n")
        stream.say(CLOSE, bytes([STDIN]))
        async with asyncio.timeout(10):
            await node.streams.attach(["default", "web", "a"], MultiDict(stdin="true"), stream)
        assert stream.status_told["status"] == "Success"

    log = node.logs / "a.log"
    async with asyncio.timeout(10):
        while "got two" not in log.read_text():
            await asyncio.sleep(0.02)
    assert "got one" in log.read_text() and "ended" not in log.read_text()


async def test_a_port_of_the_pods_own_loopback(node):
    async def forward(port: str) -> Stream:
        stream = Stream()
        stream.give(b"")  # the client has no more
        await node.streams.port_forward(["default", "web"], MultiDict(port=port), stream)
        return stream

    async with asyncio.timeout(20):
        while (stream := await forward("8080")).status == 502:  # it has not begun to listen
            await asyncio.sleep(0.05)
    refused = await forward("9999")

    assert (stream.status, stream.sent) == (200, b"served")
    assert (refused.status, refused.sent) == (502, b"failed to connect to localhost:9999: connection refused")
    assert (await forward("0")).status == 400
