"""A node with two masters goes on with the other one when its own is gone."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from procorch.hosts import Host, Lab
from tests.e2e import logs
from tests.e2e.cluster import BIN, Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: NAME}
spec: {containers: [{name: c, image: host, command: [sh, -c, "echo hello; exec sleep 600"]}]}
"""
Start = Callable[..., "subprocess.Popen[bytes]"]


@pytest.fixture
def place(lab: Lab) -> Iterator[tuple[Host, Path, Start]]:
    """A host, a directory, and what starts one of our programs there; all of them end with the test."""
    host, directory = lab.host("masters"), logs.home()
    started: list[subprocess.Popen[bytes]] = []

    def start(name: str, *argv: object, **environment: str) -> subprocess.Popen[bytes]:
        with (directory / f"{name}.log").open("ab") as log:
            command = [sys.executable, "-m", "cli", *map(str, argv)]
            started.append(host.popen(command, stdout=log, stderr=log, env={**os.environ, **environment}))
        return started[-1]

    yield host, directory, start
    for process in reversed(started):
        process.terminate()
        process.wait(20)
    host.run([sys.executable, "-m", "cli", "agent", "--data-dir", str(directory / "node"), "--clean"], check=True)
    host.power_off()
    shutil.rmtree(directory, ignore_errors=True)


def test_pods_are_made_run_and_tell_their_logs_through_the_master_that_is_left(
    place: tuple[Host, Path, Start], shared: str, kubectls: list[str]
) -> None:
    """S037: kill the one that leads; control goes on."""
    host, directory, start = place

    def master(name: str, port: int) -> tuple[Cluster, subprocess.Popen[bytes]]:
        data, server = directory / name, f"https://127.0.0.1:{port}"
        options = ["--data-dir", data, "--port", port, "--advertise-address", host.address]
        process = start(name, "master", *options, "--kubeconfig-server", server, PROCORCH_DATABASE=shared)
        cluster = Cluster(host, data, kubectls[0])
        cluster.until(lambda: cluster.kubectl("get", "namespace", "default"), f"{name} answers")
        return cluster, process

    first, leader = master("one", 6443)
    (directory / "two").mkdir()
    shutil.copytree(directory / "one/pki", directory / "two/pki", ignore=shutil.ignore_patterns("apiserver.*"))
    second, _ = master("two", 7443)
    token = first.run(BIN / "procorch", "token", "create", "--data-dir", first.data_dir).stdout.split()[0]
    servers = [f"--server=https://{host.address}:{port}" for port in (6443, 7443)]
    start("agent", "agent", "--data-dir", directory / "node", "--node-name", "n", "--token", token, *servers)
    first.kubectl("create", "-f", "-", input=POD.replace("NAME", "before"))
    first.ready(1)
    lease = ("lease", "procorch-master", "-n", "kube-system")
    holder = first.path("{.spec.holderIdentity}", *lease)
    assert first.kubectl("logs", "before") == second.kubectl("logs", "before") == "hello\n", "linked to both"
    addresses = ("endpoints", "kubernetes")
    second.until(lambda: len(second.get(*addresses)["subsets"]) == 2, "the Service leads to both masters", 40)

    leader.kill()
    leader.wait()
    second.until(lambda: second.path("{.spec.holderIdentity}", *lease) not in ("", holder), "another leads", 40)
    second.kubectl("create", "-f", "-", input=POD.replace("NAME", "after"))
    second.ready(2)

    assert second.kubectl("logs", "after") == "hello\n"
    assert second.path("{.status.containerStatuses[0].restartCount}", "pod", "before") == "0"
    assert second.path("{.status.conditions[?(@.type=='Ready')].status}", "node", "n") == "True"
