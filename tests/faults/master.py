"""A master that is killed and begun again, on loopback, and clients that never send anything twice."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import aiohttp

from procorch import kubeconfig
from procorch.client import Client, HttpTransport
from tests.faults.nursery import Nursery

MODULES = ("cli.master", "cli.up", "procorch.master", "store.dialects.postgresql", "uvloop")


class Once(HttpTransport):
    """Sends a request once: aiohttp would send an idempotent one again on a new connection when the old one breaks
    before the answer, and what was done at the first try would be told as refused at the second."""

    def _new_session(self, limit: int) -> aiohttp.ClientSession:
        session = super()._new_session(limit)
        session._retry_connection = False
        return session


class Master:
    """`procorch master` with a directory of its own. nursery: where its lives come from, and whose files it sees.

    directory: its path there. life: the number of the present one. up: set while it answers, as far as we know.
    """

    def __init__(self, nursery: Nursery, directory: Path, options: Sequence[str] = ()) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.directory = Path(f"/proc/{nursery.pid}/root") / directory.relative_to("/")  # as seen from here
        self.life = -1
        self.pid = 0
        self.up = asyncio.Event()
        self._nursery = nursery
        self._arguments = ["master", "--data-dir", str(directory), "--port", str(self.port)]
        self._arguments += ["--listen-address", "127.0.0.1", "--advertise-address", "127.0.0.1"]
        self._arguments += ["--kubeconfig-server", f"https://127.0.0.1:{self.port}", "--log-level", "error", *options]

    async def begin(self) -> None:
        """Begins a life, and does not wait for anything."""
        self.life += 1
        self.pid = await self._nursery.begin(arguments=self._arguments)

    async def ready(self, seconds: float = 30.0) -> None:
        """Waits until requests are answered."""
        async with asyncio.timeout(seconds):
            while True:
                try:
                    _, writer = await asyncio.open_connection("127.0.0.1", self.port)
                    writer.close()
                    break
                except OSError:
                    await asyncio.sleep(0.005)
        self.up.set()

    async def kill(self) -> None:
        """SIGKILL. Raises AssertionError when it had ended by itself."""
        self.up.clear()
        code = await self._nursery.kill()
        assert code == -9, f"the master ended by itself, with {code}"

    @property
    def database(self) -> str:
        """The file that is its store."""
        return str(self.directory / "store.db")

    def client(self) -> Client:
        access = kubeconfig.load(self.directory / "admin.kubeconfig")
        return Client(Once(access.server, access.ssl_context(), access.token))


def token_of(obj: dict[str, Any], revision: int) -> str:
    """Whose write an object is: of a ConfigMap what the clients put into it, of a Lease its time of renewal; what
    others wrote is only told apart by its revision."""
    token = (obj.get("data") or {}).get("token") or (obj.get("spec") or {}).get("renewTime")
    return str(token or f"#{revision}")


def label_of(obj: dict[str, Any]) -> str | None:
    color = ((obj.get("metadata") or {}).get("labels") or {}).get("color")
    return None if color is None else str(color)
