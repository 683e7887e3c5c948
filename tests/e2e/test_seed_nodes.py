"""Nodes: what is known about one, how another joins while all runs, and what becomes of its pods when it is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest

from procorch.hosts import Host, Lab
from procorch.quantity import byte_count
from tests.e2e.cluster import BIN, Cluster, bring_up, take_down
from tests.e2e.manifests import PORT, controller, create, pod, pod_spec, service, sleeper, web

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]

Sections = dict[str, list[str]]


def described(cluster: Cluster) -> Sections:
    """`kubectl describe node`: heading → its lines, the rest of the heading's own line first."""
    sections: Sections = {}
    name = ""
    for line in cluster.kubectl("describe", "node").splitlines():
        if line[:1] not in (" ", "\t", ""):
            name, _, rest = line.partition(":")
            sections[name] = [rest.strip()] if rest.strip() else []
        elif line.strip():
            sections[name].append(line.strip())
    return sections


@pytest.fixture(scope="module")
def node(cluster: Cluster) -> Sections:
    return described(cluster)


def pairs(lines: list[str], separator: str = ":") -> dict[str, str]:
    split = (line.partition(separator) for line in lines)
    return {key.strip(): value.strip() for key, _, value in split}


def test_a_node_says_what_it_is(cluster: Cluster, node: Sections) -> None:
    """S050, S053–S058, S172: name, roles, labels in both forms, annotations, age, taints, open for pods."""
    name = cluster.path("{.items[0].metadata.name}", "nodes")
    assert node["Name"] == [name]
    assert node["Roles"] == ["<none>"], "the agent's own labels may give it no role"
    labels = pairs(node["Labels"], "=")
    for prefix in ("kubernetes.io", "beta.kubernetes.io"):
        assert labels[f"{prefix}/os"] == "linux"
        assert labels[f"{prefix}/arch"] in ("amd64", "arm64")
    assert labels["kubernetes.io/hostname"]
    annotations = pairs(node["Annotations"])
    assert annotations["node.alpha.kubernetes.io/ttl"] == "0"
    assert annotations["volumes.kubernetes.io/controller-managed-attach-detach"] == "true"
    assert re.search(r"\d\d:\d\d:\d\d", node["CreationTimestamp"][0])
    assert (node["Taints"], node["Unschedulable"]) == (["<none>"], ["false"])


def test_a_role_is_a_label(cluster: Cluster, request: pytest.FixtureRequest) -> None:
    """S052–S054: in both forms, the old one too."""
    roles = ("node-role.kubernetes.io/master", "node-role.kubernetes.io/control-plane")
    request.addfinalizer(lambda: cluster.kubectl("label", "nodes", "--all", *(f"{role}-" for role in roles)))
    cluster.kubectl("label", "nodes", "--all", *(f"{role}=" for role in roles))
    table = [line.split() for line in cluster.kubectl("get", "nodes").splitlines()]
    assert table[0] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert table[1][1:3] == ["Ready", "control-plane,master"]


def test_a_node_says_how_it_is(cluster: Cluster, node: Sections) -> None:
    """S059, S061, S067: four conditions with their times and reasons, addresses, what happened."""
    columns = node["Conditions"][0].split()
    assert columns == ["Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"]
    rows = {line.split()[0]: line for line in node["Conditions"][2:]}
    wanted = {
        "MemoryPressure": ("False", "KubeletHasSufficientMemory"),
        "DiskPressure": ("False", "KubeletHasNoDiskPressure"),
        "PIDPressure": ("False", "KubeletHasSufficientPID"),
        "Ready": ("True", "KubeletReady"),
    }
    assert set(rows) == set(wanted)
    for kind, (status, reason) in wanted.items():
        assert rows[kind].split()[1] == status and reason in rows[kind], rows[kind]
        assert len(re.findall(r"\d\d:\d\d:\d\d", rows[kind])) == 2, "two times"
    addresses = pairs(node["Addresses"])
    assert addresses["InternalIP"] == cluster.host.address
    assert addresses["Hostname"]
    events = cluster.get("events", "--field-selector", "involvedObject.kind=Node")["items"]
    assert {"Starting", "NodeReady"} <= {row["reason"] for row in events}
    assert any("Starting kubelet." in line for line in node["Events"])


def test_a_node_says_what_it_has_and_what_runs_it(cluster: Cluster, node: Sections) -> None:
    """S048, S062–S064."""
    capacity, allocatable = pairs(node["Capacity"]), pairs(node["Allocatable"])
    assert {"cpu", "ephemeral-storage", "memory", "pods"} <= set(capacity) == set(allocatable)
    assert capacity["pods"] == "110"
    assert 0 < byte_count(allocatable["memory"]) <= byte_count(capacity["memory"])
    sizes = cluster.run("ls", "/sys/kernel/mm/hugepages").stdout.split()
    assert len([key for key in capacity if key.startswith("hugepages-")]) == len(sizes)
    info = pairs(node["System Info"])
    for key in (
        "Machine ID", "System UUID", "Boot ID", "Kernel Version", "OS Image", "Operating System", "Architecture",
        "Container Runtime Version", "Kubelet Version",
    ):  # fmt: skip
        assert info[key], key
    assert info["Kernel Version"] == cluster.run("uname", "-r").stdout.strip()
    assert "procorch" in info["Container Runtime Version"]
    assert "kubeProxyVersion" in cluster.get("nodes")["items"][0]["status"]["nodeInfo"]


def test_a_node_says_what_is_taken_of_it(cluster: Cluster, namespace: str) -> None:
    """S065, S066: each pod's part and the sums, in percent; limits may be more than there is."""
    millis = 1000 * int(pairs(described(cluster)["Allocatable"])["cpu"])
    resources = {
        "requests": {"cpu": "100m", "memory": "50Mi"},
        "limits": {"cpu": f"{2 * millis}m", "memory": "200Mi"},
    }
    create(cluster, namespace, pod("taker", sleeper(resources=resources)))
    cluster.ready(1, "-n", namespace)
    sections = described(cluster)
    listed = sections["Non-terminated Pods"]
    assert re.fullmatch(r"\((\d+) in total\)", listed[0])
    assert int(re.sub(r"\D", "", listed[0])) == len(listed) - 3
    for word in ("Namespace", "Name", "CPU Requests", "CPU Limits", "Memory Requests", "Memory Limits", "Age"):
        assert word in listed[1]
    (row,) = (line.split() for line in listed if line.startswith(namespace))
    assert row[1:4] == ["taker", "100m", f"({100 * 100 // millis}%)"]
    assert row[6] == "50Mi" and row[8] == "200Mi"
    taken = sections["Allocated resources"]
    assert "overcommitted" in taken[0]
    (cpu,) = (line.split() for line in taken if line.startswith("cpu"))
    assert int(re.sub(r"\D", "", cpu[2])) > 0
    assert int(re.sub(r"\D", "", cpu[4])) >= 200, "more than all"


@pytest.fixture
def first(lab: Lab, kubectls: list[str]) -> Iterator[Cluster]:
    """A cluster of one host, which others can join."""
    made = bring_up(lab.host("first"), kubectls[0])
    yield made
    take_down(made)
    made.host.power_off()


@pytest.fixture
def second(lab: Lab) -> Iterator[Host]:
    made = lab.host("second")
    yield made
    made.power_off()


def test_a_node_joins_at_run_time_and_its_work_moves_when_it_is_lost(first: Cluster, second: Host) -> None:
    """S043–S045, S049–S051, S081, S006: an agent with a token; the power goes off; the pods are elsewhere.

    Kubernetes' own times: a node is lost after 50 s of silence; the pods tolerate that for a second.
    """
    token = first.procorch("token", "create", "--data-dir", first.data_dir).strip()
    home = first.data_dir.parent
    argv = [str(BIN / "procorch"), "agent", "--data-dir", str(home / "second"), "--token", token]
    argv += ["--server", f"https://{first.host.address}:6443", "--node-ip", second.address]
    with (home / "second.log").open("wb") as log:
        second.popen(argv, stdout=log, stderr=log, env=first.environment)
    first.until(lambda: _state(first, "second") == "Ready", "the node has registered itself", 20)

    tolerations = [
        {"key": f"node.kubernetes.io/{what}", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 1}
        for what in ("unreachable", "not-ready")
    ]
    create(first, "default", service("web", {"app": "web"}, {"port": PORT}))
    create(first, "default", controller("web", 4, pod_spec(web(), tolerations=tolerations)))
    first.ready(4, "-l", "app=web")
    assert sorted(_nodes_of_pods(first)) == ["first", "first", "second", "second"], "it gets its share"
    before = _heartbeats(first)
    second.power_off()

    first.kubectl("wait", "--for=condition=Ready=Unknown", "node/second", "--timeout=75s", timeout=80)
    assert _state(first, "second") == "NotReady"
    after = _heartbeats(first)
    assert after["first"] > before["first"], "the other one goes on telling that it lives"
    first.until(
        lambda: _nodes_of_pods(first, "--field-selector", "status.phase=Running").count("first") == 4,
        "the pods are made anew on the other node",
    )
    first.until(lambda: first.path("{.status.readyReplicas}", "rc", "web") == "4", "all are ready")
    ready = json.loads(first.path("{.status.conditions[?(@.type=='Ready')]}", "node", "second"))
    assert (ready["status"], ready["reason"]) == ("Unknown", "NodeStatusUnknown")
    assert "NodeNotReady" in first.kubectl("describe", "node", "second")
    address = first.path("{.spec.clusterIP}", "svc", "web")
    answers = [first.fetch(f"http://{address}:{PORT}/") for _ in range(8)]
    assert [done.returncode for done in answers] == [0] * 8, "the Service leads to none that is lost"


def _state(cluster: Cluster, node: str) -> str:
    return cluster.kubectl("get", "node", node, "--no-headers").split()[1]


def _nodes_of_pods(cluster: Cluster, *options: str) -> list[str]:
    """Where the pods are that are not on their way out."""
    items = cluster.get("pods", "-l", "app=web", *options)["items"]
    return [row["spec"]["nodeName"] for row in items if "deletionTimestamp" not in row["metadata"]]


def _heartbeats(cluster: Cluster) -> dict[str, str]:
    items = cluster.get("leases", "-n", "kube-node-lease")["items"]
    return {row["metadata"]["name"]: row["spec"]["renewTime"] for row in items}
