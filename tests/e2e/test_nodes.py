"""One master and several nodes, each a host of its own, by `procorch up --nodes`."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest

from procorch.hosts import Lab
from tests.e2e.cluster import Cluster, bring_up, take_down

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(240)]


@pytest.fixture(scope="module")
def two(lab: Lab, kubectls: list[str]) -> Iterator[Cluster]:
    made = bring_up(lab.host("two"), kubectls[0], "--nodes", "2")
    yield made
    take_down(made)


def web(cluster: Cluster, name: str, node: str) -> str:
    """A pod on that node that serves its name on 8080; its address once it is ready."""
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": {"app": name}},
        "spec": {
            "nodeName": node,
            "terminationGracePeriodSeconds": 1,
            "containers": [
                {
                    "name": "c",
                    "image": "host",
                    "command": [
                        "sh", "-c", "mkdir -p /tmp/w; cd /tmp/w; hostname > who; exec python3 -m http.server 8080",
                    ],
                }
            ],
        },
    }  # fmt: skip
    cluster.kubectl("create", "-f", "-", input=json.dumps(pod))
    cluster.ready(1, "-l", f"app={name}")
    return cluster.path("{.status.podIP}", "pod", name)


def test_two_nodes_are_ready_and_pods_reach_each_other_across_them(two: Cluster) -> None:
    """S049–S052, S074–S076, S147: real addresses, no translation between pods."""
    names = two.path("{.items[*].metadata.name}", "nodes").split()
    assert names == ["node1", "node2"]
    ranges = two.path("{.items[*].spec.podCIDR}", "nodes").split()
    assert len(set(ranges)) == 2
    first, second = web(two, "a", "node1"), web(two, "b", "node2")
    assert first != second
    for name, node, address in (("ab", "node1", second), ("ba", "node2", first)):
        script = f"curl -sS -m 5 --noproxy '*' http://{address}:8080/who"
        two.kubectl(
            "run", name, "--image=host", "--restart=Never", f'--overrides={{"spec":{{"nodeName":"{node}"}}}}',
            "--command", "--", "sh", "-c", script,
        )  # fmt: skip
        two.until(lambda n=name: two.path("{.status.phase}", "pod", n) in ("Succeeded", "Failed"), f"{name} ends")
    assert two.kubectl("logs", "ab") == "b\n"
    assert two.kubectl("logs", "ba") == "a\n"
    visitor = two.path("{.status.podIP}", "pod", "ba")
    assert visitor in two.kubectl("logs", "a"), "S075: the address that is seen is the pod's"


def test_a_node_port_answers_on_every_node_also_without_a_backend(two: Cluster) -> None:
    """S155."""
    web(two, "np", "node1")
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "np"},
        "spec": {"type": "NodePort", "selector": {"app": "np"},
                 "ports": [{"port": 80, "targetPort": 8080, "nodePort": 30007}]},
    }  # fmt: skip
    two.kubectl("create", "-f", "-", input=json.dumps(service))
    addresses = two.path("{.items[*].status.addresses[?(@.type=='InternalIP')].address}", "nodes").split()
    assert len(addresses) == 2
    for address in addresses:
        two.until(lambda at=address: two.fetch(f"http://{at}:30007/who").stdout == "np\n", f"{address} answers")


def test_a_cordoned_node_gets_no_new_pods(two: Cluster) -> None:
    """S058."""
    two.kubectl("cordon", "node1")
    assert "SchedulingDisabled" in two.kubectl("get", "node", "node1")
    two.kubectl("run", "elsewhere", "--image=host", "--command", "--", "sleep", "600")
    two.ready(1, "-l", "run=elsewhere")
    assert two.path("{.spec.nodeName}", "pod", "elsewhere") == "node2"
    two.kubectl("uncordon", "node1")
    two.kubectl("delete", "pod", "elsewhere", "--now")


@pytest.mark.parametrize("which", [0, 1], ids=["newest kubectl", "kubectl of this machine"])
def test_a_drained_node_is_empty_and_its_work_goes_on_elsewhere(two: Cluster, kubectls: list[str], which: int) -> None:
    if which >= len(kubectls):
        pytest.skip("no other kubectl on this machine")
    two = two.with_kubectl(kubectls[which])
    rc = {
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "kept"},
        "spec": {"replicas": 4, "template": {"metadata": {"labels": {"app": "kept"}}, "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "c", "image": "host", "command": ["sleep", "infinity"]}]}}},
    }  # fmt: skip
    two.kubectl("create", "-f", "-", input=json.dumps(rc))
    two.ready(4, "-l", "app=kept")
    assert "node2" in two.path("{.items[*].spec.nodeName}", "pods", "-l", "app=kept").split()

    said = two.kubectl("drain", "node2", "--pod-selector=app=kept", "--timeout=30s")

    assert "evicting pod default/kept-" in said or "evicted" in said
    two.ready(4, "-l", "app=kept")
    assert set(two.path("{.items[*].spec.nodeName}", "pods", "-l", "app=kept").split()) == {"node1"}
    two.kubectl("uncordon", "node2")
    two.kubectl("delete", "rc", "kept", "--cascade=foreground")


def test_pods_are_spread_and_scheduled_without_being_told_where(two: Cluster) -> None:
    """S008, S041."""
    rc = {
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "spread"},
        "spec": {"replicas": 4, "template": {"metadata": {"labels": {"app": "spread"}}, "spec": {
            "terminationGracePeriodSeconds": 1,
            "containers": [{"name": "c", "image": "host", "command": ["sleep", "infinity"]}]}}},
    }  # fmt: skip
    two.kubectl("create", "-f", "-", input=json.dumps(rc))
    two.ready(4, "-l", "app=spread")
    nodes = two.path("{.items[*].spec.nodeName}", "pods", "-l", "app=spread").split()
    assert sorted(nodes) == ["node1", "node1", "node2", "node2"]
    two.kubectl("delete", "rc", "spread")


def test_a_node_that_loses_power_is_switched_on_again_and_the_others_notice_nothing(two: Cluster) -> None:
    pods = [web(two, "stays", "node1"), web(two, "falls", "node2")]
    code = (
        "import os, signal\n"
        "for n in filter(str.isdigit, os.listdir('/proc')):\n"
        "  try: text = open(f'/proc/{n}/cmdline').read()\n"
        "  except OSError: continue\n"
        "  if text.startswith('procorch:host:node2'): os.kill(int(n), signal.SIGKILL)\n"
    )
    before = two.get("pod", "stays")["status"]
    two.run("python3", "-c", code)

    two.until(lambda: two.get("pod", "falls")["status"]["containerStatuses"][0]["restartCount"] == 1, "it is back")
    two.ready(1, "-l", "app=falls")
    assert two.get("pod", "stays")["status"]["containerStatuses"] == before["containerStatuses"]
    address = two.path("{.status.podIP}", "pod", "falls")
    script = f"curl -sS -m 3 --noproxy '*' http://{address}:8080/who"
    two.kubectl("run", "asks", "--image=host", "--restart=Never", "--overrides", json.dumps(
        {"spec": {"nodeName": "node1"}}), "--command", "--", "sh", "-c", script)  # fmt: skip
    two.until(lambda: two.kubectl("logs", "asks") == "falls\n", "it is reached from another node")
    assert pods[0] == two.path("{.status.podIP}", "pod", "stays")
    two.kubectl("delete", "pod", "stays", "falls", "asks", "--now")
