"""Kubernetes' conformance tests of [sig-cli] with the unmodified kubectl, and those beside them that all rely on.

Source: kubernetes test/e2e/kubectl of v1.36, test/conformance/testdata/conformance.yaml. A docstring that begins with
`[Conformance]` names one of the seventeen. Theirs ask a pod through the API's proxy; here it is asked at its address.
The container image `agnhost`, which they use, is a few lines of host programs. The guestbook waits for
names in pods.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Iterator

import pytest
import yaml

from tests.e2e.cluster import Cluster

pytestmark = [pytest.mark.e2e, pytest.mark.kernel]

AGNHOST = "registry.k8s.io/e2e-test-images/agnhost:2.57"
PREVIOUS = "registry.k8s.io/e2e-test-images/agnhost:2.56"
BUSYBOX = "registry.k8s.io/e2e-test-images/busybox:1.37"
PROGRAM = """
case "${1:-pause}" in
logs-generator)
  n=0
  while [ $n -lt 100 ]; do
    echo "$n GET /api/v1/namespaces/kube-system/pods/p$n 200"; n=$((n+1)); sleep 0.05
  done;;
pause) echo Paused; exec sleep infinity;;
esac
"""
IMAGES = {
    "apiVersion": "procorch.dev/v1", "kind": "Image", "metadata": {"name": "e2e-test-images"},
    "spec": {"patterns": ["registry.k8s.io/e2e-test-images/*"], "root": "host",
             "entrypoint": ["sh", "-c", PROGRAM, "agnhost"]},
}  # fmt: skip
LABELS = {"app": "agnhost", "role": "primary"}
PRIMARY = {
    "kind": "ReplicationController", "apiVersion": "v1", "metadata": {"name": "agnhost-primary", "labels": LABELS},
    "spec": {"replicas": 1, "selector": LABELS, "template": {"metadata": {"labels": LABELS}, "spec": {
        "terminationGracePeriodSeconds": 1,
        "containers": [{"name": "agnhost-primary", "image": AGNHOST,
                        "ports": [{"name": "agnhost-server", "containerPort": 6379}]}]}}},
}  # fmt: skip
SERVICE = {
    "kind": "Service", "apiVersion": "v1", "metadata": {"name": "agnhost-primary", "labels": LABELS},
    "spec": {"ports": [{"port": 6379, "targetPort": "agnhost-server"}], "selector": LABELS},
}  # fmt: skip
NAUTILUS = """
apiVersion: v1
kind: ReplicationController
metadata: {name: update-demo-nautilus}
spec:
  replicas: 2
  selector: {name: update-demo, version: nautilus}
  template:
    metadata: {labels: {name: update-demo, version: nautilus}}
    spec:
      terminationGracePeriodSeconds: 1
      containers:
      - name: update-demo
        image: host
        command: [sh, -c, "cd $(mktemp -d) && echo nautilus.jpg > data.json && exec python3 -m http.server 80"]
        ports: [{containerPort: 80}]
"""
DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: agnhost-deployment}
spec:
  selector: {matchLabels: {app: agnhost}}
  template:
    metadata: {labels: {app: agnhost}}
    spec:
      containers:
      - {name: agnhost, image: "%s", args: [netexec, --http-port=80], ports: [{containerPort: 80}]}
"""


class Kubectl:
    """kubectl in one namespace."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster, self.namespace = cluster, namespace

    def __call__(self, *argv: object, stdin: object = None, code: int = 0) -> str:
        """What it printed; with another code what it printed as its error. stdin: text, or an object."""
        given = stdin if isinstance(stdin, str) or stdin is None else json.dumps(stdin)
        return self.cluster.kubectl("-n", self.namespace, *argv, input=given, code=code)

    def started(self, count: int, selector: str) -> list[str]:
        """The names of the pods with these labels, once so many are ready."""
        self.cluster.ready(count, "-n", self.namespace, "-l", selector)
        return [name.partition("/")[2] for name in self("get", "pods", "-l", selector, "-o", "name").split()]

    def popen(self, *argv: object) -> subprocess.Popen[str]:
        command = [self.cluster.program, "-n", self.namespace, *map(str, argv)]
        return self.cluster.host.popen(command, stdout=-1, stderr=-2, text=True, env=self.cluster.environment)


@pytest.fixture
def kubectl(cluster: Cluster, namespace: str) -> Iterator[Kubectl]:
    cluster.kubectl("apply", "-f", "-", input=json.dumps(IMAGES))
    yield Kubectl(cluster, namespace)


def told(output: str, *required: tuple[str, ...]) -> None:
    """Each row's words stand on one line, the lines of the rows in this order; one line may be that of several."""
    lines = output.splitlines()
    for first, *others in required:
        while lines and first not in lines[0]:
            lines.pop(0)
        assert lines, f"no {first} in\n{output}"
        assert [word for word in others if word not in lines[0]] == [], lines[0]


def test_a_replication_controller_is_created_scaled_and_stopped(kubectl: Kubectl) -> None:
    """[Conformance] Update Demo should create and stop, and scale, a replication controller."""

    def shown(count: int) -> None:
        for name in kubectl.started(count, "name=update-demo"):
            template = '{{range .status.containerStatuses}}{{if eq .name "update-demo"}}{{.image}}{{end}}{{end}}'
            assert kubectl("get", "pods", name, "-o", "template", f"--template={template}") == "host"
            address = kubectl("get", "pod", name, "-o", "jsonpath={.status.podIP}")
            kubectl.cluster.until(
                lambda at=address: "nautilus.jpg" in kubectl.cluster.fetch(f"http://{at}/data.json").stdout, "it serves"
            )

    kubectl("create", "-f", "-", stdin=NAUTILUS)
    shown(2)
    for count in (1, 2):
        scaled = kubectl("scale", "rc", "update-demo-nautilus", f"--replicas={count}", "--timeout=5m")
        assert scaled == "replicationcontroller/update-demo-nautilus scaled\n"
        shown(count)
    kubectl("delete", "--grace-period=0", "--force", "-f", "-", stdin=NAUTILUS)

    kubectl.started(0, "name=update-demo")
    assert kubectl("get", "rc,svc", "-l", "name=update-demo", "--no-headers") == ""


def test_versions_are_told(kubectl: Kubectl) -> None:
    """[Conformance] api-versions should check if v1 is in available api versions; version; cluster-info."""
    assert "v1" in kubectl("api-versions").split()
    said = kubectl("version")
    for side in ("Client", "Server"):
        assert re.search(rf"^{side} Version: v\d\.\d+\.[\d\w\-.+]+$", said, re.M)
    assert re.search(r"Kubernetes control plane.* is running at.*https://", kubectl("cluster-info"))


def test_describe_tells_of_a_controller_its_pods_their_service_node_and_namespace(kubectl: Kubectl) -> None:
    """[Conformance] describe should check if kubectl describe prints relevant information for rc and pods."""
    kubectl("create", "-f", "-", stdin=PRIMARY)
    kubectl("create", "-f", "-", stdin=SERVICE)
    (pod,) = kubectl.started(1, "app=agnhost")

    told(
        kubectl("describe", "pod", pod),
        ("Name:", "agnhost-primary-"), ("Namespace:", kubectl.namespace), ("Node:",), ("Labels:", "app=agnhost"),
        ("role=primary",), ("Annotations:",), ("Status:", "Running"), ("IP:",),
        ("Controlled By:", "ReplicationController/agnhost-primary"), ("Image:", AGNHOST), ("State:", "Running"),
        ("QoS Class:", "BestEffort"),
    )  # fmt: skip
    told(
        kubectl("describe", "rc", "agnhost-primary"),
        ("Name:", "agnhost-primary"), ("Namespace:", kubectl.namespace), ("Selector:", "app=agnhost,role=primary"),
        ("Labels:", "app=agnhost"), ("role=primary",), ("Annotations:",), ("Replicas:", "1 current", "1 desired"),
        ("Pods Status:", "1 Running", "0 Waiting", "0 Succeeded", "0 Failed"), ("Pod Template:",),
        ("Image:", AGNHOST), ("Events:",),
    )  # fmt: skip
    told(
        kubectl("describe", "service", "agnhost-primary"),
        ("Name:", "agnhost-primary"), ("Namespace:", kubectl.namespace), ("Labels:", "app=agnhost"),
        ("role=primary",), ("Annotations:",), ("Selector:", "app=agnhost", "role=primary"), ("Type:", "ClusterIP"),
        ("IP:",), ("Port:", "<unset>", "6379/TCP"), ("Endpoints:",), ("Session Affinity:", "None"),
    )  # fmt: skip
    node = kubectl("get", "pod", pod, "-o", "jsonpath={.spec.nodeName}")
    told(
        kubectl("describe", "node", node),
        ("Name:", node), ("Labels:",), ("Annotations:",), ("CreationTimestamp:",), ("Conditions:",),
        ("Type", "Status", "LastHeartbeatTime", "LastTransitionTime", "Reason", "Message"), ("Addresses:",),
        ("Capacity:",), ("Version:",), ("Kernel Version:",), ("OS Image:",), ("Container Runtime Version:",),
        ("Kubelet Version:",), ("Pods:",),
    )  # fmt: skip
    told(
        kubectl("describe", "namespace", kubectl.namespace),
        ("Name:", kubectl.namespace), ("Labels:",), ("Annotations:",), ("Status:", "Active"),
    )  # fmt: skip


def test_a_difference_of_a_deployment_is_found(kubectl: Kubectl) -> None:
    """[Conformance] diff should check if kubectl diff finds a difference for Deployments."""
    kubectl("create", "-f", "-", stdin=DEPLOYMENT % PREVIOUS)

    differs = kubectl.cluster.run(
        kubectl.cluster.program, "-n", kubectl.namespace, "diff", "-f", "-", input=DEPLOYMENT % BUSYBOX
    )

    assert differs.returncode == 1 and differs.stderr == ""
    assert re.search(rf"^-.* image: {re.escape(PREVIOUS)}$", differs.stdout, re.M)
    assert re.search(rf"^\+.* image: {re.escape(BUSYBOX)}$", differs.stdout, re.M)
    kubectl("delete", "-f", "-", stdin=DEPLOYMENT % PREVIOUS)


def test_services_are_made_for_a_controller_and_for_a_service(kubectl: Kubectl) -> None:
    """[Conformance] expose should create services for rc."""
    kubectl("create", "-f", "-", stdin=PRIMARY)
    (pod,) = kubectl.started(1, "app=agnhost")
    kubectl.cluster.until(lambda: "Paused" in kubectl("logs", pod, "agnhost-primary"), "it started")

    for what, name, port in (("rc/agnhost-primary", "rm2", 1234), ("service/rm2", "rm3", 2345)):
        exposed = kubectl("expose", what, f"--name={name}", f"--port={port}", "--target-port=6379")
        assert exposed == f"service/{name} exposed\n"
        ports = "jsonpath={.items[*].endpoints[*].addresses} {.items[*].ports[*].port}"
        chosen = ("get", "endpointslices", "-l", f"kubernetes.io/service-name={name}", "-o", ports)
        kubectl.cluster.until(
            lambda chosen=chosen: re.fullmatch(r'\["[\d.]+"\] 6379', kubectl(*chosen)), "it leads there"
        )
        template = "jsonpath={.spec.ports[*].port} {.spec.ports[*].targetPort}"
        assert kubectl("get", "service", name, "-o", template) == f"{port} 6379"


def test_a_label_comes_and_goes(kubectl: Kubectl) -> None:
    """[Conformance] label should update the label on a resource."""
    kubectl("run", "pause", f"--image={AGNHOST}", "--labels=name=pause")
    kubectl.started(1, "name=pause")

    assert kubectl("label", "pods", "pause", "testing-label=testing-label-value") == "pod/pause labeled\n"
    assert "testing-label-value" in kubectl("get", "pod", "pause", "-L", "testing-label")
    assert kubectl("label", "pods", "pause", "testing-label-") == "pod/pause unlabeled\n"
    assert "testing-label-value" not in kubectl("get", "pod", "pause", "-L", "testing-label")
    kubectl("delete", "--grace-period=0", "--force", "pod", "pause")
    kubectl.started(0, "name=pause")


def test_all_pods_of_a_controller_are_annotated(kubectl: Kubectl) -> None:
    """[Conformance] patch should add annotations for pods in rc."""
    kubectl("create", "-f", "-", stdin=PRIMARY)
    (pod,) = kubectl.started(1, "app=agnhost")

    assert kubectl("patch", "pod", pod, "-p", '{"metadata":{"annotations":{"x":"y"}}}') == f"pod/{pod} patched\n"
    assert kubectl("get", "pods", "-l", "app=agnhost", "-o", "jsonpath={.items[*].metadata.annotations.x}") == "y"


def test_a_pod_is_run_changed_for_show_and_replaced(kubectl: Kubectl) -> None:
    """[Conformance] run pod should create a pod from an image when restart is Never; server-side dry-run should check
    if kubectl can dry-run update Pods; replace should update a single-container pod's image."""
    name, image = "e2e-test-agnhost-pod", "jsonpath={.spec.containers[*].image} {.spec.restartPolicy}"
    kubectl("run", name, "--restart=Never", "--pod-running-timeout=2m0s", f"--image={AGNHOST}")
    assert kubectl("get", "pod", name, "-o", image) == f"{AGNHOST} Never"
    kubectl("delete", "pods", name, "--grace-period=1")

    kubectl("run", name, f"--image={AGNHOST}", "--pod-running-timeout=2m0s", f"--labels=run={name}")
    kubectl.started(1, f"run={name}")
    change = {"spec": {"containers": [{"name": name, "image": BUSYBOX}]}}
    shown = kubectl("patch", "pod", name, "-p", json.dumps(change), "--dry-run=server")
    assert shown == f"pod/{name} patched\n"
    assert kubectl("get", "pod", name, "-o", image) == f"{AGNHOST} Always"

    whole = kubectl("get", "pod", name, "-o", "json").replace(AGNHOST, BUSYBOX, 1)
    assert kubectl("replace", "-f", "-", stdin=whole) == f"pod/{name} replaced\n"
    assert kubectl("get", "pod", name, "-o", image) == f"{BUSYBOX} Always"
    kubectl("delete", "pods", name, "--grace-period=1")


def test_a_proxy_serves_on_any_port_and_on_a_socket(kubectl: Kubectl) -> None:
    """[Conformance] Proxy server should support proxy with --port 0; should support --unix-socket=/path."""
    socket = kubectl.cluster.data_dir.parent / f"{kubectl.namespace}.socket"
    for argv, asking in ((("-p", 0, "--disable-filter"), None), ((f"--unix-socket={socket}",), socket)):
        proxy = kubectl.popen("proxy", *argv)
        try:
            assert proxy.stdout is not None
            for said in proxy.stdout:
                if said.startswith("Starting to serve on "):
                    break
            address = "localhost" if asking else re.search(r"127\.0\.0\.1:\d+", said)[0]  # type: ignore[index]
            way = ("--unix-socket", asking) if asking else ()
            found = kubectl.cluster.run("curl", "-sS", "--noproxy", "*", *way, f"http://{address}/api/")
            assert json.loads(found.stdout)["versions"] == ["v1"]
        finally:
            proxy.terminate()
            proxy.wait()


def test_logs_are_had_and_filtered(kubectl: Kubectl) -> None:
    """[Conformance] logs should be able to retrieve and filter logs."""
    name = "logs-generator"
    kubectl("run", name, f"--image={AGNHOST}", "--restart=Never", "--", name, "--log-lines-total", 100)
    kubectl.cluster.until(lambda: "namespaces/kube-system" in kubectl("logs", name, name), "it writes")

    # Some lines more where it writes while it is read.
    assert re.fullmatch(r"(\d+ GET .*\n)+", kubectl("logs", name, name, "--tail=1"))
    assert len(kubectl("logs", name, name, "--limit-bytes=1")) == 1
    stamped = kubectl("logs", name, name, "--tail=1", "--timestamps")
    assert re.fullmatch(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z \d+ GET .*\n)+", stamped)
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", f"pod/{name}", "--timeout=60s")
    assert kubectl("logs", name).count("\n") == 100
    assert kubectl("logs", name, "--tail=1").count("\n") == 1
    kubectl.cluster.until(lambda: kubectl("logs", name, "--since=1s") == "", "all lines are older than a second")
    assert kubectl("logs", name, "--since=24h").count("\n") == 100
    assert kubectl("logs", "-f", name).splitlines()[-1].startswith("99 ")


def test_the_container_that_an_annotation_names_is_the_one_whose_log_is_read(kubectl: Kubectl) -> None:
    def container(number: int, lines: int) -> dict[str, object]:
        return {"name": f"container-{number}", "image": "host", "command": ["seq", str(lines)]}

    about = {"name": "two", "annotations": {"kubectl.kubernetes.io/default-container": "container-2"}}
    spec = {"restartPolicy": "Never", "containers": [container(1, 10), container(2, 20)]}
    kubectl("create", "-f", "-", stdin={"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
    kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/two", "--timeout=60s")

    assert kubectl("logs", "two", "-c", "container-1").count("\n") == 10
    assert kubectl("logs", "two", "--all-containers").count("\n") == 30
    assert kubectl("logs", "two").count("\n") == 20
    prefixed = kubectl("logs", "two", "--all-containers", "--prefix")
    assert set(re.findall(r"^\[(.*?)\] \d+$", prefixed, re.M)) == {"pod/two/container-1", "pod/two/container-2"}


def test_a_node_is_tainted_and_all_taints_of_a_key_go_at_once(kubectl: Kubectl) -> None:
    """taint should update the taint on a node, and remove all the taints with the same key off a node."""
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    key = f"kubernetes.io/e2e-taint-key-{kubectl.namespace}"
    taints = [f"{key}=testing-taint-value:NoSchedule", f"{key}=another:PreferNoSchedule"]
    try:
        for taint in taints:
            assert kubectl("taint", "nodes", node, taint) == f"node/{node} tainted\n"
            assert taint in kubectl("describe", "node", node)
    finally:
        assert kubectl("taint", "nodes", node, f"{key}-") == f"node/{node} untainted\n"
    assert key not in kubectl("describe", "node", node)


def test_events_of_a_pod_are_shown(kubectl: Kubectl) -> None:
    """events should show event when pod is created."""
    kubectl("run", "seen", f"--image={AGNHOST}")
    kubectl.started(1, "run=seen")

    shown = " ".join(kubectl("events", "--for=pod/seen").split())
    assert "Normal Scheduled Pod/seen" in shown and "Normal Started Pod/seen" in shown
    assert kubectl("events", "--types=WARNING", "--for=pod/seen") == ""


def test_the_status_of_a_node_is_had_by_itself(kubectl: Kubectl) -> None:
    """subresource flag: not in a bulk GET; GET on status returns what GET on the node does."""
    many = kubectl("get", "nodes", "--subresource=status", code=1)
    assert "subresource cannot be used when bulk resources are specified" in many
    node = kubectl("get", "nodes", "-o", "jsonpath={.items[0].metadata.name}")
    template = "jsonpath={.metadata.name}{.status.nodeInfo.kubeletVersion}"
    assert kubectl("get", "node", node, "-o", template) == kubectl(
        "get", "node", node, "--subresource=status", "-o", template
    )


def test_a_copy_of_a_pod_is_made_for_a_look_with_a_profile_of_ones_own(kubectl: Kubectl) -> None:
    """debug: custom profile should be applied on static profiles while copying from pod."""
    profile = kubectl.cluster.data_dir.parent / f"{kubectl.namespace}.yaml"
    profile.write_text(yaml.safe_dump({
        "securityContext": {"capabilities": {"add": ["NET_ADMIN"]}},
        "env": [{"name": "REQUIRED_ENV_VAR", "value": "value2"}],
    }))  # fmt: skip
    kubectl("run", "looked-at", f"--image={AGNHOST}")
    kubectl.started(1, "run=looked-at")

    kubectl(
        "debug", "looked-at", "--image=host", "--copy-to=my-debugger", "--share-processes=false",
        "--container=debugger", "--profile=general", f"--custom={profile}", "--", "sh", "-c", "sleep 3600",
    )  # fmt: skip
    kubectl("wait", "--for=condition=Ready", "pod/my-debugger", "--timeout=30s")

    shown = kubectl("get", "pod", "my-debugger", "-o", "jsonpath={.spec.containers[*]}")
    assert "NET_ADMIN" in shown and "REQUIRED_ENV_VAR" in shown and "SYS_PTRACE" not in shown
    kubectl("delete", "pods", "--all", "--grace-period=1")
