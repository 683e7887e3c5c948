"""Every verb of daily work, by the newest kubectl and by any other on this machine."""

from __future__ import annotations

import json

import pytest

from tests.e2e.cluster import Cluster, Failed

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]

RC = """
apiVersion: v1
kind: ReplicationController
metadata: {name: web, labels: {tier: front}}
spec:
  replicas: 2
  selector: {app: web}
  template:
    metadata: {labels: {app: web, release: stable, env: test}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - {name: web, image: host, command: [sleep, infinity], ports: [{containerPort: 80, name: http}]}
"""
SERVICE = """
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80, targetPort: http}]}
"""


@pytest.fixture(params=[0, 1], ids=["newest kubectl", "kubectl of this machine"])
def any_kubectl(request: pytest.FixtureRequest, cluster: Cluster, kubectls: list[str]) -> Cluster:
    if request.param >= len(kubectls):
        pytest.skip("no other kubectl on this machine")
    return cluster.with_kubectl(kubectls[request.param])


def test_a_day_of_work(any_kubectl: Cluster, namespace: str) -> None:
    """create, get in every form, label, annotate, scale, patch, replace, edit, apply, delete."""
    c, n = any_kubectl, ("-n", namespace)
    c.kubectl("create", "-f", "-", *n, input=RC)
    c.kubectl("create", "-f", "-", *n, input=SERVICE)
    c.ready(2, "-l", "app=web", *n)

    assert "NAME" in c.kubectl("get", "pods", *n, "-o", "wide")
    assert c.kubectl("get", "rc/web", *n, "-o", "name").strip() == "replicationcontroller/web"
    assert "replicas: 2" in c.kubectl("get", "rc", "web", *n, "-o", "yaml")
    assert c.get("rc", "web", *n)["status"]["readyReplicas"] == 2
    assert c.path("{.spec.replicas}", "rc", "web", *n) == "2"
    assert (
        len(c.kubectl("get", "pods", *n, "-l", "app=web,release in (stable),!gone", "--no-headers").splitlines()) == 2
    )
    assert c.kubectl("get", "pods", *n, "-l", "env!=test", "-o", "name") == ""
    assert "web" in c.kubectl("get", "rc", "-A")
    assert len(c.kubectl("get", "pods", *n, "--field-selector", "status.phase=Running", "-o", "name").splitlines()) == 2

    c.kubectl("label", "rc", "web", *n, "tier=back", "--overwrite")
    c.kubectl("annotate", "rc", "web", *n, "note=a b c")
    web = c.get("rc", "web", *n)["metadata"]
    assert (web["labels"]["tier"], web["annotations"]["note"]) == ("back", "a b c")
    assert c.kubectl("get", "rc", *n, "-l", "note=a", "-o", "name") == "", "S173: annotations are not selected by"

    c.kubectl("scale", "rc", "web", *n, "--replicas=3")
    c.ready(3, "-l", "app=web", *n)
    c.kubectl("patch", "rc", "web", *n, "-p", '{"spec":{"replicas":1}}')
    c.ready(1, "-l", "app=web", *n)
    c.kubectl("patch", "rc", "web", *n, "--type=merge", "-p", '{"metadata":{"labels":{"tier":null,"w":"v"}}}')
    c.kubectl("patch", "rc", "web", *n, "--type=json", "-p", '[{"op":"add","path":"/metadata/labels/x","value":"y"}]')
    assert c.get("rc", "web", *n)["metadata"]["labels"] == {"x": "y", "w": "v"}

    c.kubectl("replace", "-f", "-", *n, input=RC.replace("tier: front", "tier: new"))
    assert c.get("rc", "web", *n)["metadata"]["labels"] == {"tier": "new"}
    c.environment["KUBE_EDITOR"] = "sed -i 's/tier: new/tier: edited/'"
    assert "edited" in c.kubectl("edit", "rc", "web", *n)
    assert c.get("rc", "web", *n)["metadata"]["labels"] == {"tier": "edited"}

    c.kubectl("delete", "rc", "web", *n, "--cascade=orphan")
    assert c.kubectl("get", "pods", *n, "-o", "name"), "S108: orphaned pods stay"
    c.kubectl("delete", "pods", *n, "--all", "--force")
    c.kubectl("apply", "-f", "-", *n, input=RC)
    c.kubectl("apply", "-f", "-", *n, input=RC.replace("replicas: 2", "replicas: 1"))
    assert "unchanged" in c.kubectl("apply", "-f", "-", *n, input=RC.replace("replicas: 2", "replicas: 1"))
    c.ready(1, "-l", "app=web", *n)
    c.kubectl("delete", "rc", "web", *n, "--cascade=foreground")
    c.ready(0, "-l", "app=web", *n)


def test_describe_tells_what_there_is_and_what_happened(any_kubectl: Cluster, namespace: str) -> None:
    c, n = any_kubectl, ("-n", namespace)
    c.kubectl("create", "-f", "-", *n, input=RC)
    c.kubectl("create", "-f", "-", *n, input=SERVICE)
    c.ready(2, "-l", "app=web", *n)

    pod = c.kubectl("describe", "pods", *n, "-l", "app=web")
    for word in ("Controlled By:  ReplicationController/web", "State:          Running", "Scheduled", "Started"):
        assert word in pod, pod
    rc = c.kubectl("describe", "rc", "web", *n)
    assert "2 current / 2 desired" in rc and "SuccessfulCreate" in rc
    service = c.kubectl("describe", "svc", "web", *n)
    assert "Endpoints:" in service and ":80" in service
    node = c.kubectl("describe", "node")
    for word in ("KubeletReady", "Capacity:", "Allocatable:", "Machine ID:", "Non-terminated Pods:", "overcommitted"):
        assert word in node, node


def test_what_kubectl_asks_about_the_server(any_kubectl: Cluster, cluster: Cluster) -> None:
    c = any_kubectl
    version = json.loads(c.kubectl("version", "-o", "json"))["serverVersion"]
    assert (version["major"], version["minor"]) == ("1", "37")
    resources = c.kubectl("api-resources")
    for word in ("replicationcontrollers", "rc", "procorch.dev/v1", "endpointslices", "leases"):
        assert word in resources
    assert "running at" in c.kubectl("cluster-info")
    assert "restartPolicy" in c.kubectl("explain", "pod.spec")
    assert "nodePort" in c.kubectl("explain", "service", "--recursive")
    nodes = c.kubectl("get", "nodes").splitlines()
    assert nodes[0].split() == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert nodes[1].split()[1] == "Ready"
    assert [line.split()[0] for line in c.kubectl("get", "ns").splitlines()[1:]][:1]


def test_imperative_creation_posts_protobuf(any_kubectl: Cluster, namespace: str) -> None:
    c, n = any_kubectl, ("-n", namespace)
    c.kubectl("create", "configmap", "settings", *n, "--from-literal=colour=blue", "--from-literal=size=3")
    c.kubectl("create", "secret", "generic", "password", *n, "--from-literal=root=geheim")
    c.kubectl("create", "serviceaccount", "robot", *n)
    c.kubectl("create", "namespace", f"{namespace}x{abs(id(c)) % 10000}")

    assert c.get("cm", "settings", *n)["data"] == {"colour": "blue", "size": "3"}
    secret = c.get("secret", "password", *n)
    assert (secret["type"], secret["data"]) == ("Opaque", {"root": "Z2VoZWlt"})
    assert c.kubectl("create", "token", "robot", *n).count(".") == 2


def test_events_are_the_same_in_both_groups(any_kubectl: Cluster, namespace: str) -> None:
    c, n = any_kubectl, ("-n", namespace)
    event = {
        "apiVersion": "events.k8s.io/v1", "kind": "Event", "metadata": {"name": "mine"}, "type": "Normal",
        "regarding": {"apiVersion": "v1", "kind": "Pod", "namespace": namespace, "name": "web"},
        "reason": "Because", "note": "it was time", "action": "Doing", "eventTime": "2026-01-01T00:00:00.000000Z",
        "reportingController": "example.com/it", "reportingInstance": "it-1",
    }  # fmt: skip
    c.kubectl("create", "-f", "-", *n, input=json.dumps(event))

    assert c.path("{.message} {.involvedObject.name}", "events", "mine", *n) == "it was time web"
    assert c.path("{.note} {.regarding.name}", "events.events.k8s.io", "mine", *n) == "it was time web"
    for kind in ("events", "events.v1.events.k8s.io"):
        assert "Because   pod/web" in c.kubectl("get", kind, *n)
    assert "it was time" in c.kubectl("events", *n, "--for", "pod/web")
    wrong = c.kubectl("patch", "events.events.k8s.io", "mine", *n, "--type=merge", "-p", '{"note":"no"}', code=1)
    assert "field is immutable" in wrong
    c.kubectl("delete", "events.events.k8s.io", "mine", *n)
    assert c.kubectl("get", "events", *n, "-o", "name") == ""


def test_run_logs_and_events(any_kubectl: Cluster, namespace: str) -> None:
    c, n = any_kubectl, ("-n", namespace)
    script = "for i in 1 2 3; do echo line $i; done; echo oops >&2; sleep 600"
    c.kubectl("run", "talker", "--image=host", *n, "--restart=Never", "--command", "--", "sh", "-c", script)
    c.ready(1, "-l", "run=talker", *n)

    assert c.until(lambda: c.kubectl("logs", "talker", *n).splitlines(), "it talks") == [
        "line 1", "line 2", "line 3", "oops",
    ]  # fmt: skip
    assert c.kubectl("logs", "talker", *n, "--tail=1") == "oops\n"
    assert c.kubectl("logs", "talker", *n, "--tail=1", "--timestamps").startswith("20")
    assert c.kubectl("logs", "talker", *n, "--since=1h", "-c", "talker").count("\n") == 4
    assert "previous terminated container" in c.kubectl("logs", "talker", *n, "--previous", code=1)
    assert "Started" in c.kubectl("get", "events", *n)
    c.kubectl("delete", "pod", "talker", *n, "--now")


def test_follow_and_watch_see_things_happen(cluster: Cluster, namespace: str) -> None:
    script = "i=0; while [ $i -lt 5 ]; do echo tick $i; i=$((i+1)); sleep 0.3; done"
    watch = cluster.host.popen(
        [cluster.program, "get", "pods", "-n", namespace, "-w", "--no-headers"],
        stdout=-1, text=True, env=cluster.environment,
    )  # fmt: skip
    cluster.kubectl(
        "run", "ticker", "--image=host", "-n", namespace, "--restart=Never", "--command", "--", "sh", "-c", script
    )
    cluster.until(lambda: cluster.path("{.status.phase}", "pod", "ticker", "-n", namespace) != "Pending", "it runs")

    followed = cluster.kubectl("logs", "-f", "ticker", "-n", namespace)
    assert followed.split("\n")[:-1] == [f"tick {i}" for i in range(5)]
    seen: list[str] = []
    assert watch.stdout is not None
    for line in watch.stdout:
        seen.append(line.split()[2])
        if seen[-1] == "Completed":
            break
    watch.terminate()
    watch.wait()
    assert seen[0] in ("Pending", "ContainerCreating") and "Running" in seen


def test_no_credential_is_401_and_a_stranger_is_403(cluster: Cluster, namespace: str) -> None:
    """S001."""
    ask = ("curl", "-sk", "--noproxy", "*", "https://127.0.0.1:6443/api/v1/pods")
    assert json.loads(cluster.run(*ask).stdout)["code"] == 401
    assert json.loads(cluster.run(*ask, "-H", "Authorization: Bearer nonsense").stdout)["code"] == 401
    token = cluster.kubectl("create", "token", "default", "-n", namespace).strip()
    status = json.loads(cluster.run(*ask, "-H", f"Authorization: Bearer {token}").stdout)
    assert status["code"] == 403
    assert f'User "system:serviceaccount:{namespace}:default" cannot list resource "pods"' in status["message"]


def test_namespaces_keep_tenants_apart_and_take_their_content_with_them(cluster: Cluster) -> None:
    """S171."""
    for name in ("tenant-a", "tenant-b"):
        cluster.kubectl("create", "namespace", name)
        cluster.kubectl("create", "configmap", "same", "-n", name, f"--from-literal=of={name}")
    assert cluster.path("{.data.of}", "cm", "same", "-n", "tenant-b") == "tenant-b"
    cluster.kubectl("delete", "namespace", "tenant-a", timeout=30)
    with pytest.raises(Failed, match="not found"):
        cluster.kubectl("get", "cm", "same", "-n", "tenant-a")
    assert cluster.get("cm", "same", "-n", "tenant-b")["data"]["of"] == "tenant-b"
    cluster.kubectl("delete", "namespace", "tenant-b", "--wait=false")
