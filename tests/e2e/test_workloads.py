"""Jobs, CronJobs, DaemonSets and StatefulSets, as their users see them: processes that run and end."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.e2e.cluster import Cluster
from tests.e2e.manifests import PORT, create, pod_spec, service, shell, sleeper, web

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]

Object = dict[str, Any]


def job(name: str, script: str, restart: str = "Never", **spec: Any) -> Object:
    template = {"spec": pod_spec(shell(script), restartPolicy=restart)}
    return {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name}, "spec": {"template": template, **spec}}


def workload(kind: str, name: str, spec: Object, **more: Any) -> Object:
    """Whose pods are labelled app=<name>."""
    labels = {"app": name}
    template = {"metadata": {"labels": labels}, "spec": spec}
    whole = {"selector": {"matchLabels": labels}, "template": template, **more}
    return {"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": name}, "spec": whole}


def names(cluster: Cluster, *argv: object) -> list[str]:
    return sorted(cluster.path("{.items[*].metadata.name}", "pods", *argv).split())


def set_variable(cluster: Cluster, what: str, value: str, *n: object) -> None:
    """Another template, whose pods are the same programs."""
    cluster.kubectl("set", "env", what, *n, f"VERSION={value}")


def test_a_job_runs_to_its_end(cluster: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    create(cluster, namespace, job("pi", "echo done by $(hostname)", completions=3, parallelism=2))
    cluster.kubectl("wait", *n, "--for=condition=complete", "job/pi", "--timeout=60s")
    there = cluster.get("job", "pi", *n)
    assert there["status"]["succeeded"] == 3 and there["status"]["completionTime"]
    table = cluster.kubectl("get", "job", "pi", *n)
    assert "Complete" in table and "3/3" in table
    pods = cluster.get("pods", *n, "-l", "job-name=pi")["items"]
    assert [pod["status"]["phase"] for pod in pods] == ["Succeeded"] * 3
    assert all("finalizers" not in pod["metadata"] for pod in pods)
    assert cluster.kubectl("logs", *n, "job/pi").startswith("done by pi-")
    cluster.kubectl("delete", "job", "pi", *n)
    cluster.until(lambda: not names(cluster, *n), "its pods are gone")


def test_an_indexed_job_tells_each_process_its_number(cluster: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    script = "test $JOB_COMPLETION_INDEX != 1 || exit 3; echo $(hostname) $JOB_COMPLETION_INDEX"
    rule = {"action": "FailIndex", "onExitCodes": {"operator": "In", "values": [3]}}
    spec = {"completions": 3, "parallelism": 3, "completionMode": "Indexed", "backoffLimitPerIndex": 4}
    create(cluster, namespace, job("part", script, podFailurePolicy={"rules": [rule]}, **spec))
    cluster.kubectl("wait", *n, "--for=condition=failed", "job/part", "--timeout=60s")
    status = cluster.get("job", "part", *n)["status"]
    assert (status["completedIndexes"], status["failedIndexes"]) == ("0,2", "1")
    index = "batch.kubernetes.io/job-completion-index=2"
    assert cluster.kubectl("logs", *n, "-l", index).split() == ["part-2", "2"]
    assert "FailedIndexes" in cluster.kubectl("describe", "job", "part", *n)


def test_a_job_is_suspended_resumed_and_given_up(cluster: Cluster, namespace: str) -> None:
    """Its processes are ended, and what they leave behind with them."""
    n = ("-n", namespace)
    create(cluster, namespace, job("slow", "trap 'exit 1' TERM; sleep 1000 & wait", suspend=True))
    cluster.kubectl("wait", *n, "--for=condition=suspended", "job/slow", "--timeout=30s")
    assert names(cluster, *n) == []
    cluster.kubectl("patch", "job", "slow", *n, "-p", '{"spec":{"suspend":false}}')
    cluster.ready(1, *n)
    cluster.kubectl("patch", "job", "slow", *n, "-p", '{"spec":{"suspend":true}}')
    cluster.until(lambda: not names(cluster, *n), "its pod is gone")
    cluster.kubectl(
        "patch", "job", "slow", *n, "-p",
        '{"spec":{"suspend":false,"activeDeadlineSeconds":1,"ttlSecondsAfterFinished":1}}',
    )  # fmt: skip
    cluster.until(lambda: "slow" not in cluster.kubectl("get", "jobs", *n), "it is given up, and gone")
    cluster.until(lambda: not names(cluster, *n), "so is its pod")
    events = cluster.kubectl("get", "events", *n, "-o", "jsonpath={.items[*].reason}").split()
    assert {"Suspended", "Resumed", "DeadlineExceeded"} <= set(events)


@pytest.mark.parametrize("policy", ["TerminatingOrFailed", "Failed"])
def test_a_deleted_pod_of_a_job_is_replaced(policy: str, cluster: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    create(cluster, namespace, job("one", "sleep 1000", podReplacementPolicy=policy))
    cluster.ready(1, *n)
    (first,) = names(cluster, *n)
    cluster.kubectl("delete", "pod", first, *n, "--wait=false")
    cluster.until(lambda: first not in names(cluster, *n), "it is gone")
    cluster.until(lambda: cluster.get("job", "one", *n)["status"].get("failed") == 1, "and has failed")


def test_a_cron_job_makes_jobs(cluster: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    cluster.kubectl("create", "cronjob", "tick", *n, "--image=host", "--schedule=* * * * *", "--", "echo", "tick")
    cluster.kubectl("create", "job", "by-hand", *n, "--from=cronjob/tick")
    cluster.kubectl("wait", *n, "--for=condition=complete", "job/by-hand", "--timeout=60s")
    # A minute is a long time in a test: it is told that it did this last an hour ago.
    last = '{"status":{"lastScheduleTime":"2026-01-01T00:00:00Z"}}'
    cluster.kubectl("patch", "cronjob", "tick", *n, "--subresource=status", "--type=merge", "-p", last)
    when = "{.status.lastSuccessfulTime}"
    cluster.until(lambda: cluster.path(when, "cronjob", "tick", *n), "a Job of its time has succeeded")
    jobs = cluster.get("jobs", *n)["items"]
    made = next(one for one in jobs if one["metadata"]["name"] != "by-hand")
    assert made["metadata"]["name"].startswith("tick-")
    assert "batch.kubernetes.io/cronjob-scheduled-timestamp" in made["metadata"]["annotations"]
    assert cluster.kubectl("logs", *n, f"job/{made['metadata']['name']}") == "tick\n"


def test_a_daemon_set_is_rolled_out_and_back(cluster: Cluster, namespace: str) -> None:
    n = ("-n", namespace)
    create(cluster, namespace, workload("DaemonSet", "agent", pod_spec(sleeper())))
    assert "successfully rolled out" in cluster.kubectl("rollout", "status", *n, "ds/agent", "--timeout=60s")
    (first,) = names(cluster, *n)
    set_variable(cluster, "ds/agent", "2", *n)
    cluster.kubectl("rollout", "status", *n, "ds/agent", "--timeout=60s")
    (second,) = names(cluster, *n)
    assert second != first
    history = cluster.kubectl("rollout", "history", *n, "ds/agent").split()
    assert history[-4:] == ["1", "<none>", "2", "<none>"]
    assert "rolled back" in cluster.kubectl("rollout", "undo", *n, "ds/agent")
    cluster.kubectl("rollout", "status", *n, "ds/agent", "--timeout=60s")
    assert "VERSION" not in json.dumps(cluster.get("pods", *n))
    selector = {"spec": {"template": {"spec": {"nodeSelector": {"agents": "wanted"}}}}}
    cluster.kubectl("patch", "ds", "agent", *n, "-p", json.dumps(selector))
    cluster.until(lambda: not names(cluster, *n), "no node is wanted any more")
    node = cluster.path("{.items[0].metadata.name}", "nodes")
    cluster.kubectl("label", "node", node, "agents=wanted")
    cluster.ready(1, *n)
    cluster.kubectl("label", "node", node, "agents-")
    cluster.until(lambda: not names(cluster, *n), "nor this one")


def test_pods_of_a_stateful_set_have_names_and_an_order(cluster: Cluster, namespace: str) -> None:
    """S124, S125, S127: the same names again and again, one after the other, behind a headless Service."""
    n = ("-n", namespace)
    create(cluster, namespace, service("db", {"app": "db"}, {"port": PORT}, clusterIP="None"))
    create(cluster, namespace, workload("StatefulSet", "db", pod_spec(web()), serviceName="db", replicas=2))
    cluster.kubectl("rollout", "status", *n, "sts/db", "--timeout=90s")
    assert names(cluster, *n) == ["db-0", "db-1"]
    starts = [cluster.path("{.status.startTime}", "pod", f"db-{number}", *n) for number in range(2)]
    assert starts == sorted(starts)
    assert cluster.kubectl("exec", *n, "db-1", "--", "hostname").strip() == "db-1"
    (entry,) = cluster.get("endpoints", "db", *n)["subsets"]
    assert sorted(row["hostname"] for row in entry["addresses"]) == ["db-0", "db-1"]
    before = cluster.path("{.metadata.uid}", "pod", "db-1", *n)
    cluster.kubectl("delete", "pod", "db-1", *n)
    cluster.ready(2, *n)
    assert names(cluster, *n) == ["db-0", "db-1"]
    assert cluster.path("{.metadata.uid}", "pod", "db-1", *n) != before
    set_variable(cluster, "sts/db", "2", *n)
    cluster.kubectl("rollout", "status", *n, "sts/db", "--timeout=90s")
    assert cluster.kubectl("exec", *n, "db-0", "--", "printenv", "VERSION").strip() == "2"
    cluster.kubectl("rollout", "undo", *n, "sts/db")
    cluster.kubectl("rollout", "status", *n, "sts/db", "--timeout=90s")
    assert "VERSION" not in json.dumps(cluster.get("pods", *n))
    cluster.kubectl("scale", "sts/db", *n, "--replicas=1")
    cluster.until(lambda: names(cluster, *n) == ["db-0"], "the highest numbers are gone")


def test_each_pod_of_a_stateful_set_has_a_claim_of_its_own(cluster: Cluster, namespace: str) -> None:
    """S126, as far as it goes: the claims are there, and who waits for a volume says so."""
    n = ("-n", namespace)
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}
    claims = [{"metadata": {"name": "data"}, "spec": spec}]
    made = workload("StatefulSet", "kept", pod_spec(sleeper()), serviceName="kept", replicas=2,
                    podManagementPolicy="Parallel", volumeClaimTemplates=claims)  # fmt: skip
    create(cluster, namespace, made)
    template = "{.items[*].metadata.name}"
    cluster.until(lambda: cluster.path(template, "pvc", *n).split() == ["data-kept-0", "data-kept-1"], "two claims")
    reason = "{.status.conditions[?(@.type=='PodScheduled')].message}"
    said = cluster.until(lambda: cluster.path(reason, "pod", "kept-1", *n), "it says why it waits")
    assert "pod has unbound immediate PersistentVolumeClaims" in said
    cluster.kubectl("delete", "sts", "kept", *n)
    assert len(cluster.path(template, "pvc", *n).split()) == 2
