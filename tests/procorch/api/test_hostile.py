"""Every attack of the table is refused with a Status, in time and in little memory; and the API goes on as if nothing
had been: a master of its own, with a store on a disk."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import re
import socket
import ssl
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psutil
import pytest
import yaml

import store
from tests.procorch.api.hostile import CONFIG_MAPS, PODS, TARGET, Attack, Bytes, config_map, get, pod, post
from tests.procorch.api.hostile.addresses import PATHS, QUERIES
from tests.procorch.api.hostile.binary import MEDIA
from tests.procorch.api.hostile.bodies import BODIES, YAMLS
from tests.procorch.api.hostile.objects import PATCHES, VALUES
from tests.procorch.api.hostile.transfers import CREDENTIALS, HTTP, SLOW

ATTACKS = [*BODIES, *YAMLS, *PATCHES, *VALUES, *QUERIES, *PATHS, *HTTP, *MEDIA]
CPU_SECONDS = 1.0  # of the master's: on a busy machine the clock on the wall tells of others
MEMORY = 160 << 20  # bytes by which it may grow for a moment; the body itself is up to 3 MiB
# `procorch master`, whose patience with a slow client, in seconds, is the first argument
PROGRAM = """
import sys
from procorch.api import connection, http
connection.HEADER_SECONDS = http.BODY_SECONDS = float(sys.argv.pop(1))
from cli import main
main()
"""


class Master:
    """One that the attacks may fall upon. patience: seconds that it gives a client for headers, and for a body."""

    def __init__(self, directory: Path, patience: float) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.directory = directory
        here = ["--listen-address", "127.0.0.1", "--advertise-address", "127.0.0.1"]
        arguments = ["master", "--data-dir", str(directory), "--port", str(self.port), *here]
        self.log = directory / "master.log"
        with self.log.open("wb") as log:
            self.process = psutil.Popen([sys.executable, "-c", PROGRAM, str(patience), *arguments], stderr=log)
        self.seen = 0

    async def ready(self) -> None:
        """Waits until it serves what the attacks are about."""
        async with asyncio.timeout(30):
            while not self._has_context() or (await self.ask(get("/api/v1/namespaces/default")))[0] != 200:
                await asyncio.sleep(0.02)
        assert (await self.ask(post(config_map(name='"target"'))))[0] == 201
        assert (await self.ask(post(pod().replace(b"hostile", b"target"), path=PODS)))[0] == 201
        self.target = await self.ask(get(TARGET))

    def _has_context(self) -> bool:
        with contextlib.suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
            config = yaml.safe_load((self.directory / "admin.kubeconfig").read_text())
            user = config["users"][0]["user"]
            files = [self.directory / "client.crt", self.directory / "client.key"]
            for file, field in zip(files, ("client-certificate-data", "client-key-data"), strict=True):
                file.write_bytes(base64.b64decode(user[field]))
            ca = base64.b64decode(config["clusters"][0]["cluster"]["certificate-authority-data"]).decode()
            self.stranger, self.admin = (ssl.create_default_context(cadata=ca) for _ in range(2))
            self.admin.load_cert_chain(*files)
            return True
        return False

    async def ask(self, sent: Bytes, pause: float = 0.0, *, known: bool = True) -> tuple[int, bytes]:
        """The code and the body of the answer; 0 where the connection ended instead."""
        context = self.admin if known else self.stranger
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=context, limit=1 << 24)
        try:
            async with asyncio.timeout(60), asyncio.TaskGroup() as tasks:
                sending = tasks.create_task(_send(writer, sent, pause))
                answer = await _answer(reader)
                sending.cancel()
            return answer
        finally:
            writer.transport.abort()

    def cpu(self) -> float:
        times = self.process.cpu_times()
        return float(times.user + times.system)

    def forget_peak(self) -> None:
        Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def memory(self, what: str) -> int:
        """VmRSS: now; VmHWM: the most since `forget_peak`. Bytes."""
        found = re.search(rf"{what}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text())
        assert found is not None
        return int(found[1]) << 10

    def news(self) -> list[str]:
        """The lines of its log since the last call."""
        lines = self.log.read_text().splitlines()
        self.seen, new = len(lines), lines[self.seen :]
        return new


async def _send(writer: asyncio.StreamWriter, sent: Bytes, pause: float) -> None:
    with contextlib.suppress(OSError):
        for piece in [sent] if isinstance(sent, bytes) else sent:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(pause)


async def _answer(reader: asyncio.StreamReader) -> tuple[int, bytes]:
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except (asyncio.IncompleteReadError, ConnectionError):
        return 0, b""
    length = re.search(rb"(?i)content-length: (\d+)", head)
    return int(head.split()[1]), await reader.readexactly(int(length[1])) if length else b""


@pytest.fixture(scope="module")
def master() -> Iterator[Master]:
    with _master(patience=0.5) as made:
        yield made


@contextlib.contextmanager
def _master(patience: float) -> Iterator[Master]:
    with tempfile.TemporaryDirectory() as directory:
        made = Master(Path(directory), patience)
        try:
            asyncio.run(made.ready())
            yield made
        finally:
            made.process.terminate()
            ended = made.process.wait(20)
        assert ended in (0, -15)
        assert asyncio.run(_stored(str(made.directory / "store.db"))) > 10  # the attacks have left it as it was


async def _stored(database: str) -> int:
    """How many objects there are; each of them is JSON for a parser that knows no mercy."""
    log = await store.Log.open(database)
    try:
        rows = await log.items("/registry/")
    finally:
        await log.close()
    for row in rows:
        json.loads(row.value.decode(), parse_constant=_no_number, object_pairs_hook=_once).__str__().encode()
    return len(rows)


def _no_number(text: str) -> Any:
    raise AssertionError(f"{text} is no JSON")


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    assert len(dict(pairs)) == len(pairs), pairs
    return dict(pairs)


@pytest.mark.parametrize("attack", [*ATTACKS, *CREDENTIALS, *SLOW], ids=lambda attack: attack.name)
def test_is_refused_with_a_status_and_costs_little(master: Master, attack: Attack) -> None:
    sent = attack.make()
    master.news()
    master.forget_peak()
    memory, cpu = master.memory("VmRSS"), master.cpu()
    code, body = asyncio.run(master.ask(sent, attack.pause, known=attack not in CREDENTIALS))
    used, grown = master.cpu() - cpu, master.memory("VmHWM") - memory

    assert code in attack.codes, body[:500]
    if code:
        status = json.loads(body)
        assert (status["kind"], status["status"], status["code"]) == ("Status", "Failure", code)
        assert status["message"] and len(body) < 256 << 10
    assert used < CPU_SECONDS and grown < MEMORY
    assert asyncio.run(master.ask(get(TARGET))) == master.target  # it goes on, and nothing has changed
    assert asyncio.run(master.ask(get(f"{CONFIG_MAPS}/hostile")))[0] == 404
    news = master.news()
    assert len(news) <= 1 and not any("Traceback" in line or " ERROR " in line for line in news), news


def test_the_table_is_long_enough() -> None:
    names = [attack.name for attack in (*ATTACKS, *CREDENTIALS, *SLOW)]

    assert len(names) == len(set(names)) > 60


def test_many_at_once_do_not_add_up() -> None:
    """The hungriest of them, eight times each, all together: memory does not go up by their sum."""
    hungry = ["a million empty lists", "200,000 unknown fields", "YAML: a million empty lists", "100,000 bad labels"]
    sent = [attack.make() for attack in ATTACKS if attack.name in hungry for _ in range(8)]

    async def all_of_them(master: Master) -> list[tuple[int, bytes]]:
        return list(await asyncio.gather(*(master.ask(one) for one in sent)))

    with _master(patience=60) as master:  # all together they wait for this process, too, to send them
        before = master.memory("VmRSS")
        codes = {code for code, _ in asyncio.run(all_of_them(master))}
        assert codes <= {400, 413, 422, 429}, codes
        assert master.memory("VmHWM") - before < 4 * MEMORY
        assert asyncio.run(master.ask(get(TARGET))) == master.target
