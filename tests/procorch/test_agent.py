# A test may look at the machine again and again until a deadline.
"""The agent as a program on a host of its own: master and agent speak over https, and the agent is killed."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from procorch import pki
from procorch.agent import Agent, _lost
from procorch.agent_config import AgentConfig
from procorch.hosts import Host, Lab
from procorch.kubelet.shutdown import ShutdownConfig

TOKEN = "abcdef.0123456789abcdef"
POD = {
    "apiVersion": "v1",
    "kind": "Pod",
    "metadata": {"name": "web"},
    "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "c", "image": "host", "command": ["/bin/sh", "-c", "echo started; exec sleep 1000"]}],
    },
}


def node(name: str, pod_cidr: str = "", address: str = "") -> dict[str, Any]:
    addresses = [{"type": "Hostname", "address": name}]
    addresses += [{"type": "InternalIP", "address": address}] if address else []
    return {"metadata": {"name": name}, "spec": {"podCIDR": pod_cidr}, "status": {"addresses": addresses}}


class Reporter:
    """Of a node: what it is told."""

    name = "own"
    pod_cidr = "10.240.0.0/22"

    def __init__(self) -> None:
        self.nodes: list[Any] = []

    def lost(self, found: Any) -> None:
        self.nodes.append(found)


@pytest.mark.parametrize(
    ("others", "kept"),
    [([node("two", "10.240.4.0/22")], "10.240.0.0/22"), ([node("two", "10.240.0.0/22")], "")],
    ids=["its range is free", "its range is another's"],
)
def test_a_node_that_is_deleted_registers_again(others: list[dict[str, Any]], kept: str) -> None:
    reporter, own = Reporter(), node("own", "10.240.0.0/22")
    nodes = {one["metadata"]["name"]: one for one in others}

    _lost(reporter, nodes, "MODIFIED", own, own)  # type: ignore[arg-type]
    _lost(reporter, nodes, "DELETED", node("two"), None)  # type: ignore[arg-type]
    assert reporter.nodes == []
    _lost(reporter, nodes, "DELETED", own, None)  # type: ignore[arg-type]
    assert (reporter.nodes, reporter.pod_cidr) == ([own], kept)


@pytest.mark.parametrize(
    ("total", "going", "ends"), [(0.0, True, 0), (30.0, False, 0), (30.0, True, 1)],
    ids=["nobody asked for it", "the agent alone stops", "the machine goes off"],
)  # fmt: skip
async def test_pods_end_with_the_machine_and_not_with_the_agent(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, total: float, going: bool, ends: int
) -> None:
    ended = []

    async def shut_down() -> None:
        ended.append(True)

    async def is_going_off() -> bool:
        return going

    monkeypatch.setattr("procorch.agent.is_going_off", is_going_off)
    agent = Agent(
        AgentConfig(("https://127.0.0.1:6443",), tmp_path, "own", "127.0.0.1", shutdown=ShutdownConfig(total))
    )
    await agent.before_stop()  # before it had any pods
    agent._shut_down = shut_down

    await agent.before_stop()
    await agent.before_stop()
    assert len(ended) == ends


class Cluster:
    """A master and an agent on one host, as programs."""

    def __init__(self, host: Host, directory: Path) -> None:
        self.host, self.directory = host, directory
        self.environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])}
        self.url = f"https://{host.address}:6443"

    def start(self, *words: str) -> subprocess.Popen[bytes]:
        with (self.directory / f"{words[0]}.log").open("ab") as log:
            argv = [sys.executable, "-m", "cli", *words]
            return self.host.popen(argv, env=self.environment, stdout=log, stderr=log)  # type: ignore[no-any-return]

    def master(self) -> subprocess.Popen[bytes]:
        address = self.host.address
        words = ["--data-dir", str(self.directory), "--advertise-address", address, "--bootstrap-token", TOKEN]
        return self.start("master", *words)

    def agent(self) -> subprocess.Popen[bytes]:
        token = f"{TOKEN}@{pki.fingerprint((self.directory / 'pki/ca.crt').read_bytes())}"
        words = ["--data-dir", str(self.directory / "node"), "--node-name", "solo", "--node-ip", self.host.address]
        return self.start("agent", "--server", self.url, "--token", token, *words)

    def kubectl(self, *words: str, given: str = "") -> str:
        argv = [str(Path(sys.executable).parent / "kubectl"), f"--kubeconfig={self.directory}/admin.kubeconfig", *words]
        done = self.host.run(argv, input=given, capture_output=True, text=True)
        return str(done.stdout)

    def pod(self) -> dict[str, Any]:
        return json.loads(self.kubectl("get", "pod", "web", "-o", "json") or "{}")  # type: ignore[no-any-return]

    def processes(self) -> list[str]:
        """The host's pids of pods' programs."""
        return str(self.host.run(["pgrep", "-f", "sleep 1000"], capture_output=True, text=True).stdout).split()

    def until(self, what: Callable[[], Any], seconds: float = 30) -> Any:
        deadline = time.monotonic() + seconds
        while not (found := what()):
            if time.monotonic() > deadline:
                logs = "\n".join(path.read_text()[-2000:] for path in self.directory.glob("*.log"))
                raise AssertionError(f"it did not come; logs:\n{logs}")
            time.sleep(0.1)
        return found


def is_ready(pod: dict[str, Any]) -> bool:
    rows = pod.get("status", {}).get("conditions", [])
    return any(row["type"] == "Ready" and row["status"] == "True" for row in rows)


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    with Lab(f"procorch-kubelet-agent-{os.getpid()}") as lab:
        yield Cluster(lab.host("solo"), tmp_path)


@pytest.mark.kernel
def test_an_agent_that_is_killed_takes_its_pods_over_again(cluster: Cluster) -> None:
    cluster.master()
    cluster.until(lambda: (cluster.directory / "admin.kubeconfig").exists())
    agent = cluster.agent()
    cluster.until(lambda: " Ready" in cluster.kubectl("get", "nodes"))
    cluster.kubectl("apply", "-f", "-", given=json.dumps(POD))
    before = cluster.until(lambda: is_ready(pod := cluster.pod()) and pod)
    processes = cluster.processes()
    assert len(processes) == 1

    for _ in range(3):
        agent.send_signal(signal.SIGKILL)
        agent.wait()
        assert cluster.processes() == processes
        agent = cluster.agent()
        cluster.until(lambda: "started" in cluster.kubectl("logs", "web"))

    assert cluster.processes() == processes
    assert cluster.pod()["status"] == before["status"]
    cluster.kubectl("delete", "pod", "web")
    cluster.until(lambda: not cluster.processes())
    assert cluster.pod() == {}
