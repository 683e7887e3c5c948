"""What a probe or a hook asks: real listeners on the loopback, and a sandbox that answers as the runtime does."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from procorch.kubelet.handlers import MOST_OUTPUT, Outcome, Target, ask, run_hook
from runtime import Capabilities, ProcessSpec, Ran, RuntimeFailed, User

LAUNCH = ProcessSpec(
    "a.2", ("/bin/a",), env={"A": "b"}, cwd="/w", user=User(7, 8), capabilities=Capabilities(("NET_ADMIN",)),
    no_new_privs=False,
)  # fmt: skip


class Sandbox:
    """Runs nothing: `ran` is what the command is said to have done."""

    def __init__(self, ran: Ran | RuntimeFailed) -> None:
        self._ran = ran
        self.netns = "/proc/self/ns/net"  # as a pod on its node's network
        self.asked: dict[str, Any] = {}

    async def exec(self, name: str, argv: list[str], **options: Any) -> Ran:
        self.asked = {"name": name, "argv": argv, **options}
        if isinstance(self._ran, RuntimeFailed):
            raise self._ran
        return self._ran


def target(ran: Ran | RuntimeFailed | None = None, port: int = 0) -> Target:
    container = {"name": "a", "ports": [{"name": "web", "containerPort": port}]}
    return Target(Sandbox(ran or Ran(0)), container, 2, LAUNCH, "127.0.0.1")  # type: ignore[arg-type]


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


@asynccontextmanager
async def answering(text: str) -> AsyncIterator[tuple[int, list[bytes]]]:
    """A listener that gives everybody the same answer: its port, and what it was asked. No text: no answer."""
    asked: list[bytes] = []
    over = asyncio.Event()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if text:
            asked.append(await reader.readuntil(b"\r\n\r\n"))
            writer.write(text.encode())
        else:
            await over.wait()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    yield server.sockets[0].getsockname()[1], asked
    over.set()
    server.close()
    await server.wait_closed()


def http(status: str, *headers: str) -> str:
    return "\r\n".join([f"HTTP/1.1 {status}", "Content-Length: 0", "Connection: close", *headers, "", ""])


@pytest.mark.parametrize(
    ("status", "outcome", "heard"),
    [
        pytest.param("200 OK", Outcome.GOOD, "", id="well"),
        pytest.param("399 Odd", Outcome.WARNING, "Probe terminated redirects, Response body: ", id="the last"),
        pytest.param("400 Bad", Outcome.BAD, "HTTP probe failed with statuscode: 400", id="the first of the bad"),
        pytest.param("503 Ill", Outcome.BAD, "HTTP probe failed with statuscode: 503", id="ill"),
    ],
)
async def test_http_is_judged_by_its_status(status: str, outcome: Outcome, heard: str) -> None:
    async with answering(http(status)) as (port, _):
        assert await ask({"httpGet": {"port": port}}, target(), 5) == (outcome, heard)


async def test_a_redirect_to_another_host_is_not_followed() -> None:
    async with answering(http("302 Found", "Location: http://192.0.2.1/")) as (port, asked):
        outcome, heard = await ask({"httpGet": {"port": port}}, target(), 5)

    assert (outcome, heard) == (Outcome.WARNING, "Probe terminated redirects, Response body: ")
    assert len(asked) == 1


async def test_http_asks_as_the_probe_says() -> None:
    headers = [{"name": "X-A", "value": "b"}, {"name": "Host", "value": "web.example"}]
    async with answering(http("200 OK")) as (port, asked):
        await ask({"httpGet": {"port": "web", "path": "ready?x=%2F", "httpHeaders": headers}}, target(port=port), 5)

    lines = asked[0].decode().split("\r\n")
    assert lines[0] == "GET /ready?x=%2F HTTP/1.1"
    assert "X-A: b" in lines
    assert "Host: web.example" in lines
    assert "User-Agent: kube-probe/1.37" in lines


async def test_a_socket_that_opens_is_enough_for_tcp() -> None:
    async with answering("") as (port, _):
        assert await ask({"tcpSocket": {"port": str(port)}}, target(), 5) == (Outcome.GOOD, "")


async def test_nobody_there_is_said_in_the_dialers_words() -> None:
    port = free_port()
    words = f"dial tcp 127.0.0.1:{port}: connect: connection refused"

    assert await ask({"tcpSocket": {"port": port}}, target(), 5) == (Outcome.BAD, words)
    outcome, heard = await ask({"httpGet": {"port": port, "path": "/x"}}, target(), 5)
    assert (outcome, heard) == (Outcome.BAD, f'Get "http://127.0.0.1:{port}/x": {words}')


async def test_no_answer_in_time_is_a_failure() -> None:
    async with answering("") as (port, _):
        heard = await ask({"httpGet": {"port": port}}, target(), 0.05)

    words = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
    assert heard == (Outcome.BAD, f'Get "http://127.0.0.1:{port}/": {words}')


@pytest.mark.parametrize(
    ("ran", "outcome", "heard"),
    [
        pytest.param(Ran(0, b"out", b"err"), Outcome.GOOD, "outerr", id="well"),
        pytest.param(Ran(3, b"", b"no"), Outcome.BAD, "no", id="it failed"),
        pytest.param(
            Ran(137, timed_out=True), Outcome.BAD, 'command timed out: "/bin/ask it" timed out after 2s', id="too slow"
        ),
        pytest.param(Ran(128, error="no such file"), Outcome.ERROR, "no such file", id="it could not be started"),
        pytest.param(RuntimeFailed("the pause is gone"), Outcome.ERROR, "the pause is gone", id="nowhere to run it"),
    ],
)
async def test_a_command_is_judged_by_its_end(ran: Ran | RuntimeFailed, outcome: Outcome, heard: str) -> None:
    assert await ask({"exec": {"command": ["/bin/ask", "it"]}}, target(ran), 2) == (outcome, heard)


async def test_a_command_runs_beside_the_container_with_its_rights() -> None:
    asked = target()
    await ask({"exec": {"command": ["/bin/ask"]}}, asked, 2)

    assert asked.sandbox.asked == {  # type: ignore[attr-defined]
        "name": "a.2",
        "argv": ["/bin/ask"],
        "env": {"A": "b"},
        "cwd": "/w",
        "user": LAUNCH.user,
        "capabilities": LAUNCH.capabilities,
        "no_new_privs": False,
        "timeout": 2,
        "most": MOST_OUTPUT,
    }


@pytest.mark.parametrize(
    ("handler", "heard"),
    [
        pytest.param({"tcpSocket": {"port": "none"}}, "couldn't find port none in container a", id="no such port"),
        pytest.param({}, "missing probe handler for a", id="nothing"),
    ],
)
async def test_what_cannot_be_asked_says_nothing_of_the_container(handler: dict[str, Any], heard: str) -> None:
    assert await ask(handler, target(), 0.01) == (Outcome.ERROR, heard)


async def test_nobody_who_speaks_grpc_there() -> None:
    port = free_port()
    words = f"dial tcp 127.0.0.1:{port}: connect: connection refused"

    refused = await ask({"grpc": {"port": port}}, target(), 5)
    async with answering("") as (silent, _):
        late = await ask({"grpc": {"port": silent}}, target(), 0.05)

    assert refused == (Outcome.BAD, f'error: failed to connect service at "127.0.0.1:{port}": {words}')
    assert late == (Outcome.BAD, "timeout: health rpc did not complete within 0.05s")


async def test_another_host_is_asked_from_the_node() -> None:
    """The pod's own address is not asked then: nothing listens there."""
    async with answering(http("200 OK")) as (port, _):
        asked = Target(target().sandbox, {"name": "a"}, 0, LAUNCH, "127.0.0.2")

        assert await ask({"httpGet": {"port": port, "host": "localhost"}}, asked, 5) == (Outcome.GOOD, "")
        assert (await ask({"httpGet": {"port": port}}, asked, 5))[0] is Outcome.BAD


@pytest.mark.parametrize(
    ("handler", "good", "heard"),
    [
        pytest.param({"sleep": {"seconds": 0}}, True, "", id="a sleep is its own success"),
        pytest.param(
            {"sleep": {"seconds": 60}}, False, "context deadline exceeded: no answer within 0.01s", id="a long sleep"
        ),
        pytest.param({"exec": {"command": ["x"]}}, True, "", id="a command"),
        pytest.param({"httpGet": {"port": "none"}}, False, "couldn't find port none in container a", id="no such port"),
    ],
)
async def test_a_hook(handler: dict[str, Any], good: bool, heard: str) -> None:
    assert await run_hook(handler, target(), 0.01) == (good, heard)


async def test_any_answer_will_do_for_a_hook() -> None:
    async with answering(http("500 Ill")) as (port, asked):
        assert await run_hook({"httpGet": {"port": port}}, target(), 5) == (True, "")

    assert b"User-Agent: kube-lifecycle/1.37" in asked[0]
