"""Patches that multiply, and objects with values that nobody should believe."""

from __future__ import annotations

import orjson

from tests.procorch.api.hostile import (
    DEEP,
    JSON_PATCH,
    MERGE,
    MIB,
    POD,
    PODS,
    STRATEGIC,
    Attack,
    config_map,
    patch,
    pod,
    post,
)

FRONT = [{"op": "add", "path": "/data", "value": {"a": [0] * 900_000}}] + [
    {"op": "add", "path": "/data/a/0", "value": 0}
] * 9_000

PATCHES = [
    Attack("JSON patch: copies that double", (422, 400, 413), lambda: patch(
        [{"op": "add", "path": "/data", "value": {"a0": "x" * 1000}}] + [
            {"op": "copy", "from": "/data", "path": f"/data/a{n}"} for n in range(1, 40)], JSON_PATCH)),
    Attack("JSON patch: 10,001 operations", (413,), lambda: patch(
        [{"op": "test", "path": "/kind", "value": "ConfigMap"}] * 10_001, JSON_PATCH)),
    Attack("JSON patch: 9,000 insertions before a million elements", (422, 400, 413), lambda: patch(FRONT, JSON_PATCH)),
    Attack("JSON patch: 9,000 moves within a long list", (422, 400, 413), lambda: patch(
        FRONT[:1] + [{"op": "move", "from": "/data/a/0", "path": "/data/a/899999"}] * 9_000, JSON_PATCH)),
    Attack("JSON patch: a path of 100,000 steps", (422, 400), lambda: patch(
        [{"op": "add", "path": "/a" * DEEP, "value": 1}], JSON_PATCH)),
    Attack("JSON patch: 9,000 long paths", (422, 400), lambda: patch(
        [{"op": "test", "path": "/data" + "/a" * 100, "value": None}] * 9_000 + [{"op": "x", "path": ""}], JSON_PATCH)),
    Attack("JSON patch: what is moved into itself", (422,), lambda: patch(
        [{"op": "move", "from": "/metadata", "path": "/metadata/labels"}], JSON_PATCH)),
    Attack("JSON patch: the whole object becomes a list", (422, 400), lambda: patch(
        [{"op": "replace", "path": "", "value": []}], JSON_PATCH)),
    Attack("JSON patch: the metadata goes", (422, 400), lambda: patch(
        [{"op": "remove", "path": "/metadata"}], JSON_PATCH)),
    Attack("JSON patch: an index of a million digits", (422,), lambda: patch(
        [{"op": "add", "path": f"/metadata/finalizers/{'9' * MIB}", "value": "a"}], JSON_PATCH)),
    Attack("JSON patch: no list", (400,), lambda: patch({"op": "add"}, JSON_PATCH)),
    Attack("JSON patch: a list of numbers", (400,), lambda: patch([1, 2], JSON_PATCH)),
    Attack("merge patch: 100,000 levels", (400,), lambda: patch(b'{"a":' * DEEP + b"1" + b"}" * DEEP, MERGE)),
    Attack("merge patch: no object", (400,), lambda: patch([], MERGE)),
    Attack("merge patch: the metadata goes", (400, 422), lambda: patch({"metadata": None}, MERGE)),
    Attack("merge patch: another kind", (400, 422), lambda: patch({"kind": "Secret"}, MERGE)),
    Attack("merge patch: another uid", (409, 422), lambda: patch({"metadata": {"uid": "x"}}, MERGE)),
    Attack("strategic: deletes 200,000 of 200,000", (422, 400), lambda: patch(
        {"metadata": {"$deleteFromPrimitiveList/finalizers": [f"a{n}" for n in range(150_000)],
                      "finalizers": [f"b{n}" for n in range(100_000)]}}, STRATEGIC)),
    Attack("strategic: retains 100,000 of 100,000", (422, 400), lambda: patch(
        {"metadata": {"labels": {"$retainKeys": [f"a{n} " for n in range(100_000)],
                                 **{f"a{n} ": "" for n in range(100_000)}}}}, STRATEGIC)),
    Attack("strategic: an order of 200,000", (413, 422, 400), lambda: patch(
        {"spec": {"$setElementOrder/tolerations": [{"key": f"a{n}"} for n in range(100_000)],
                  "tolerations": [{"key": f"b{n}"} for n in range(50_000)]}}, STRATEGIC, POD)),
    Attack("strategic: 100,000 containers without a name", (413, 422, 400), lambda: patch(
        {"spec": {"containers": [{"image": "x"}] * 100_000}}, STRATEGIC, POD)),
    Attack("strategic: 30,000 containers", (413, 422, 400), lambda: patch(
        {"spec": {"containers": [{"name": f"c{n}", "image": "x"} for n in range(30_000)]}}, STRATEGIC, POD)),
    Attack("strategic: an unknown directive", (400,), lambda: patch({"metadata": {"$patch": "explode"}}, STRATEGIC)),
    Attack("strategic: directives all the way down", (400,), lambda: patch(
        b'{"$patch":"merge","a":' * DEEP + b"1" + b"}" * DEEP, STRATEGIC)),
    Attack("a patch of an unknown type", (415,), lambda: patch({}, "application/x-patch")),
    Attack("an apply without a manager's name", (400, 415, 422), lambda: patch({}, "application/apply-patch+yaml")),
]  # fmt: skip

VALUES = [
    Attack("a quantity with an exponent of nine digits", (400, 422), lambda: post(
        pod({"resources": {"limits": {"cpu": "1e999999999"}}}), path=PODS)),
    Attack("a quantity of a million digits", (400, 422), lambda: post(
        pod({"resources": {"limits": {"cpu": "9" * MIB}}}), path=PODS)),
    Attack("a quantity of a million spaces", (400, 422), lambda: post(
        pod({"resources": {"limits": {"cpu": " " * MIB}}}), path=PODS)),
    Attack("100,000 resources with bad quantities", (400, 422), lambda: post(
        pod({"resources": {"limits": {f"a.b/{n}": "1x" for n in range(100_000)}}}), path=PODS)),
    Attack("30,000 containers of one name", (413,), lambda: post(
        pod(initContainers=[{"name": "c", "image": "x"}] * 30_000), path=PODS)),
    Attack("60,000 ports of one number", (413,), lambda: post(
        pod({"ports": [{"containerPort": 80, "hostPort": 80}] * 60_000}), path=PODS)),
    Attack("60,000 mounts of what is not there", (413,), lambda: post(
        pod({"volumeMounts": [{"name": "n", "mountPath": "/x"}] * 60_000}), path=PODS)),
    Attack("60,000 volumes of one name", (413,), lambda: post(
        pod(volumes=[{"name": "v", "emptyDir": {}}] * 60_000), path=PODS)),
    Attack("60,000 host aliases that are no addresses", (413,), lambda: post(
        pod(hostAliases=[{"ip": "x", "hostnames": ["A"]}] * 60_000), path=PODS)),
    Attack("a port beyond all ports", (400, 422), lambda: post(pod({"ports": [{"containerPort": 2**40}]}), path=PODS)),
    Attack("a grace period of 10^30 s", (400, 422), lambda: post(
        pod(terminationGracePeriodSeconds=1e30), path=PODS)),
    Attack("a time of the year 99999", (400,), lambda: post(
        config_map(',"creationTimestamp":"99999-01-01T00:00:00Z"'))),
    Attack("base64 that is none, 2 MB of it", (400,), lambda: post(
        config_map()[:-1] + b',"binaryData":{"a":"' + b"=" * 2 * MIB + b'"}}')),
    Attack("more replicas than any number has", (400, 422), lambda: post(orjson.dumps({
        "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "hostile"}, "spec": {
            "replicas": 2**40, "selector": {"a": "b"}}}), path="/api/v1/namespaces/default/replicationcontrollers")),
    Attack("another kind than the path's", (400,), lambda: post(pod())),
    Attack("another namespace than the path's", (400,), lambda: post(config_map(',"namespace":"kube-system"'))),
    Attack("a namespace that leads elsewhere", (400, 422), lambda: post(config_map(',"namespace":"../kube-system"'))),
]  # fmt: skip
