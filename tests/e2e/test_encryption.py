"""Secrets at rest, with the real programs: what lies in the files, and keys that come and go while clients write."""

from __future__ import annotations

import asyncio
import base64
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procorch import kubeconfig
from procorch.client import Client
from procorch.encryption import add_key, read
from procorch.hosts import Lab
from procorch.objects import ApiError
from tests.e2e.cluster import bring_up, take_down

pytestmark = pytest.mark.e2e
BIN = Path(sys.executable).parent
PLAIN = "hunter2-is-the-password"
FORMS = (PLAIN.encode(), base64.b64encode(PLAIN.encode()))
WRONG: tuple[dict[str, Any], ...] = (
    {"type": PLAIN},
    {"data": {"a": PLAIN}},
    {"data": {PLAIN + "!": "YQ=="}},
    {"data": PLAIN},
    {"stringData": {"a": [PLAIN]}},
    {PLAIN: 1},
    {"immutable": PLAIN},
)
"""Mistakes in which a secret stands where the server's answer names it; its log must not."""


class Master:
    """One `procorch master` on loopback."""

    def __init__(self, directory: Path, *options: str, database: str = "") -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = int(probe.getsockname()[1])
        self.directory, self.options = directory, options
        self.environment = {
            **os.environ, "PROCORCH_DATABASE": database, "KUBECONFIG": str(directory / "admin.kubeconfig")
        }  # fmt: skip
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.directory.mkdir(exist_ok=True)
        server = f"https://127.0.0.1:{self.port}"
        argv = [BIN / "procorch", "master", "--data-dir", str(self.directory), "--port", str(self.port)]
        argv += ["--advertise-address", "127.0.0.1", "--listen-address", "127.0.0.1", "--kubeconfig-server", server]
        with (self.directory / "log").open("ab") as log:
            self.process = subprocess.Popen([*argv, *self.options], env=self.environment, stdout=log, stderr=log)

    async def ready(self) -> Client:
        assert self.process is not None
        async with asyncio.timeout(60):
            while True:
                assert self.process.poll() is None, self.output
                with contextlib.suppress(OSError, kubeconfig.KubeconfigError):
                    client = Client(kubeconfig.from_kubeconfig(self.directory / "admin.kubeconfig"))
                    try:
                        await client.get("Namespace", "default")
                        return client
                    except (OSError, ApiError):
                        await client.transport.close()
                await asyncio.sleep(0.05)

    @property
    def output(self) -> str:
        return (self.directory / "log").read_text()

    def stop(self, number: int = signal.SIGTERM) -> int:
        assert self.process is not None
        if self.process.poll() is None:
            self.process.send_signal(number)
        return self.process.wait(30)

    def refuses(self) -> str:
        """Starts it; the one line with which it ends."""
        before = len(self.output)
        self.start()
        assert self.process is not None
        assert self.process.wait(60) == 1
        (line,) = [line for line in self.output[before:].splitlines() if line.startswith("Error: ")]
        return line

    def procorch(self, *words: str) -> subprocess.CompletedProcess[str]:
        argv = [str(BIN / "procorch"), *words]
        return subprocess.run(argv, env=self.environment, capture_output=True, text=True, timeout=60, check=False)

    def files_with_plain_values(self) -> list[str]:
        found = [path for path in self.directory.rglob("*") if path.is_file()]
        return [path.name for path in found if any(form in path.read_bytes() for form in FORMS)]


@pytest.fixture
def masters() -> Iterator[list[Master]]:
    """Those in it are ended."""
    running: list[Master] = []
    yield running
    for master in running:
        if master.process is not None and master.process.poll() is None:
            master.stop(signal.SIGKILL)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "encryption.yaml"
    add_key(path)
    return path


def secret(name: str, size: int = 1) -> dict[str, Any]:
    metadata = {"name": name, "namespace": "default"}
    data = {"password": FORMS[1].decode(), **{f"more{number}": FORMS[1].decode() for number in range(size)}}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": data}


async def load(client: Client, names: list[str], keep: bool) -> None:
    """Secrets are created, updated, refused, and (unless they are kept) deleted, many at once, among other writes."""

    async def one(number: int, name: str) -> None:
        made = await client.create(secret(name))
        for turn in range(4):
            made = await client.update({**made, "data": secret(name, 2 + number * turn * 7 % 90 + turn)["data"]})
            metadata = {"name": f"{name}-{turn}", "namespace": "default"}
            await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"a": "b"}})
        for wrong in WRONG:
            with pytest.raises(ApiError):
                await client.update({**made, **wrong}, query={"fieldValidation": "Strict"})
        with pytest.raises(ApiError):
            await client.create(secret(name))
        if not keep:
            await client.delete("Secret", f"default/{name}")

    async with asyncio.TaskGroup() as group:
        for number, name in enumerate(names):
            group.create_task(one(number, name))


async def test_of_a_deleted_secret_no_value_is_in_any_file(tmp_path: Path, masters: list[Master]) -> None:
    """Not encrypted: the database, its journal, locks, logs."""
    master = Master(tmp_path / "m")
    masters.append(master)
    master.start()
    client = await master.ready()
    await load(client, ["kept"], keep=True)
    assert master.files_with_plain_values()
    await client.delete("Secret", "default/kept")
    await load(client, [f"s{number}" for number in range(60)], keep=False)
    deadline = time.monotonic() + 15
    while left := master.files_with_plain_values():
        assert time.monotonic() < deadline, left
        await asyncio.sleep(0.1)
    await client.transport.close()
    assert master.stop() == 0
    assert master.files_with_plain_values() == []


async def test_of_an_encrypted_secret_no_value_is_in_any_file_ever(
    tmp_path: Path, masters: list[Master], file: Path
) -> None:
    master = Master(tmp_path / "m", "--encryption-provider-config", str(file))
    masters.append(master)
    master.start()
    client = await master.ready()
    writing = asyncio.get_running_loop().create_task(load(client, [f"s{number}" for number in range(40)], keep=True))
    while not writing.done():
        assert master.files_with_plain_values() == []
        await asyncio.sleep(0.05)
    await writing
    await client.transport.close()
    master.stop(signal.SIGKILL)
    assert master.files_with_plain_values() == []
    master.start()
    client = await master.ready()
    found = (await client.items("Secret", "default")).objects
    assert {row["data"]["password"] for row in found} == {FORMS[1].decode()}
    assert len(found) == 40
    await client.transport.close()


async def test_keys_come_and_go_while_clients_write(tmp_path: Path, masters: list[Master], file: Path) -> None:
    """From the clear to a first key, to a second one; killed in the middle; then the first is truly not needed."""
    master = Master(tmp_path / "m")
    masters.append(master)
    master.start()
    client = await master.ready()
    await load(client, [f"s{number}" for number in range(30)], keep=True)
    await client.transport.close()
    assert master.stop() == 0

    master.options = ("--encryption-provider-config", str(file))
    master.start()
    client = await master.ready()
    assert master.files_with_plain_values() != []
    assert master.procorch("encryption", "rewrite").stdout.endswith(" values rewritten\n")
    assert master.files_with_plain_values() == []

    add_key(file)
    assert master.process is not None
    master.process.send_signal(signal.SIGHUP)
    while "encryption: file read again" not in master.output:
        await asyncio.sleep(0.02)
    writing = asyncio.get_running_loop().create_task(load(client, [f"t{number}" for number in range(10)], keep=True))
    rewriting = subprocess.Popen(
        [BIN / "procorch", "encryption", "rewrite"], env=master.environment, stderr=subprocess.PIPE
    )
    await writing
    master.stop(signal.SIGKILL)
    assert rewriting.wait(30) in (0, 1)
    assert rewriting.stderr is not None
    rewriting.stderr.close()
    await client.transport.close()
    master.start()
    client = await master.ready()
    done = master.procorch("encryption", "rewrite")
    assert done.returncode == 0, done.stderr
    assert done.stderr == f"nothing needs key1 any more: it may be taken out of {file}\n"
    await client.transport.close()
    assert master.stop() == 0

    text = file.read_text()
    (rule,) = read(file)
    begin = text.index("- name: key1")
    file.write_text(text[:begin].rstrip() + "\n  - identity: {}\n")
    assert [key and key.name for key in rule.providers] == ["key2", "key1", None]
    assert [key and key.name for key in read(file)[0].providers] == ["key2", None]
    master.start()
    client = await master.ready()
    found = (await client.items("Secret", "default")).objects
    assert len(found) == 40
    assert {row["data"]["password"] for row in found} == {FORMS[1].decode()}
    await client.transport.close()


async def test_without_the_key_it_does_not_start_and_says_so_in_one_line(
    tmp_path: Path, masters: list[Master], file: Path
) -> None:
    master = Master(tmp_path / "m", "--encryption-provider-config", str(file))
    masters.append(master)
    master.start()
    await (await master.ready()).create(secret("web"))
    master.stop()
    other = tmp_path / "other.yaml"
    add_key(other)
    master.options = ()
    without = master.refuses()
    master.options = ("--encryption-provider-config", str(other))
    wrong = master.refuses()
    other.chmod(0o644)
    readable = master.refuses()

    assert "secrets default/web is sealed with key" in without or "/registry/secrets/" in without
    assert without.endswith("start it with --encryption-provider-config and the file that has the key")
    assert f"put the key back into {other}" in wrong
    assert readable == f"Error: {other}: its mode 0644 lets others at the keys: chmod 600 {other}"


async def test_a_master_without_the_key_that_another_uses_ends(
    tmp_path: Path, masters: list[Master], file: Path, shared: str
) -> None:
    one, two = (
        Master(tmp_path / "one", "--encryption-provider-config", str(file), database=shared),
        Master(tmp_path / "two", database=shared),
    )
    masters += [one, two]
    two.start()
    await (await two.ready()).transport.close()
    one.start()
    client = await one.ready()
    await client.create(secret("web"))
    assert two.process is not None
    assert await asyncio.to_thread(two.process.wait, 30) == 1
    (line,) = [line for line in two.output.splitlines() if line.startswith("Error: ")]
    assert "/registry/secrets/default/web is sealed with key" in line
    assert (await client.get("Secret", "default/web"))["data"]["password"] == FORMS[1].decode()
    await client.transport.close()


@pytest.mark.kernel
def test_up_encrypts_too_and_a_pod_gets_the_plain_value(lab: Lab, kubectls: list[str], tmp_path: Path) -> None:
    file = tmp_path / "encryption.yaml"
    add_key(file)
    cluster = bring_up(lab.host("sealed"), kubectls[0], "--encryption-provider-config", str(file))
    try:
        cluster.kubectl("create", "secret", "generic", "web", f"--from-literal=password={PLAIN}")
        pod = {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": "reader"},
            "spec": {
                "restartPolicy": "Never",
                "containers": [
                    {
                        "name": "c",
                        "image": "host",
                        "command": ["sh", "-c", "echo $PASSWORD | rev"],
                        "env": [
                            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "web", "key": "password"}}}
                        ],
                    }
                ],
            },
        }
        cluster.kubectl("create", "-f", "-", input=json.dumps(pod))
        cluster.until(lambda: cluster.kubectl("logs", "reader").strip() == PLAIN[::-1], "the pod has the value")
        status = cluster.procorch("encryption", "status")
        stored = [path for path in cluster.data_dir.iterdir() if path.is_file()]

        assert "secrets" in status and "key1" in status and "to be rewritten" not in status
        assert [path.name for path in stored if any(form in path.read_bytes() for form in FORMS)] == []
        assert PLAIN not in (cluster.data_dir / "log/master.log").read_text()
    finally:
        take_down(cluster)
