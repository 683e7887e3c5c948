"""Pods and the end of what looks after them: agents killed again and again, pods that come and go, pods that will not.

A real cluster on a host made of namespaces, driven by kubectl; what the host has is counted before and after.
"""

from __future__ import annotations

import json
import random
import time
from collections.abc import Iterator
from typing import Any

import pytest

from procorch.hosts import Lab
from tests.e2e.cluster import Cluster, bring_up, take_down
from tests.e2e.test_lifecycle import counted, kill, programs
from tests.faults.scale import LONG

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(3600 if LONG else 240)]

KILLS, PODS = (20, 50) if LONG else (2, 6)  # `up` waits ever longer, 30 s at last, before it starts an agent again
CYCLES, AT_ONCE = (1000, 20) if LONG else (20, 10)
MARK = "marked-by-a-test"
MARKED = f"""
import os
for n in os.listdir('/proc'):
    if n.isdigit():
        try:
            words = open(f'/proc/{{n}}/cmdline').read().split('\\0')
            start = open(f'/proc/{{n}}/stat').read().rpartition(')')[2].split()[19]
        except OSError:
            continue
        if '{MARK}' in words: print(n, start)
"""


@pytest.fixture(scope="module")
def own(lab: Lab, kubectls: list[str]) -> Iterator[Cluster]:
    made = bring_up(lab.host("faults"), kubectls[0], "--pods", "500")
    yield made
    take_down(made)


def marked(cluster: Cluster) -> set[str]:
    """pid and start of every process that has the mark among its arguments."""
    return set(cluster.run("python3", "-c", MARKED).stdout.splitlines())


def pod(name: str, script: str, **more: Any) -> dict[str, Any]:
    """The script's own process carries the mark, and what it runs does not."""
    container = {"name": "c", "image": "host", "command": ["/bin/sh", "-c", script, MARK], **more.pop("container", {})}
    spec = {
        "containers": [container],
        "terminationGracePeriodSeconds": 1,
        "automountServiceAccountToken": False,
        **more,
    }
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": "faults"}}, "spec": spec}


def create(cluster: Cluster, *pods: dict[str, Any]) -> None:
    listed = {"apiVersion": "v1", "kind": "List", "items": list(pods)}
    cluster.kubectl("create", "-f", "-", input=json.dumps(listed))


def delete_all(cluster: Cluster) -> None:
    cluster.kubectl("delete", "pods", "--all", "--wait=false", "--now")
    cluster.ready(0, seconds=60)


def story(found: dict[str, Any]) -> tuple[Any, ...]:
    """What of a pod would tell that something happened to it."""
    status = found["status"]["containerStatuses"][0]
    ready = next(row for row in found["status"]["conditions"] if row["type"] == "Ready")
    since = status["state"]["running"]["startedAt"]
    return status["containerID"], status["restartCount"], since, ready["status"], ready["lastTransitionTime"]


def stories(cluster: Cluster) -> dict[str, tuple[Any, ...]]:
    rows = cluster.get("pods", "-l", "app=faults")["items"]
    return {row["metadata"]["name"]: story(row) for row in rows if row["metadata"]["name"].startswith("stay")}


def test_no_pod_notices_that_the_agent_is_killed_again_and_again(own: Cluster) -> None:
    """Same processes, no Ready flip, no lost line; what ends meanwhile has its exit code."""
    draw = random.Random(7)
    probe = {"exec": {"command": ["/bin/true"]}, "periodSeconds": 1}
    talk = "i=0; while :; do echo $i; i=$((i+1)); sleep 0.1; done"
    quiet = [pod(f"stay{number}", "while :; do sleep 100; done") for number in range(PODS - 2)]
    create(
        own, pod("stay-talks", talk), pod("stay-probed", "sleep 100000; :", container={"readinessProbe": probe}), *quiet
    )
    own.ready(PODS, "-l", "app=faults", seconds=90)
    before, processes = stories(own), marked(own)
    assert len(before) == PODS <= len(processes)

    for number in range(KILLS):
        create(own, pod(f"ends{number}", f"sleep 0.{number % 10}; exit {number + 1}", restartPolicy="Never"))
        time.sleep(draw.uniform(0, 0.4))
        agent = programs(own)["agent"]
        kill(own, agent)
        own.until(lambda killed=agent: programs(own)["agent"] != killed, "the agent is started again", 90)

    def ended() -> bool:
        rows = [row for row in own.get("pods")["items"] if row["metadata"]["name"].startswith("ends")]
        return len(rows) == KILLS and {row["status"]["phase"] for row in rows} == {"Failed"}

    own.until(ended, "what was to end has ended", 120)
    rows = {row["metadata"]["name"]: row["status"] for row in own.get("pods")["items"]}
    codes = [rows[f"ends{n}"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] for n in range(KILLS)]
    assert codes == [number + 1 for number in range(KILLS)]
    assert stories(own) == before
    assert processes <= marked(own)
    lines = [int(line) for line in own.kubectl("logs", "stay-talks", "--limit-bytes=100000000").split()]
    assert lines == list(range(lines[0], lines[0] + len(lines))), "no line was lost"
    delete_all(own)
    own.until(lambda: not marked(own), "nothing of them is left")


def test_pods_come_and_go_at_any_moment_and_leave_nothing(own: Cluster) -> None:
    """Good ones and such as fail, deleted while they are being made: every count of the host is as before."""
    draw = random.Random(11)
    kinds: list[dict[str, Any]] = [
        {"script": "sleep 1000; :"},
        {"script": "exit 1"},
        {"script": "trap '' TERM; while :; do sleep 1; done"},
        {"script": "sleep 0.1", "restartPolicy": "Never"},
        {"script": ":", "container": {"image": "no-such-image"}},
        {"script": ":", "container": {"envFrom": [{"configMapRef": {"name": "none"}}]}},
        {"script": ":", "volumes": [{"name": "v", "configMap": {"name": "none"}}]},
    ]

    def cycle(first: int) -> None:
        names = [f"cycle{first + number}" for number in range(AT_ONCE)]
        create(own, *(pod(name, **draw.choice(kinds)) for name in names))
        time.sleep(draw.uniform(0, 0.5))
        own.kubectl("delete", "pods", *names, "--wait=false", f"--grace-period={draw.choice((1, 1, 2))}")

    def settled() -> dict[str, object]:
        own.until(lambda: not own.get("pods")["items"], "all pods are gone", 90)
        own.until(lambda: not marked(own), "their processes, too")
        found = counted(own.host)
        del found["processes"]  # kubectl and the warm pauses come and go
        return found

    cycle(0)  # the first makes what stays for the node's life
    before = settled()
    for first in range(AT_ONCE, CYCLES, AT_ONCE):
        cycle(first)

    own.until(lambda: settled() == before, f"as before: {before}", 60)


def test_what_will_not_end_is_ended(own: Cluster) -> None:
    """SIGTERM ignored, children that leave by setsid, and a stopped process: all are gone soon after the grace."""
    create(
        own,
        pod("deaf", "trap '' TERM INT HUP; while :; do sleep 1; done"),
        pod("escapes", f"setsid setsid sh -c 'trap \"\" TERM; while :; do sleep 1; done' {MARK} & exec sleep 1000"),
        pod("stopped", "while :; do sleep 1; done"),
    )
    own.ready(3, "-l", "app=faults")
    for line in marked(own):
        own.run("kill", "-STOP", line.split()[0])
    began = time.monotonic()

    own.kubectl("delete", "pods", "-l", "app=faults", "--wait=false")
    own.until(lambda: not own.get("pods", "-l", "app=faults")["items"], "they are off the API", 20)

    own.until(lambda: not marked(own), "nothing of them runs", 10)
    assert time.monotonic() - began < 20, "a grace of one second, and a busy machine"
