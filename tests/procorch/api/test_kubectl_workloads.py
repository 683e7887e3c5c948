"""The unmodified kubectl with the kinds that make pods: all that the API does of it, without a controller."""

from __future__ import annotations

import asyncio
import json
import re

import pytest

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: %d
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - {name: web, image: "web:1"}
"""
STATEFUL = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  replicas: 2
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      containers:
      - {name: db, image: "db:1"}
---
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: log}
spec:
  selector: {matchLabels: {app: log}}
  template:
    metadata: {labels: {app: log}}
    spec:
      nodeSelector: {disk: fast}
      containers:
      - {name: log, image: "log:1"}
---
apiVersion: v1
kind: PodTemplate
metadata: {name: bare}
template:
  metadata: {labels: {app: bare}}
  spec:
    containers:
    - {name: bare, image: "bare:1"}
---
apiVersion: apps/v1
kind: ControllerRevision
metadata:
  name: db-1
  labels: {app: db}
  ownerReferences:
  - {apiVersion: apps/v1, kind: StatefulSet, name: db, uid: u, controller: true}
revision: 1
data: {spec: {template: {spec: {containers: [{name: db, image: "db:0"}]}}}}
"""
JOBS = """
apiVersion: batch/v1
kind: Job
metadata: {name: once}
spec:
  completions: 3
  template:
    spec:
      restartPolicy: Never
      containers:
      - {name: once, image: "once:1", command: ["true"]}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly}
spec:
  schedule: "0 4 * * *"
  timeZone: Europe/Zurich
  jobTemplate:
    spec:
      template:
        spec:
          restartPolicy: OnFailure
          containers:
          - {name: nightly, image: "nightly:1"}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec:
  minAvailable: 50%
  selector: {matchLabels: {app: web}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: web}
spec:
  maxReplicas: 5
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: web}
"""


async def found(kubectl, *what):
    return json.loads(await kubectl("get", *what, "-o", "json"))


def cells(table):
    """The head of a table, and its rows by their first cell; an age reads as AGE."""
    first, *lines = table.splitlines()
    starts = [match.start() for match in re.finditer(r"\S+( \S+)*", first)]
    head, *rows = (
        [line[begin:end].strip() for begin, end in zip(starts, [*starts[1:], None], strict=True)]
        for line in (first, *lines)
    )
    age = head.index("AGE") if "AGE" in head else None
    for row in rows:
        if age is not None:
            assert re.fullmatch(r"\d+[ms]\S*", row[age]), row
            row[age] = "AGE"
    return head, {row[0]: row[1:] for row in rows}


async def written(served, kind, name, **status):
    """What a controller would write."""
    obj = await served.client.get(kind, f"default/{name}")
    obj["status"] = (obj.get("status") or {}) | status
    await served.client.update_status(obj)


PODS = ["CONTAINERS", "IMAGES"]


@pytest.mark.parametrize(
    ("resource", "head", "name", "row"),
    [
        ("deploy", ["READY", "UP-TO-DATE", "AVAILABLE", "AGE", *PODS, "SELECTOR"], "web",
         ["0/2", "0", "0", "AGE", "web", "web:1", "app=web"]),
        ("sts", ["READY", "AGE", *PODS], "db", ["0/2", "AGE", "db", "db:1"]),
        ("ds", ["DESIRED", "CURRENT", "READY", "UP-TO-DATE", "AVAILABLE", "NODE SELECTOR", "AGE", *PODS, "SELECTOR"],
         "log", ["0", "0", "0", "0", "0", "disk=fast", "AGE", "log", "log:1", "app=log"]),
        ("controllerrevisions", ["CONTROLLER", "REVISION", "AGE"], "db-1", ["statefulset.apps/db", "1", "AGE"]),
        ("podtemplates", ["CONTAINERS", "IMAGES", "POD LABELS"], "bare", ["bare", "bare:1", "app=bare"]),
        ("cj", ["SCHEDULE", "TIMEZONE", "SUSPEND", "ACTIVE", "LAST SCHEDULE", "AGE", *PODS, "SELECTOR"], "nightly",
         ["0 4 * * *", "Europe/Zurich", "False", "0", "<none>", "AGE", "nightly", "nightly:1", "<none>"]),
        ("hpa", ["REFERENCE", "TARGETS", "MINPODS", "MAXPODS", "REPLICAS", "AGE"], "web",
         ["Deployment/web", "cpu: <unknown>/80%", "1", "5", "0", "AGE"]),
        ("pdb", ["MIN AVAILABLE", "MAX UNAVAILABLE", "ALLOWED DISRUPTIONS", "AGE"], "web", ["50%", "N/A", "0", "AGE"]),
    ],
)  # fmt: skip
async def test_the_wide_table_is_kubernetes_own(kubectl, resource, head, name, row):
    await kubectl("create", "-f", "-", stdin=f"{MANIFEST % 2}---{STATEFUL}---{JOBS}")

    assert cells(await kubectl("get", resource, "-o", "wide")) == (["NAME", *head], {name: row})


async def test_the_table_of_jobs(kubectl, served):
    await kubectl("create", "-f", "-", stdin=JOBS)
    head, rows = cells(await kubectl("get", "jobs"))
    assert head == ["NAME", "STATUS", "COMPLETIONS", "DURATION", "AGE"] and rows["once"] == [
        "Running",
        "0/3",
        "",
        "AGE",
    ]

    await written(
        served, "Job", "once", succeeded=3, startTime="2026-01-01T00:00:00Z", completionTime="2026-01-01T00:01:05Z",
        conditions=[{"type": "SuccessCriteriaMet", "status": "True"}, {"type": "Complete", "status": "True"}],
    )  # fmt: skip

    head, rows = cells(await kubectl("get", "jobs", "-o", "wide"))
    assert head[5:] == [*PODS, "SELECTOR"]
    assert rows["once"][:6] == ["Complete", "3/3", "65s", "AGE", "once", "once:1"]
    assert rows["once"][6].startswith("batch.kubernetes.io/controller-uid=")
    assert await kubectl("get", "jobs", "--field-selector", "status.successful=3", "-o", "name") == "job.batch/once\n"
    assert "condition met" in await kubectl("wait", "--for=condition=complete", "job/once", "--timeout=5s")


async def test_get_all_shows_them(kubectl):
    await kubectl("create", "-f", "-", stdin=f"{MANIFEST % 2}---{STATEFUL}---{JOBS}")

    names = sorted((await kubectl("get", "all", "-o", "name")).splitlines())

    assert names == [
        "cronjob.batch/nightly", "daemonset.apps/log", "deployment.apps/web",
        "horizontalpodautoscaler.autoscaling/web", "job.batch/once", "statefulset.apps/db",
    ]  # fmt: skip


async def test_imperative_creates(kubectl, served):
    create = ("create", "deployment", "web", "--image=host", "--replicas=3", "--port=80", "--", "sleep", "60")
    assert await kubectl(*create) == "deployment.apps/web created\n"
    assert await kubectl("create", "job", "once", "--image=host", "--", "true") == "job.batch/once created\n"

    made = await found(kubectl, "deploy", "web")
    assert (made["spec"]["replicas"], made["spec"]["selector"]) == (3, {"matchLabels": {"app": "web"}})
    assert made["spec"]["template"]["spec"]["containers"][0]["ports"] == [{"containerPort": 80, "protocol": "TCP"}]
    uid = (job := await found(kubectl, "job", "once"))["metadata"]["uid"]
    assert job["spec"]["selector"] == {"matchLabels": {"batch.kubernetes.io/controller-uid": uid}}
    assert job["metadata"]["labels"]["job-name"] == "once" and job["spec"]["completions"] == 1
    dry = await kubectl("create", "deployment", "dry", "--image=host", "--dry-run=server", "-o", "name")
    assert dry == "deployment.apps/dry\n" and (await kubectl.run("get", "deploy", "dry")).code == 1


async def test_more_imperative_creates(kubectl):
    await kubectl("create", "cronjob", "nightly", "--image=host", "--schedule=0 4 * * *", "--", "true")
    assert await kubectl("create", "job", "now", "--from=cronjob/nightly") == "job.batch/now created\n"
    await kubectl("create", "pdb", "web", "--selector=app=web", "--min-available=50%")

    job = await found(kubectl, "job", "now")
    assert job["metadata"]["ownerReferences"][0]["kind"] == "CronJob"
    assert (await found(kubectl, "pdb", "web"))["spec"]["minAvailable"] == "50%"
    wrong = await kubectl.run("create", "cronjob", "never", "--image=host", "--schedule=0 25 * * *")
    assert 'spec.schedule: Invalid value: "0 25 * * *": end of range (25) above maximum (23): 25' in wrong.err


async def test_a_deployment_is_applied_changed_and_edited(kubectl):
    assert await kubectl("apply", "-f", "-", stdin=MANIFEST % 2) == "deployment.apps/web created\n"
    assert await kubectl("apply", "-f", "-", stdin=MANIFEST % 2) == "deployment.apps/web unchanged\n"
    assert await kubectl("apply", "-f", "-", stdin=MANIFEST % 4) == "deployment.apps/web configured\n"
    await kubectl("set", "image", "deploy/web", "web=web:2")
    await kubectl("set", "resources", "deploy/web", "--limits=cpu=200m,memory=512Mi")
    await kubectl("set", "env", "deploy/web", "COLOUR=red")
    await kubectl("edit", "deploy", "web", env={"KUBE_EDITOR": "sed -i 's/replicas: 4/replicas: 6/'"})

    made = await found(kubectl, "deploy", "web")
    (container,) = made["spec"]["template"]["spec"]["containers"]
    assert made["spec"]["replicas"] == 6 and container["image"] == "web:2"
    assert container["resources"]["limits"] == {"cpu": "200m", "memory": "512Mi"}
    assert container["env"] == [{"name": "COLOUR", "value": "red"}]
    moved = await kubectl.run("apply", "-f", "-", stdin=(MANIFEST % 4).replace("{app: web}", "{app: other}"))
    assert moved.code == 1 and "spec.selector: Invalid value" in moved.err and "field is immutable" in moved.err


async def test_roll_outs_as_far_as_the_api_goes(kubectl, served):
    await kubectl("create", "-f", "-", stdin=MANIFEST % 2)
    assert "paused" in await kubectl("rollout", "pause", "deploy/web")
    assert (await kubectl.run("rollout", "pause", "deploy/web")).code == 1
    assert "resumed" in await kubectl("rollout", "resume", "deploy/web")
    assert "restarted" in await kubectl("rollout", "restart", "deploy/web")
    made = await found(kubectl, "deploy", "web")
    assert "kubectl.kubernetes.io/restartedAt" in made["spec"]["template"]["metadata"]["annotations"]
    assert made["metadata"]["generation"] == 4

    async with asyncio.TaskGroup() as group:
        waiting = group.create_task(kubectl("rollout", "status", "deploy/web", "--timeout=30s"))
        counts = dict.fromkeys(("replicas", "updatedReplicas", "readyReplicas", "availableReplicas"), 2)
        await written(served, "Deployment", "web", observedGeneration=4, **counts)
    assert 'deployment "web" successfully rolled out' in waiting.result()


async def test_the_history_is_what_stands_there(kubectl, served):
    await kubectl("create", "-f", "-", stdin=MANIFEST % 2)
    deployment = await served.client.get("Deployment", "default/web")
    for revision, image in ((1, "web:0"), (2, "web:1")):
        template = {"metadata": {"labels": {"app": "web"}}, "spec": {"containers": [{"name": "web", "image": image}]}}
        owner = {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web", "controller": True}
        await served.client.create({
            "apiVersion": "apps/v1", "kind": "ReplicaSet",
            "metadata": {"name": f"web-{revision}", "namespace": "default", "labels": {"app": "web"},
                         "annotations": {"deployment.kubernetes.io/revision": str(revision)},
                         "ownerReferences": [{**owner, "uid": deployment["metadata"]["uid"]}]},
            "spec": {"selector": {"matchLabels": {"app": "web"}}, "template": template},
        })  # fmt: skip

    await kubectl("annotate", "deploy", "web", "deployment.kubernetes.io/revision=2")  # as its controller does
    history = await kubectl("rollout", "history", "deploy/web")
    assert [line.split()[0] for line in history.splitlines() if line[:1].isdigit()] == ["1", "2"]
    assert "web:0" in await kubectl("rollout", "history", "deploy/web", "--revision=1")
    await kubectl("rollout", "undo", "deploy/web", "--to-revision=1")
    undone = await found(kubectl, "deploy", "web")
    assert undone["spec"]["template"]["spec"]["containers"][0]["image"] == "web:0"


async def test_scale_expose_and_autoscale(kubectl, served):
    await kubectl("create", "-f", "-", stdin=f"{MANIFEST % 2}---{STATEFUL}")

    for what in ("deploy/web", "sts/db"):
        assert "scaled" in await kubectl("scale", what, "--replicas=7", "--current-replicas=2")
        assert (await found(kubectl, what))["spec"]["replicas"] == 7
    assert (await kubectl.run("scale", "ds/log", "--replicas=2")).code == 1
    assert (await found(kubectl, "deploy", "web", "--subresource=scale"))["status"]["selector"] == "app=web"
    await kubectl("expose", "deploy/web", "--port=80")
    assert (await found(kubectl, "svc", "web"))["spec"]["selector"] == {"app": "web"}
    assert "autoscaled" in await kubectl("autoscale", "deploy", "web", "--min=2", "--max=5", "--cpu-percent=70")
    scaler = await found(kubectl, "hpa", "web")
    assert (scaler["spec"]["minReplicas"], scaler["spec"]["maxReplicas"]) == (2, 5)
    old = await found(kubectl, "horizontalpodautoscalers.v1.autoscaling", "web")
    assert (old["apiVersion"], old["spec"]["targetCPUUtilizationPercentage"]) == ("autoscaling/v1", 70)


async def test_the_two_versions_of_an_autoscaler_are_one_object(kubectl):
    await kubectl("create", "-f", "-", stdin=JOBS)
    v1, v2 = (f"horizontalpodautoscalers.{version}.autoscaling" for version in ("v1", "v2"))
    memory = {"type": "Resource", "resource": {"name": "memory", "target": {
        "type": "AverageValue", "averageValue": "1Gi"}}}  # fmt: skip
    await kubectl("patch", v2, "web", "--type=merge", "-p", json.dumps({"spec": {"metrics": [memory]}}))

    await kubectl("patch", v1, "web", "--type=merge", "-p", '{"spec":{"targetCPUUtilizationPercentage":55}}')

    metrics = (await found(kubectl, v2, "web"))["spec"]["metrics"]
    assert metrics[0] == memory and metrics[1]["resource"]["target"]["averageUtilization"] == 55
    note = (await found(kubectl, v1, "web"))["metadata"]["annotations"]["autoscaling.alpha.kubernetes.io/metrics"]
    assert json.loads(note) == [{"type": "Resource", "resource": {"name": "memory", "targetAverageValue": "1Gi"}}]
    listed = await found(kubectl, v1)
    assert [one["apiVersion"] for one in listed["items"]] == ["autoscaling/v1"]


async def test_describe_and_explain(kubectl):
    await kubectl("create", "-f", "-", stdin=f"{MANIFEST % 2}---{STATEFUL}---{JOBS}")

    told = await kubectl("describe", "cj,pdb,hpa")
    assert re.search(r"Schedule: +0 4 \* \* \*", told) and "Min available:  50%" in told
    assert re.search(r"resource cpu on pods +\(as a percentage of request\): +<unknown> / 80%", told)
    told = await kubectl("describe", "deploy,sts,ds,job")
    assert re.search(r"RollingUpdateStrategy: +25% max unavailable, 25% max surge", told)
    assert re.search(r"Replicas: +2 desired \| 0 total", told)
    assert re.search(r"Node-Selector:? +disk=fast", told) and re.search(r"Completions: +3", told)
    for what, field in (
        ("deploy.spec.strategy", "maxSurge"),
        ("sts.spec.volumeClaimTemplates.spec", "storageClassName"),
        ("ds.spec.updateStrategy", "maxUnavailable"),
        ("cj.spec.jobTemplate.spec.podFailurePolicy", "onExitCodes"),
        ("pdb.spec", "unhealthyPodEvictionPolicy"),
        ("podtemplates.template.spec", "containers"),
        ("controllerrevisions", "revision"),
    ):
        assert field in await kubectl("explain", what, "--recursive"), what
    assert "behavior" in await kubectl("explain", "hpa.spec", "--api-version=autoscaling/v2")
    assert "behavior" not in await kubectl("explain", "hpa.spec", "--api-version=autoscaling/v1")


async def test_warnings_are_printed(kubectl):
    doubled = (MANIFEST % 1).replace(
        'image: "web:1"', 'image: "web:1", env: [{name: A, value: b}, {name: A, value: c}]'
    )
    ran = await kubectl.run("create", "-f", "-", stdin=doubled)
    assert ran.code == 0
    assert (
        'Warning: spec.template.spec.containers[0].env[1]: hides previous definition of "A", '
        "which may be dropped when using apply\n"
    ) in ran.err
    unchanged = await kubectl.run("scale", "deploy/web", "--replicas=1")
    assert "Warning" not in unchanged.err


async def test_who_deletes_a_job_is_told_of_its_pods(kubectl, served):
    await kubectl("create", "-f", "-", stdin=JOBS)
    path = "/apis/batch/v1/namespaces/default/jobs/once"
    raw = await kubectl.run("delete", "--raw", f"{path}?propagationPolicy=Background")
    assert "Warning" not in raw.err
    await kubectl("create", "-f", "-", stdin=JOBS.partition("---")[0])

    raw = await kubectl.run("delete", "--raw", path)

    assert "child pods are preserved by default when jobs are deleted; set propagationPolicy=Background" in raw.err
    left = await served.client.get("Job", "default/once")
    assert left["metadata"]["finalizers"] == ["orphan"]


async def test_drain_waits_for_the_budget(kubectl, served):
    await served.client.create({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n1"}})
    template = {"spec": {"containers": [{"name": "web", "image": "host", "command": ["sleep"]}]}}
    about = {"name": "a", "namespace": "default", "labels": {"app": "web"}}
    await served.client.create({"apiVersion": "v1", "kind": "Pod", "metadata": about, **template})
    await served.client.bind("default/a", "n1")
    await written(served, "Pod", "a", phase="Running", conditions=[{"type": "Ready", "status": "True"}])
    await kubectl("create", "-f", "-", stdin=JOBS)
    await written(served, "PodDisruptionBudget", "web", observedGeneration=1, desiredHealthy=1, currentHealthy=1)

    ran = await kubectl.run("drain", "n1", "--force", "--timeout=2s")

    assert ran.code == 1 and "Cannot evict pod as it would violate the pod's disruption budget." in ran.err + ran.out
    assert "deletionTimestamp" not in (await served.client.get("Pod", "default/a"))["metadata"]
