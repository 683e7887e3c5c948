"""The door: whatever happens behind it, a Status comes out."""

from __future__ import annotations

from contextlib import aclosing

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
