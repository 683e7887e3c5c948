"""A cluster's own life: up, down, reset, what is left, what survives which kill, and one line for each thing wrong."""

from __future__ import annotations

import json
import signal
import time
from collections.abc import Iterator

import pytest

from procorch.hosts import Host, Lab
from tests.e2e import logs
from tests.e2e.cluster import BIN, Cluster, bring_up, take_down
from tests.postgresql import Server

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(240)]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: stay}
spec:
  containers:
  - name: c
    image: host
    command: [sh, -c, "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done"]
    resources: {limits: {memory: 100Mi, cpu: 500m}}
"""
WEB = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: NodePort, selector: {app: web}, ports: [{port: 80, targetPort: 8080}]}
---
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: host, command: [python3, -m, http.server, "8080"]}]}
"""
# What a host has of each thing that a cluster makes: counted before and after.
COUNT = r"""
import json, os, pathlib, socket
def lines(path): return pathlib.Path(path).read_text().splitlines()
groups = [os.path.join(d, n) for d, names, _ in os.walk('/sys/fs/cgroup') for n in names]
tables = [n for n in os.listdir('/proc') if n.isdigit()]
print(json.dumps({
    'links': sorted(name for _, name in socket.if_nameindex()),  # /sys shows the links of who mounted it
    'mounts': len(lines('/proc/self/mountinfo')),
    'cgroups': sorted(groups),
    'routes': sorted(lines('/proc/net/route')[1:]),
    'processes': sorted(open(f'/proc/{n}/cmdline').read() for n in tables if os.path.exists(f'/proc/{n}/cmdline')),
    'forward': lines('/proc/sys/net/ipv4/ip_forward'),
    'netns': len({os.readlink(f'/proc/{n}/ns/net') for n in tables if os.path.exists(f'/proc/{n}/ns/net')}),
}))
"""


@pytest.fixture
def host(lab: Lab, request: pytest.FixtureRequest) -> Iterator[Host]:
    made = lab.host(f"h{abs(hash(request.node.nodeid)) % 10**6}")
    yield made
    made.power_off()


def counted(host: Host) -> dict[str, object]:
    done = host.run(["python3", "-c", COUNT], capture_output=True, check=True)
    found: dict[str, object] = json.loads(done.stdout)
    return found


def pod_process(cluster: Cluster, name: str = "stay") -> tuple[int, str]:
    """The container's pid on its host, and when it started: together they name one process.

    A child that is about to become `sleep` looks like its shell, but for its parent.
    """
    code = (
        "import os\n"
        "found={}\n"
        "for n in os.listdir('/proc'):\n"
        "  if n.isdigit():\n"
        "    try: c=open(f'/proc/{n}/cmdline').read(); s=open(f'/proc/{n}/stat').read().rpartition(')')[2].split()\n"
        "    except OSError: continue\n"
        "    if c.startswith('sh\\0-c\\0i=0'): found[n]=s\n"
        "for n, s in found.items():\n"
        "  if s[1] not in found: print(n, s[19])\n"
    )
    words = cluster.run("python3", "-c", code).stdout.split()
    assert len(words) == 2, words
    return int(words[0]), words[1]


def programs(cluster: Cluster) -> dict[str, int]:
    state = json.loads(cluster.run("cat", cluster.data_dir / "run/up.json").stdout)  # as its host sees it
    return {name: row["pid"] for name, row in state["programs"].items()}


def kill(cluster: Cluster, pid: int) -> None:
    cluster.run("kill", "-9", pid)


def test_reset_leaves_nothing_behind(host: Host, kubectls: list[str]) -> None:
    before = counted(host)
    cluster = bring_up(host, kubectls[0])
    cluster.kubectl("create", "-f", "-", input=POD + "---" + WEB)
    cluster.ready(2)
    assert counted(host) != before
    take_down(cluster)

    cluster.until(lambda: counted(host) == before, f"all is as before: {before}", 15)
    assert not cluster.data_dir.exists()


def test_down_keeps_the_objects_and_up_brings_the_pods_back(host: Host, kubectls: list[str]) -> None:
    """S042: what was stored is there after a restart of everything."""
    cluster = bring_up(host, kubectls[0])
    cluster.kubectl("create", "-f", "-", input=POD)
    cluster.ready(1)
    assert cluster.procorch("down", "--data-dir", cluster.data_dir) == "stopped\n"
    assert cluster.run(BIN / "procorch", "status", "--data-dir", cluster.data_dir).returncode == 3
    assert not [p for p in counted(host)["processes"] if "i=0" in p]  # type: ignore[attr-defined]

    cluster.procorch("up", "--detach", "--data-dir", cluster.data_dir)
    cluster.ready(1)
    assert "Ready" in cluster.procorch("status", "--data-dir", cluster.data_dir)
    take_down(cluster)


def test_a_cluster_on_postgresql_lives_through_a_crash_of_the_server(
    host: Host, kubectls: list[str], shared_alone: tuple[str, Server]
) -> None:
    """U02, S042: the same cluster, its objects in PostgreSQL; what a server's crash interrupts goes on after it."""
    url, server = shared_alone
    cluster = bring_up(host, kubectls[0], "--database", url)
    cluster.kubectl("create", "-f", "-", input=POD)
    cluster.ready(1)
    before = pod_process(cluster)
    server.crash()
    cluster.until(lambda: cluster.kubectl("label", "pod", "stay", "seen=yes", "--overwrite"), "writes go on", 15)
    cluster.procorch("down", "--data-dir", cluster.data_dir)
    cluster.procorch("up", "--detach", "--data-dir", cluster.data_dir, "--database", url)
    cluster.ready(1)

    assert cluster.path("{.metadata.labels.seen}", "pod", "stay") == "yes"
    assert pod_process(cluster) != before
    assert not (cluster.data_dir / "store.db").exists()
    told = cluster.procorch("reset", "--yes", "--data-dir", cluster.data_dir)
    assert "the objects are still in postgresql://postgres@/postgres" in told


def test_pods_do_not_notice_that_the_agent_is_killed(host: Host, kubectls: list[str]) -> None:
    cluster = bring_up(host, kubectls[0])
    cluster.kubectl("create", "-f", "-", input=POD)
    cluster.ready(1)
    process = pod_process(cluster)
    agent = programs(cluster)["agent"]
    kill(cluster, agent)
    cluster.until(lambda: programs(cluster)["agent"] != agent, "the agent is started again", 15)
    cluster.until(lambda: cluster.kubectl("logs", "stay", "--tail=1"), "logs are served again", 20)

    assert pod_process(cluster) == process
    status = cluster.get("pod", "stay")["status"]["containerStatuses"][0]
    assert (status["restartCount"], status["ready"]) == (0, True)
    numbers = [int(line) for line in cluster.kubectl("logs", "stay").split()]
    assert numbers == list(range(len(numbers))), "no line was lost"
    take_down(cluster)


def test_without_a_master_pods_and_services_go_on(host: Host, kubectls: list[str]) -> None:
    """S038: management fails, work does not; nothing is restarted when it is back."""
    cluster = bring_up(host, kubectls[0])
    cluster.kubectl("create", "-f", "-", input=POD + "---" + WEB)
    cluster.ready(2)
    process, port = pod_process(cluster), cluster.path("{.spec.ports[0].nodePort}", "svc", "web")
    url = f"http://{host.address}:{port}/"
    cluster.until(lambda: cluster.fetch(url).returncode == 0, "the service answers")
    master = programs(cluster)["master"]
    kill(cluster, master)

    assert cluster.fetch(url).returncode == 0
    cluster.until(lambda: programs(cluster)["master"] != master, "the master is started again", 15)
    cluster.until(lambda: cluster.kubectl("get", "nodes"), "it answers", 20)
    assert pod_process(cluster) == process
    assert cluster.get("pod", "stay")["status"]["containerStatuses"][0]["restartCount"] == 0
    take_down(cluster)


def test_a_killed_supervisor_is_cleaned_up_after(host: Host, kubectls: list[str]) -> None:
    before = counted(host)
    cluster = bring_up(host, kubectls[0])
    cluster.kubectl("create", "-f", "-", input=POD)
    cluster.ready(1)
    kill(cluster, json.loads((cluster.data_dir / "run/up.json").read_text())["pid"])
    time.sleep(0.5)
    take_down(cluster)

    cluster.until(lambda: counted(host) == before, f"all is as before: {before}", 15)


def test_reset_ends_an_agent_that_hangs_when_its_supervisor_is_gone(host: Host, kubectls: list[str]) -> None:
    before = counted(host)
    cluster = bring_up(host, kubectls[0])
    cluster.kubectl("create", "-f", "-", input=POD)
    cluster.ready(1)
    cluster.run("kill", "-STOP", programs(cluster)["agent"])
    kill(cluster, json.loads((cluster.data_dir / "run/up.json").read_text())["pid"])
    take_down(cluster)

    assert counted(host) == before


def test_a_full_disk_ends_neither_the_cluster_nor_its_pods(host: Host, kubectls: list[str]) -> None:
    cluster = bring_up(host, kubectls[0])
    cluster.procorch("down", "--data-dir", cluster.data_dir)
    cluster.run("mount", "-t", "tmpfs", "-o", "size=48m", "tmpfs", cluster.data_dir)
    cluster.procorch("up", "--detach", "--data-dir", cluster.data_dir)
    cluster.kubectl("create", "-f", "-", input=POD)
    cluster.ready(1)
    process, before = pod_process(cluster), programs(cluster)["agent"]
    cluster.run("dd", "if=/dev/zero", f"of={cluster.data_dir}/fill", "bs=64k")
    kill(cluster, before)
    time.sleep(4)
    assert pod_process(cluster) == process
    assert cluster.kubectl("get", "pods")

    cluster.run("rm", cluster.data_dir / "fill")
    cluster.until(lambda: cluster.kubectl("logs", "stay", "--tail=1"), "the agent is back", 40)
    assert pod_process(cluster) == process
    cluster.procorch("down", "--data-dir", cluster.data_dir)
    cluster.run("umount", cluster.data_dir)
    take_down(cluster)


def test_what_is_wrong_is_one_line_that_says_what_to_do(host: Host, kubectls: list[str]) -> None:
    cluster = bring_up(host, kubectls[0])
    second = cluster.procorch("up", "--data-dir", cluster.data_dir, code=1)
    assert "already up" in second and second.count("\n") == 1
    port = cluster.procorch("up", "--data-dir", cluster.data_dir.parent / "other", code=1)
    assert "port 6443" in port and "--port" in port and port.count("\n") == 1
    other = cluster.data_dir.parent / "other"
    node = cluster.procorch("up", "--data-dir", other, "--port", "7443", code=1)
    assert "this machine is a node already" in node
    cluster.procorch("reset", "--yes", "--data-dir", other)
    assert not other.exists()
    cluster.procorch("get", "nodes")
    take_down(cluster)


def test_without_cgroups_nothing_is_made_and_the_line_says_what_to_mount(host: Host, kubectls: list[str]) -> None:
    hide = "for point in $(awk '$3 ~ /^cgroup/ {print $2}' /proc/mounts | sort -r); do umount -l $point; done; "
    hide += "mount -t tmpfs none /sys/fs/cgroup"
    assert host.run(["sh", "-c", hide], capture_output=True).returncode == 0
    cluster = Cluster(host, logs.home() / "state", kubectls[0])
    told = cluster.procorch("up", "--data-dir", cluster.data_dir, code=1)
    assert "no cgroups are mounted: mount -t cgroup2" in told and "Traceback" not in told
    cluster.procorch("reset", "--yes", "--data-dir", cluster.data_dir)
    assert not cluster.data_dir.exists()
    cluster.data_dir.parent.rmdir()


def test_ctrl_c_stops_it_in_order(host: Host, kubectls: list[str]) -> None:
    cluster = bring_up(host, kubectls[0])
    cluster.procorch("down", "--data-dir", cluster.data_dir)
    argv = [str(BIN / "procorch"), "up", "--data-dir", str(cluster.data_dir)]
    process = host.popen(argv, stdout=-1, text=True, env=cluster.environment)
    assert process.stdout is not None
    lines = iter(process.stdout)
    assert any("cluster ready" in line for line in lines)
    process.send_signal(signal.SIGINT)

    assert "stopping" in "".join(lines)
    assert process.wait(30) == 0
    take_down(cluster)


def test_the_users_kubeconfig_is_written_only_when_asked_for(host: Host, kubectls: list[str]) -> None:
    cluster = bring_up(host, kubectls[0])
    users = cluster.data_dir.parent / ".kube/config"
    assert not users.exists()
    cluster.procorch("down", "--data-dir", cluster.data_dir)
    cluster.procorch("up", "--detach", "--write-kubeconfig", "--data-dir", cluster.data_dir)
    del cluster.environment["KUBECONFIG"]

    assert "Ready" in cluster.kubectl("get", "nodes")
    assert users.stat().st_mode & 0o077 == 0
    take_down(cluster)
