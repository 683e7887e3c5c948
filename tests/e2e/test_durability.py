"""What the master has answered is on the disk: its system calls, traced."""

from __future__ import annotations

import asyncio
import contextlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
from pathlib import Path

import pytest

from procorch import kubeconfig
from procorch.client import Client
from procorch.objects import ApiError

pytestmark = [pytest.mark.e2e, pytest.mark.skipif(shutil.which("strace") is None, reason="needs strace")]
CALLS = "trace=pwrite64,fdatasync,fsync,write,writev,sendto,sendmsg"


async def answered(directory: Path) -> Client:
    async with asyncio.timeout(60):
        while True:
            with contextlib.suppress(OSError, kubeconfig.KubeconfigError):
                client = Client(kubeconfig.from_kubeconfig(directory / "admin.kubeconfig"))
                try:
                    await client.get("Namespace", "default")
                    return client
                except (OSError, ApiError):
                    await client.transport.close()
            await asyncio.sleep(0.1)


async def test_an_answer_leaves_after_its_change_is_on_disk(tmp_path: Path) -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    data, trace = tmp_path / "data", tmp_path / "trace"
    argv = [sys.executable, "-m", "cli", "master", "--data-dir", str(data), "--port", str(port)]
    argv += ["--advertise-address", "127.0.0.1", "--kubeconfig-server", f"https://127.0.0.1:{port}"]
    strace = ["strace", "-f", "-yy", "-qq", "-s", "5000", "-o", str(trace), "-e", CALLS]
    process = subprocess.Popen([*strace, *argv], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        client = await answered(data)
        for number in range(20):
            metadata = {"name": f"c{number}", "namespace": "default"}
            value = {"marker": f"marker-{number}-"}
            await client.create({"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": value})
        await client.transport.close()
    finally:
        for child in Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split():
            os.kill(int(child), signal.SIGTERM)  # strace ends with it
        process.wait(30)

    lines = trace.read_text(errors="replace").splitlines()
    to_client = re.compile(rf"(write|writev|sendto|sendmsg)\(\d+<TCP:\[127\.0\.0\.1:{port}->127\.0\.0\.1:\d+\]>")
    synced = re.compile(r"fdatasync(\(\d+<[^>]*-wal>\)| resumed>\)).* = 0$")
    for number in range(20):
        written = next(place for place, line in enumerate(lines) if f"marker-{number}-" in line and "-wal>" in line)
        on_disk = next(place for place, line in enumerate(lines) if place > written and synced.search(line))
        told = next(place for place, line in enumerate(lines) if place > written and to_client.search(line))
        assert on_disk < told, lines[written : told + 1]
