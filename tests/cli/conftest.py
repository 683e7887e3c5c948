"""An API on a real socket, its store in memory, in a thread of its own; and the command line that goes there."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

import cli
import store
from procorch import kubeconfig
from procorch.api import Api, ApiConfig, LocalTransport, User
from procorch.api.http import serve
from procorch.client import Client
from procorch.objects import Object

ADMIN = User("admin", ("system:masters",))
POD: Object = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "one", "labels": {"app": "one"}},
    "spec": {"containers": [{"name": "main", "image": "host", "command": ["sleep", "60"]}]},
}


class Server:
    """Runs in its thread until closed. `do` runs a coroutine of the administrator's client there."""

    def __init__(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.ready, self.told = threading.Event(), asyncio.Event()
        self.thread = threading.Thread(target=lambda: self.loop.run_until_complete(self._run()), name="api")
        self.thread.start()
        assert self.ready.wait(30)

    async def _run(self) -> None:
        log = await store.Log.open(":memory:")
        self.api = Api(log, config=ApiConfig(tokens={"secret": ADMIN}))
        await self.api.start()
        self.client = Client(LocalTransport(self.api, ADMIN))
        for name in ("default", "kube-system", "kube-node-lease", "other"):
            await self.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        listener = await serve(self.api, "127.0.0.1", 0, None)
        self.url = f"http://127.0.0.1:{listener.port}"
        self.ready.set()
        await self.told.wait()
        await self.api.close()
        await listener.close(0.5)
        await log.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)

    def create(self, *objects: Object) -> None:
        for obj in objects:
            metadata = {"namespace": "default", **obj["metadata"]}
            self.do(self.client.create({**obj, "metadata": metadata}))

    def close(self) -> None:
        self.loop.call_soon_threadsafe(self.told.set)
        self.thread.join(30)
        self.loop.close()


@dataclass
class Shell:
    """`run` is one command of ours, with the server's kubeconfig; called directly, it must succeed."""

    server: Server
    kubeconfig: Path

    def run(self, *words: str, stdin: str = "") -> Result:
        return CliRunner().invoke(cli.procorch, list(words), input=stdin, env={"KUBECONFIG": str(self.kubeconfig)})

    def __call__(self, *words: str, stdin: str = "") -> str:
        result = self.run(*words, stdin=stdin)
        assert result.exit_code == 0, (words, result.output, result.exception)
        return str(result.output)


@pytest.fixture
def server() -> Iterator[Server]:
    running = Server()
    yield running
    running.close()


@pytest.fixture
def procorch(server: Server, tmp_path: Path) -> Shell:
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, kubeconfig.document("test", kubeconfig.Access(server.url, token="secret"), "admin"))
    return Shell(server, path)


@pytest.fixture
def pod() -> Callable[..., Object]:
    """pod("name", app="x"): a pod with these labels."""

    def make(name: str = "one", **labels: str) -> Object:
        return {**POD, "metadata": {"name": name, "labels": labels or {"app": name}}}

    return make
