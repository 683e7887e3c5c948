"""An API on a real socket with its store in memory, a throw-away CA, and the real kubectl."""

from __future__ import annotations

import asyncio
import base64
import os
import ssl
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest
import yaml

import store
from procorch import pki
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.api.http import Listener, serve, server_context
from procorch.client import Client
from procorch.link import Link, Stream
from procorch.transport import HttpTransport

ADMIN = User("admin", (MASTERS,))
NAMESPACES = ("default", "kube-system", "kube-node-lease")


@dataclass
class Credentials:
    directory: Path
    ca: pki.Authority

    def user(self, name: str, *groups: str) -> tuple[Path, Path]:
        """The files of a client certificate and its key."""
        stem = "+".join([name, *groups]).replace(":", "-")
        certificate, key = self.directory / f"{stem}.crt", self.directory / f"{stem}.key"
        if not certificate.exists():
            pair = self.ca.issue_client(name, groups, time.time())
            certificate.write_bytes(pair.certificate)
            key.write_bytes(pair.key)
        return certificate, key

    def server_context(self) -> ssl.SSLContext:
        return server_context(self.directory / "apiserver.crt", self.directory / "apiserver.key", self.ca.pem)


@pytest.fixture(scope="session")
def credentials(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    directory = tmp_path_factory.mktemp("pki")
    ca = pki.Authority.open(directory, time.time())
    pki.server_pair(directory, ca, ["127.0.0.1"], time.time())
    pki.signing_key(directory)
    return Credentials(directory, ca)


@dataclass
class Running:
    """A served API. `client` is the administrator without a socket; `as_user` makes one over TLS."""

    api: Api
    client: Client
    listener: Listener
    credentials: Credentials
    directory: Path

    @property
    def url(self) -> str:
        return f"https://127.0.0.1:{self.listener.port}"

    def context(self, name: str = "", *groups: str) -> ssl.SSLContext:
        context = ssl.create_default_context(cadata=self.credentials.ca.pem.decode())
        if name:
            context.load_cert_chain(*self.credentials.user(name, *groups))
        return context

    def transport(self, name: str = "", *groups: str, token: str | None = None) -> HttpTransport:
        return HttpTransport(self.url, self.context(name, *groups), token)

    async def restart(self) -> None:
        """The API ends as a master does, and another one serves the same store on the same port."""
        port = self.listener.port
        await self.api.close()
        await self.listener.close(0.5)
        self.api = Api(self.api.log, config=self.api.config)
        await self.api.start()
        self.client = Client(LocalTransport(self.api, ADMIN))
        self.listener = await serve(self.api, "127.0.0.1", port, self.credentials.server_context())

    def kubeconfig(self) -> Path:
        certificate, key = self.credentials.user("kubernetes-admin", MASTERS)

        def data(content: bytes) -> str:
            return base64.b64encode(content).decode()

        document = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {
                "server": self.url, "certificate-authority-data": data(self.credentials.ca.pem)}}],
            "users": [{"name": "u", "user": {
                "client-certificate-data": data(certificate.read_bytes()),
                "client-key-data": data(key.read_bytes())}}],
            "contexts": [{"name": "x", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "x",
        }  # fmt: skip
        path = self.directory / "kubeconfig"
        path.write_text(yaml.safe_dump(document))
        return path


@pytest.fixture
async def served(credentials: Credentials, tmp_path: Path) -> AsyncIterator[Running]:
    log = await store.Log.open(":memory:")
    key = (credentials.directory / "service-account.key").read_bytes()
    api = Api(log, config=ApiConfig(ca_pem=credentials.ca.pem, service_account_key=key))
    await api.start()
    client = Client(LocalTransport(api, ADMIN))
    for name in NAMESPACES:
        await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    listener = await serve(api, "127.0.0.1", 0, credentials.server_context())
    running = Running(api, client, listener, credentials, tmp_path)
    yield running
    await running.api.close()
    await running.listener.close(0.5)
    await log.close()


@dataclass
class Ran:
    code: int
    out: str
    err: str


class Kubectl:
    def __init__(self, program: Path, running: Running) -> None:
        self.program = program
        self._environment = {
            "KUBECONFIG": str(running.kubeconfig()),
            "HOME": str(running.directory),
            "PATH": os.environ["PATH"],
        }

    async def start(self, *arguments: str, **more: Any) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        environment = {**self._environment, **more.pop("env", {})}
        return await asyncio.create_subprocess_exec(
            self.program, *arguments, env=environment, stdin=pipe, stdout=pipe, stderr=pipe, **more
        )

    async def run(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> Ran:
        process = await self.start(*arguments, env=env or {})
        async with asyncio.timeout(60):
            out, err = await process.communicate(stdin.encode())
        assert process.returncode is not None
        return Ran(process.returncode, out.decode(), err.decode())

    async def __call__(self, *arguments: str, stdin: str = "", env: dict[str, str] | None = None) -> str:
        """What it printed; it must have succeeded."""
        ran = await self.run(*arguments, stdin=stdin, env=env)
        assert ran.code == 0, f"kubectl {' '.join(arguments)}: {ran.err}"
        return ran.out


KUBECTLS = [
    pytest.param(path, id=name)
    for name, path in (
        ("newest-kubectl", Path(sys.executable).with_name("kubectl")),
        ("machine's-kubectl", Path("/usr/bin/kubectl")),
    )
    if path.exists()
]


@pytest.fixture(params=KUBECTLS)
def kubectl(request: pytest.FixtureRequest, served: Running) -> Kubectl:
    return Kubectl(request.param, served)


async def _until(condition: Callable[[], object], seconds: float = 10) -> None:
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.005)


@pytest.fixture
def until() -> Callable[..., Awaitable[None]]:
    """until(condition): waits until it holds."""
    return _until


@pytest.fixture
def linked(served: Running) -> Callable[..., AbstractAsyncContextManager[None]]:
    """linked(accept): a node n1 that has dialled in over a real WebSocket and answers with `accept`."""

    @asynccontextmanager
    async def dial(accept: Callable[[dict[str, Any], Stream], Awaitable[None]]) -> AsyncIterator[None]:
        context = served.context("system:node:n1", "system:nodes")
        url = f"{served.url}/apis/procorch.dev/v1/nodes/n1/link"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, ssl=context) as socket:
            link = Link(socket.send_bytes, accept=accept, first_id=1)

            async def messages() -> AsyncIterator[bytes]:
                async for message in socket:
                    yield message.data

            async with asyncio.TaskGroup() as group:
                group.create_task(link.run(messages()))
                await _until(lambda: "n1" in served.api.links)
                yield
                await socket.close()
        await _until(lambda: "n1" not in served.api.links)

    return dial
