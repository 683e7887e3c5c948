"""The master: one process that opens the store, serves the API and runs the control loops on it.

    store.Log ──▶ api.Api ──▶ https
                     ▲
                     └── LocalTransport ◀── controllers, scheduler, what every cluster has from the start

The loops speak to the API as anybody does, only without a socket: there is no back door.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import ipaddress
import logging
import socket
import ssl
from collections.abc import Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from pathlib import Path

import store
from procorch import controllers, kubeconfig, pki
from procorch.api import MASTERS, Api, ApiConfig, LocalTransport, User
from procorch.api.http import Listener, serve, server_context
from procorch.client import Client
from procorch.clock import Clock, system_clock
from procorch.objects import AlreadyExists, ApiError, Conflict, NotFound, Object, key_of
from procorch.scheduler import Scheduler
from procorch.tokens import Token, secret_of

logger = logging.getLogger(__name__)

NAMESPACES = ("default", "kube-system", "kube-public", "kube-node-lease")
KEEP_SECONDS = 10.0  # between two looks at what every cluster has
FIRST_TOKEN_SECONDS = 3600.0  # for the nodes that `up` starts together with the master
ADMIN = "kubernetes-admin"


@dataclass(frozen=True, slots=True)
class MasterConfig:
    """data_dir: where everything is kept. host, port: what is listened on.

    advertise: the IPv4 address under which nodes and pods reach this master.
    names: more names and addresses that the serving certificate shall carry.
    kubeconfig_server: the URL in the admin kubeconfig; empty for the advertised address.
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
    bootstrap_token: str = ""


class MasterProblem(RuntimeError):
    """The master cannot start; one line says why and what to do."""


async def run(config: MasterConfig, *, ready: Callable[[], object], clock: Clock = system_clock) -> None:
    """Until cancelled. Calls `ready` when requests are answered. Raises MasterProblem, OSError or ValueError."""
    directory = config.data_dir / "pki"
    authority = pki.Authority.open(directory, clock())
    names = _names(config)
    pki.server_pair(directory, authority, names, clock())
    write_admin_kubeconfig(config, authority, clock())
    async with AsyncExitStack() as stack:
        log = await _open_store(config.data_dir / "store.db", clock)
        stack.push_async_callback(log.close)
        key = pki.signing_key(directory)
        api = Api(log, clock=clock, config=_api_config(config, authority, key))
        await api.start()
        stack.push_async_callback(api.close)
        _settle_memory()
        await ensure_basics(_client(api, "system:apiserver"), config, clock)
        tls = server_context(directory / "apiserver.crt", directory / "apiserver.key", authority.pem)
        server = await _listen(api, config, tls)
        stack.push_async_callback(server.close)
        ready()
        async with asyncio.TaskGroup() as tasks:
            loops = controllers.ControllerConfig(
                cluster_cidr=config.cluster_cidr, root_ca=authority.pem.decode(), signer=_signer(authority, clock)
            )
            manager = _client(api, "system:kube-controller-manager")
            tasks.create_task(controllers.run(manager, clock, loops), name="controllers")
            scheduler = Scheduler(_client(api, "system:kube-scheduler"), clock)
            tasks.create_task(scheduler.run(), name="scheduler")
            tasks.create_task(_keep_basics(_client(api, "system:apiserver"), config), name="basics")


async def _open_store(path: Path, clock: Clock) -> store.Log:
    try:
        return await store.Log.open(path, clock=clock)
    except store.LogError as error:
        raise MasterProblem(str(error)) from error


async def _listen(api: Api, config: MasterConfig, tls: ssl.SSLContext) -> Listener:
    try:
        return await serve(api, config.host, config.port, tls)
    except OSError as error:
        where = f"{config.host}:{config.port}"
        raise MasterProblem(f"{where}: {error.strerror}: choose another with --port or --listen-address") from error


def _settle_memory() -> None:
    """What was read at the start stays: the collector need not walk through it, nor run at every few objects."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


def _client(api: Api, name: str) -> Client:
    return Client(LocalTransport(api, User(name, (MASTERS, "system:authenticated"))), user_agent=name)


def _api_config(config: MasterConfig, authority: pki.Authority, key: bytes) -> ApiConfig:
    return ApiConfig(
        service_cidr=config.service_cidr,
        ca_pem=authority.pem,
        service_account_key=key,
        advertise=f"{config.advertise}:{config.port}",
    )


def _names(config: MasterConfig) -> list[str]:
    """What clients may call this server: on this machine, from other machines, and from within pods."""
    first = str(ipaddress.IPv4Network(config.service_cidr)[1])
    service = ["kubernetes", "kubernetes.default", "kubernetes.default.svc", "kubernetes.default.svc.cluster.local"]
    here = ["localhost", "127.0.0.1", socket.gethostname()]
    return [*here, config.advertise, first, *service, *config.names]


def _signer(authority: pki.Authority, clock: Clock) -> controllers.Signer:
    async def sign(request: bytes, seconds: float) -> bytes:
        return authority.sign_client(request, clock(), days=max(1, int(seconds / 86400)))

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


async def ensure_basics(client: Client, config: MasterConfig, clock: Clock) -> None:
    """What every cluster has: four namespaces, the Service `kubernetes` and where it leads, the first join token."""
    await _ensure_own(client, config)
    if _is_alone(config):
        logger.warning("pods cannot reach the API", extra={"advertise": config.advertise})
    if config.bootstrap_token:
        token = Token.parse(config.bootstrap_token)
        secret = secret_of(token, expires=clock() + FIRST_TOKEN_SECONDS, description="made by `procorch up`")
        await _ensure(client, secret)


async def _keep_basics(client: Client, config: MasterConfig) -> None:
    """Makes again what somebody deletes (`kubectl delete service --all`), as Kubernetes does; a token stays revoked."""
    while True:
        await asyncio.sleep(KEEP_SECONDS)
        try:
            await _ensure_own(client, config)
        except ApiError as error:
            logger.warning("the cluster's own objects were not looked after", extra={"error": str(error)})


async def _ensure_own(client: Client, config: MasterConfig) -> None:
    for name in NAMESPACES:
        await _ensure(client, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    await _ensure(client, _service(config))
    if not _is_alone(config):
        await _put(client, _endpoints(config))
        await _put(client, _endpoint_slice(config))


def _is_alone(config: MasterConfig) -> bool:
    """On a machine without a network: it works, but no pod can come to a loopback address of its host."""
    return ipaddress.ip_address(config.advertise).is_loopback


async def _ensure(client: Client, obj: Object) -> None:
    """Looks first: a Service that is there already would be refused for its address, which it has itself."""
    try:
        await client.get(obj["kind"], key_of(obj))
    except NotFound:
        with contextlib.suppress(AlreadyExists):  # another master was faster
            await client.create(obj)


async def _put(client: Client, obj: Object) -> None:
    """Creates the object or makes it as wanted; writes nothing where it is so already."""
    kind, key = obj["kind"], key_of(obj)
    while True:
        try:
            there = await client.get(kind, key)
        except NotFound:
            return await _ensure(client, obj)
        if all(there.get(field) == value for field, value in obj.items() if field != "metadata"):
            return
        try:
            await client.update({**obj, "metadata": {**there["metadata"], **obj["metadata"]}})
        except Conflict:
            continue
        return


def _service(config: MasterConfig) -> Object:
    first = str(ipaddress.IPv4Network(config.service_cidr)[1])
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"component": "apiserver", "provider": "kubernetes"},
        },
        "spec": {
            "clusterIP": first,
            "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": config.port}],
        },
    }


def _endpoints(config: MasterConfig) -> Object:
    return {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"endpointslice.kubernetes.io/skip-mirror": "true"},
        },
        "subsets": [
            {
                "addresses": [{"ip": config.advertise}],
                "ports": [{"name": "https", "port": config.port, "protocol": "TCP"}],
            }
        ],
    }


def _endpoint_slice(config: MasterConfig) -> Object:
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "kubernetes",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "kubernetes"},
        },
        "addressType": "IPv4",
        "endpoints": [{"addresses": [config.advertise], "conditions": {"ready": True}}],
        "ports": [{"name": "https", "port": config.port, "protocol": "TCP"}],
    }
