"""A pod's life as kubectl shows it: shared namespaces, limits, restarts, volumes, variables, its end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel, pytest.mark.timeout(180)]


def create(
    cluster: Cluster, namespace: str, name: str, *containers: dict[str, Any], labels: dict[str, str] | None = None,
    **spec: Any,
) -> None:  # fmt: skip
    """A pod of containers that have at least a `command`; image host and a short grace unless they say otherwise."""
    rows = [{"name": f"c{i}", "image": "host", **row} for i, row in enumerate(containers)]
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": name, "labels": labels or {}},
        "spec": {"terminationGracePeriodSeconds": 1, "containers": rows, **spec},
    }
    cluster.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(pod))


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"command": ["/bin/sh", "-c", script], **more}


def log(cluster: Cluster, namespace: str, name: str, container: str = "c0") -> str:
    """The container's whole output, once the pod has ended."""
    ended = ("Succeeded", "Failed")
    cluster.until(lambda: cluster.path("{.status.phase}", "pod", name, "-n", namespace) in ended, f"{name} ends")
    return cluster.kubectl("logs", name, "-c", container, "-n", namespace)


def test_containers_share_address_and_volumes_but_not_processes(cluster: Cluster, namespace: str) -> None:
    """S014, S020, S021, S072, S073, S156–S158."""
    serve = "cd /data; echo from-c0 > file; exec python3 -m http.server 8080"
    look = (
        "until curl -sS --noproxy '*' 127.0.0.1:8080/file; do sleep 0.1; done 2>/dev/null; "
        "cat /other/file; head -c 7 /proc/1/cmdline; echo; ls /proc | grep -c '^[0-9]'; "
        "find /root /home /var/lib/procorch -mindepth 1 2>/dev/null | wc -l; echo looked"
    )
    create(
        cluster, namespace, "both",
        shell(serve, volumeMounts=[{"name": "v", "mountPath": "/data"}]),
        shell(look + "; sleep 60", volumeMounts=[{"name": "v", "mountPath": "/other"}]),
        volumes=[{"name": "v", "emptyDir": {}}],
    )  # fmt: skip
    cluster.ready(1, "-n", namespace)
    said = cluster.until(
        lambda: (found := cluster.kubectl("logs", "both", "-c", "c1", "-n", namespace)).endswith("looked\n") and found,
        "the second container has looked",
    )
    text = said.split("\n")[:-2]
    assert text[0] == "from-c0" and "from-c0" in text[1:3]
    assert any(line.startswith("/bin/sh") for line in text), "it is process 1"
    assert int(text[-2]) < 8, "only the container's own processes are seen"
    assert text[-1] == "0", "the host's private directories are absent"


def test_a_limit_of_half_a_core_is_enforced(cluster: Cluster, namespace: str) -> None:
    """S087: 500m."""
    spin = (
        "import os,time\nend=time.monotonic()+3\nwhile time.monotonic()<end: pass\n"
        "t=os.times(); print((t.user+t.system)/3)"
    )
    create(
        cluster, namespace, "spin", {"command": ["python3", "-c", spin], "resources": {"limits": {"cpu": "500m"}}},
        restartPolicy="Never",
    )  # fmt: skip
    assert 0 < float(log(cluster, namespace, "spin")) < 0.62  # how little it gets on a busy machine says nothing


def test_too_much_memory_is_killed_with_137_and_restarted(cluster: Cluster, namespace: str) -> None:
    """S090: OOMKilled."""
    eat = "import time\na=[]\ntime.sleep(0.3)\nwhile True: a.append(bytearray(1<<20))"
    create(cluster, namespace, "eat", {"command": ["python3", "-c", eat], "resources": {"limits": {"memory": "40Mi"}}})

    def killed() -> Any:
        rows = cluster.get("pod", "eat", "-n", namespace)["status"].get("containerStatuses", [])
        return rows[0] if rows and rows[0]["restartCount"] else None

    status = cluster.until(killed, "it is restarted")
    assert status["lastState"]["terminated"]["reason"] == "OOMKilled"
    assert status["lastState"]["terminated"]["exitCode"] == 137


def test_requests_that_fit_nowhere_keep_a_pod_pending(cluster: Cluster, namespace: str) -> None:
    """S089, S086."""
    create(cluster, namespace, "big", shell("sleep 9", resources={"requests": {"cpu": "999"}}))
    cluster.until(
        lambda: (
            "0/1 nodes are available: 1 Insufficient cpu" in cluster.kubectl("describe", "pod", "big", "-n", namespace)
        ),
        "FailedScheduling says why",
    )
    assert cluster.path("{.status.phase}", "pod", "big", "-n", namespace) == "Pending"


def test_a_container_that_ends_is_restarted_with_growing_pauses(cluster: Cluster, namespace: str) -> None:
    """S079, S071: its address stays."""
    create(cluster, namespace, "crash", shell("echo run; exit 3"))

    def crashing() -> Any:
        status = cluster.get("pod", "crash", "-n", namespace)["status"]
        rows = status.get("containerStatuses", [])
        return status if rows and rows[0]["restartCount"] and "waiting" in rows[0]["state"] else None

    status = cluster.until(crashing, "it waits for its back-off")
    container = status["containerStatuses"][0]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 3
    assert "CrashLoopBackOff" in cluster.kubectl("get", "pod", "crash", "-n", namespace)
    assert cluster.kubectl("logs", "crash", "-n", namespace, "--previous") == "run\n"


def test_a_container_with_a_command_needs_no_image(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, "plain", shell("echo here", image=""), restartPolicy="Never")

    assert log(cluster, namespace, "plain") == "here\n"
    assert cluster.path("{.status.containerStatuses[0].imageID}", "pod", "plain", "-n", namespace) == "host"


def test_a_program_that_is_not_there_is_named(cluster: Cluster, namespace: str) -> None:
    create(cluster, namespace, "nope", {"command": ["no-such-program"]}, restartPolicy="Never")
    cluster.until(
        lambda: (
            "no-such-program" in cluster.kubectl("describe", "pod", "nope", "-n", namespace)
            and cluster.path("{.status.phase}", "pod", "nope", "-n", namespace) == "Failed"
        ),
        "the failure is told",
    )


def test_variables_come_from_everywhere(cluster: Cluster, namespace: str) -> None:
    """S031, S144: literals, references, and one set for each service."""
    cluster.kubectl("create", "configmap", "cm", "-n", namespace, "--from-literal=key=from-cm")
    cluster.kubectl("create", "secret", "generic", "sec", "-n", namespace, "--from-literal=key=from-secret")
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "my-db"},
        "spec": {"ports": [{"port": 3306}]},
    }
    cluster.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(service))
    env = [
        {"name": "A", "value": "a"},
        {"name": "B", "value": "$(A)-b"},
        {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "cm", "key": "key"}}},
        {"name": "D", "valueFrom": {"secretKeyRef": {"name": "sec", "key": "key"}}},
        {"name": "E", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    create(cluster, namespace, "vars", shell("env", env=env), restartPolicy="Never")
    found = dict(line.split("=", 1) for line in log(cluster, namespace, "vars").splitlines() if "=" in line)

    assert [found[name] for name in "ABCDE"] == ["a", "a-b", "from-cm", "from-secret", "vars"]
    assert found["MY_DB_SERVICE_HOST"] == cluster.path("{.spec.clusterIP}", "svc", "my-db", "-n", namespace)
    assert found["MY_DB_SERVICE_PORT"] == "3306"
    assert found["MY_DB_PORT_3306_TCP_ADDR"] == found["MY_DB_SERVICE_HOST"]
    assert found["KUBERNETES_SERVICE_PORT"] == "443"


def test_config_maps_and_secrets_are_files(cluster: Cluster, namespace: str) -> None:
    cluster.kubectl("create", "configmap", "cm", "-n", namespace, "--from-literal=a.conf=x=1")
    cluster.kubectl("create", "secret", "generic", "sec", "-n", namespace, "--from-literal=password=geheim")
    create(
        cluster, namespace, "files",
        shell(
            "cat /cm/a.conf; echo; cat /sec/password; echo; touch /cm/x 2>/dev/null || echo read-only",
            volumeMounts=[{"name": "cm", "mountPath": "/cm"}, {"name": "sec", "mountPath": "/sec"}],
        ),
        volumes=[{"name": "cm", "configMap": {"name": "cm"}}, {"name": "sec", "secret": {"secretName": "sec"}}],
        restartPolicy="Never",
    )  # fmt: skip
    assert log(cluster, namespace, "files").split() == ["x=1", "geheim", "read-only"]


def test_a_service_account_token_works_from_inside_a_pod(cluster: Cluster, namespace: str) -> None:
    """S001: it authenticates, and may not do what nobody allowed."""
    ask = (
        "cd /var/run/secrets/kubernetes.io/serviceaccount; "
        'curl -sS --cacert ca.crt -H "Authorization: Bearer $(cat token)" '
        "https://$KUBERNETES_SERVICE_HOST:$KUBERNETES_SERVICE_PORT/api/v1/namespaces/$(cat namespace)/pods"
    )
    create(cluster, namespace, "ask", shell(ask), restartPolicy="Never")
    status = json.loads(log(cluster, namespace, "ask"))
    assert status["code"] == 403 and f"system:serviceaccount:{namespace}:default" in status["message"]


def test_user_and_privileges_are_as_small_as_asked(cluster: Cluster, namespace: str) -> None:
    create(
        cluster, namespace, "user", shell("id -u; id -g; grep -E 'NoNewPrivs|CapEff' /proc/self/status; chown 5 /tmp"),
        securityContext={"runAsUser": 1234, "runAsGroup": 2345}, restartPolicy="Never",
    )  # fmt: skip
    words = log(cluster, namespace, "user").split()
    assert words[:2] == ["1234", "2345"]
    assert words[words.index("NoNewPrivs:") + 1] == "1"
    assert int(words[words.index("CapEff:") + 1], 16) == 0


def test_termination_is_polite_and_then_not(cluster: Cluster, namespace: str) -> None:
    """SIGTERM first; what ignores it is killed after its grace."""
    create(cluster, namespace, "deaf", shell("trap '' TERM; echo up; while :; do sleep 0.1; done"))
    cluster.ready(1, "-n", namespace)
    cluster.kubectl("delete", "pod", "deaf", "-n", namespace, timeout=20)
    assert "Killing" in cluster.kubectl("get", "events", "-n", namespace)


def test_a_pod_reaches_a_service_and_itself_through_it(cluster: Cluster, namespace: str) -> None:
    """S004, S005, S013, S016, S153: balanced over ready pods, hairpin included; the label decides."""
    serve = "mkdir -p /tmp/w; cd /tmp/w; hostname > who; exec python3 -m http.server 8080 >/dev/null 2>&1"
    for name in ("w1", "w2"):
        create(cluster, namespace, name, shell(serve), labels={"app": "w"})
    service = {
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": "w"},
        "spec": {"selector": {"app": "w"}, "ports": [{"port": 80, "targetPort": 8080}]},
    }  # fmt: skip
    cluster.kubectl("create", "-n", namespace, "-f", "-", input=json.dumps(service))
    cluster.ready(2, "-n", namespace)
    address = cluster.path("{.spec.clusterIP}", "svc", "w", "-n", namespace)

    def asked(times: int) -> set[str]:
        return {cluster.fetch(f"http://{address}/who").stdout.strip() for _ in range(times)}

    cluster.until(lambda: asked(6) == {"w1", "w2"}, "both answer")
    create(
        cluster, namespace, "client",
        shell(f"for i in 1 2 3 4 5 6; do curl -sS -m 5 --noproxy '*' http://{address}/who; done"),
        restartPolicy="Never",
    )  # fmt: skip
    assert set(log(cluster, namespace, "client").split()) == {"w1", "w2"}

    cluster.kubectl("label", "pod", "w1", "-n", namespace, "app=other", "--overwrite")
    cluster.until(lambda: asked(4) == {"w2"}, "the relabelled pod is left out")
    cluster.kubectl("delete", "pod", "w2", "-n", namespace)
    cluster.until(lambda: cluster.fetch(f"http://{address}/who").returncode == 7, "no endpoint: refused at once")
