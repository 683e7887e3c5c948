"""Three nodes and a master that is killed with -9: no node is given up for it, no number comes twice, and when nothing
happens nothing is written."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest

from procorch.hosts import Lab
from tests.e2e.cluster import Cluster, bring_up, take_down
from tests.faults.scale import rounds

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(900)]

# What a process has written to disks, and what is in the files of the store.
WRITTEN = """
import hashlib, json, pathlib, sys
directory, pid = pathlib.Path(sys.argv[1]), sys.argv[2]
io = dict(line.split(": ") for line in pathlib.Path(f"/proc/{pid}/io").read_text().splitlines())
files = {path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in sorted(directory.glob("store.db*"))}
print(json.dumps({"bytes": int(io["write_bytes"]), "files": files}))
"""


@pytest.fixture(scope="module")
def three(lab: Lab, kubectls: list[str]) -> Iterator[Cluster]:
    made = bring_up(lab.host("three"), kubectls[0], "--nodes", "3")
    made.until(lambda: len(ready_since(made)) == 3, "three nodes are ready")
    yield made
    take_down(made)


def ready_since(cluster: Cluster) -> dict[str, str]:
    """Since when each node that is Ready, and that nothing keeps pods away from, is so."""
    found = {}
    for node in cluster.get("nodes")["items"]:
        for row in node["status"]["conditions"]:
            if row["type"] == "Ready" and row["status"] == "True" and "taints" not in node["spec"]:
                found[node["metadata"]["name"]] = row["lastTransitionTime"]
    return found


def leases(cluster: Cluster) -> dict[str, tuple[int, str]]:
    """Revision and time of each node's last sign of life."""
    found = cluster.get("leases", "-n", "kube-node-lease")["items"]
    return {
        row["metadata"]["name"]: (int(row["metadata"]["resourceVersion"]), row["spec"]["renewTime"]) for row in found
    }


def master(cluster: Cluster) -> int:
    state = json.loads(cluster.run("cat", cluster.data_dir / "run/up.json").stdout)
    return int(state["programs"]["master"]["pid"])


def written(cluster: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(cluster.run("python3", "-c", WRITTEN, cluster.data_dir, master(cluster)).stdout)
    assert "store.db" in found["files"]
    return found


def test_an_idle_cluster_writes_nothing(three: Cluster) -> None:
    """Three nodes renew their leases every ten seconds and post their status. What a start has to say is over within a
    minute, and so is the first look at what history is too old, which touches a page of SQLite's shared memory."""
    seconds = rounds(short=12, long=120)
    last, signs = written(three), leases(three)

    def quiet() -> bool:
        nonlocal last, signs
        before, last, was, signs = last, written(three), signs, leases(three)
        return before == last and all(signs[name][1] > renewed for name, (_, renewed) in was.items())

    deadline = time.monotonic() + 90 + 2 * seconds
    while True:
        time.sleep(seconds)
        if quiet():
            break
        assert time.monotonic() < deadline, f"it writes and writes: {last}"


def test_a_master_that_is_killed_gives_no_node_up_and_no_number_twice(three: Cluster) -> None:
    """A kill takes the heartbeats of its life along: what is on disk says that nodes were last heard of long ago."""
    ready, highest = ready_since(three), 0
    assert len(ready) == 3
    deadline = time.monotonic() + rounds(short=0, long=90)  # a node is given up after fifty seconds of silence
    kills = 0
    while kills < 3 or time.monotonic() < deadline:
        kills += 1
        before = master(three)
        highest = max(highest, *(revision for revision, _ in leases(three).values()))
        three.run("kill", "-9", before)
        three.until(lambda gone=before: master(three) != gone, "the master is started again", 60)  # it backs off
        three.until(lambda: three.kubectl("get", "nodes"), "it answers")
        made = three.kubectl("create", "configmap", f"after-{kills}", "-o", "jsonpath={.metadata.resourceVersion}")
        assert int(made) > highest
        highest = int(made)
        assert ready_since(three) == ready
    assert three.get("events", "-A", "--field-selector=reason=NodeNotReady")["items"] == []
    three.until(
        lambda: min(revision for revision, _ in leases(three).values()) > highest, "nodes beat above all that was"
    )
    assert ready_since(three) == ready
