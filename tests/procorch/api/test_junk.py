"""Whatever is sent, the API answers with a Status that blames the client, never with a failure of its own."""

from __future__ import annotations

import copy
import random
from urllib.parse import parse_qsl

import orjson
import pytest

from procorch.kinds import KINDS
from tests.procorch.kinds.test_kind import RICH

JUNK = [None, 0, -1, 2**62, 1.5, "", "x", "\0", "é" * 10, [], {}, [None], [[]], {"a": None}, True, "10Gi", "1e400",
        ["a", 1], {"name": {}}, "../..", "2026-01-01T00:00:00Z"]  # fmt: skip
CONTAINER = {
    "name": "c", "image": "host", "command": ["x"], "ports": [{"containerPort": 80, "name": "web"}],
    "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}],
    "resources": {"limits": {"cpu": "1"}}, "volumeMounts": [{"name": "v", "mountPath": "/x"}],
    "livenessProbe": {"httpGet": {"port": 80}},
}  # fmt: skip
POD = {"spec": {"containers": [CONTAINER], "volumes": [{"name": "v", "emptyDir": {}}], "tolerations": [{"key": "k"}]}}
TEMPLATE = {"metadata": {"labels": {"a": "b"}}, **POD}
JOB_TEMPLATE = {"spec": {**POD["spec"], "restartPolicy": "Never"}}
ABOUT = {"kind": "Pod", "name": "x", "namespace": "default"}
OBJECTS = {
    **RICH,
    "Pod": {**POD, "status": {"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]}},
    "ReplicationController": {"spec": {"replicas": 1, "selector": {"a": "b"}, "template": TEMPLATE}},
    "ReplicaSet": {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}},
    "PodTemplate": {"template": TEMPLATE},
    "Deployment": {
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": TEMPLATE,
            "strategy": {"rollingUpdate": {"maxSurge": "25%", "maxUnavailable": 1}},
        },
    },
    "StatefulSet": {
        "spec": {
            "selector": {"matchLabels": {"a": "b"}},
            "template": TEMPLATE,
            "serviceName": "s",
            "volumeClaimTemplates": [{"metadata": {"name": "d"}, "spec": {"resources": {"requests": {"storage": 1}}}}],
        },
    },
    "DaemonSet": {"spec": {"selector": {"matchLabels": {"a": "b"}}, "template": TEMPLATE}},
    "ControllerRevision": {"data": {"a": 1}, "revision": 1},
    "Job": {
        "spec": {
            "completionMode": "Indexed",
            "completions": 2,
            "template": JOB_TEMPLATE,
            "successPolicy": {"rules": [{"succeededIndexes": "0-1", "succeededCount": 1}]},
            "podFailurePolicy": {"rules": [{"action": "Ignore", "onExitCodes": {"operator": "In", "values": [1]}}]},
        },
    },
    "CronJob": {
        "spec": {"schedule": "* * * * *", "timeZone": "UTC", "jobTemplate": {"spec": {"template": JOB_TEMPLATE}}},
    },
    "HorizontalPodAutoscaler": {
        "spec": {"scaleTargetRef": {"kind": "Deployment", "name": "web"}, "maxReplicas": 3},
        "status": {"desiredReplicas": 1, "currentReplicas": 1},
    },
    "PodDisruptionBudget": {"spec": {"minAvailable": "50%", "selector": {"matchLabels": {"a": "b"}}}},
    "Service": {"spec": {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001}], "clusterIP": "10.96.0.9"}},
    "Secret": {"data": {"a": "YQ=="}, "stringData": {"b": "c"}, "type": "Opaque"},
    "ConfigMap": {"data": {"a": "b"}, "binaryData": {"c": "YQ=="}},
    "Node": {"spec": {"podCIDR": "10.240.0.0/22", "taints": [{"key": "a"}]}, "status": {"capacity": {"cpu": "1"}}},
    "Endpoints": {"subsets": [{"addresses": [{"ip": "1.2.3.4"}], "ports": [{"port": 80}]}]},
    "EndpointSlice": {"addressType": "IPv4", "endpoints": [{"addresses": ["1.2.3.4"]}], "ports": [{"port": 80}]},
    "Event": {"involvedObject": ABOUT, "reason": "R", "message": "m", "type": "Normal", "count": 1},
    "Lease": {"spec": {"holderIdentity": "a", "leaseDurationSeconds": 3}},
    "Namespace": {"spec": {"finalizers": ["kubernetes"]}},
    "ServiceAccount": {"imagePullSecrets": [{"name": "x"}]},
    "CertificateSigningRequest": {"spec": {"request": "YQ==", "signerName": "a.b/c", "usages": ["client auth"]}},
    "Image": {"spec": {"patterns": ["a:*"], "root": "host", "env": [{"name": "A", "value": "b"}]}},
}


def spoiled(obj, draw):
    """A copy in which one or two values, anywhere, are something else, or gone."""
    obj = copy.deepcopy(obj)
    for _ in range(draw.randint(1, 2)):
        places = list(_places(obj))
        within, step = draw.choice(places)
        if draw.random() < 0.8:
            within[step] = copy.deepcopy(draw.choice(JUNK))
        else:
            del within[step]
    return obj


def _places(value):
    for step, item in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, step
        if isinstance(item, dict | list):
            yield from _places(item)


@pytest.mark.parametrize("kind", list(KINDS), ids=lambda kind: f"{kind.api_version} {kind.name}")
async def test_junk_anywhere_in_an_object_is_the_clients_mistake(served, kind):
    draw = random.Random(kind.name)
    send = served.client.transport.send
    about = {"name": "a", "labels": {"a": "b"}, "ownerReferences": [{"apiVersion": "v1", "kind": "P", "name": "x"}]}
    namespace = "default" if kind.namespaced else None
    whole = {"apiVersion": kind.api_version, "kind": kind.name, "metadata": about, **OBJECTS[kind.name]}
    collection, one = kind.path(namespace), kind.path(namespace, "a")
    headers = {"Content-Type": "application/json"}
    below = [name for name in kind.subresources if name != "proxy"] or ["status"]  # that answer is another server's
    await send("POST", collection, headers=headers, body=orjson.dumps(whole))

    for _ in range(60):
        body = orjson.dumps(spoiled(whole, draw))
        part = orjson.dumps(dict(list(orjson.loads(body).items())[2:]))
        for method, path, content_type, sent in (
            ("POST", collection, "application/json", body),
            ("PUT", one, "application/json", body),
            ("PUT", f"{one}/{draw.choice(below)}", "application/json", body),
            ("PATCH", one, "application/merge-patch+json", part),
            ("PATCH", one, "application/strategic-merge-patch+json", part),
            ("PATCH", f"{one}?fieldManager=m&force=true", "application/apply-patch+yaml", body),
            ("DELETE", one, "application/json", part),
        ):
            path, _, query = path.partition("?")
            asked = dict(parse_qsl(query))
            answer = await send(method, path, query=asked, headers={"Content-Type": content_type}, body=sent)
            assert answer.status < 500, (method, path, sent, answer.body)
    for accept in ("application/json;as=Table;v=v1;g=meta.k8s.io", "application/yaml"):
        assert (await send("GET", kind.path(), headers={"Accept": accept})).status == 200
