"""Who is started again, in which order all begin and end, and what they say at their end, by kubectl."""

from __future__ import annotations

from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.test_pods import create, shell

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]

MOUNT = {"volumeMounts": [{"name": "v", "mountPath": "/v"}]}
VOLUME = {"volumes": [{"name": "v", "emptyDir": {}}]}


def rules(action: str, *codes: int) -> dict[str, Any]:
    rule = {"action": action, "exitCodes": {"operator": "In", "values": list(codes)}}
    return {"restartPolicy": "Never", "restartPolicyRules": [rule]}


def init(name: str, script: str, **more: Any) -> dict[str, Any]:
    return {"name": name, "image": "host", **shell(script, **MOUNT), **more}


def phase(cluster: Cluster, namespace: str, name: str) -> str:
    ended = ("Succeeded", "Failed")
    return str(cluster.until(lambda: (found := cluster.path("{.status.phase}", "pod", name, "-n", namespace)) in ended
                             and found, f"{name} ends"))  # fmt: skip


def counts(cluster: Cluster, namespace: str, name: str) -> str:
    return cluster.path("{.status.containerStatuses[*].restartCount}", "pod", name, "-n", namespace)


def test_a_code_restarts_one_container_or_all(cluster: Cluster, namespace: str) -> None:
    """The pod itself never restarts, and ends as its containers end at last."""
    once = "test -e /v/$1 || { touch /v/$1; exit $2; }; exit 0"
    create(
        cluster, namespace, "one",
        {"command": ["sh", "-c", once, "sh", "a", "42"], **rules("Restart", 42), **MOUNT},
        shell("exit 0"),
        restartPolicy="Never", **VOLUME,
    )  # fmt: skip
    create(
        cluster, namespace, "all",
        {"command": ["sh", "-c", once, "sh", "b", "88"], **rules("RestartAllContainers", 88), **MOUNT},
        shell("exit 0"),
        restartPolicy="Never", initContainers=[init("i", "echo run >> /v/runs")], **VOLUME,
    )  # fmt: skip
    create(cluster, namespace, "none", {**shell("exit 43"), **rules("Restart", 42)}, restartPolicy="Always")

    assert phase(cluster, namespace, "one") == phase(cluster, namespace, "all") == "Succeeded"
    assert counts(cluster, namespace, "one") == "1 0"
    assert counts(cluster, namespace, "all") == "1 1"
    assert cluster.path("{.status.initContainerStatuses[0].restartCount}", "pod", "all", "-n", namespace) == "1"
    assert "exited with code 88" in cluster.kubectl("get", "events", "-n", namespace)
    assert phase(cluster, namespace, "none") == "Failed"
    refused = cluster.run(
        cluster.program, "run", "-n", namespace, "x", "--image=host", "--overrides",
        '{"spec":{"containers":[{"name":"x","image":"host","restartPolicyRules":[{"action":"Restart"}]}]}}',
    )  # fmt: skip
    assert "must specify restartPolicy when restart rules are used" in refused.stderr


def test_sidecars_begin_before_and_end_after_and_keep_no_pod_from_its_end(cluster: Cluster, namespace: str) -> None:
    """The startup probe of one is what the next waits for; they end in reverse, when all others have."""

    probe = {"exec": {"command": ["test", "-e", "/tmp/up"]}, "periodSeconds": 1}

    def sidecar(name: str) -> dict[str, Any]:
        script = f"trap 'echo -{name} >> /v/log; exit 0' TERM; echo +{name} >> /v/log; touch /tmp/up; sleep 1000 & wait"
        return init(name, script, restartPolicy="Always", startupProbe=probe)

    path = {"name": "v", "hostPath": {"path": f"/tmp/{namespace}", "type": "DirectoryOrCreate"}}
    create(
        cluster, namespace, "job", shell("echo main >> /v/log", **MOUNT), restartPolicy="Never", volumes=[path],
        initContainers=[
            sidecar("one"), init("plain", "echo plain >> /v/log"), sidecar("two"),
        ],
        terminationGracePeriodSeconds=10,
    )  # fmt: skip

    assert phase(cluster, namespace, "job") == "Succeeded"
    log = cluster.run("cat", f"/tmp/{namespace}/log").stdout.split()
    assert log == ["+one", "plain", "+two", "main", "-two", "-one"]
    cluster.run("rm", "-r", f"/tmp/{namespace}")


def test_init_containers_are_tried_again_as_the_pod_says(cluster: Cluster, namespace: str) -> None:
    twice = init("i", "test -e /v/tried || { touch /v/tried; exit 7; }")
    create(cluster, namespace, "again", shell("true"), restartPolicy="OnFailure", initContainers=[twice], **VOLUME)
    create(cluster, namespace, "never", shell("true"), restartPolicy="Never", initContainers=[twice], **VOLUME)
    own = twice | {"restartPolicy": "OnFailure"}
    create(cluster, namespace, "own", shell("true"), restartPolicy="Never", initContainers=[own], **VOLUME)

    ends = {name: phase(cluster, namespace, name) for name in ("again", "never", "own")}

    assert ends == {"again": "Succeeded", "never": "Failed", "own": "Succeeded"}
    assert "Init:Error" in cluster.kubectl("get", "pod", "never", "-n", namespace)


def test_a_deadline_and_last_words(cluster: Cluster, namespace: str) -> None:
    speak = "echo from-the-log; echo -n from-the-file > $0; exit 3"
    create(
        cluster, namespace, "words",
        {"command": ["sh", "-c", speak, "/last"], "terminationMessagePath": "/last"},
        {"command": ["sh", "-c", speak, "/dev/null"], "terminationMessagePolicy": "FallbackToLogsOnError"},
        restartPolicy="Never",
    )  # fmt: skip
    create(cluster, namespace, "late", shell("sleep 1000"), restartPolicy="Never", activeDeadlineSeconds=1)

    assert phase(cluster, namespace, "words") == "Failed"
    message = "{.status.containerStatuses[*].state.terminated.message}"
    assert cluster.path(message, "pod", "words", "-n", namespace).split() == ["from-the-file", "from-the-log"]
    assert phase(cluster, namespace, "late") == "Failed"
    assert cluster.path("{.status.reason}", "pod", "late", "-n", namespace) == "DeadlineExceeded"


def test_hooks_of_every_sort(cluster: Cluster, namespace: str) -> None:
    """postStart by a command; preStop by a command, before the program is asked to end; one that fails ends it."""
    path = {"name": "v", "hostPath": {"path": f"/tmp/{namespace}", "type": "DirectoryOrCreate"}}
    serve = "trap 'echo term >> /v/log; exit 0' TERM; python3 -m http.server 8080 & wait"
    waited = "until curl -s --noproxy '*' 127.0.0.1:8080 >/dev/null; do sleep 0.1; done; echo started >> /v/log"
    stop = {"preStop": {"exec": {"command": ["sh", "-c", "echo stopping >> /v/log"]}}}
    start = {"postStart": {"exec": {"command": ["sh", "-c", waited]}}}
    ask = {"postStart": {"sleep": {"seconds": 1}}, "preStop": {"httpGet": {"port": 8080, "path": "/"}}}
    create(
        cluster, namespace, "hooks", shell(serve, lifecycle=start | stop, **MOUNT), volumes=[path],
        terminationGracePeriodSeconds=20,
    )  # fmt: skip
    cluster.ready(1, "-n", namespace)
    create(
        cluster, namespace, "bad",
        shell("sleep 1000", lifecycle={"postStart": {"exec": {"command": ["sh", "-c", "echo no; exit 4"]}}}),
        shell("python3 -m http.server 8080", lifecycle=ask),
    )  # fmt: skip

    said = cluster.until(
        lambda: "FailedPostStartHook" in (found := cluster.kubectl("get", "events", "-n", namespace)) and found,
        "a hook that fails is told",
    )

    assert "PostStartHook failed" in said
    cluster.kubectl("delete", "pod", "hooks", "-n", namespace)
    assert cluster.run("cat", f"/tmp/{namespace}/log").stdout.split() == ["started", "stopping", "term"]
    cluster.run("rm", "-r", f"/tmp/{namespace}")
