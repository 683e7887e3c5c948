"""A whole master in the test's process, one for each file: the API, all control loops, the scheduler, and a node of
which only the reports are real: what is bound to it says that it runs."""

from __future__ import annotations

import asyncio
import itertools
import time
from collections.abc import AsyncIterator

import pytest
import pytest_asyncio

import store
from procorch import controllers, pki
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.basics import Address, Basics
from procorch.client import Client
from procorch.informers import Informers
from procorch.scheduler import Scheduler
from tests.conformance.cluster import Cluster, Reports

ADMIN = User("kubernetes-admin", (MASTERS, "system:authenticated"))


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def cluster(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Cluster]:
    directory = tmp_path_factory.mktemp("conformance")
    authority = pki.Authority.open(directory, time.time())
    log = await store.Log.open(":memory:")
    config = ApiConfig(ca_pem=authority.pem, service_account_key=pki.signing_key(directory))
    api = Api(log, config=config)
    await api.start()
    address = Address("10.0.0.9", 6443, "10.96.0.1", "10.96.0.0/12")
    basics = Basics(Client(LocalTransport(api, ADMIN)), time.time, address, "")
    await basics.ensure("")
    settings = controllers.ControllerConfig(root_ca=authority.pem.decode())
    manager, binder = (Client(LocalTransport(api, User(f"system:{name}", (MASTERS, "system:authenticated"))))
                       for name in ("kube-controller-manager", "kube-scheduler"))  # fmt: skip
    binder.on_write = manager.on_write
    informers = Informers(manager)
    scheduler = Scheduler(binder, time.time, informers=informers)
    runner = controllers.Runner(controllers.CONTROLLERS, manager, time.time, settings, informers=informers)
    client = Client(LocalTransport(api, ADMIN), user_agent="e2e.test")
    reports = Reports(Client(LocalTransport(api, ADMIN), user_agent="kubelet"))
    await reports.register()
    async with informers.running(), asyncio.TaskGroup() as tasks:
        running = [tasks.create_task(loop) for loop in (runner.run(), scheduler.run(), reports.run())]
        await asyncio.wait_for(runner.synced(), 20)
        yield Cluster(api, client, log)
        for task in running:
            task.cancel()
    await api.close()
    await log.close()


@pytest.fixture(scope="module")
def client(cluster: Cluster) -> Client:
    return cluster.client


_numbers = itertools.count()


@pytest_asyncio.fixture(loop_scope="module")
async def ns(cluster: Cluster) -> str:
    """A namespace of the test's own, with its default service account."""
    name = f"e2e-{next(_numbers)}"
    await cluster.client.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await cluster.until(lambda: cluster.has("ServiceAccount", f"{name}/default"))
    await cluster.until(lambda: cluster.has("ConfigMap", f"{name}/kube-root-ca.crt"))
    return name
