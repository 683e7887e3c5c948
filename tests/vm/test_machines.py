"""What only machines of their own can tell: systemd, cgroup v2, a kernel each, power cuts. After `make vm`.

    make vm-test

Each test is for itself and leaves three machines that run. Deadlines are long: the machines may be emulated.
"""

from __future__ import annotations

import json
import os
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from vm.machines import NODES, Machines, until, vagrant

pytestmark = [
    pytest.mark.skipif("PROCORCH_VM" not in os.environ, reason="needs the machines of `make vm`: make vm-test"),
    pytest.mark.timeout(1800),
]

SERVER = """
import http.server, socket
class Name(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(socket.gethostname().encode())
http.server.ThreadingHTTPServer(("", 8080), Name).serve_forever()
"""
VISIT = """
import sys, urllib.request
for address in sys.argv[1:]:
    print(address, urllib.request.urlopen(f"http://{address}/", timeout=20).read().decode())
"""
# uid of the pod, pid, and ticks from boot to its start: a process by its full name
PROCESSES = """
find /sys/fs/cgroup/procorch -path '*/pod*' -name cgroup.procs | while read -r file; do
    while read -r pid; do
        uid=$(echo "$file" | sed 's|.*/pod\\([0-9a-f-]*\\)[./].*|\\1|')
        echo "$uid $pid $(cut -d' ' -f22 "/proc/$pid/stat")"
    done < "$file"
done
"""
HASTY = [  # they leave a node that is lost at once, not after five minutes
    {"key": f"node.kubernetes.io/{key}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 2}
    for key in ("not-ready", "unreachable")
]


@pytest.fixture(scope="session")
def machines() -> Machines:
    made = Machines()
    until("both nodes are Ready", lambda: made.ready() == len(NODES), 300)
    return made


@pytest.fixture
def namespace(machines: Machines, request: pytest.FixtureRequest) -> Iterator[str]:
    name = f"t{abs(hash(request.node.nodeid)) % 10**8}"
    machines.kubectl("create", "namespace", name)
    yield name
    machines.kubectl("delete", "namespace", name, "--wait=false")


def container(*command: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "image": "host", "command": list(command), **more}


def create(machines: Machines, namespace: str, *objects: dict[str, Any]) -> None:
    wanted = {"apiVersion": "v1", "kind": "List", "items": list(objects)}
    machines.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(wanted))


def pod(name: str, node: str, one: dict[str, Any], **spec: Any) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"app": name}}
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": node, "containers": [one], **spec},
    }


def web(replicas: int, **more: Any) -> list[dict[str, Any]]:
    """Servers and a Service that leads to them."""
    spec = {"containers": [container("python3", "-c", SERVER)], **more}
    template = {"metadata": {"labels": {"app": "web"}}, "spec": spec}
    service = {"type": "NodePort", "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}
    return [
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": service},
        {
            "apiVersion": "v1",
            "kind": "ReplicationController",
            "metadata": {"name": "web"},
            "spec": {"replicas": replicas, "selector": {"app": "web"}, "template": template},
        },
    ]


def pods(machines: Machines, namespace: str) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = machines.get("pods", "-n", namespace)["items"]
    return items


def all_ready(machines: Machines, namespace: str, count: int) -> list[dict[str, Any]]:
    """All pods of the namespace once there are `count`, all ready; else nothing."""
    found = [one for one in pods(machines, namespace) if "deletionTimestamp" not in one["metadata"]]
    ready = [one for one in found if any(row["ready"] for row in one["status"].get("containerStatuses", []))]
    return ready if len(ready) == len(found) == count else []


def of(found: list[dict[str, Any]], node: str) -> set[str]:
    return {one["metadata"]["uid"] for one in found if one["spec"]["nodeName"] == node}


def running(machines: Machines, found: list[dict[str, Any]]) -> dict[str, set[str]]:
    """Node → the processes of these pods on it, by their full names: `UID PID START`."""
    seen = {}
    for node in NODES:
        lines = machines.root(node, PROCESSES).splitlines()
        seen[node] = {line for line in lines if line.split()[0] in of(found, node)}
    return seen


def holds(machines: Machines, found: list[dict[str, Any]]) -> bool:
    """Whether each of these pods has a process on its node."""
    seen = running(machines, found)
    return all({line.split()[0] for line in seen[node]} == of(found, node) for node in NODES)


def test_each_node_is_a_machine_with_a_kernel_of_its_own(machines: Machines) -> None:
    """S017, U07."""
    boots = {machines.root(name, "cat /proc/sys/kernel/random/boot_id") for name in ("master", *NODES)}
    boots.add(Path("/proc/sys/kernel/random/boot_id").read_text().strip())
    nodes = {one["metadata"]["name"]: one["status"]["addresses"] for one in machines.get("nodes")["items"]}

    assert len(boots) == 4
    assert set(nodes) == set(NODES)
    for name, address in NODES.items():
        assert {"type": "InternalIP", "address": address} in nodes[name]
        assert machines.root(name, "systemctl is-active procorch-agent") == "active"


def test_pods_reach_each_other_across_machines_and_each_node_serves_the_service(
    machines: Machines, namespace: str
) -> None:
    create(machines, namespace, *web(4))
    servers = until("four servers are ready", lambda: all_ready(machines, namespace, 4), 300)
    service = machines.get("service", "web", "-n", namespace)["spec"]
    addresses = [f"{one['status']['podIP']}:8080" for one in servers] + [service["clusterIP"]]
    addresses += [f"{address}:{service['ports'][0]['nodePort']}" for address in NODES.values()]
    for node in NODES:
        visitor = pod(f"visitor-{node}", node, container("python3", "-c", VISIT, *addresses), restartPolicy="Never")
        create(machines, namespace, visitor)

    for node in NODES:
        told = until(f"the visitor on {node}", lambda node=node: ended(machines, namespace, f"visitor-{node}"), 300)
        lines = machines.kubectl("logs", "-n", namespace, f"visitor-{node}").splitlines()
        assert told == "Succeeded", lines
        names = {one["metadata"]["name"] for one in servers}
        assert [line.split()[0] for line in lines] == addresses
        assert {line.split()[1] for line in lines[:4]} == names
        assert {line.split()[1] for line in lines} == names
    assert {one["spec"]["nodeName"] for one in servers} == set(NODES)


def ended(machines: Machines, namespace: str, name: str) -> str:
    phase = machines.get("pod", name, "-n", namespace)["status"].get("phase", "")
    return phase if phase in ("Succeeded", "Failed") else ""


def test_no_pod_notices_that_systemd_restarts_the_agents_and_the_master(machines: Machines, namespace: str) -> None:
    create(machines, namespace, *web(4))
    before = until("four servers are ready", lambda: all_ready(machines, namespace, 4), 300)
    processes = running(machines, before)
    assert holds(machines, before)
    for node in NODES:
        machines.root(node, "systemctl daemon-reload; systemctl restart procorch-agent", timeout=300)
        machines.root(node, "systemctl kill --signal KILL procorch-agent")
    machines.root("master", "systemctl restart procorch-master", timeout=300)
    for node in NODES:
        until(f"{node}'s agent is active", lambda node=node: agent(machines, node) == "active", 300)
    after = until("all are ready still", lambda: all_ready(machines, namespace, 4), 60)

    assert running(machines, after) == processes
    assert {one["metadata"]["uid"] for one in after} == {one["metadata"]["uid"] for one in before}
    assert {row["restartCount"] for one in after for row in one["status"]["containerStatuses"]} == {0}


def agent(machines: Machines, node: str) -> str:
    return machines.root(node, "systemctl is-active procorch-agent || true")


def test_half_a_core_is_half_a_core_and_too_much_memory_is_137(machines: Machines, namespace: str) -> None:
    limits = {"resources": {"limits": {"cpu": "500m", "memory": "40Mi"}}}
    hog = container("python3", "-c", "import time; x = bytearray(200 << 20); time.sleep(99)", **limits)
    create(
        machines,
        namespace,
        pod("busy", "node1", container("sh", "-c", "while :; do :; done", **limits)),
        pod("hog", "node1", hog),
    )

    def last() -> Any:
        rows = machines.get("pod", "hog", "-n", namespace)["status"].get("containerStatuses", [{}])
        return rows[0].get("lastState", {}).get("terminated")

    killed = until("the hog was killed and started again", last, 300)
    busy = machines.get("pod", "busy", "-n", namespace)["metadata"]["uid"]
    measure = f"""
    test "$(stat -f -c %T /sys/fs/cgroup)" = cgroup2fs
    cd "$(find /sys/fs/cgroup/procorch -path '*/pod{busy}/*' -name 'c.*' -type d)"
    one=$(sed -n 's/^usage_usec //p' cpu.stat) begin=$(date +%s%N)
    sleep 10
    two=$(sed -n 's/^usage_usec //p' cpu.stat) end=$(date +%s%N)
    echo $(( (two - one) * 1000 * 1000 / (end - begin) ))
    """
    share = int(machines.root("node1", f"set -e\n{measure}"))  # thousandths of a core

    assert (killed["exitCode"], killed["reason"]) == (137, "OOMKilled")
    assert 400 <= share <= 520


def test_a_machine_shuts_down_in_order_and_brings_its_pods_back(machines: Machines, namespace: str) -> None:
    """A program has time to save; nothing makes the shutdown wait its 90 seconds for a pod."""
    line = "trap 'echo saved >> /kept/file; exit 0' TERM; echo started >> /kept/file; while :; do sleep 0.2; done"
    kept = {"name": "kept", "hostPath": {"path": f"/var/tmp/{namespace}", "type": "DirectoryOrCreate"}}
    saves = container("sh", "-c", line, volumeMounts=[{"name": "kept", "mountPath": "/kept"}])
    deaf = container("sh", "-c", "trap '' TERM; while :; do sleep 1; done")
    create(machines, namespace, pod("saves", "node2", saves, volumes=[kept]), pod("deaf", "node2", deaf))
    before = until("both are ready", lambda: all_ready(machines, namespace, 2), 300)
    begin = time.monotonic()
    machines.shut_down("node2")
    seconds = time.monotonic() - begin
    machines.power_on("node2")
    words = ["started", "saved", "started"]
    kept_file = f"cat /var/tmp/{namespace}/file"
    until("it has started again", lambda: machines.root("node2", kept_file).split() == words, 300)
    after = until("both are ready again", lambda: all_ready(machines, namespace, 2), 300)

    assert seconds < 140  # of an emulated machine; a real one needs some 20 for the one that is deaf
    assert {one["metadata"]["uid"] for one in after} == {one["metadata"]["uid"] for one in before}
    until("both have a process", lambda: holds(machines, after), 120)


def test_work_leaves_a_machine_without_power_and_nothing_stale_is_there_when_it_is_back(
    machines: Machines, namespace: str
) -> None:
    create(machines, namespace, *web(4, tolerations=HASTY))
    before = until("four servers are ready", lambda: all_ready(machines, namespace, 4), 300)
    lost = of(before, "node2")
    machines.power_off("node2")

    def moved() -> bool:
        found = all_ready(machines, namespace, 4)
        return bool(found) and {one["spec"]["nodeName"] for one in found} == {"node1"}

    until("node2 is NotReady", lambda: machines.ready() == 1, 300)
    until("its work is on node1", moved, 300)
    machines.power_on("node2")
    until("node2 is Ready again", lambda: machines.ready() == 2, 300)
    until(
        "its old pods are gone", lambda: not lost & {one["metadata"]["uid"] for one in pods(machines, namespace)}, 120
    )
    left = "ls /var/lib/procorch/pods /var/lib/procorch/runtime/sandboxes; find /sys/fs/cgroup/procorch -type d"

    assert lost
    assert of(before, "node1") <= of(all_ready(machines, namespace, 4), "node1")
    until("nothing of them is left", lambda: not any(uid in machines.root("node2", left) for uid in lost), 120)
    create(machines, namespace, pod("fresh", "node2", container("sleep", "1000")))
    until("it takes new work", lambda: of(all_ready(machines, namespace, 5), "node2"), 300)


def test_the_master_may_lose_power(machines: Machines, namespace: str) -> None:
    create(machines, namespace, *web(2))
    before = until("two servers are ready", lambda: all_ready(machines, namespace, 2), 300)
    processes = running(machines, before)
    assert holds(machines, before)
    machines.power_off("master")
    machines.power_on("master")
    until(
        "the master answers",
        lambda: "active" in machines.root("master", "systemctl is-active procorch-master || :"),
        300,
    )
    until("both nodes are Ready", lambda: machines.ready() == 2, 300)
    after = until("all are ready still", lambda: all_ready(machines, namespace, 2), 300)
    machines.kubectl("scale", "rc", "web", "-n", namespace, "--replicas", "3")

    assert {one["metadata"]["uid"] for one in after} == {one["metadata"]["uid"] for one in before}
    assert running(machines, after) == processes
    until("work goes on", lambda: all_ready(machines, namespace, 3), 300)


def test_provisioning_again_disturbs_no_pod(machines: Machines, namespace: str) -> None:
    create(machines, namespace, *web(4))
    before = until("four servers are ready", lambda: all_ready(machines, namespace, 4), 300)
    processes = running(machines, before)
    assert holds(machines, before)
    vagrant("provision")
    until("both nodes are Ready", lambda: machines.ready() == 2, 300)
    after = until("all are ready still", lambda: all_ready(machines, namespace, 4), 120)

    assert running(machines, after) == processes
    assert {one["metadata"]["uid"] for one in after} == {one["metadata"]["uid"] for one in before}
    assert {row["restartCount"] for one in after for row in one["status"]["containerStatuses"]} == {0}
