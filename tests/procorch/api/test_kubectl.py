"""The unmodified kubectl against the API alone: no scheduler, no controllers, no nodes."""

from __future__ import annotations

import asyncio
import json

import pytest

RC = """
kind: ReplicationController  # 种类
apiVersion: v1
metadata: {name: web, labels: {app: web}}
spec:
  replicas: 2
  selector: {app: web}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: nginx, ports: [{containerPort: 8080}]}
"""
POD = """
apiVersion: v1
kind: Pod
metadata: {name: one, labels: {app: one, tier: front}}
spec:
  containers:
  - name: main
    image: host
    command: [sleep, "60"]
"""
CONFIG_MAP = """
apiVersion: v1
kind: ConfigMap
metadata: {name: settings}
data: {colour: "%s"}
"""


async def test_create_get_and_delete(kubectl):
    assert await kubectl("create", "-f", "-", stdin=POD) == "pod/one created\n"

    table = await kubectl("get", "pods")
    assert table.splitlines()[0].split() == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert table.splitlines()[1].split()[:4] == ["one", "0/1", "Pending", "0"]
    assert "NOMINATED NODE" in await kubectl("get", "pods", "-o", "wide")
    assert await kubectl("get", "pods", "-o", "name") == "pod/one\n"
    assert await kubectl("get", "pod", "one", "-o", "jsonpath={.spec.containers[0].command[1]}") == "60"
    assert json.loads(await kubectl("get", "pod", "one", "-o", "json"))["metadata"]["labels"]["tier"] == "front"
    assert "kind: Pod\n" in await kubectl("get", "pod/one", "-o", "yaml")
    assert "one" in await kubectl("get", "pods", "-A", "-l", "app=one,tier in (front)")
    assert await kubectl("get", "pods", "-l", "app!=one", "-o", "name") == ""
    assert await kubectl("get", "pods", "--field-selector", "status.phase=Pending", "-o", "name") == "pod/one\n"
    assert 'pod "one" deleted' in await kubectl("delete", "pod", "one")
    assert "No resources found" in (await kubectl.run("get", "pods")).err


async def test_errors_are_told_in_kubernetes_words(kubectl):
    missing = await kubectl.run("get", "pod", "none")
    assert (missing.code, missing.err) == (1, 'Error from server (NotFound): pods "none" not found\n')

    await kubectl("create", "-f", "-", stdin=POD)
    twice = await kubectl.run("create", "-f", "-", stdin=POD)
    assert 'Error from server (AlreadyExists): error when creating "STDIN": pods "one" already exists' in twice.err
    nowhere = await kubectl.run("create", "-n", "nowhere", "-f", "-", stdin=POD)
    assert 'namespaces "nowhere" not found' in nowhere.err
    unknown = await kubectl.run("create", "-f", "-", stdin=POD.replace("image: host", "image: host\n    imge: x"))
    assert unknown.code == 1 and 'unknown field "spec.containers[0].imge"' in unknown.err
    wrong = await kubectl.run("create", "-f", "-", stdin=RC.replace("selector: {app: web}", "selector: {app: other}"))
    assert "`selector` does not match template `labels`" in wrong.err


async def test_a_scale_is_printed_with_its_numbers(kubectl, served):
    labels = {"app": "a"}
    template = {"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "host"}]}}
    await served.client.create({
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web", "namespace": "default"},
        "spec": {"replicas": 3, "selector": labels, "template": template},
    })  # fmt: skip

    head, row = (await kubectl("get", "rc", "web", "--subresource=scale")).splitlines()
    assert head.split() == ["NAME", "DESIRED", "AVAILABLE", "AGE"]
    assert row.split()[:3] == ["web", "3", "0"]
    assert "kind: Scale" in await kubectl("get", "rc", "web", "--subresource=scale", "-o", "yaml")


async def test_a_kind_that_is_not_there_is_called_so(kubectl):
    widget = '{"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "a"}}'
    ran = await kubectl.run("create", "-f", "-", stdin=widget)

    assert ran.code == 1
    assert 'no matches for kind "Widget" in version "example.com/v1"' in ran.err, ran.err


async def test_a_list_of_one_kind_is_created_like_its_members(kubectl):
    rows = '[{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "one"}}]'
    listed = f'{{"apiVersion": "v1", "kind": "ConfigMapList", "items": {rows}}}'

    assert await kubectl("create", "-f", "-", stdin=listed) == "configmap/one created\n"


async def test_apply_creates_changes_and_leaves_alone(kubectl):
    assert await kubectl("apply", "-f", "-", stdin=CONFIG_MAP % "red") == "configmap/settings created\n"
    assert await kubectl("apply", "-f", "-", stdin=CONFIG_MAP % "red") == "configmap/settings unchanged\n"
    assert await kubectl("apply", "-f", "-", stdin=CONFIG_MAP % "blue") == "configmap/settings configured\n"

    assert await kubectl("get", "cm", "settings", "-o", "jsonpath={.data.colour}") == "blue"
    dry = await kubectl("apply", "--dry-run=server", "-f", "-", stdin=CONFIG_MAP % "green")
    assert "configured (server dry run)" in dry
    differs = await kubectl.run("diff", "-f", "-", stdin=CONFIG_MAP % "green")
    assert differs.code in (0, 1), differs.err


async def test_label_annotate_patch_edit_and_replace(kubectl):
    await kubectl("create", "-f", "-", stdin=RC)

    await kubectl("label", "rc", "web", "env=test")
    assert (await kubectl.run("label", "rc", "web", "env=prod")).code == 1
    await kubectl("label", "rc", "web", "env=prod", "--overwrite")
    await kubectl("annotate", "rc", "web", "note=text with spaces")
    assert "web" in await kubectl("get", "rc", "-l", "env=prod")
    await kubectl("label", "rc", "web", "env-")
    await kubectl("patch", "rc", "web", "--type=merge", "-p", '{"spec":{"replicas":4}}')
    await kubectl("patch", "rc", "web", "--type=json", "-p", '[{"op":"replace","path":"/spec/replicas","value":5}]')
    strategic = '{"spec":{"template":{"spec":{"containers":[{"name":"web","image":"nginx:2"}]}}}}'
    await kubectl("patch", "rc", "web", "-p", strategic)
    await kubectl("edit", "rc", "web", env={"KUBE_EDITOR": "sed -i 's/replicas: 5/replicas: 6/'"})
    found = json.loads(await kubectl("get", "rc", "web", "-o", "json"))
    assert (found["spec"]["replicas"], found["spec"]["template"]["spec"]["containers"][0]["image"]) == (6, "nginx:2")
    assert found["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"] == 8080
    assert found["metadata"]["annotations"]["note"] == "text with spaces" and "env" not in found["metadata"]["labels"]

    found["spec"]["replicas"] = 1
    assert "replaced" in await kubectl("replace", "-f", "-", stdin=json.dumps(found))
    stale = await kubectl.run("replace", "-f", "-", stdin=json.dumps(found))
    assert "the object has been modified" in stale.err


async def test_scale(kubectl):
    await kubectl("create", "-f", "-", stdin=RC)

    assert "scaled" in await kubectl("scale", "rc", "web", "--replicas=7")
    assert "scaled" in await kubectl("scale", "rc", "web", "--current-replicas=7", "--replicas=3")
    wrong = await kubectl.run("scale", "rc", "web", "--current-replicas=7", "--replicas=1")

    assert wrong.code == 1 and "Expected replicas to be 7, was 3" in wrong.err
    assert await kubectl("get", "rc", "web", "-o", "jsonpath={.spec.replicas}") == "3"


@pytest.mark.parametrize(
    ("cascade", "finalizers"),
    [("background", None), ("foreground", ["foregroundDeletion"]), ("orphan", ["orphan"])],
)
async def test_delete_with_each_cascade(kubectl, served, cascade, finalizers):
    await kubectl("create", "-f", "-", stdin=RC)

    await kubectl("delete", "rc", "web", f"--cascade={cascade}", "--wait=false")

    left = (await served.client.items("ReplicationController")).objects
    assert [obj["metadata"].get("finalizers") for obj in left] == ([finalizers] if finalizers else [])


async def test_delete_waits_until_the_object_is_gone(kubectl, served, until):
    await kubectl("create", "-f", "-", stdin=POD)
    await served.client.bind("default/one", "n1")
    process = await kubectl.start("delete", "pod", "one")
    await until(lambda: "deletionTimestamp" in served.api.lookup("Pod", "default/one")["metadata"], 30)
    assert process.returncode is None

    await served.client.delete("Pod", "default/one", grace=0)

    async with asyncio.timeout(20):
        _, err = await process.communicate()
    assert process.returncode == 0, err


async def test_get_watch_prints_changes_as_they_happen(kubectl, served):
    await kubectl("create", "-f", "-", stdin=POD)
    process = await kubectl.start("get", "pods", "-w")
    async with asyncio.timeout(20):
        assert (await process.stdout.readline()).split()[0] == b"NAME"
        assert (await process.stdout.readline()).split()[:3] == [b"one", b"0/1", b"Pending"]
        await served.client.patch("Pod", "default/one", {"status": {"phase": "Running"}}, subresource="status")
        assert (await process.stdout.readline()).split()[:3] == [b"one", b"0/1", b"Running"]
    process.terminate()
    await process.wait()


async def test_describe(kubectl, served):
    await kubectl("create", "-f", "-", stdin=POD)
    await kubectl("create", "-f", "-", stdin=RC)
    await kubectl("create", "service", "nodeport", "web", "--tcp=80:8080", "--node-port=30001")
    await served.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})

    assert "app=one" in await kubectl("describe", "pod", "one")
    assert "0 current / 2 desired" in await kubectl("describe", "rc", "web")
    assert "30001/TCP" in await kubectl("describe", "svc", "web")
    assert "Unschedulable:" in await kubectl("describe", "node", "n1")


async def test_imperative_creates_which_post_protobuf(kubectl):
    await kubectl("create", "namespace", "stage")
    await kubectl("create", "configmap", "cm", "-n", "stage", "--from-literal=a=b")
    await kubectl("create", "secret", "generic", "s", "-n", "stage", "--from-literal=password=hunter2")
    await kubectl("run", "shell", "-n", "stage", "--image=host", "--command", "--", "sleep", "60")

    assert await kubectl("get", "cm", "cm", "-n", "stage", "-o", "jsonpath={.data.a}") == "b"
    assert await kubectl("get", "secret", "s", "-n", "stage", "-o", "jsonpath={.data.password}") == "aHVudGVyMg=="
    assert await kubectl("get", "pod", "shell", "-n", "stage", "-o", "jsonpath={.spec.containers[0].command}") == (
        '["sleep","60"]'
    )
    assert "stage" in await kubectl("get", "ns")


async def test_tokens_and_questions_about_oneself(kubectl):
    await kubectl("create", "serviceaccount", "robot")

    assert (await kubectl("create", "token", "robot")).count(".") == 2
    assert await kubectl("auth", "can-i", "delete", "pods") == "yes\n"
    assert "kubernetes-admin" in await kubectl("auth", "whoami")
    other = ("--as=jane", "--as-group=team", "--as-group=people")
    assert (await kubectl.run("auth", "can-i", "delete", "pods", *other)).out == "no\n"
    assert "[team people system:authenticated]" in await kubectl("auth", "whoami", *other)
    refused = (await kubectl.run("get", "pods", *other)).err
    assert 'User "jane" cannot list resource "pods" in API group "" in the namespace "default"' in refused


async def test_what_the_cluster_is(kubectl):
    resources = await kubectl("api-resources")
    assert "replicationcontrollers" in resources and "rc" in resources
    assert "v1.37.0+procorch" in await kubectl("version")
    assert "is running at" in await kubectl("cluster-info")
    assert "apps/v1" in await kubectl("api-versions")
    explained = await kubectl("explain", "pod.spec.containers")
    assert "KIND:" in explained and "imagePullPolicy" in explained
    assert '"ok"' not in await kubectl("get", "--raw", "/readyz?verbose")


async def test_node_ports_that_cannot_be_had(kubectl):
    await kubectl("create", "service", "nodeport", "a", "--tcp=80", "--node-port=30001")

    taken = await kubectl.run("create", "service", "nodeport", "b", "--tcp=80", "--node-port=30001")
    assert "spec.ports[0].nodePort: Invalid value: 30001: provided port is already allocated" in taken.err
    outside = await kubectl.run("create", "service", "nodeport", "b", "--tcp=80", "--node-port=80")
    assert "The range of valid ports is 30000-32767" in outside.err


async def test_wait_sees_conditions_and_deletion(kubectl, served):
    await kubectl("create", "-f", "-", stdin=POD)
    process = await kubectl.start("wait", "pod/one", "--for=condition=Ready", "--timeout=20s")
    status = {"conditions": [{"type": "Ready", "status": "True"}], "phase": "Running"}
    await served.client.patch("Pod", "default/one", {"status": status}, subresource="status")

    async with asyncio.timeout(25):
        _, err = await process.communicate()
    assert process.returncode == 0, err


async def test_logs_follow_and_tail_what_the_node_sends(kubectl, served, linked):
    await kubectl("create", "-f", "-", stdin=POD)
    await served.client.bind("default/one", "n1")
    asked = []

    async def accept(header, stream):
        asked.append(header["path"])
        await stream.respond({"status": 200, "headers": {}})
        await stream.write(b"first\nsecond\n")
        await stream.end()

    async with linked(accept):
        assert await kubectl("logs", "one", "--tail=2", "-c", "main") == "first\nsecond\n"
        assert await kubectl("logs", "-f", "one", "--timestamps") == "first\nsecond\n"

    assert asked[0] == "/containerLogs/default/one/main?tailLines=2"
    assert "follow=true" in asked[1] and "timestamps=true" in asked[1]
