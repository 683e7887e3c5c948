"""A node that runs short for real: of memory and process numbers in its host's group, of disk on a tmpfs of its own.

It is deleted, and comes back; its host goes off.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from procorch.hosts import Host, Lab
from procorch.quantity import byte_count, cpu_millis
from tests.e2e import logs
from tests.e2e.cluster import Cluster, take_down

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]

MIB = 1 << 20
MEMORY, PIDS = 1024 * MIB, 1000
HARD = "memory.available<250Mi,nodefs.available<30%,nodefs.inodesFree<30%,pid.available<300"

GLUTTON = "x = []\nfor _ in range(70): x.append(bytearray(10 << 20)); time.sleep(0.03)"
# The master's store lies there, too: slowly, so that there is something left when the node looks.
FILLER = "for n in range(99): open(f'/v/{n}', 'wb').write(bytes(1 << 20)); time.sleep(0.1 if n > 40 else 0)"
LITTER = "for n in range(5000): open(f'/v/{n}', 'w').close()"
FORKER = "for _ in range(750): os.fork() or (time.sleep(1000), os._exit(0))"


def limit(host: Host, value: int, *names: str) -> None:
    """Of the host's uppermost group. names: the file's under version 1 and 2."""
    for directory in host.cgroup.directories():
        for name in names:
            if (directory / name).exists():
                (directory / name).write_text(str(value))


@pytest.fixture(scope="module")
def short(kubectls: list[str]) -> Iterator[Cluster]:
    """A cluster on a host that has little of everything."""
    if os.geteuid() != 0:
        pytest.skip("needs root")
    with Lab(f"procorch-short-{os.getpid()}", network="10.77.0.0/24") as lab:
        host = lab.host("short")
        limit(host, MEMORY, "memory.limit_in_bytes", "memory.max")
        limit(host, PIDS, "pids.max")
        cluster = Cluster(host, logs.home() / "state", kubectls[0])
        cluster.data_dir.mkdir(parents=True, exist_ok=True)
        host.run(["mount", "-t", "tmpfs", "-o", "size=100m,nr_inodes=6000,mode=711", "short", str(cluster.data_dir)],
                 check=True)  # fmt: skip
        cluster.procorch(
            "up", "--detach", "--data-dir", cluster.data_dir, f"--eviction-hard={HARD}",
            "--eviction-pressure-transition-period=2s", "--system-reserved=cpu=100m,memory=64Mi",
            "--shutdown-grace-period=10s", "--shutdown-grace-period-critical-pods=5s", timeout=90,
        )  # fmt: skip
        yield cluster
        take_down(cluster)
        shutil.rmtree(cluster.data_dir.parent, ignore_errors=True)


def pod(name: str, program: str, **resources: Any) -> dict[str, Any]:
    container = {
        "name": "a",
        "image": "host",
        "command": ["/usr/bin/env", "python3", "-S", "-c", f"import os, time\n{program}\ntime.sleep(1000)"],
        "resources": resources,
        "volumeMounts": [{"name": "v", "mountPath": "/v"}],
    }
    spec = {"containers": [container], "volumes": [{"name": "v", "emptyDir": {}}], "restartPolicy": "Never"}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}


def condition(cluster: Cluster, type_: str) -> str:
    return cluster.path(f"{{.status.conditions[?(@.type=='{type_}')].status}}", "node", "short")


@pytest.mark.parametrize(
    ("name", "program", "resource", "type_", "taint"),
    [
        ("glutton", GLUTTON, "memory", "MemoryPressure", "memory-pressure"),
        ("filler", FILLER, "ephemeral-storage", "DiskPressure", "disk-pressure"),
        ("litter", LITTER, "inodes", "DiskPressure", "disk-pressure"),
        ("forker", FORKER, "pids", "PIDPressure", "pid-pressure"),
    ],
    ids=["memory", "disk", "inodes", "process numbers"],
)
def test_the_pod_that_uses_too_much_goes_and_the_node_says_so_for_a_while(
    short: Cluster, name: str, program: str, resource: str, type_: str, taint: str
) -> None:
    calm = pod(f"calm-{name}", "", requests={"cpu": "10m", "memory": "50Mi"})
    short.kubectl("apply", "-f", "-", input=json.dumps(calm))
    short.until(lambda: short.path("{.status.phase}", "pod", f"calm-{name}") == "Running", "the calm one runs")
    assert condition(short, type_) == "False"
    short.kubectl("apply", "-f", "-", input=json.dumps(pod(name, program)))

    short.until(lambda: condition(short, type_) == "True", "the node is under pressure")
    short.until(lambda: f"io/{taint}" in short.path("{.spec.taints[*].key}", "node", "short"), "the node is tainted")
    short.until(lambda: short.path("{.status.phase}", "pod", name) == "Failed", "the greedy one has failed")
    found = short.get("pod", name)
    assert found["status"]["reason"] == "Evicted"
    assert found["status"]["message"].startswith(f"The node was low on resource: {resource}. Threshold quantity: ")
    assert [row["reason"] for row in found["status"]["conditions"] if row["type"] == "DisruptionTarget"] == [
        "TerminationByKubelet"
    ]
    assert "Evicted" in short.kubectl("get", "events", f"--field-selector=involvedObject.name={name}")

    short.until(lambda: condition(short, type_) == "False", "the node is well again")
    short.until(lambda: taint not in short.path("{.spec.taints[*].key}", "node", "short"), "no longer tainted")
    calm = short.get("pod", f"calm-{name}")["status"]
    assert (calm["phase"], calm["containerStatuses"][0]["restartCount"]) == ("Running", 0)
    short.kubectl("delete", "pod", name, f"calm-{name}", "--grace-period=0", "--force")


def test_what_is_reserved_is_not_for_pods(short: Cluster) -> None:
    status = short.get("node", "short")["status"]

    assert byte_count(status["capacity"]["memory"]) == MEMORY
    assert byte_count(status["allocatable"]["memory"]) == MEMORY - (250 + 64) * MIB
    assert cpu_millis(status["allocatable"]["cpu"]) == cpu_millis(status["capacity"]["cpu"]) - 100
    assert "memory" in short.kubectl("describe", "node", "short")


def test_a_node_that_is_deleted_registers_again_and_its_pods_go_on(short: Cluster) -> None:
    short.kubectl("apply", "-f", "-", input=json.dumps(pod("stays", "")))
    short.until(lambda: short.path("{.status.phase}", "pod", "stays") == "Running", "it runs")
    before, started = short.get("node", "short"), short.get("pod", "stays")["status"]

    short.kubectl("delete", "node", "short")
    short.until(lambda: short.path("{.metadata.uid}", "node", "short") != before["metadata"]["uid"], "another Node")
    short.until(lambda: condition(short, "Ready") == "True", "the node is ready")
    after, status = short.get("node", "short"), short.get("pod", "stays")["status"]
    assert after["spec"]["podCIDR"] == before["spec"]["podCIDR"]
    assert (status["podIP"], status["containerStatuses"]) == (started["podIP"], started["containerStatuses"])
    owner = "{.metadata.ownerReferences[0].uid}"
    short.until(
        lambda: short.path(owner, "lease", "short", "-n", "kube-node-lease") == after["metadata"]["uid"],
        "the lease is the new node's",
    )


def test_a_host_that_goes_off_ends_its_pods_and_tells(short: Cluster) -> None:
    """SIGPWR, as there is no systemd here. Critical pods end last."""
    note = "import signal\nsignal.signal(15, lambda *_: os._exit(7))"
    critical = pod("critical", note)
    critical["spec"]["priorityClassName"] = "system-node-critical"
    critical["metadata"]["namespace"] = "kube-system"
    for one in (critical, pod("plain", note)):
        short.kubectl("apply", "-f", "-", input=json.dumps(one))
    where = ("pod", "critical", "-n", "kube-system")
    short.until(lambda: short.path("{.status.phase}", *where) == "Running", "the critical one runs")
    short.until(lambda: short.path("{.status.phase}", "pod", "plain") == "Running", "the plain one runs")

    agent = next(path for path in Path("/proc").glob("[0-9]*") if _is_agent(path, str(short.data_dir)))
    os.kill(int(agent.name), signal.SIGPWR)
    short.until(lambda: short.path("{.status.phase}", *where) == "Failed", "the critical one has ended")
    plain, last = short.get("pod", "plain"), short.get(*where)
    for one in (plain, last):
        assert one["status"]["reason"] == "Terminated"
        assert one["status"]["message"] == "Pod was terminated in response to imminent node shutdown."
        assert one["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 7
    ended = [one["status"]["containerStatuses"][0]["state"]["terminated"]["finishedAt"] for one in (plain, last)]
    assert ended == sorted(ended)
    ready = next(row for row in short.get("node", "short")["status"]["conditions"] if row["type"] == "Ready")
    assert (ready["status"], ready["message"]) == ("False", "node is shutting down")

    os.kill(int(agent.name), signal.SIGTERM)  # `up` starts another: the machine has not gone off, after all
    short.until(lambda: condition(short, "Ready") == "True", "the node is ready again")


def _is_agent(path: Path, data_dir: str) -> bool:
    try:
        words = (path / "cmdline").read_bytes().decode().split("\0")
    except OSError:
        return False
    return "agent" in words and f"{data_dir}/node" in words
