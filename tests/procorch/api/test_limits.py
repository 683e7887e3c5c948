"""LimitRanges at the door; what the conformance tests ask is in tests/conformance/test_limit_range.py."""

from __future__ import annotations

from typing import Any

import pytest

from procorch.objects import Forbidden, Object


def limit_range(**limit: Any) -> Object:
    metadata = {"name": "l", "namespace": "default"}
    return {"apiVersion": "v1", "kind": "LimitRange", "metadata": metadata, "spec": {"limits": [limit]}}


def pod(requests: Object | None = None, limits: Object | None = None, init: bool = False) -> Object:
    resources = {name: table for name, table in (("requests", requests), ("limits", limits)) if table}
    container = {"name": "c", "image": "host", "command": ["true"], "resources": resources}
    spec: Object = {"containers": [container]}
    if init:
        spec["initContainers"] = [{"name": "i", "image": "host", "command": ["true"]}]
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"}, "spec": spec}


async def test_a_dry_run_shows_the_defaults_and_whom_they_were_given(served):
    await served.client.create(limit_range(type="Container", default={"cpu": "1"}, defaultRequest={"cpu": "500m"}))
    made = await served.client.create(pod(init=True), query={"dryRun": "All"})

    assert made["spec"]["initContainers"][0]["resources"] == {"limits": {"cpu": "1"}, "requests": {"cpu": "500m"}}
    assert made["metadata"]["annotations"]["kubernetes.io/limit-ranger"] == (
        "LimitRanger plugin set: cpu request for container c; cpu limit for container c; "
        "cpu request for init container i; cpu limit for init container i"
    )
    assert made["status"]["qosClass"] == "Burstable"


@pytest.mark.parametrize(
    ("limit", "asked", "why"),
    [
        pytest.param(
            {"min": {"cpu": "1"}}, pod(), "minimum cpu usage per Container is 1.  No request is specified",
            id="nothing is asked for",
        ),
        pytest.param(
            {"max": {"cpu": "1"}, "default": {"cpu": "1"}}, pod({"cpu": "2"}, {"cpu": "3"}),
            "maximum cpu usage per Container is 1, but limit is 3", id="the limit is too high",
        ),
        pytest.param(
            {"maxLimitRequestRatio": {"cpu": "2"}}, pod(),
            "cpu max limit to request ratio per Container is 2, but no request is specified or request is 0",
            id="there is no ratio",
        ),
        pytest.param(
            {"maxLimitRequestRatio": {"cpu": "2"}}, pod({"cpu": "1"}),
            "cpu max limit to request ratio per Container is 2, but no limit is specified or limit is 0",
            id="there is half a ratio",
        ),
        pytest.param(
            {"min": {"cpu": "1", "memory": "1Gi"}, "defaultRequest": {"cpu": "1", "memory": "1Gi"}},
            pod({"cpu": "500m", "memory": "1Mi"}),
            "[minimum cpu usage per Container is 1, but request is 500m, "
            "minimum memory usage per Container is 1Gi, but request is 1Mi]",
            id="two things at once",
        ),
    ],
)  # fmt: skip
async def test_what_is_beyond_is_refused(served, limit, asked, why):
    made = await served.client.create(limit_range(type="Container", **limit))
    if "minimum cpu usage per Container is 1.  No" in why:  # a minimum is a default, too: take it away
        made["spec"]["limits"] = [{"type": "Pod", "min": {"cpu": "1"}}]
        await served.client.update(made)
        why = why.replace("Container", "Pod")
    with pytest.raises(Forbidden) as refused:
        await served.client.create(asked)
    assert str(refused.value) == f'pods "p" is forbidden: {why}'


async def test_other_namespaces_and_what_is_there_already_are_not_touched(served):
    there = await served.client.create(pod({"cpu": "2"}))
    await served.client.create(limit_range(type="Container", max={"cpu": "1"}))

    await served.client.patch("Pod", "default/p", {"metadata": {"labels": {"a": "b"}}})
    there["metadata"] = {"name": "p", "namespace": "kube-system"}
    assert "limits" not in (await served.client.create(there))["spec"]["containers"][0]["resources"]


async def test_what_is_being_deleted_may_go_however_large_it_is(served):
    metadata = {"name": "c", "namespace": "default", "finalizers": ["example.com/f"]}
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}
    claim = {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": metadata, "spec": spec}
    await served.client.create(claim)
    await served.client.create(limit_range(type="PersistentVolumeClaim", max={"storage": "1Gi"}))
    with pytest.raises(Forbidden):
        await served.client.patch("PersistentVolumeClaim", "default/c", {"metadata": {"labels": {"a": "b"}}})

    await served.client.delete("PersistentVolumeClaim", "default/c")
    await served.client.patch("PersistentVolumeClaim", "default/c", {"metadata": {"finalizers": None}})

    assert (await served.client.items("PersistentVolumeClaim")).objects == []
