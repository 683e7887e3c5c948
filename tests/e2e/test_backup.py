"""A cluster is lost and comes back from its backup: the objects, who follows them, and the pods that ran on."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator

import pytest

from procorch.hosts import Host, Lab
from tests.e2e import logs
from tests.e2e.cluster import BIN, Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(240)]

POD = """
apiVersion: v1
kind: Pod
metadata: {{name: {name}}}
spec: {{containers: [{{name: c, image: host, command: [sh, -c, "echo {name}; exec sleep 4711"]}}]}}
"""
LOAD = """
n=0
while :; do
  n=$((n+1))
  {kubectl} create configmap load-$n --from-literal=n=$n >/dev/null || exit
  echo $n
done
"""


class Machines:
    """A master and a node on hosts of their own."""

    def __init__(self, lab: Lab, kubectl: str) -> None:
        self.home = logs.home()
        self.master_host, self.node_host = lab.host("bm"), lab.host("bn")
        self.cluster = Cluster(self.master_host, self.home / "master", kubectl)
        self.running: list[subprocess.Popen[bytes]] = []

    def start(self, host: Host, *words: object) -> subprocess.Popen[bytes]:
        with (self.home / "log").open("ab") as log:
            argv = [str(BIN / "procorch"), *map(str, words)]
            process = host.popen(argv, stdout=log, stderr=log, cwd=str(self.home))
        self.running.append(process)
        return process

    def start_master(self) -> subprocess.Popen[bytes]:
        process = self.start(self.master_host, "master", "--data-dir", self.cluster.data_dir)
        self.cluster.until(lambda: self.cluster.kubectl("get", "--raw", "/readyz") == "ok", "the master answers")
        return process

    def pod_processes(self) -> dict[str, str]:
        """name → pid and start time of each pod's process on the node."""
        code = (
            "import os\n"
            "for n in os.listdir('/proc'):\n"
            "  if n.isdigit():\n"
            "    try: c=open(f'/proc/{n}/cmdline').read(); s=open(f'/proc/{n}/stat').read(); e=open(f'/proc/{n}/environ').read()\n"  # noqa: E501
            "    except OSError: continue\n"
            "    if c == 'sleep\\x004711\\x00': print(e.split('HOSTNAME=')[1].split('\\0')[0], n, s.rpartition(')')[2].split()[19])\n"  # noqa: E501
        )
        done = self.node_host.run(["python3", "-c", code], capture_output=True, text=True)
        return {name: rest for name, _, rest in (line.partition(" ") for line in done.stdout.splitlines())}

    def stop(self) -> None:
        for process in reversed(self.running):
            process.terminate()
            process.wait(20)
        self.node_host.power_off()
        self.master_host.power_off()
        shutil.rmtree(self.home, ignore_errors=True)


@pytest.fixture
def machines(lab: Lab, kubectls: list[str]) -> Iterator[Machines]:
    made = Machines(lab, kubectls[0])
    yield made
    made.stop()


def test_a_lost_master_comes_back_from_a_backup_made_under_load(machines: Machines) -> None:
    cluster, home = machines.cluster, machines.home
    master = machines.start_master()
    token = cluster.procorch("token", "create", "--data-dir", cluster.data_dir).strip()
    server = f"https://{machines.master_host.address}:6443"
    machines.start(machines.node_host, "agent", "--server", server, "--token", token, "--data-dir", home / "node")
    cluster.kubectl("create", "-f", "-", input=POD.format(name="kept"))
    cluster.kubectl("create", "secret", "generic", "s", "--from-literal=password=hunter2")
    cluster.ready(1)

    # A backup while objects are created: all that was acknowledged before it is in it.
    script = LOAD.format(kubectl=cluster.program)
    load = machines.master_host.popen(
        ["sh", "-c", script], stdout=subprocess.PIPE, env=cluster.environment, cwd=str(home)
    )
    assert load.stdout is not None
    acknowledged = [int(load.stdout.readline()) for _ in range(5)][-1]
    said = cluster.procorch("backup", home / "backup", "--data-dir", cluster.data_dir)
    load.stdout.readline(), load.stdout.readline()  # it goes on
    load.kill()
    load.wait()
    digest = cluster.run("sha256sum", home / "backup").stdout.split()[0]
    found = re.fullmatch(r"revision (\d+): \d+ objects with the cluster's keys, \d+ bytes, sha256 (\w+)\n", said)
    assert found is not None and found[2] == digest, said
    revision = int(found[1])

    # What happens after it will be lost; who was there sees it.
    cluster.kubectl("create", "-f", "-", input=POD.format(name="late"))
    cluster.ready(2)
    cluster.kubectl("create", "configmap", "late")
    path = "/api/v1/namespaces/default/configmaps"
    page = json.loads(cluster.kubectl("get", "--raw", f"{path}?limit=2"))
    seen = int(page["metadata"]["resourceVersion"])
    before = machines.pod_processes()
    assert set(before) == {"kept", "late"} and seen > revision
    uid = cluster.path("{.metadata.uid}", "pod", "kept")

    master.kill()
    master.wait()
    shutil.rmtree(cluster.data_dir)
    restored = cluster.procorch("restore", home / "backup", "--data-dir", cluster.data_dir)
    machines.start_master()

    assert f"as of revision {revision}; it goes on at " in restored
    names = cluster.kubectl("get", "configmaps", "-o", "name").split()
    assert {f"configmap/load-{number}" for number in range(1, acknowledged + 1)} <= set(names)
    assert "configmap/late" not in names
    assert cluster.path("{.data.password}", "secret", "s") == "aHVudGVyMg=="

    # Who followed from before, or between, is told to begin anew.
    for old in (revision, revision + 1, seen, seen + 1000):
        event = json.loads(cluster.kubectl("get", "--raw", f"{path}?watch=1&resourceVersion={old}&timeoutSeconds=5"))
        assert (event["type"], event["object"]["code"], event["object"]["reason"]) == ("ERROR", 410, "Expired")
    stale = f"{path}?limit=2&continue={page['metadata']['continue']}"
    assert "too old" in cluster.kubectl("get", "--raw", stale, code=1)

    # The node finds its way back: the pod of the backup runs on, the other one goes, new ones come.
    cluster.until(lambda: set(machines.pod_processes()) == {"kept"}, "the pod that is no more has ended")
    cluster.kubectl("create", "-f", "-", input=POD.format(name="fresh"))
    cluster.ready(2)
    assert machines.pod_processes()["kept"] == before["kept"], "the same process"
    pod = cluster.get("pod", "kept")
    assert (pod["metadata"]["uid"], pod["status"]["containerStatuses"][0]["restartCount"]) == (uid, 0)
    assert int(pod["metadata"]["resourceVersion"]) > seen
    assert cluster.kubectl("logs", "kept") == "kept\n"
    watch = cluster.kubectl("get", "pods", "--watch", "--request-timeout=3s", "-o", "name", code=0)
    assert {"pod/kept", "pod/fresh"} <= set(watch.split())

    assert cluster.procorch("check", "--data-dir", cluster.data_dir).endswith(" 0 damaged\n")
    assert "the past begins at revision" in cluster.procorch("compact")
