"""The master: one process that opens the store, serves the API and runs the control loops on it.

    store.Log ──▶ api.Api ──▶ https
                     ▲
                     └── LocalTransport ◀── what every cluster has from the start: basics.py
                                        ◀── controllers, scheduler: of several masters in the one that leads, leader.py

The loops speak to the API as anybody does, only without a socket: there is no back door.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import os
import resource
import secrets
import signal
import socket
import ssl
from collections.abc import Callable, Coroutine
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import store
from procorch import controllers, encryption, kubeconfig, pki, restoration
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.api import encryption as encryption_api
from procorch.api.http import Listener, serve, server_context
from procorch.basics import Address, Basics
from procorch.claims import locked
from procorch.client import Client
from procorch.clock import Clock, system_clock
from procorch.informers import Informers
from procorch.kinds import KINDS
from procorch.leader import Election
from procorch.scheduler import Scheduler

logger = logging.getLogger(__name__)

ADMIN = "kubernetes-admin"


@dataclass(frozen=True, slots=True)
class MasterConfig:
    """data_dir: where everything is kept. host, port: what is listened on.

    advertise: the IPv4 address under which nodes and pods reach this master.
    names: more names and addresses that the serving certificate shall carry.
    kubeconfig_server: the URL in the admin kubeconfig; empty for the advertised address.
    database: URL of a PostgreSQL that several masters share; empty for a file in data_dir.
    retention: how much of the past can be read.
    encryption: Kubernetes' EncryptionConfiguration, by which values are encrypted in the store; None where none are.
    bootstrap_token: `id.secret` of a join token that is valid from the first moment on; empty for none.
    """

    data_dir: Path
    advertise: str
    host: str = "0.0.0.0"
    port: int = 6443
    service_cidr: str = "10.96.0.0/12"
    cluster_cidr: str = "10.240.0.0/12"
    names: tuple[str, ...] = ()
    kubeconfig_server: str = ""
    database: str = ""
    retention: store.Retention = field(default_factory=store.Retention)
    encryption: Path | None = None
    bootstrap_token: str = ""


class MasterProblem(RuntimeError):
    """The master cannot start; one line says why and what to do."""


async def run(config: MasterConfig, *, ready: Callable[[], object], clock: Clock = system_clock) -> None:
    """Until cancelled. Calls `ready` when requests are answered. Raises MasterProblem, OSError or ValueError."""
    restoration.finish(config.data_dir)
    directory = config.data_dir / "pki"
    authority = pki.Authority.open(directory, clock())
    names = _names(config)
    pki.server_pair(directory, authority, names, clock())
    write_admin_kubeconfig(config, authority, clock())
    _spare_collector()
    _open_many_files()
    async with AsyncExitStack() as stack:
        log = await _open_store(config, clock)
        stack.push_async_callback(log.close)
        identity = _claim(config.data_dir, stack)
        key = pki.signing_key(directory)
        api = Api(log, clock=clock, config=_api_config(config, authority, key))
        await api.start()
        stack.push_async_callback(api.close)
        _settle_memory()
        basics = Basics(_client(api, "system:apiserver"), clock, _address(config), identity if log.is_shared else "")
        await basics.ensure(config.bootstrap_token)
        tls = server_context(directory / "apiserver.crt", directory / "apiserver.key", authority.pem)
        server = await _listen(api, config, tls)
        stack.push_async_callback(server.close)
        ready()
        loops = _loops(api, config, authority, clock)
        async with asyncio.TaskGroup() as tasks:
            if config.encryption is not None:
                _reload_on_hangup(log, config.encryption, tasks)
            tasks.create_task(basics.keep(), name="basics")
            tasks.create_task(_fail_with(log), name="store")
            if log.is_shared:
                timer = asyncio.get_running_loop().time
                election = Election(_client(api, "system:kube-controller-manager"), clock, identity, timer)
                tasks.create_task(election.lead(loops), name="election")
            else:
                tasks.create_task(loops(), name="loops")


def _loops(
    api: Api, config: MasterConfig, authority: pki.Authority, clock: Clock
) -> Callable[[], Coroutine[Any, Any, None]]:
    """What keeps the cluster as it is asked to be: of all masters in the one that leads."""

    async def run_loops() -> None:
        settings = controllers.ControllerConfig(
            cluster_cidr=config.cluster_cidr, root_ca=authority.pem.decode(), signer=_signer(authority, clock)
        )
        manager, binder = _client(api, "system:kube-controller-manager"), _client(api, "system:kube-scheduler")
        binder.on_write = manager.on_write
        informers = Informers(manager, _transport(api, "system:kube-controller-manager").feed)
        scheduler = Scheduler(binder, clock, informers=informers)  # the first: it wants nodes before pods
        manage = controllers.Runner(controllers.CONTROLLERS, manager, clock, settings, informers=informers)
        async with informers.running(), asyncio.TaskGroup() as tasks:
            _settle_memory()
            tasks.create_task(manage.run(), name="controllers")
            tasks.create_task(scheduler.run(), name="scheduler")

    return run_loops


def _claim(data_dir: Path, stack: AsyncExitStack) -> str:
    """Who this master is among several, the same after a restart. Raises MasterProblem where another runs here."""

    def taken(_: str) -> MasterProblem:
        return MasterProblem(f"{data_dir}: another master runs in this directory: choose another --data-dir")

    descriptor = stack.enter_context(locked(data_dir / "master-id", taken))
    identity = os.pread(descriptor, 256, 0).decode().strip()
    if not identity:
        identity = f"{socket.gethostname()}_{secrets.token_hex(8)}"
        os.pwrite(descriptor, f"{identity}\n".encode(), 0)
    return identity


async def _fail_with(log: store.Log) -> None:
    raise MasterProblem(str(await asyncio.shield(log.failed)))


def _address(config: MasterConfig) -> Address:
    services = ipaddress.IPv4Network(config.service_cidr)
    return Address(config.advertise, config.port, str(services[1]), str(services))


async def _open_store(config: MasterConfig, clock: Clock) -> store.Log:
    database = config.database or config.data_dir / restoration.STORE
    try:
        rules = [] if config.encryption is None else encryption.read(config.encryption)
        return await store.Log.open(
            database,
            clock=clock,
            retention=config.retention,
            rules=rules,
            traceless=[KINDS["Secret"].store_key()],
        )
    except store.Sealed as error:
        raise MasterProblem(f"{error}: {_advice(config)}") from error
    except encryption.EncryptionProblem as error:
        raise MasterProblem(str(error)) from error
    except store.LogError as error:
        raise MasterProblem(str(error)) from error


def _advice(config: MasterConfig) -> str:
    """What to do where values are encrypted otherwise than expected."""
    if config.encryption is None:
        return f"start it with {encryption_api.OPTION} and the file that has the key"
    return f"put the key back into {config.encryption}, or let identity be the last provider, until all is rewritten"


def _reload_on_hangup(log: store.Log, path: Path, tasks: asyncio.TaskGroup) -> None:
    """SIGHUP has the encryption's file read again; one that cannot be used changes nothing."""

    async def reload() -> None:
        try:
            await encryption_api.reload(log, path)
            logger.info("encryption: file read again", extra={"file": str(path)})
        except (encryption.EncryptionProblem, OSError, store.LogError) as error:
            logger.error("encryption: file not taken", extra={"error": str(error)})

    def begin() -> None:
        tasks.create_task(reload(), name="encryption")

    asyncio.get_running_loop().add_signal_handler(signal.SIGHUP, begin)


async def _listen(api: Api, config: MasterConfig, tls: ssl.SSLContext) -> Listener:
    try:
        return await serve(api, config.host, config.port, tls)
    except OSError as error:
        where = f"{config.host}:{config.port}"
        raise MasterProblem(f"{where}: {error.strerror}: choose another with --port or --listen-address") from error


def _settle_memory() -> None:
    """What was read so far stays: the collector need not walk through it again."""
    gc.collect()
    gc.freeze()


def _spare_collector() -> None:
    """What is read at the start stays: the collector has little to find among a hundred thousand objects."""
    gc.set_threshold(50_000, 20, 50)


def _open_many_files() -> None:
    """As many as the system allows: each client takes one, and the usual soft limit is 1,024 of 524,288."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    with contextlib.suppress(OSError, ValueError):  # a hard limit that is higher than the kernel's own
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _client(api: Api, name: str) -> Client:
    """name: the user, as Kubernetes' component of that task is called; so is the manager of the fields it writes."""
    program = "kube-" + name.removeprefix("system:").removeprefix("kube-")
    return Client(_transport(api, name), user_agent=program)


def _transport(api: Api, name: str) -> LocalTransport:
    return LocalTransport(api, User(name, (MASTERS, "system:authenticated")))


def _api_config(config: MasterConfig, authority: pki.Authority, key: bytes) -> ApiConfig:
    return ApiConfig(
        service_cidr=config.service_cidr,
        ca_pem=authority.pem,
        service_account_key=key,
        advertise=f"{config.advertise}:{config.port}",
        encryption=config.encryption,
    )


def _names(config: MasterConfig) -> list[str]:
    """What clients may call this server: on this machine, from other machines, and from within pods."""
    first = str(ipaddress.IPv4Network(config.service_cidr)[1])
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    here = ["localhost", "127.0.0.1", socket.gethostname()]
    return [*here, config.advertise, first, *service, *config.names]


def _signer(authority: pki.Authority, clock: Clock) -> controllers.Signer:
    async def sign(request: bytes, seconds: float) -> bytes:
        return authority.sign_client(request, clock(), days=seconds / 86400)

    return sign


def write_admin_kubeconfig(config: MasterConfig, authority: pki.Authority, now: float) -> None:
    """admin.kubeconfig with a certificate of system:masters, renewed when a third of its life is left."""
    path = config.data_dir / "admin.kubeconfig"
    server = config.kubeconfig_server or f"https://{config.advertise}:{config.port}"
    pair = None
    if path.exists():
        old = kubeconfig.load(path)
        if old.ca == authority.pem and old.certificate and pki.remaining_life(old.certificate, now) > 1 / 3:
            if old.server == server:
                return
            assert old.key is not None
            pair = pki.Pair(old.certificate, old.key)
    pair = pair or authority.issue_client(ADMIN, [MASTERS], now)
    access = kubeconfig.Access(server, ca=authority.pem, certificate=pair.certificate, key=pair.key)
    kubeconfig.write(path, kubeconfig.document("procorch", access, ADMIN))
