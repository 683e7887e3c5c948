"""The door: whatever happens behind it, a Status comes out."""

from __future__ import annotations

from contextlib import aclosing

import orjson
import pytest

import store
from procorch.api import MASTERS, Api, LocalTransport, User
from procorch.api.api import as_api_error
from procorch.client import Client
from procorch.objects import ApiError, Invalid, NotFound, TooManyRequests
from procorch.transport import Unreachable


@pytest.mark.parametrize(
    ("error", "code", "reason"),
    [
        pytest.param(store.StorageFull("disk"), 507, "InsufficientStorage", id="the disk is full"),
        pytest.param(store.Unknown("I/O"), 504, "Timeout", id="nobody knows"),
        pytest.param(store.Unavailable("locked"), 429, "TooManyRequests", id="locked"),
        pytest.param(store.Unusable("damaged"), 503, "ServiceUnavailable", id="damaged"),
        pytest.param(TooManyRequests.of("slowly"), 429, "TooManyRequests", id="the API's own stay"),
        pytest.param(ExceptionGroup("many", [NotFound.of("pods", "a")]), 404, "NotFound", id="the first of a group"),
        pytest.param(RecursionError(), 400, "BadRequest", id="too deep"),
        pytest.param(ZeroDivisionError(), 500, "InternalError", id="our own mistakes"),
    ],
)
def test_every_failure_has_a_status(error, code, reason):
    found = as_api_error(error)

    assert (found.code, found.reason) == (code, reason)


async def test_a_store_that_cannot_write_is_429_with_a_time_to_come_again_and_heals(served, monkeypatch):
    obj = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a", "namespace": "default"}}
    append = served.api.log.append

    async def locked(*writes, spare=False):
        raise store.Unavailable("database is locked")

    monkeypatch.setattr(served.api.log, "append", locked)
    with pytest.raises(ApiError) as refused:
        await served.client.create(obj)
    assert (refused.value.code, refused.value.retry_after) == (429, 1)

    monkeypatch.setattr(served.api.log, "append", append)
    await served.client.create(obj)


async def test_our_own_mistakes_are_logged_and_tell_nothing(served, monkeypatch, caplog):
    def broken(*_):
        raise ValueError("the secret is 1234")

    monkeypatch.setattr(served.api.rest, "entry", broken)
    with pytest.raises(ApiError) as refused:
        await served.client.get("ConfigMap", "default/a")

    assert refused.value.code == 500 and "1234" not in refused.value.message
    assert "the secret is 1234" in caplog.text


async def test_an_api_that_is_closed_says_so(served):
    await served.api.close()

    with pytest.raises(ApiError) as refused:
        await served.client.get("Namespace", "default")
    assert refused.value.code == 503


async def test_a_closed_local_transport_is_unreachable(served):
    transport = LocalTransport(served.api, served.client.transport._user)
    await transport.close()

    with pytest.raises(Unreachable):
        await transport.send("GET", "/version")


async def test_a_restart_forgets_nothing_and_a_watch_goes_on_over_it(tmp_path):
    def service(name):
        spec = {"type": "NodePort", "ports": [{"port": 80, "nodePort": 30001}]}
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "default"}, "spec": spec}

    async def start():
        log = await store.Log.open(str(tmp_path / "log.db"))
        api = Api(log)
        await api.start()
        return log, api, Client(LocalTransport(api, User("a", (MASTERS,))))

    log, api, client = await start()
    await client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "default"}})
    made = await client.create(service("a"))
    changed = await client.patch("Service", "default/a", {"metadata": {"labels": {"x": "y"}}})
    await api.close()
    await log.close()

    log, api, client = await start()
    assert await client.get("Service", "default/a") == changed
    with pytest.raises(Invalid, match="provided port is already allocated"):
        await client.create(service("b"))
    version = made["metadata"]["resourceVersion"]
    async with aclosing(client.watch("Service", "default", resource_version=version)) as events:
        assert await anext(events) == ("MODIFIED", changed)
    await api.close()
    await log.close()


_RC = {
    "apiVersion": "v1", "kind": "ReplicationController", "metadata": {"name": "web", "namespace": "default"},
    "spec": {"replicas": 1, "selector": {"app": "a"}, "template": {
        "metadata": {"labels": {"app": "a"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}},
}  # fmt: skip
_RCS = "/api/v1/namespaces/default/replicationcontrollers"
_POD = "/api/v1/namespaces/default/pods/p"
_MERGE = "application/merge-patch+json"
_SCALE = {"apiVersion": "autoscaling/v1", "kind": "Scale", "metadata": {"name": "web"}, "spec": {"replicas": 5}}


@pytest.mark.parametrize(
    ("method", "path", "body", "content_type"),
    [
        pytest.param("POST", _RCS, _RC | {"metadata": {"generateName": "x-"}}, "", id="create"),
        pytest.param("PUT", f"{_RCS}/web", _RC | {"spec": {**_RC["spec"], "replicas": 4}}, "", id="update"),
        pytest.param("PATCH", f"{_RCS}/web", {"metadata": {"labels": {"a": "b"}}}, _MERGE, id="patch"),
        pytest.param("PATCH", f"{_RCS}/web", [{"op": "remove", "path": "/spec/replicas"}],
                     "application/json-patch+json", id="JSON patch"),
        pytest.param("PUT", f"{_RCS}/web/status", _RC | {"status": {"replicas": 1}}, "", id="status"),
        pytest.param("PUT", f"{_RCS}/web/scale", _SCALE, "", id="scale"),
        pytest.param("PATCH", f"{_RCS}/web/scale", {"spec": {"replicas": 7}}, _MERGE, id="a patch of a scale"),
        pytest.param("POST", f"{_POD}/binding", {"target": {"kind": "Node", "name": "n"}}, "", id="binding"),
        pytest.param("POST", f"{_POD}/eviction", {"apiVersion": "policy/v1", "kind": "Eviction",
                                                  "metadata": {"name": "p"}}, "", id="eviction"),
        pytest.param("DELETE", f"{_RCS}/web", None, "", id="delete"),
        pytest.param("DELETE", f"{_RCS}/web", {"propagationPolicy": "Foreground"}, "", id="delete, foreground"),
        pytest.param("DELETE", _RCS, None, "", id="deletecollection"),
    ],
)  # fmt: skip
async def test_a_dry_run_of_every_verb_is_checked_answered_and_changes_nothing(
    served, method, path, body, content_type
):
    await served.client.create(_RC)
    await served.client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "default"},
                                "spec": {"containers": [{"name": "c", "image": "host"}]}})  # fmt: skip
    before = served.api.log.revision
    data = b"" if body is None else orjson.dumps(body)
    headers = {"Content-Type": content_type} if content_type else {}

    answer = await served.client.raw(method, path, query={"dryRun": "All"}, headers=headers, body=data)

    assert answer.status in (200, 201) and served.api.log.revision == before
    if method != "DELETE":
        with pytest.raises(Invalid, match='dryRun: Unsupported value: \\["Some"\\]'):
            await served.client.raw(method, path, query={"dryRun": "Some"}, headers=headers, body=data)
