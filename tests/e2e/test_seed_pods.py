"""Pods: the group that the pause stands for, its volumes, its share of the node, and what is told about it."""

from __future__ import annotations

import contextlib
import signal
from pathlib import Path
from typing import Any

import pytest

from procorch.hosts import Lab
from tests.e2e.cluster import ROOT, Cluster, bring_up, take_down
from tests.e2e.manifests import controller, create, log, pod, pod_spec, shell, sleeper

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]


def titles(cluster: Cluster) -> dict[int, str]:
    """pid → command line, of every process on the cluster's host, both as seen there."""
    found = {}
    for row in cluster.run("ps", "-eo", "pid=,args=").stdout.splitlines():
        pid, _, title = row.strip().partition(" ")
        found[int(pid)] = title.strip()
    return found


def kill(cluster: Cluster, title: str) -> None:
    """SIGKILL to the one process whose command line begins so."""
    (pid,) = (pid for pid, text in titles(cluster).items() if text.startswith(title))
    cluster.run("kill", f"-{int(signal.SIGKILL)}", pid)


def pauses(cluster: Cluster, uid: str = "") -> list[str]:
    """The pauses of that pod, or of all pods."""
    return [text for text in titles(cluster).values() if text.startswith(f"procorch:pause pod{uid}")]


def restarts(cluster: Cluster, namespace: str, name: str) -> dict[str, int]:
    rows = cluster.get("pod", name, "-n", namespace)["status"].get("containerStatuses", [])
    return {row["name"]: row["restartCount"] for row in rows if row["ready"]}


@pytest.fixture
def group(cluster: Cluster, namespace: str) -> str:
    """The name of a pod of two containers c0 and c1, whose processes are <name>-c0 and <name>-c1.

    Each adds a line to a file of its name in an emptyDir when it starts.
    """
    name = f"group-{namespace}"
    rows = []
    for one in ("c0", "c1"):
        row = shell(f"echo x >> /v/{one}; exec -a {name}-{one} sleep infinity")
        row["command"][0] = "/bin/bash"
        rows.append({**row, "volumeMounts": [{"name": "v", "mountPath": "/v"}]})
    create(cluster, namespace, pod(name, *rows, volumes=[{"name": "v", "emptyDir": {}}]))
    cluster.ready(1, "-n", namespace)
    return name


def written(cluster: Cluster, uid: str) -> dict[str, str]:
    """What is in the pod's emptyDir, as its node has it: empty when the volume is gone."""
    found = {}
    with contextlib.suppress(FileNotFoundError):  # it may go while we look
        for path in (cluster.data_dir / "node/pods" / uid / "volumes").glob("*/v/*"):
            found[path.name] = path.read_text()
    return found


def test_a_killed_container_is_started_again_alone(cluster: Cluster, namespace: str, group: str) -> None:
    """S006, S070–S073, S079, S158, S159: same address, same emptyDir, which goes with the pod."""
    this = ("pod", group, "-n", namespace)
    address, uid = cluster.path("{.status.podIP} {.metadata.uid}", *this).split()
    kill(cluster, f"{group}-c0 ")
    cluster.until(lambda: restarts(cluster, namespace, group) == {"c0": 1, "c1": 0}, "only that one is started again")
    assert cluster.path("{.status.podIP}", *this) == address
    assert written(cluster, uid) == {"c0": "x\nx\n", "c1": "x\n"}, "it outlives containers"
    cluster.kubectl("delete", *this)
    cluster.until(lambda: not written(cluster, uid), "and goes with the pod")


def test_the_pause_stands_for_the_group(cluster: Cluster, namespace: str, group: str) -> None:
    """S019, S069, S071, S080: one a pod; after its death there is a new one, and all containers are started again."""
    uid = cluster.path("{.metadata.uid}", "pod", group, "-n", namespace)
    assert len(pauses(cluster, uid)) == 1
    kill(cluster, f"procorch:pause pod{uid}")
    cluster.until(lambda: restarts(cluster, namespace, group) == {"c0": 1, "c1": 1}, "all are started again")
    assert len(pauses(cluster, uid)) == 1
    assert "SandboxChanged" in cluster.kubectl("describe", "pod", group, "-n", namespace)
    assert written(cluster, uid) == {"c0": "x\nx\n", "c1": "x\nx\n"}


def test_a_directory_of_the_host_stays(cluster: Cluster, namespace: str, tmp_path: Path) -> None:
    """S084, S156, S157, S160: a file and a directory, each at its own path in each container."""
    (tmp_path / "file").write_text("from the host\n")
    volumes = [
        {"name": "d", "hostPath": {"path": f"{tmp_path}/made", "type": "DirectoryOrCreate"}},
        {"name": "f", "hostPath": {"path": f"{tmp_path}/file", "type": "File"}},
    ]
    mounts = [{"name": "d", "mountPath": "/here"}, {"name": "f", "mountPath": "/etc/one", "readOnly": True}]
    writer = shell("cat /etc/one; cp /etc/one /here/copy; echo no > /etc/one", volumeMounts=mounts)
    reader = shell(
        "until test -s /there/copy; do sleep 0.05; done; cat /there/copy",
        volumeMounts=[{"name": "d", "mountPath": "/there"}],
    )
    create(cluster, namespace, pod("host", writer, reader, volumes=volumes, restartPolicy="Never"))
    assert log(cluster, namespace, "host", "c1") == "from the host\n"
    assert log(cluster, namespace, "host").startswith("from the host\n")
    cluster.kubectl("delete", "pod", "host", "-n", namespace)
    assert (tmp_path / "made/copy").read_text() == (tmp_path / "file").read_text() == "from the host\n"


@pytest.mark.parametrize(
    ("volume", "words"),
    [
        pytest.param({"gcePersistentDisk": {"pdName": "d"}}, "Google Compute Engine", id="S161"),
        pytest.param({"awsElasticBlockStore": {"volumeID": "v"}}, "Amazon EC2", id="S162"),
        pytest.param({"hostPath": {"path": "/no/such/file", "type": "File"}}, "/no/such/file", id="S160"),
    ],
)
def test_a_volume_that_cannot_be_had_is_told(
    cluster: Cluster, namespace: str, volume: dict[str, Any], words: str
) -> None:
    """S085, S086."""
    create(cluster, namespace, pod("waits", sleeper(), volumes=[{"name": "v", **volume}]))

    def told() -> bool:
        text = cluster.kubectl("describe", "pod", "waits", "-n", namespace)
        return "FailedMount" in text and words in text

    cluster.until(told, f"an event names {words}")
    assert "ContainerCreating" in cluster.kubectl("get", "pod", "waits", "-n", namespace)


def test_creation_is_seen_step_by_step_and_told_by_events(
    cluster: Cluster, namespace: str, request: pytest.FixtureRequest
) -> None:
    """S028, S078, S085, S086, S008: stored before it has a node; then it waits for its volume; then it runs."""
    n = ("-n", namespace)
    nodes = cluster.kubectl("get", "nodes", "-o", "name").split()
    label = f"procorch.example/{namespace}"
    request.addfinalizer(lambda: cluster.kubectl("label", *nodes, f"{label}-"))
    volumes = [{"name": "v", "configMap": {"name": "later"}}]
    create(cluster, namespace, pod("steps", sleeper(), volumes=volumes, nodeSelector={label: "yes"}))
    cluster.until(
        lambda: "didn't match Pod's node affinity/selector" in cluster.kubectl("describe", "pod", "steps", *n),
        "FailedScheduling says why",
    )
    assert cluster.kubectl("get", "pod", "steps", *n, "--no-headers").split()[2] == "Pending"
    assert cluster.path("{.spec.nodeName}", "pod", "steps", *n) == ""

    cluster.kubectl("label", *nodes, f"{label}=yes")
    cluster.until(
        lambda: 'configmap "later" not found' in cluster.kubectl("describe", "pod", "steps", *n), "FailedMount says why"
    )
    assert cluster.kubectl("get", "pod", "steps", *n, "--no-headers").split()[2] == "ContainerCreating"

    cluster.kubectl("create", "configmap", "later", *n)
    cluster.ready(1, *n)
    events = cluster.get("events", *n, "--field-selector", "involvedObject.name=steps,involvedObject.kind=Pod")["items"]
    reasons = {row["reason"] for row in events}
    assert {"FailedScheduling", "Scheduled", "FailedMount", "Created", "Started"} <= reasons
    uid = cluster.path("{.metadata.uid}", "pod", "steps", *n)
    assert {row["involvedObject"]["uid"] for row in events} == {uid}
    assert "Started" in cluster.kubectl("events", "--for", "pod/steps", *n)


def test_requests_are_a_share_that_nobody_else_gets(cluster: Cluster, namespace: str) -> None:
    """S089: the second of two that do not fit together waits until the first has gone."""
    n = ("-n", namespace)
    cores = float(cluster.path("{.items[0].status.allocatable.cpu}", "nodes").removesuffix("m"))
    millis = cores if cores > 500 else cores * 1000
    half = {"requests": {"cpu": f"{int(millis * 0.6)}m"}}
    create(cluster, namespace, pod("first", sleeper(resources=half)))
    cluster.ready(1, *n)
    create(cluster, namespace, pod("second", sleeper(resources=half)))
    cluster.until(lambda: "Insufficient cpu" in cluster.kubectl("describe", "pod", "second", *n), "it waits")
    assert cluster.path("{.status.phase}", "pod", "second", *n) == "Pending"
    cluster.kubectl("delete", "pod", "first", *n)
    cluster.ready(1, *n)


def test_quantities_are_thousandths_and_bytes(cluster: Cluster, namespace: str) -> None:
    """S087, S088: however they are written; a container reads them as they are meant."""
    amounts = {"100000000": 100_000_000, "65536Ki": 64 << 20, "128Mi": 128 << 20, "1Gi": 1 << 30}
    rows = []
    for text in amounts:
        reference = {"resourceFieldRef": {"resource": "limits.memory"}}
        milli = {"resourceFieldRef": {"resource": "limits.cpu", "divisor": "1m"}}
        env = [{"name": "MEMORY", "valueFrom": reference}, {"name": "CPU", "valueFrom": milli}]
        limits = {"memory": text, "cpu": "0.25"}
        rows.append(shell("echo $MEMORY $CPU", env=env, resources={"limits": limits, "requests": {"cpu": "1m"}}))
    create(cluster, namespace, pod("amounts", *rows, restartPolicy="Never"))
    told = [log(cluster, namespace, "amounts", f"c{number}").split() for number in range(len(rows))]
    assert told == [[str(value), "250"] for value in amounts.values()]


def test_the_first_example_runs(cluster: Cluster, namespace: str) -> None:
    """S083, U10."""
    n = ("-n", namespace)
    cluster.kubectl("create", *n, "-f", ROOT / "examples/seed/hello-pod.yml")
    cluster.ready(1, *n)
    assert cluster.until(lambda: cluster.kubectl("logs", "hello", *n), "it speaks") == "hello from hello\n"


def test_one_node_runs_three_hundred_pods(lab: Lab, kubectls: list[str]) -> None:
    """S018, S074: each with its own pause and its own address; one more than the node may have waits."""
    cluster = bring_up(lab.host("crowd"), kubectls[0], "--pods", "301")
    try:
        create(cluster, "default", controller("many", 300, pod_spec(sleeper())))
        ready = "--for=jsonpath={.status.readyReplicas}=300"
        cluster.kubectl("wait", ready, "rc/many", "--timeout=120s", timeout=130)
        addresses = cluster.path("{.items[*].status.podIP}", "pods").split()
        assert len(set(addresses)) == 300
        assert len(pauses(cluster)) == 300
        create(cluster, "default", pod("last", sleeper()), pod("too-many", sleeper()))
        cluster.until(
            lambda: (
                cluster.kubectl("get", "pods", "last", "too-many", "--no-headers").count("Pending") == 1
                and "Too many pods" in cluster.kubectl("get", "events")
            ),
            "the node is full",
        )
    finally:
        take_down(cluster)
