"""A master as a program of its own: what it makes on its first start, and what it finds on its second."""

from __future__ import annotations

import asyncio
import gc
import json
import resource
import socket
import ssl
import urllib.error
import urllib.request
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import psutil
import pytest

from procorch import kubeconfig
from procorch.claims import locked
from procorch.client import Client
from procorch.master import MasterConfig, MasterProblem, run
from procorch.objects import NotFound, Object, Unauthorized
from procorch.tokens import Token


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@asynccontextmanager
async def master(directory: Path, token: str = "", advertise: str = "127.0.0.1") -> AsyncIterator[Client]:
    """A master on loopback, and a client with its admin kubeconfig."""
    port = free_port()
    config = MasterConfig(
        directory, advertise, "127.0.0.1", port, kubeconfig_server=f"https://127.0.0.1:{port}", bootstrap_token=token
    )
    ready = asyncio.Event()
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(run(config, ready=ready.set))
        await ready.wait()
        client = Client(kubeconfig.from_kubeconfig(directory / "admin.kubeconfig"))
        yield client
        await client.transport.close()
        task.cancel()


async def test_a_new_cluster_has_what_every_cluster_has(tmp_path: Path) -> None:
    async with master(tmp_path, advertise="192.0.2.7") as client:
        names = {row["metadata"]["name"] for row in (await client.items("Namespace")).objects}
        service = await client.get("Service", "default/kubernetes")
        slices = await client.get("EndpointSlice", "default/kubernetes")
        priorities = {row["metadata"]["name"]: row["value"] for row in (await client.items("PriorityClass")).objects}
        services = await client.get("ServiceCIDR", "kubernetes")

    assert priorities == {"system-cluster-critical": 2_000_000_000, "system-node-critical": 2_000_001_000}
    assert (services["spec"], services["status"]["conditions"][0]["status"]) == ({"cidrs": ["10.96.0.0/12"]}, "True")
    assert names == {"default", "kube-system", "kube-public", "kube-node-lease"}
    assert service["spec"]["clusterIP"] == "10.96.0.1"
    assert slices["endpoints"][0]["addresses"] == ["192.0.2.7"]
    assert (tmp_path / "admin.kubeconfig").stat().st_mode & 0o077 == 0


async def test_what_every_cluster_has_comes_again_when_it_is_deleted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("procorch.basics.KEEP_SECONDS", 0.01)
    async with master(tmp_path, advertise="192.0.2.7") as client, asyncio.timeout(10):
        for kind in ("EndpointSlice", "Endpoints", "Service"):
            old = await there(client, kind, "default/kubernetes")
            await client.delete(kind, "default/kubernetes")
            while (await there(client, kind, "default/kubernetes"))["metadata"]["uid"] == old["metadata"]["uid"]:
                await asyncio.sleep(0.01)


async def there(client: Client, kind: str, key: str) -> Object:
    """The object, waited for."""
    while True:
        try:
            return await client.get(kind, key)
        except NotFound:
            await asyncio.sleep(0.01)


async def test_the_loops_write_under_the_names_of_kubernetes_components(tmp_path: Path) -> None:
    async with master(tmp_path) as client, asyncio.timeout(10):
        service = await there(client, "Service", "default/kubernetes")
        controller: Object = {
            "apiVersion": "v1", "kind": "ReplicationController",
            "metadata": {"name": "web", "namespace": "default"},
            "spec": {"selector": {"a": "b"}, "template": {
                "metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "c", "image": "host"}]}}},
        }  # fmt: skip
        await client.create(controller, query={"fieldManager": "me"})
        while not (pods := (await client.items("Pod", "default")).objects) or "conditions" not in pods[0]["status"]:
            await asyncio.sleep(0.01)
        while len(owner := managers(await client.get("ReplicationController", "default/web"))) < 2:
            await asyncio.sleep(0.01)

    assert managers(service) == {("kube-apiserver", "")}
    assert owner == {("me", ""), ("kube-controller-manager", "status")}
    assert managers(pods[0]) == {("kube-controller-manager", ""), ("kube-scheduler", "status")}


def managers(obj: Object) -> set[tuple[str, str]]:
    """(manager, subresource) of each entry."""
    return {(row["manager"], row.get("subresource", "")) for row in obj["metadata"].get("managedFields", ())}


async def test_a_machine_without_a_network_has_a_cluster_too(tmp_path: Path) -> None:
    async with master(tmp_path) as client:
        assert (await client.items("EndpointSlice")).objects == []


async def test_a_second_start_finds_everything_and_writes_the_same_credentials(tmp_path: Path) -> None:
    async with master(tmp_path) as client:
        await client.create(
            {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c", "namespace": "default"}}
        )
        before = kubeconfig.load(tmp_path / "admin.kubeconfig")
    async with master(tmp_path) as client:
        assert (await client.get("ConfigMap", "default/c"))["metadata"]["name"] == "c"

    assert kubeconfig.load(tmp_path / "admin.kubeconfig").certificate == before.certificate


async def test_it_may_have_as_many_clients_as_the_system_allows(tmp_path: Path) -> None:
    before = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(1024, before[1]), before[1]))
    try:
        async with master(tmp_path):
            assert resource.getrlimit(resource.RLIMIT_NOFILE) == (before[1], before[1])
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, before)


async def test_a_bootstrap_token_may_ask_for_a_certificate_and_for_nothing_else(tmp_path: Path) -> None:
    token = Token.new("")
    async with master(tmp_path, token.bearer):
        server = kubeconfig.load(tmp_path / "admin.kubeconfig").server
        context = ssl.create_default_context(cadata=(tmp_path / "pki/ca.crt").read_text())

        def ask(path: str, bearer: str) -> int:
            request = urllib.request.Request(server + path, headers={"Authorization": f"Bearer {bearer}"})
            try:
                handler = urllib.request.HTTPSHandler(context=context)
                opener = urllib.request.build_opener(urllib.request.ProxyHandler({}), handler)
                return int(opener.open(request, timeout=5).status)
            except urllib.error.HTTPError as error:
                assert json.loads(error.read())["kind"] == "Status"
                return error.code

        assert await asyncio.to_thread(ask, "/version", token.bearer) == 200
        assert await asyncio.to_thread(ask, "/api/v1/pods", token.bearer) == 403
        assert await asyncio.to_thread(ask, "/version", "aaaaaa.bbbbbbbbbbbbbbbb") == 401


async def test_another_clusters_certificate_is_no_credential(tmp_path: Path) -> None:
    async with master(tmp_path / "one") as first, master(tmp_path / "two"):
        other = kubeconfig.load(tmp_path / "two/admin.kubeconfig")
        own = kubeconfig.load(tmp_path / "one/admin.kubeconfig")
        mixed = kubeconfig.Access(own.server, ca=own.ca, certificate=other.certificate, key=other.key)
        stranger = Client(mixed.transport())
        with pytest.raises((ConnectionError, Unauthorized)):
            await stranger.get("Namespace", "default")
        await stranger.transport.close()
        assert await first.get("Namespace", "default")


async def test_what_keeps_a_master_from_starting_is_one_line(tmp_path: Path) -> None:
    async with master(tmp_path):
        with pytest.raises(MasterProblem, match=r"store\.db: in use by process \d+$"):
            await run(MasterConfig(tmp_path, "127.0.0.1", "127.0.0.1", free_port()), ready=lambda: None)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        config = MasterConfig(tmp_path, "127.0.0.1", "127.0.0.1", taken.getsockname()[1])
        with pytest.raises(MasterProblem, match="Address already in use: choose another with --port"):
            await run(config, ready=lambda: None)
    (tmp_path / "store.db").write_bytes(b"not a database" * 1000)
    with pytest.raises(MasterProblem, match="restore a backup"):
        await run(MasterConfig(tmp_path, "127.0.0.1", "127.0.0.1", free_port()), ready=lambda: None)


async def test_two_masters_of_one_database_have_a_directory_each(tmp_path: Path, shared: str) -> None:
    """One identity for two would let both lead."""
    config = MasterConfig(tmp_path, "127.0.0.1", "127.0.0.1", free_port(), database=shared)
    with locked(tmp_path / "master-id", RuntimeError), pytest.raises(MasterProblem, match="choose another --data-dir"):
        await run(config, ready=lambda: None)


async def test_memory_is_flat_over_cycles_of_pods(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A decoded pod that stayed would be 14 kB, its bytes 5: 16 or 6 MiB over these cycles. Caches fill before."""
    monkeypatch.setattr("procorch.api.cache.WINDOW", 100)
    process = psutil.Process()
    async with master(tmp_path) as client:

        async def live(name: str) -> None:
            container = {"name": "c", "image": "host", "env": [{"name": f"V{n}", "value": "x" * 60} for n in range(24)]}
            spec = {"schedulerName": "nobody", "containers": [container]}
            about = {"name": name, "namespace": "default"}
            await client.create({"apiVersion": "v1", "kind": "Pod", "metadata": about, "spec": spec})
            await client.delete("Pod", f"default/{name}", grace=0)

        async def cycles(first: int, last: int) -> int:
            for cycle in range(first, last):
                async with asyncio.TaskGroup() as tasks:
                    for number in range(20):
                        tasks.create_task(live(f"p{cycle}-{number}"))
            gc.collect()
            return int(process.memory_full_info().uss)

        before = await cycles(0, 80)
        after = await cycles(80, 140)

    assert after - before < 3 << 20
