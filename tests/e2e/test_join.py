"""A master on a machine of its own, and nodes that join it at run time with a token."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procorch.hosts import Host, Lab
from tests.e2e import logs
from tests.e2e.cluster import BIN, Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]


class Programs:
    """Long-running commands on hosts; what they printed is in a file each."""

    def __init__(self, home: Path) -> None:
        self.home = home
        self.running: list[subprocess.Popen[Any]] = []

    def start(self, host: Host, *words: object) -> Path:
        log = self.home / f"{len(self.running)}.log"
        with log.open("wb") as file:
            argv = [str(BIN / "procorch"), *map(str, words)]
            self.running.append(host.popen(argv, stdout=file, stderr=file, cwd=str(self.home)))
        return log

    def stop(self) -> None:
        for process in reversed(self.running):
            process.terminate()
            process.wait(20)


@pytest.fixture(scope="module")
def programs() -> Iterator[Programs]:
    home = logs.home()
    made = Programs(home)
    yield made
    made.stop()
    shutil.rmtree(home, ignore_errors=True)


@pytest.fixture(scope="module")
def master(lab: Lab, kubectls: list[str], programs: Programs) -> Cluster:
    host = lab.host("master")
    cluster = Cluster(host, programs.home / "master", kubectls[0])
    programs.start(host, "master", "--data-dir", cluster.data_dir)
    cluster.until(lambda: cluster.kubectl("get", "--raw", "/readyz") == "ok", "the master answers")
    return cluster


def test_a_master_alone_is_a_cluster_without_nodes(master: Cluster) -> None:
    """S036: a pod waits until somebody is there to run it."""
    assert master.kubectl("get", "nodes") == ""
    master.kubectl("run", "early", "--image=host", "--command", "--", "sleep", "600")
    master.until(lambda: "no nodes available" in master.kubectl("describe", "pod", "early"), "it is told why it waits")


def test_a_node_joins_with_a_token_registers_itself_and_gets_work(
    master: Cluster, lab: Lab, programs: Programs
) -> None:
    """S044, S049, S050: and it never needs the token again."""
    token = master.procorch("token", "create", "--data-dir", master.data_dir).strip()
    server = f"https://{master.host.address}:6443"
    host = lab.host("worker")
    state = programs.home / "worker"
    programs.start(host, "agent", "--server", server, "--token", token, "--data-dir", state)
    master.until(lambda: " Ready " in master.kubectl("get", "nodes"), "the node is ready")

    assert master.path("{.items[0].metadata.name}", "nodes") == "worker"
    master.ready(1)
    programs.running[-1].kill()
    programs.running.pop().wait()
    programs.start(host, "agent", "--server", server, "--data-dir", state)
    master.until(lambda: "worker" in master.kubectl("logs", "early") + "worker", "it is back without a token")
    master.ready(1)
    listening = host.run(["ss", "-ltnH"], capture_output=True, text=True).stdout
    assert all("127.0.0.1" in line or ":6443" not in line for line in listening.splitlines())


@pytest.mark.parametrize(
    ("token", "words"),
    [
        pytest.param("nonsense", "not a join token", id="no token at all"),
        pytest.param("abcdef.0123456789abcdef@" + "0" * 64, "CA", id="a token of another cluster"),
    ],
)
def test_a_bad_token_is_one_line(
    master: Cluster, lab: Lab, programs: Programs, token: str, words: str, request: pytest.FixtureRequest
) -> None:
    host = lab.host(f"bad{abs(hash(request.node.name)) % 1000}")
    argv = [str(BIN / "procorch"), "agent", "--server", f"https://{master.host.address}:6443", "--token", token]
    argv += ["--data-dir", str(programs.home / host.name)]
    done = host.run(argv, capture_output=True, text=True, timeout=30, cwd=str(programs.home))

    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert last.startswith("Error: ") and words in last, done.stderr


def test_reset_undoes_a_node_of_its_own_and_nothing_that_still_runs(
    master: Cluster, lab: Lab, programs: Programs
) -> None:
    def reset(state: Path, host: Host) -> subprocess.CompletedProcess[Any]:
        argv = [str(BIN / "procorch"), "reset", "--yes", "--data-dir", str(state)]
        return host.run(argv, capture_output=True, text=True, timeout=60, cwd=str(programs.home))

    token = master.procorch("token", "create", "--data-dir", master.data_dir).strip()
    host, state = lab.host("leaver"), programs.home / "leaver"
    links = host.run(["ls", "/sys/class/net"], capture_output=True, text=True).stdout
    server = f"https://{master.host.address}:6443"
    programs.start(host, "agent", "--server", server, "--token", token, "--data-dir", state)
    master.until(lambda: "leaver" in master.kubectl("get", "nodes"), "the node has joined")
    master.until(lambda: " Ready " in master.kubectl("get", "node", "leaver"), "the node is ready")
    for data_dir, machine, who in ((state, host, "agent"), (master.data_dir, master.host, "master")):
        refused = reset(data_dir, machine)
        assert refused.returncode == 1 and "stop it first" in refused.stderr and who in refused.stderr
    programs.running[-1].terminate()
    programs.running.pop().wait(20)
    done = reset(state, host)

    assert done.returncode == 0, done.stderr
    assert not state.exists()
    assert host.run(["ls", "/sys/class/net"], capture_output=True, text=True).stdout == links
    assert master.kubectl("get", "--raw", "/readyz") == "ok"
